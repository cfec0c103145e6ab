"""Records on disk, one JSON line each: what was finished is not done again after a kill."""

import contextlib
import json
import os
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from memory import InputError
from memory.files import write_whole

Key = TypeVar("Key", bound=Hashable)
Record = TypeVar("Record")


class JsonLines(Generic[Key, Record]):
    """Records (of one dataclass) by key, each on disk before `add` returns; threads may share it.

    `path` is the file; `records` holds them in the order of their first line, and the last line of
    a key counts.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Record],
        key: Callable[[Record], Key],
        resume: bool,
        made_by: str = "",
        keep: Callable[[Record], bool] = lambda record: True,
    ) -> None:
        """Start a file, or go on with it.

        Arguments:
            kind: the dataclass of the records.
            key: what makes two records the same.
            resume: whether the file's records count; otherwise it is emptied.
            made_by: stands in the first line; a file that begins with another one is refused.
            keep: which records of a resumed file count.

        Raises InputError when the file cannot be written, or was made by something else.
        """
        self.path = path
        self._key, self._lock = key, Lock()
        self.records: dict[Key, Record] = {}
        header = json.dumps({"made_by": made_by}).encode() + b"\n" if made_by else b""
        if resume and path.exists():
            if not path.read_bytes().startswith(header):
                raise InputError(
                    f"{path} was begun with other options or another version; start again "
                    "without --resume"
                )
            self.records = {
                key(record): record
                for record in read_lines(path, TypeAdapter(kind))
                if keep(record)
            }
        # A line that a kill cut short must go: the next record would be written to its end.
        write_whole(path, header + b"".join(map(_line, self.records.values())))

    def add(self, record: Record) -> None:
        """Keep a record; it is on disk on return. Raises InputError when it cannot be."""
        with self._lock:
            self.records[self._key(record)] = record
            try:
                append_whole(self.path, _line(record))
            except OSError as error:
                raise InputError(f"cannot write {self.path}: {error.strerror}") from error


def _line(record: Any) -> bytes:
    # Half a letter, which a model may write, goes in no file: it becomes "?".
    return json.dumps(asdict(record), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def append_whole(path: Path, line: bytes) -> None:
    """Add a line to a file, whole or not at all. Raises OSError."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(line)
    except OSError:
        with contextlib.suppress(OSError):  # why the line was not written is worth more
            os.truncate(path, size)
        raise


def read_lines(path: Path, adapter: TypeAdapter[Record]) -> Iterator[Record]:
    """The records of a file of JSON lines; what is none, as a line that a kill cut, is left out."""
    # Not splitlines: a text may hold U+2028 and the like, which are no ends of lines in JSON.
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValidationError):
            yield adapter.validate_json(line)
