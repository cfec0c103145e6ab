"""What each user of a server has used today (UTC): counted in a file, or in a database for all.

A database's counts are in memory/store/postgres/day_usage.py.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from memory.errors import StoreError
from memory.store.sqlite.connection import keep_a_log, storage_errors
from memory.system.files import PRIVATE_FOLDER, create_private

# A clock that is wrong for an hour counts on another day; set right, it finds the day's counts.
DAYS_KEPT = 7  # with counts, the newest
_DELETE_OLD = (
    "DELETE FROM used WHERE day < ?"
    " AND day NOT IN (SELECT DISTINCT day FROM used ORDER BY day DESC LIMIT ?)"
)
_DAMAGED = "the counts of the day cannot be read; delete this, and they begin anew"
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
    """The counts in a SQLite file next to the memories, made at the first count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def count(self, user: str, more: Usage, most_before: Usage = UNBOUNDED) -> bool:
        """See `DayUsage`."""
        with self._transaction() as conn:
            if not _read(conn, user).is_within(most_before):
                return False
            conn.execute(_DELETE_OLD, (today(), DAYS_KEPT))
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
            return {user: _usage(used) for user, *used in conn.execute(select, (today(),))}

    def close(self) -> None:
        """See `DayUsage`."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()  # rolls back what was not committed
            self._open = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction for the block, one thread and one process at a time."""
        with self._lock, storage_errors(self._path):
            try:
                conn = self._open = self._open or self._connect()
                conn.execute("BEGIN IMMEDIATE")
                yield conn
                conn.execute("COMMIT")
            except BaseException as error:
                # The next count opens the file again: a person may have replaced a damaged one.
                self._close()
                if _is_damage(error, self._path):
                    raise StoreError(f"{self._path}: {_DAMAGED}") from error
                raise

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
    return _usage(row) if row else Usage()


def _usage(numbers: Sequence[object]) -> Usage:
    """The counts of a row. Raises DatabaseError for what are none."""
    if not all(isinstance(number, int) for number in numbers):
        raise sqlite3.DatabaseError(f"{numbers} are no counts")
    return Usage(*numbers)  # type: ignore[arg-type]


def _is_damage(error: BaseException, path: Path) -> bool:
    """Whether waiting does not help: the file is damaged, of another program, or no file."""
    is_other = path.exists() and not path.is_file()
    is_unreadable = type(error) is sqlite3.DatabaseError or "no such column" in str(error)
    return isinstance(error, sqlite3.Error) and (is_other or is_unreadable)
