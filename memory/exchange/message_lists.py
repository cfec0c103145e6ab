"""Conversations as lists of messages, {"messages": [{"role": ..., "content": ...}]}."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import first_error, session_name, short_hash, skipped_counts, with_date
from memory.exchange.json_files import json_values
from memory.exchange.plain_files import row_of_message, with_role
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.text.written_dates import clean_date

_IDENTIFYING = 4  # messages at the start of a conversation without an id
_DATES = ("created_at", "create_time", "timestamp", "date")
_IDS = ("id", "conversation_id", "session_id", "thread_id", "uuid")
_TITLES = ("title", "name", "subject")


class _Message(BaseModel):
    speaker: str
    text: str
    said_at: str | int | float | None = None


def is_message_list(value: Mapping[str, Any]) -> bool:
    """Whether an object is a conversation whose messages have a role or a speaker."""
    messages = value.get("messages")
    if not isinstance(messages, list):
        return False
    keys = {"role", "speaker"}
    return not messages or any(
        keys & {*raw} and not isinstance(raw.get("content"), dict)
        for raw in messages
        if isinstance(raw, dict)
    )


def read_message_lists(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """Each conversation as a session.

    A conversation without an id is recognised by its first messages, so that a longer version of it
    is not stored twice. Leaves out and counts system messages, tool calls and thinking.
    """
    left_out: Counter[str] = Counter()
    equal = KeyCounts()
    for file in export.files:
        for item in json_values(file):
            if isinstance(item, Skipped):
                yield item
                continue
            location, value = item
            if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
                yield Skipped(location, "no list of messages")
                continue
            identity = str(_first(value, _IDS) or short_hash(value["messages"][:_IDENTIFYING]))
            session = session_name(str(_first(value, _TITLES) or "chat"), identity)
            for number, raw in enumerate(value["messages"], 1):
                turn = _turn(raw, export.user, left_out)
                if isinstance(turn, str):
                    if turn:
                        yield Skipped(f"{location}, message {number}", turn)
                    continue
                key = f"messages:{identity}:{short_hash(raw)}"
                times = equal.add(key)
                turn = Turn(
                    turn.speaker,
                    turn.text,
                    session=session,
                    said_at=turn.said_at or clean_date(_first(value, _DATES)),
                    source=f"{key}:{times}" if times > 1 else key,
                    kind=turn.kind,
                    tags=turn.tags,
                )
                yield from with_date(turn, f"{location}, message {number}")
    yield from skipped_counts(left_out)


def _turn(raw: object, user: str, left_out: Counter[str]) -> Turn | str:
    """The turn of a message; or why it has none, "" if that is counted."""
    if not isinstance(raw, dict):
        return "not an object"
    row, reasons = row_of_message(raw)
    left_out.update(reasons)
    if not row.get("text"):
        if not reasons:
            left_out["no text"] += 1
        return ""
    try:
        message = _Message.model_validate(row)
    except ValidationError as error:
        return first_error(error)
    said_at = "" if message.said_at is None else str(message.said_at)
    turn = with_role(Turn(message.speaker, message.text, said_at=said_at), raw, user)
    if isinstance(turn, str):
        left_out[turn] += 1
        return ""
    return turn


def _first(value: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((value[key] for key in keys if value.get(key)), None)


IMPORTER = Importer("messages", read_message_lists, is_object=is_message_list)
