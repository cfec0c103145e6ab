"""What each user of a server has used today (UTC): counted in a file, or in a database for all.

A database's counts are in memory/store/postgres/day_usage.py.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from memory.store.connection import keep_a_log, storage_errors
from memory.system.files import PRIVATE_FOLDER, create_private

_BUSY_SECONDS = 15.0  # another process of the server counts at the same moment


@dataclass(frozen=True)
class Usage:
    """Turns and characters added, model calls made for questions, and the tokens of those."""

    turns: int = 0
    characters: int = 0
    calls: int = 0
    tokens: int = 0

    def __add__(self, more: "Usage") -> "Usage":
        return Usage(*(a + b for a, b in zip(astuple(self), astuple(more), strict=True)))

    def __sub__(self, less: "Usage") -> "Usage":
        return Usage(*(a - b for a, b in zip(astuple(self), astuple(less), strict=True)))

    def is_within(self, most: "Usage") -> bool:
        """Whether nothing of it is above `most`."""
        return all(a <= b for a, b in zip(astuple(self), astuple(most), strict=True))


UNBOUNDED = Usage(*(4 * [2**62]))


class DayUsage(Protocol):
    """The counts of all users of a day, of every process that serves the same memories."""

    def count(self, user: str, more: Usage, most_before: Usage = UNBOUNDED) -> bool:
        """Count `more`, in one round trip.

        False, and nothing is counted, where the user had used more than `most_before` of anything.
        """

    def of_user(self, user: str) -> Usage:
        """What a user has used today."""

    def of_all(self) -> dict[str, Usage]:
        """What each user has used today."""

    def close(self) -> None:
        """Count nothing more."""


def today() -> str:
    """The day that is counted, 2024-05-31 in UTC."""
    return datetime.now(UTC).date().isoformat()


class FileDayUsage:
    """The counts in a SQLite file beside the memories, made at the first count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def count(self, user: str, more: Usage, most_before: Usage = UNBOUNDED) -> bool:
        """See `DayUsage`."""
        with self._transaction() as conn:
            if not _read(conn, user).is_within(most_before):
                return False
            # Days that are over count no more.
            conn.execute("DELETE FROM used WHERE day < ?", (today(),))
            conn.execute(
                "INSERT INTO used VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " turns = turns + excluded.turns, characters = characters + excluded.characters,"
                " calls = calls + excluded.calls, tokens = tokens + excluded.tokens",
                (today(), user, *astuple(more)),
            )
        return True

    def of_user(self, user: str) -> Usage:
        """See `DayUsage`."""
        with self._transaction() as conn:
            return _read(conn, user)

    def of_all(self) -> dict[str, Usage]:
        """See `DayUsage`."""
        with self._transaction() as conn:
            select = "SELECT user, turns, characters, calls, tokens FROM used WHERE day = ?"
            return {user: Usage(*used) for user, *used in conn.execute(select, (today(),))}

    def close(self) -> None:
        """See `DayUsage`."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction for the block, one thread and one process at a time."""
        with self._lock, storage_errors(self._path):
            conn = self._open = self._open or self._connect()
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
            finally:
                conn.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        create_private(self._path)
        conn = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        keep_a_log(conn)
        # A count that a power failure takes back does no harm: no commit waits for the disk.
        conn.execute("PRAGMA synchronous = NORMAL")
        conn.execute(
            "CREATE TABLE IF NOT EXISTS used (day TEXT, user TEXT, turns INTEGER,"
            " characters INTEGER, calls INTEGER, tokens INTEGER, PRIMARY KEY (day, user))"
        )
        return conn


def _read(conn: sqlite3.Connection, user: str) -> Usage:
    select = "SELECT turns, characters, calls, tokens FROM used WHERE day = ? AND user = ?"
    row = conn.execute(select, (today(), user)).fetchone()
    return Usage(*row) if row else Usage()
