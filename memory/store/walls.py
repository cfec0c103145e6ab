"""The walls between a model's SQL and a SQLite file, behind the parser's allow-list.

Each fails differently: a deny-by-default authorizer judges the compiled statement (`_may_read`,
`_may_change_facts`); the reading connection cannot write; a deadline stops what runs too long;
limits stop what the deadline cannot interrupt (one huge value). The parser, which comes first, is
memory/sql/policy.py.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from memory.errors import SqlError
from memory.model import Rows
from memory.sql import TABLES, WRITABLE
from memory.store.connection import open_for_reading

LONGEST_VALUE = 16_000_000  # bytes; a turn has at most 4,000,000 characters
LONGEST_STATEMENT = 1_000_000
_STEPS_BETWEEN_CLOCK_READINGS = 5_000
# The functions of memory.sql, as SQLite names them. A second list on purpose: a function that
# slips through the grammar is refused here.
_ALLOWED_FUNCTIONS = frozenset(
    [
        "abs",
        "avg",
        "coalesce",
        "count",
        "length",
        "like",
        "lower",
        "max",
        "min",
        "nullif",
        "round",
        "substr",
        "substring",
        "sum",
        "trim",
        "upper",
    ]
)
_TRIGGERS = frozenset({"facts_inserted", "facts_updated", "facts_deleted"})
# What the triggers do. Not simply everything: SQLite gives the authorizer the name of a WITH in the
# place of a trigger's, so a model could call its WITH "facts_inserted".
_WRITTEN_BY_TRIGGERS = frozenset({"facts_log", "facts_words"})
_CALLED_BY_TRIGGERS = frozenset({"json_array", "max", "words"})

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read `turns` and `facts`."""
    # Three walls at once: the file is opened read-only, the connection refuses to write, and the
    # authorizer knows two tables. The authorizer is set last, because it would refuse the PRAGMA.
    conn = open_for_reading(path)
    conn.execute("PRAGMA query_only = ON")
    # The deadline is looked at between steps of SQLite's machine; one step can make a huge value.
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    conn.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)
    conn.set_authorizer(_may_read)
    return conn


def select(conn: sqlite3.Connection, statement: str, limit: int, seconds: float) -> Rows:
    """The first `limit` rows of a checked SELECT on a reader, within `seconds`."""
    with _errors_for_the_model(), _deadline(conn, seconds):
        cursor = conn.execute(statement)  # here the authorizer refuses, as SQLite compiles it
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchmany(limit + 1)  # one more, to know whether there are more
        cursor.close()
    return Rows(columns, tuple(rows[:limit]), truncated=len(rows) > limit)


def change_facts(conn: sqlite3.Connection, statement: str, seconds: float) -> None:
    """Judge, then run one checked INSERT, UPDATE or DELETE inside the open transaction."""
    with _errors_for_the_model():
        # The full-text index reads its own tables when a connection first meets it. That must
        # happen before the authorizer is on, which knows nothing of them.
        conn.execute("SELECT rowid FROM facts_words LIMIT 0").close()
        conn.set_authorizer(_may_change_facts)
        try:
            # EXPLAIN compiles and judges the statement without running it. While it runs, the
            # triggers have the full-text index issue statements of its own, which the authorizer
            # would be asked about as well.
            conn.execute(f"EXPLAIN {statement}").close()
        finally:
            conn.set_authorizer(None)
        with _deadline(conn, seconds):
            conn.execute(statement).close()


def _may_read(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    """The authorizer of reading: what SQLite asks about each step of a statement it compiles.

    `first` and `second` depend on the action: table and column, or nothing and a function. Called
    for every table, column and function; whatever is not named here is refused.
    """
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    # A count(*) reads the column "" of its table.
    if action == sqlite3.SQLITE_READ and first in TABLES and second in ("", *TABLES[first]):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in _ALLOWED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    # Here a hostile statement is refused: another table, a PRAGMA, ATTACH, a function, a write.
    return sqlite3.SQLITE_DENY


def _may_change_facts(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    """The authorizer of writing: facts, what their triggers do, and whatever may be read.

    `source` is the trigger that a step belongs to, if any.
    """
    if source in _TRIGGERS and (
        (action == sqlite3.SQLITE_INSERT and first in _WRITTEN_BY_TRIGGERS)
        or (action == sqlite3.SQLITE_FUNCTION and second in _CALLED_BY_TRIGGERS)
        or (action == sqlite3.SQLITE_READ and first == "changes" and second in ("", "id"))
    ):
        return sqlite3.SQLITE_OK
    if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE) and first == "facts":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_UPDATE and first == "facts" and second in WRITABLE:
        return sqlite3.SQLITE_OK
    # The default value of recorded_at calls it.
    if action == sqlite3.SQLITE_FUNCTION and second == "strftime":
        return sqlite3.SQLITE_OK
    return _may_read(action, first, second, database, source)


@contextmanager
def _deadline(conn: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt the statement that runs when the time is over."""
    end = time.monotonic() + seconds
    conn.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS_BETWEEN_CLOCK_READINGS)
    try:
        yield
    finally:
        conn.set_progress_handler(None, 0)


# A piece of SQLite's message -> what the model that wrote the statement reads instead.
_ADVICE_TO_MODELS: dict[str, str] = {
    "interrupted": "too slow: narrow it with WHERE, or join fewer tables",
    "FOREIGN KEY": "turn_id names no turn; use the number in brackets before the turn",
    "NOT NULL": "subject, attribute, value and turn_id must be given, none may be NULL",
    "CHECK": "subject, attribute and value must not be empty",
    "prohibited": "not allowed: only turns and facts can be read",
    "not authorized": "not allowed: only SELECT on turns and facts, and changes to facts",
    "too big": "the result has too long a value: select fewer columns",
}


@contextmanager
def _errors_for_the_model() -> Iterator[None]:
    """Turn what SQLite says of a model's statement into a SqlError, which its next attempt sees.

    Faults of the file are no fault of the statement, so trying again would not help: they pass.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(sign in str(error) for sign in ("disk", "readonly", "locked", "malformed")):
            raise
        raise SqlError(_advice(error)) from error
    except (sqlite3.DatabaseError, OverflowError, sqlite3.DataError) as error:
        if "malformed" in str(error) or "not a database" in str(error):
            raise
        raise SqlError(_advice(error)) from error


def _advice(error: Exception) -> str:
    message = str(error)
    return next((text for sign, text in _ADVICE_TO_MODELS.items() if sign in message), message)
