"""Rows of a SQLite file that is not ours, read without creating or changing anything."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memory.errors import InputError
from memory.system.files import open_regular


def foreign_rows(path: Path, select: str) -> Iterator[tuple[Any, ...]]:
    """The rows of one SELECT, one by one. Text that is not UTF-8 gets U+FFFD in its place.

    Raises InputError for a file that is no SQLite database, is damaged, or has other tables.
    """
    try:
        with _opened_for_reading(path) as conn:
            conn.execute("PRAGMA cell_size_check = ON")
            conn.execute(f"EXPLAIN {select}")  # first, whether it has the tables
            # A view may have no end, and sorting its rows would fill the disk.
            views = conn.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
            if views:
                raise InputError(
                    f"{path}: it holds a view ({views[0][0]}), which may have no end;"
                    " the extension makes none: drop it first"
                )
            yield from conn.execute(select)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except sqlite3.DatabaseError as error:
        message = str(error)
        if "not a database" in message:
            why = "not a SQLite file"
        elif "no such" in message:
            why = f"{message}; it is a SQLite file of something else"
        else:
            why = f"the file is damaged ({message}); `sqlite3 {path.name} .recover` may help"
        raise InputError(f"{path}: {why}") from error


@contextmanager
def _opened_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading, to a copy when a write was interrupted or goes on.

    SQLite would write to the file, or next to it, to apply such a write or undo it.
    """
    logs = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    unfinished = [log for log in logs if log.exists()]
    open_regular(path).close()  # its OSError says what is wrong better than SQLite does
    with TemporaryDirectory() as folder:
        # Without "immutable", SQLite makes -wal and -shm files next to a database in WAL mode.
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        if unfinished:
            for file in (path, *unfinished):
                shutil.copy(file, folder)
            address = (Path(folder) / path.name).as_uri()
        with closing(sqlite3.connect(address, uri=True)) as conn:
            conn.text_factory = lambda text: text.decode("utf-8", "replace")
            yield conn
