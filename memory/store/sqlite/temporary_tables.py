"""What a reader must know of all messages of an export, in temporary files of SQLite.

A file goes with the object that it is for. A million messages take the process as much as a
thousand.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from memory.errors import StoreError


class KeyCounts:
    """How often each key has come."""

    def __init__(self) -> None:
        with _errors_of_disk():
            self._conn = _temporary_database()
            self._conn.execute(
                "CREATE TABLE counts (key BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID"
            )

    def add(self, key: str) -> int:
        """How often the key has come by now, this time included. Raises StoreError: a full disk."""
        with _errors_of_disk():
            [(times,)] = self._conn.execute(
                "INSERT INTO counts VALUES (?, 1)"
                " ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times",
                (key.encode("utf-8", "surrogatepass"),),  # JSON may hold half a character
            )
        return int(times)


def oldest_first(
    messages: Iterable[Mapping[str, Any]], time: Callable[[Mapping[str, Any]], float]
) -> Iterator[dict[str, Any]]:
    """Messages that an export has newest first, or in several files, by `time`.

    Rows of one time stay in the order they came. Raises StoreError: a full disk.
    """
    with _errors_of_disk(), closing(_temporary_database()) as conn:
        conn.execute("CREATE TABLE messages (time REAL, message TEXT NOT NULL)")
        conn.executemany(
            "INSERT INTO messages VALUES (?, ?)",
            ((time(message), json.dumps(message)) for message in messages),
        )
        for (message,) in conn.execute("SELECT message FROM messages ORDER BY time, rowid"):
            yield json.loads(message)


def _temporary_database() -> sqlite3.Connection:
    # The thread that reads on may not be the one to begin.
    conn = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA journal_mode = OFF")  # nothing is ever taken back
    conn.execute("BEGIN")
    return conn


@contextmanager
def _errors_of_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"no room for temporary files (TMPDIR names their folder): {error}") from (
            error
        )
