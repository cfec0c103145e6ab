"""SillyTavern's chats with characters, in JSON lines."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from memory.exchange.documents.chunking import chunk_text
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import MINE, NOTICES, REPLACED, short_hash, skipped_counts
from memory.exchange.plain_files import lines_of
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.system.bounded_json import decoded
from memory.text.written_dates import clean_date

# "2024-3-14 @12h 35m 20s 123ms", as SillyTavern wrote dates until 2025.
_AT_HOURS = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s.*")
_SYSTEM = "SillyTavern System"
_SUMMARIES = "the program's own summaries"


def is_sillytavern(value: Mapping[str, Any]) -> bool:
    """Whether an object is the first line of a chat, or a message of one."""
    keys = set(value)
    return {"mes", "is_user"} <= keys or "chat_metadata" in keys


def read_sillytavern(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each chat by their speakers; a session is a chat.

    The summary extension's last text about a chat becomes a document of its session. Leaves out and
    counts the program's notices, and answers that were replaced.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        yield from _read_chat(file, left_out)
    yield from skipped_counts(left_out)


def _read_chat(file: InputFile, left_out: Counter[str]) -> Iterator[Turn | Skipped]:
    path = PurePosixPath(file.name)
    session = path.stem
    summary = ""
    equal = KeyCounts()
    for number, line in enumerate(lines_of(file), 1):
        location = f"{file.name}: line {number:,}"
        if not line.strip():
            continue
        try:
            message = decoded(line, file.name)
        except (ValueError, RecursionError) as error:
            yield Skipped(location, f"not JSON: {error}")
            continue
        if not isinstance(message, Mapping):
            yield Skipped(location, "not an object")
            continue
        if "mes" not in message:
            if "chat_metadata" not in message:
                yield Skipped(location, "no message")
            continue
        extra = message.get("extra")
        extra = extra if isinstance(extra, Mapping) else {}
        summary = _summary(extra, left_out) or summary
        swipes = message.get("swipes")
        left_out[REPLACED] += max(len(swipes) - 1, 0) if isinstance(swipes, list) else 0
        if message.get("name") == _SYSTEM or extra.get("isSmallSys") or _is_notice(extra):
            left_out[NOTICES] += 1
            continue
        text = _with_files(str(message.get("mes") or ""), extra)
        if not text:
            left_out["no text"] += 1
            continue
        date = message.get("send_date")
        key = short_hash(message.get("name"), date, text)
        times = equal.add(key)
        suffix = f":{times}" if times > 1 else ""
        yield Turn(
            str(message.get("name") or ("User" if message.get("is_user") else "Character")),
            text,
            session=session,
            said_at=_sent(date if isinstance(date, (str, int, float)) else None),
            source=f"sillytavern:{key}{suffix}",
            tags=MINE if message.get("is_user") is True else {},
        )
    for chunk, _, _ in chunk_text(summary):
        source = f"sillytavern:summary:{short_hash(session, chunk)}"
        yield Turn("Summary", chunk, session=session, source=source, kind="document")


def _is_notice(extra: Mapping[str, Any]) -> bool:
    """Whether a message is the program's help or a note, which no character reads."""
    return extra.get("type") in ("help", "welcome", "comment", "empty", "slash_commands", "macros")


def _summary(extra: Mapping[str, Any], left_out: Counter[str]) -> str:
    """What the summary extension keeps at a message; of another, of one message, is counted."""
    left_out[_SUMMARIES] += any(
        isinstance(value, Mapping) and isinstance(value.get("memory"), str)
        for value in extra.values()
    )
    memory = extra.get("memory")
    return memory.strip() if isinstance(memory, str) else ""


def _with_files(text: str, extra: Mapping[str, Any]) -> str:
    files = extra.get("files")
    attached = files if isinstance(files, list) else [extra.get("file")]
    names = [file["name"] for file in attached if isinstance(file, Mapping) and file.get("name")]
    marks = [f"[file: {name}]" for name in names]
    if text.strip() and (extra.get("image") or extra.get("media")):
        marks.append("[image]")
    return "\n".join([*([text.strip()] if text.strip() else []), *marks])


@lru_cache(maxsize=1024)  # messages of a minute have one date
def _sent(date: str | int | float | None) -> str:
    """When a message was sent: in ISO text, in English, in milliseconds, or with @ and h."""
    if isinstance(date, str) and (parts := _AT_HOURS.fullmatch(date.strip())):
        year, month, day, hour, minute, second = map(int, parts.groups())
        return clean_date(f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    return clean_date(date)


IMPORTER = Importer("sillytavern", read_sillytavern, is_object=is_sillytavern)
