"""Memories from elsewhere: which format a file has, and its turns."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.exchange.chatgpt import read_chatgpt
from memory.exchange.claude import read_claude
from memory.exchange.json_files import Document, decoded, documents, values
from memory.exchange.ltm import characters, database_of, name_of, notes_on_vectors, read_ltm
from memory.exchange.memories import read_langmem, read_mem0
from memory.exchange.plain_files import read_csv, read_jsonl
from memory.exchange.reading import Reading, Skipped, clean_date, sound
from memory.model import Turn

__all__ = ["Reading", "Skipped", "characters", "clean_date", "read"]

_FORMATS = "ltm, chatgpt, claude, mem0, langmem, jsonl, csv, dump"
_SQLITE = b"SQLite format 3\0"


def read(path: Path, user: str = "User") -> Reading:
    """Recognise a file or folder by what is in it and look it through; its items come later.

    All is read once before anything is returned: what cannot be used is refused whole, with an
    InputError. `user` is what the user of a chat application is called. The items of a dump are
    none: `Store.load` takes its records.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: read twice, so it must be a file or folder; save it in one")
    if _is_ltm(path):
        database = database_of(path)
        reading = _looked_through("ltm", name_of(database), lambda: read_ltm(database))
        return replace(reading, notes=(*notes_on_vectors(database, reading.total or 0),))
    files = documents(path)
    readers: dict[str, Callable[[], Iterator[Turn | Skipped]]] = {
        "chatgpt": lambda: read_chatgpt(files, user),
        "claude": lambda: read_claude(files, user),
        "mem0": lambda: read_mem0(files),
        "langmem": lambda: read_langmem(files),
        "jsonl": lambda: read_jsonl(files[0], user),
        "csv": lambda: read_csv(files[0]),
        "dump": lambda: iter(()),
    }
    found = _recognised(path, files)
    return _looked_through(found, path.resolve().stem, readers[found])


def _looked_through(
    format: str, name: str, reader: Callable[[], Iterator[Turn | Skipped]]
) -> Reading:
    total = sum(1 for _ in reader()) if format != "dump" else None
    return Reading(format, name, sound(reader()), total)


def _is_ltm(path: Path) -> bool:
    if path.is_dir():
        return not documents(path)
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _recognised(path: Path, files: list[Document]) -> str:
    """The format, by the first value that tells. Raises InputError when none does."""
    beginning = next((text for text in decoded(files[0]) if text.strip()), "").lstrip()
    if not beginning:
        raise InputError(f"{path}: the file is empty")
    if beginning[0] not in "[{":
        return "csv"
    keys: list[str] = []
    for item in islice(values(files[0]), 20):
        value = None if isinstance(item, Skipped) else item[1]
        if isinstance(value, dict):
            if format := _format_of(value):
                return format
            keys = keys or [str(key) for key in value]
    what = f"with {', '.join(keys)[:200]}" if keys else "with nothing in it"
    raise InputError(f"{path}: JSON {what}, of none of the formats {_FORMATS}")


def _format_of(value: dict[str, Any]) -> str | None:
    keys = set(value)
    if "sql-memory" in keys:
        return "dump"
    if "mapping" in keys:
        return "chatgpt"
    if "chat_messages" in keys:
        return "claude"
    if {"id", "memory"} <= keys:
        return "mem0"
    if {"key", "value"} <= keys:
        return "langmem"
    return "jsonl" if keys & {"speaker", "text", "role", "content"} else None
