"""Telegram's chats, as its desktop program exports them in JSON: one chat, or all."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ValidationError

from memory.exchange.items import NOTICES, first_error, skipped_counts
from memory.exchange.json_files import InputFile, validated
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date, in_zone

_NAMELESS = "Saved Messages"  # the chat with oneself
_FURTHEST_ZONE = timedelta(hours=14)
_MEDIA = ("media_type", "photo", "file", "poll", "location_information", "contact_information")


class _Message(BaseModel):
    id: int
    type: str
    date: str | None = None
    date_unixtime: str | None = None
    # A deleted account has no name.
    sender: str | None = None
    sender_id: str | None = None
    forwarded_from: str | None = None
    text: str | list[Any] = ""


class _Chat(BaseModel):
    id: int
    name: str | None = None
    messages: list[dict[str, Any]]


class _Chats(BaseModel):
    list: list[_Chat]


class _Export(BaseModel):
    """All chats, or one chat alone."""

    chats: _Chats | None = None
    left_chats: _Chats | None = None
    id: int = 0
    name: str | None = None
    messages: list[dict[str, Any]] = []


def is_telegram(value: Mapping[str, Any]) -> bool:
    """Whether an object is an export of one chat, or of all."""
    chats = value.get("chats")
    if isinstance(chats, Mapping):
        return isinstance(chats.get("list"), list)
    return isinstance(value.get("messages"), list) and {"id", "type"} <= set(value)


def read_telegram(files: Sequence[InputFile]) -> Iterator[Turn | Skipped]:
    """The messages of each chat; a session is a day of one.

    A forwarded message is said by whom it comes from. Leaves out and counts notices, and messages
    without words.
    """
    left_out: Counter[str] = Counter()
    for location, export in validated(files, _Export):
        if isinstance(export, str):
            yield Skipped(location, export)
            continue
        chats = [
            chat for group in (export.chats, export.left_chats) if group for chat in group.list
        ]
        for chat in chats or [_Chat(id=export.id, name=export.name, messages=export.messages)]:
            for raw in chat.messages:
                yield from _turns(chat, raw, left_out)
    yield from skipped_counts(left_out)


def _turns(chat: _Chat, raw: dict[str, Any], left_out: Counter[str]) -> Iterator[Turn | Skipped]:
    try:
        message = _Message.model_validate(
            {**raw, "sender": raw.get("from"), "sender_id": raw.get("from_id")}
        )
    except ValidationError as error:
        yield Skipped(f"{chat.name}, message {raw.get('id')}", first_error(error))
        return
    text = _text(message.text)
    if message.type != "message":
        left_out[NOTICES] += 1
    elif not text.strip():
        left_out["no text"] += 1
    else:
        if media := next((key for key in _MEDIA if raw.get(key)), ""):
            kind = raw["media_type"] if media == "media_type" else media.partition("_")[0]
            text = f"[{str(kind).replace('_', ' ')}] {text}"
        said_at = _said_at(message)
        sender = message.sender or message.sender_id or "Deleted account"
        yield Turn(
            message.forwarded_from or sender,
            text,
            session=f"{chat.name or _NAMELESS} {said_at[:10]}".strip(),
            said_at=said_at,
            source=f"telegram:{chat.id}:{message.id}",
            tags={"forwarded_by": sender} if message.forwarded_from else {},
        )


def _said_at(message: _Message) -> str:
    """When a message was sent, by the clock of who exported it and its distance from UTC."""
    moment, by_clock = clean_date(message.date_unixtime), clean_date(message.date)
    if not (moment and "T" in by_clock):
        return moment or by_clock
    clock = datetime.fromisoformat(by_clock).replace(tzinfo=UTC)
    ahead = clock - datetime.fromisoformat(moment)
    if abs(ahead) > _FURTHEST_ZONE or ahead.seconds % 60:
        return moment
    return in_zone(moment, timezone(ahead))


def _text(parts: str | list[Any]) -> str:
    """The text of a message, of which links and bold words are parts of their own."""
    if isinstance(parts, str):
        return parts
    texts = (part.get("text") if isinstance(part, Mapping) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))
