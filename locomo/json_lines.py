"""Records on disk: JSON lines, so that a killed run can resume, and files read with a check."""

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
from memory.system import write_whole

Key = TypeVar("Key", bound=Hashable)
Record = TypeVar("Record")


class JsonLines(Generic[Key, Record]):
    """Records of one dataclass by key. Thread-safe; `add` returns when the record is on disk.

    `path` is the file; `records` are in the order of their first line; of several lines with one
    key the last one counts.
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
        """Create a file, or resume it.

        Arguments:
            kind: the dataclass of the records.
            key: identifies a record.
            resume: keep the file's records; otherwise the file is emptied.
            made_by: goes into the first line; a file with another first line is refused.
            keep: which records of a resumed file count.

        Raises InputError when the file cannot be written, or has another `made_by`.
        """
        self.path = path
        self._key, self._lock = key, Lock()
        self.records: dict[Key, Record] = {}
        header = json.dumps({"made_by": made_by}).encode() + b"\n" if made_by else b""
        if resume and path.exists():
            if not path.read_bytes().startswith(header):
                raise InputError(
                    f"{path} comes from other options or another version; start again without"
                    " --resume"
                )
            self.records = {
                key(record): record
                for record in read_lines(path, TypeAdapter(kind))
                if keep(record)
            }
        # Rewrite the file without a last line that a kill cut short: `add` would append to it.
        write_whole(path, header + b"".join(map(_line, self.records.values())))

    def add(self, record: Record) -> None:
        """Add a record; on return it is on disk. Raises InputError when it cannot be written."""
        with self._lock:
            self.records[self._key(record)] = record
            try:
                append_whole(self.path, _line(record))
            except OSError as error:
                raise InputError(f"cannot write {self.path}: {error.strerror}") from error


def _line(record: Any) -> bytes:
    # A model may write a lone surrogate, which UTF-8 cannot encode: it becomes "?".
    return json.dumps(asdict(record), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def append_whole(path: Path, line: bytes) -> None:
    """Append a line to a file, or leave the file unchanged. Raises OSError."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(line)
    except OSError:
        with contextlib.suppress(OSError):  # report the first error
            os.truncate(path, size)
        raise


def read_json(path: Path, adapter: TypeAdapter[Record], advice: str) -> Record:
    """The content of a JSON file. Raises InputError that names the field, and gives the advice."""
    try:
        return adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {advice}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise InputError(f"{path}, {where!r:.60}: {first['msg']}; {advice}") from None


def read_lines(path: Path, adapter: TypeAdapter[Record]) -> Iterator[Record]:
    """The records of a file of JSON lines; skips invalid lines, such as a line cut by a kill."""
    # Not splitlines: it would split at U+2028 and the like, which do not end a line of JSON.
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValidationError):
            yield adapter.validate_json(line)
