"""The walls between a model's SQL and a SQLite file, behind the parser's allow-list.

Each fails differently: a deny-by-default authorizer judges the compiled statement; the reading
connection cannot write; a deadline stops what runs too long; limits stop what the deadline cannot
interrupt (one huge value). A statement is judged under EXPLAIN, not while it runs, because the
full-text index issues statements of its own.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory.errors import SqlError
from memory.model import Rows
from memory.sql import TABLES, WRITABLE

LONGEST_VALUE = 16_000_000  # bytes; a turn has at most 4,000,000 characters
LONGEST_STATEMENT = 1_000_000
_STEPS_BETWEEN_CLOCK_READINGS = 5_000
# The functions of memory.sql, as SQLite names them; a second list on purpose.
_FUNCTIONS = frozenset(
    [
        *("abs", "avg", "coalesce", "count", "length", "like", "lower", "max", "min", "nullif"),
        *("round", "substr", "substring", "sum", "trim", "upper"),
    ]
)
_TRIGGERS = frozenset({"facts_inserted", "facts_updated", "facts_deleted"})
# What they do. Not simply everything: SQLite tells the authorizer the name of a WITH as if it were
# a trigger's.
_TRIGGERS_WRITE = frozenset({"facts_log", "facts_words"})
_TRIGGERS_CALL = frozenset({"json_array", "max", "words"})

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read `turns` and `facts`."""
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    conn.execute("PRAGMA query_only = ON")
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    conn.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)
    conn.set_authorizer(_may_read)
    return conn


def select(conn: sqlite3.Connection, statement: str, limit: int, seconds: float) -> Rows:
    """The first `limit` rows of a checked SELECT on a reader, within `seconds`."""
    with _told_to_the_model(), _deadline(conn, seconds):
        cursor = conn.execute(statement)
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchmany(limit + 1)
        cursor.close()
    return Rows(columns, tuple(rows[:limit]), truncated=len(rows) > limit)


def change_facts(conn: sqlite3.Connection, statement: str, seconds: float) -> None:
    """Judge, then run one checked INSERT, UPDATE or DELETE inside the open transaction."""
    with _told_to_the_model():
        # The full-text index reads its own tables when a connection first meets it.
        conn.execute("SELECT rowid FROM facts_words LIMIT 0").close()
        conn.set_authorizer(_may_change_facts)
        try:
            conn.execute(f"EXPLAIN {statement}").close()
        finally:
            conn.set_authorizer(None)
        with _deadline(conn, seconds):
            conn.execute(statement).close()


def _may_read(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    # A count(*) reads the column "" of its table.
    if action == sqlite3.SQLITE_READ and first in TABLES and second in ("", *TABLES[first]):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _may_change_facts(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    if source in _TRIGGERS and (
        (action == sqlite3.SQLITE_INSERT and first in _TRIGGERS_WRITE)
        or (action == sqlite3.SQLITE_FUNCTION and second in _TRIGGERS_CALL)
        or (action == sqlite3.SQLITE_READ and first == "changes" and second in ("", "id"))
    ):
        return sqlite3.SQLITE_OK
    if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE) and first == "facts":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_UPDATE and first == "facts" and second in WRITABLE:
        return sqlite3.SQLITE_OK
    # recorded_at's default.
    if action == sqlite3.SQLITE_FUNCTION and second == "strftime":
        return sqlite3.SQLITE_OK
    return _may_read(action, first, second, database, source)


@contextmanager
def _deadline(conn: sqlite3.Connection, seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    conn.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS_BETWEEN_CLOCK_READINGS)
    try:
        yield
    finally:
        conn.set_progress_handler(None, 0)


_ADVICE: dict[str, str] = {
    "interrupted": "too slow: narrow it with WHERE, or join fewer tables",
    "FOREIGN KEY": "turn_id names no turn; use the number in brackets before the turn",
    "NOT NULL": "subject, attribute, value and turn_id must be given, none may be NULL",
    "CHECK": "subject, attribute and value must not be empty",
    "prohibited": "not allowed: only turns and facts can be read",
    "not authorized": "not allowed: only SELECT on turns and facts, and changes to facts",
    "too big": "the result has too long a value: select fewer columns",
}


@contextmanager
def _told_to_the_model() -> Iterator[None]:
    """What SQLite says of a model's statement, as the advice its next attempt sees."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(sign in str(error) for sign in ("disk", "readonly", "locked", "malformed")):
            raise  # not the statement's fault
        raise SqlError(_advice(error)) from error
    except (sqlite3.DatabaseError, OverflowError, sqlite3.DataError) as error:
        if "malformed" in str(error) or "not a database" in str(error):
            raise
        raise SqlError(_advice(error)) from error


def _advice(error: Any) -> str:
    return next((text for sign, text in _ADVICE.items() if sign in str(error)), str(error))
