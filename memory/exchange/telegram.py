"""Telegram's chats, as its desktop program exports them in JSON: one chat, or all."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ValidationError

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import NOTICES, as_quotation, by_person, first_error, skipped_counts
from memory.exchange.json_files import json_members
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
    via_bot: str | None = None
    text: str | list[Any] = ""


@dataclass(frozen=True)
class _Chat:
    id: int = 0
    name: str = ""


Path = tuple[str | int, ...]  # of a member in the file
# The groups of chats in an export of all; one chat alone has its messages at the top.
_GROUPS = ("chats", "left_chats")
_OPENED = {
    (),
    ("messages",),
    *(
        (group, *steps)
        for group in _GROUPS
        for steps in ((), ("list",), ("list", "*"), ("list", "*", "messages"))
    ),
}


def is_telegram(value: Mapping[str, Any]) -> bool:
    """Whether an object is an export of one chat, or of all."""
    chats = value.get("chats")
    if isinstance(chats, Mapping):
        return isinstance(chats.get("list"), list)
    return isinstance(value.get("messages"), list) and {"id", "type"} <= set(value)


def read_telegram(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each chat; a session is a day of one.

    What a person forwards, or a bot writes for them, is a quotation by that person. Leaves out and
    counts notices, and messages without words.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        chats: dict[Path, _Chat] = {}
        is_complete = False
        for item in json_members(file, _OPENED):
            if isinstance(item, Skipped):
                yield item
                continue
            place, member, value = _located(item)
            if not _is_message(member):
                _note(chats, place, member, value)
                continue
            if not (place in chats and chats[place].id) and not is_complete:
                # Telegram writes the id before the messages; a program that sorts keys does not.
                chats, is_complete = _all_chats(file), True
            chat = chats.get(place, _Chat())
            if isinstance(value, dict):
                yield from _turns(chat, value, left_out)
            else:
                yield Skipped(f"{chat.name or file.name}, message {member[1]}", "not an object")
    yield from skipped_counts(left_out)


def _located(item: tuple[Path, Any]) -> tuple[Path, Path, Any]:
    """The path of the chat that a member belongs to, its path in the chat, and its value."""
    path, value = item
    steps = 3 if path[:1] and path[0] in _GROUPS else 0
    return path[:steps], path[steps:], value


def _is_message(member: Path) -> bool:
    return len(member) == 2 and member[0] == "messages"


def _note(chats: dict[Path, _Chat], place: Path, member: Path, value: Any) -> None:
    """Keep the id or the name of a chat."""
    chat = chats.get(place, _Chat())
    if member == ("id",) and isinstance(value, int):
        chats[place] = replace(chat, id=value)
    elif member == ("name",) and isinstance(value, str):
        chats[place] = replace(chat, name=value)


def _all_chats(file: InputFile) -> dict[Path, _Chat]:
    chats: dict[Path, _Chat] = {}
    for item in json_members(file, _OPENED):
        if not isinstance(item, Skipped):
            _note(chats, *_located(item))
    return chats


def _turns(chat: _Chat, raw: dict[str, Any], left_out: Counter[str]) -> Iterator[Turn | Skipped]:
    try:
        message = _Message.model_validate(
            {**raw, "sender": raw.get("from"), "sender_id": raw.get("from_id")}
        )
    except ValidationError as error:
        yield Skipped(f"{chat.name or _NAMELESS}, message {raw.get('id')}", first_error(error))
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
        origin = message.forwarded_from or message.via_bot
        if origin:
            by = "Forwarded from" if message.forwarded_from else "By"
            text = as_quotation(text, f"{by} {origin}:")
        turn = Turn(
            sender,
            text,
            session=f"{chat.name or _NAMELESS} {said_at[:10]}".strip(),
            said_at=said_at,
            source=f"telegram:{chat.id}:{message.id}",
        )
        yield by_person(turn, "telegram", message.sender_id) if message.sender_id else turn


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
    """The text of a message, whose links and bold words are separate parts."""
    if isinstance(parts, str):
        return parts
    return "".join(map(_part_text, parts))


def _part_text(part: object) -> str:
    if not isinstance(part, Mapping):
        return part if isinstance(part, str) else ""
    text = part.get("text")
    text = text if isinstance(text, str) else ""
    if part.get("type") == "blockquote":
        return f"\n{as_quotation(text)}\n\n"
    return f"\n```\n{text}\n```\n" if part.get("type") == "pre" else text


IMPORTER = Importer(
    "telegram",
    read_telegram,
    is_object=is_telegram,
    files=re.compile(r"(.*/)?result\.json"),
    unreadable=[
        (
            r"(.*/)?messages\d*\.html",
            "Telegram's chats in HTML; export them as machine-readable JSON",
        )
    ],
)
