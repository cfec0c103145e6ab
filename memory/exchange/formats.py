"""Recognises the format of a foreign export by its content, and reads its turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.exchange.chatgpt import read_chatgpt
from memory.exchange.claude import read_claude, read_claude_memories
from memory.exchange.claude_projects import read_claude_projects
from memory.exchange.date_order import DateOrder
from memory.exchange.items import ForeignExport, storable_items
from memory.exchange.json_files import (
    InputFile,
    decoded_text,
    input_files,
    is_of_memories,
    is_of_projects,
    json_values,
    unread_files,
)
from memory.exchange.ltm import character_database, character_name, read_ltm, vector_notes
from memory.exchange.memories import read_langmem, read_mem0
from memory.exchange.message_lists import read_message_lists
from memory.exchange.plain_files import NO_COLUMNS, TURN_COLUMNS, read_csv, read_jsonl
from memory.exchange.telegram import is_telegram, read_telegram
from memory.exchange.whatsapp import is_whatsapp, read_whatsapp
from memory.records import Skipped, Turn
from memory.system.files import open_regular
from memory.text.written_dates import clean_date

_FORMATS = (
    "ltm, chatgpt, claude, claude memories, claude projects, whatsapp, telegram, messages, mem0,"
    " langmem, jsonl, csv, dump"
)
_SQLITE_MAGIC = b"SQLite format 3\0"
# How many values of a JSON file to check: the first ones may be damaged or not objects.
_VALUES_PROBED = 20


def read_export(
    path: Path,
    user: str = "User",
    *,
    encoding: str = "",
    dates: DateOrder = "",
    columns: Mapping[str, str] = NO_COLUMNS,
) -> ForeignExport:
    """Recognise a file or folder by its content and check it; its items come later.

    Reads everything once before it returns: InputError refuses an unusable file as a whole, before
    anything is stored. A dump of ours yields no items: `Store.load` reads its records.

    Arguments:
        user: the speaker's name for the user of a chat application.
        encoding: of text that is neither UTF-8 nor UTF-16.
        dates: whether dates in numbers have the day or the month first; "": as the file shows, and
            DateOrderError where it does not.
        columns: our names of columns, with those that a table or JSON lines have for them.
    """
    if unknown := {*columns} - {*TURN_COLUMNS}:
        raise InputError(f"there is no {min(unknown)!r}; map {', '.join(TURN_COLUMNS)}")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: read twice, so it must be a file or folder; save it in one")

    if _is_ltm(path):
        database = character_database(path)
        export = _looked_through("ltm", character_name(database), lambda: read_ltm(database))
        return replace(export, notes=(*export.notes, *vector_notes(database, export.total or 0)))

    first, *others = input_files(path, encoding)  # the first file decides on the format
    memories = [file for file in others if is_of_memories(file)]
    projects = [file for file in others if is_of_projects(file)]
    files = [first, *(file for file in others if file not in (*memories, *projects))]
    name = path.resolve().stem
    readers: dict[str, Callable[[], Iterator[Turn | Skipped]]] = {
        "chatgpt": lambda: read_chatgpt(files, user),
        "claude": lambda: chain(
            read_claude(files, user),
            read_claude_memories(memories),
            read_claude_projects(projects, user),
        ),
        "claude memories": lambda: chain(
            read_claude_memories([*files, *memories]), read_claude_projects(projects, user)
        ),
        "claude projects": lambda: read_claude_projects([*files, *projects], user),
        "whatsapp": lambda: read_whatsapp(files, name, dates),
        "telegram": lambda: read_telegram(files),
        "messages": lambda: read_message_lists(files, user),
        "mem0": lambda: read_mem0(files),
        "langmem": lambda: read_langmem(files),
        "jsonl": lambda: read_jsonl(files[0], user, columns, dates),
        "csv": lambda: read_csv(files[0], user, columns, dates),
        "dump": lambda: iter(()),
    }
    format = _recognised_format(path, files, columns)
    export = _looked_through(format, name, readers[format])
    unread = unread_files(path) if format == "claude" else []
    if unread:
        note = f"left out, no conversations: {', '.join(unread[:5])}{', ...' * (len(unread) > 5)}"
        export = replace(export, notes=(*export.notes, note))
    return export


def _looked_through(
    format: str, name: str, reader: Callable[[], Iterator[Turn | Skipped]]
) -> ForeignExport:
    if format == "dump":
        return ForeignExport(format, name, items=iter(()))
    # The first pass counts the items for the progress bar and refuses unusable files.
    total = undated = 0
    words = ""
    for item in reader():
        total += 1
        # A date in words stays as it is.
        if isinstance(item, Turn) and item.said_at and not clean_date(item.said_at):
            undated += 1
            words = words or item.said_at[:40]
    note = (
        f"{undated:,} dates are no ISO text ({words!r}): they stay as they are, and no question by"
        " date finds them"
    )
    notes = (note,) if undated else ()
    return ForeignExport(format, name, items=storable_items(reader()), total=total, notes=notes)


def _is_ltm(path: Path) -> bool:
    """Whether a path is a long_term_memory character: a database or its folder."""
    if path.is_dir():
        return not input_files(path)
    try:
        with open_regular(path) as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _recognised_format(path: Path, files: list[InputFile], columns: Mapping[str, str]) -> str:
    """The format of the first value that has one. Raises InputError if no value has."""
    beginning = next((text for text in decoded_text(files[0]) if text.strip()), "").lstrip()
    if not beginning:
        raise InputError(f"{path}: the file is empty")
    if is_whatsapp(beginning):
        return "whatsapp"
    if beginning[0] not in "[{":
        return "csv"

    keys: list[str] = []  # of the first object, for the error message
    for item in islice(json_values(files[0]), _VALUES_PROBED):
        value = None if isinstance(item, Skipped) else item[1]
        if isinstance(value, dict):
            if format := _format_of_object(value):
                return format
            if {*columns.values()} & {*value}:
                return "jsonl"
            keys = keys or [str(key) for key in value]
    content = f"with {', '.join(keys)[:200]}" if keys else "with nothing in it"
    raise InputError(f"{path}: JSON {content}, of none of the formats {_FORMATS}")


def _format_of_object(value: dict[str, Any]) -> str | None:
    keys = set(value)
    if "sql-memory" in keys:
        return "dump"
    if "mapping" in keys:
        return "chatgpt"
    if "chat_messages" in keys:
        return "claude"
    if "conversations_memory" in keys:
        return "claude memories"
    if "uuid" in keys and keys & {"docs", "prompt_template"}:
        return "claude projects"
    if is_telegram(value):
        return "telegram"
    if isinstance(value.get("messages"), list):
        return "messages"
    if {"id", "memory"} <= keys:
        return "mem0"
    if {"key", "value"} <= keys:
        return "langmem"
    return "jsonl" if keys & {"speaker", "text", "role", "content", "message"} else None
