"""A model's SQL on a SQLite file: an authorizer judges it, limits and a deadline bound it.

They come after the parser's allow-list (memory/sql/policy.py), and each fails differently: a
deny-by-default authorizer judges the compiled statement (`_may_read`, `_may_change_facts`); the
reading connection cannot write; a deadline stops what runs too long; limits stop what the deadline
cannot interrupt (one huge value, a long pattern). Nothing here interrupts SQLite while it compiles:
the parser bounds that. The parts shared with Postgres are in model_limits.py.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from memory.errors import SqlError
from memory.records import Rows
from memory.sql import MAX_COLUMNS, MAX_PATTERN, TABLES, WRITABLE, with_names
from memory.sql.tables import DAYS_BETWEEN, EXACT_SUM, NUMBER
from memory.store import model_limits
from memory.store.model_limits import Deadline, ResultRows
from memory.store.sqlite.connection import add_functions_of_models, open_for_reading

LONGEST_VALUE = 16_000_000  # bytes; a turn has at most 4,000,000 characters
# Bytes; of all values where || or replace() makes longer ones than are stored.
LONGEST_JOINED = 2_000_000
LONGEST_STATEMENT = 1_000_000
# Instructions of the compiled statement. The longest IN list and five searches need 20,000.
_MAX_INSTRUCTIONS = 100_000
# Steps between two looks at the clock. A step that compares a pattern with a text of a million
# characters takes up to .3 s; other steps take 2 ms at most, and a loop over them is slower by half
# when the clock is looked at so often (docs/log.md).
_STEPS_OF_PATTERNS = 50
_STEPS = 1_000
# The functions of memory.sql, as SQLite names them. A second list on purpose: a function that
# slips through the grammar is refused here.
_ALLOWED_FUNCTIONS = frozenset(
    [
        "abs",
        "avg",
        "coalesce",
        "count",
        DAYS_BETWEEN,
        "dense_rank",
        EXACT_SUM,
        "first_value",
        "instr",
        "lag",
        "lead",
        "length",
        "like",
        "lower",
        "max",
        "min",
        "nullif",
        NUMBER,
        "rank",
        "replace",
        "round",
        "row_number",
        "substr",
        "substring",
        "sum",
        "trim",
        "upper",
    ]
)
_TRIGGERS = frozenset(
    {
        "facts_inserted",
        "facts_updated",
        "facts_deleted",
        "inserted_fact_is_dated",
        "updated_fact_is_dated",
        "facts_inserted_by_memory",
        "facts_updated_by_memory",
        "facts_deleted_by_memory",
    }
)
# What the triggers do. Not simply everything: SQLite gives the authorizer the name of a WITH in the
# place of a trigger's, so a model could call its WITH "facts_inserted".
_WRITTEN_BY_TRIGGERS = frozenset({"facts_log", "facts_words"})
_CALLED_BY_TRIGGERS = frozenset({"json_array", "max", "words", "is_date", "is_span", "typeof"})

_numbers = count()  # of the statements that were compiled


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read the tables of `memory.sql.TABLES`."""
    # Three walls at once: the file is opened read-only, the connection refuses to write, and the
    # authorizer knows these tables. The authorizer is set last, because it would refuse the PRAGMA.
    conn = open_for_reading(path)
    add_functions_of_models(conn)
    conn.execute("PRAGMA query_only = ON")
    conn.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)
    conn.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MAX_COLUMNS)
    conn.set_authorizer(partial(_may_read, ""))
    return conn


def select(conn: sqlite3.Connection, statement: str, limit: int, seconds: float) -> Rows:
    """The first `limit` rows of a checked SELECT on a reader, within `seconds` of work.

    Raises SqlError when the statement is refused, wrong, too slow or gives too much.
    """
    conn.set_authorizer(partial(_may_read, statement))
    deadline = Deadline(seconds)
    rows = ResultRows(limit)
    with (
        _errors_for_the_model(),
        _limits(conn, statement),
        _interrupted_after(conn, deadline, [statement]),
    ):
        cursor = conn.execute(statement)  # here the authorizer refuses, as SQLite compiles it
        columns = [column[0] for column in cursor.description or ()]
        while rows.missing and (row := cursor.fetchone()) is not None:
            rows.extend([row])
        cursor.close()
    return rows.result(columns)


def change_facts(conn: sqlite3.Connection, statements: Sequence[str], seconds: float) -> None:
    """Judge and run checked INSERTs, UPDATEs and DELETEs inside the open transaction.

    All of them together have `seconds` of work, because no one else can write meanwhile. Raises
    SqlError when one is refused, wrong or too slow; the caller then rolls back.
    """
    deadline = Deadline(seconds)
    with _errors_for_the_model(), _interrupted_after(conn, deadline, statements):
        # The full-text index reads its own tables when a connection first meets it. That must
        # happen before the authorizer is on, which knows nothing of them.
        conn.execute("SELECT rowid FROM facts_words LIMIT 0").close()
        for statement in statements:
            with _limits(conn, statement), _judged(conn, statement) as text:
                conn.execute(text).close()
            deadline.refuse_if_over()  # a short statement ends before anybody looks at the clock


@contextmanager
def _judged(conn: sqlite3.Connection, statement: str) -> Iterator[str]:
    """Have SQLite compile a change under the authorizer; the block gets the text that runs it.

    While it runs the authorizer allows everything: the triggers make the full-text index issue
    statements, which the authorizer must judge as well. It is not removed first, because newer
    versions of SQLite (3.53) would compile the statement once more.
    """
    # A text that SQLite has compiled before would not be compiled, nor judged, again.
    text = f"{statement} -- {next(_numbers)}"
    verdicts = []
    is_compiled = False

    def authorizer(*step: Any) -> int:
        if is_compiled:
            return sqlite3.SQLITE_OK
        verdicts.append(_may_change_facts(statement, *step))
        return verdicts[-1]

    conn.set_authorizer(authorizer)
    try:
        # It runs once for each row of parameters, so with none it is compiled and does not run.
        # The connection keeps it, and runs what was judged when it meets the same text again.
        conn.executemany(text, ()).close()
        if not verdicts:
            raise SqlError(model_limits.NOT_ALLOWED)
        is_compiled = True
        yield text
    finally:
        conn.set_authorizer(None)


def _may_read(
    statement: str,
    action: int,
    first: str | None,
    second: str | None,
    database: str | None,
    source: str | None,
) -> int:
    """The authorizer of reading: what SQLite asks about each step of a statement it compiles.

    `first` and `second` depend on the action: table and column, or nothing and a function. Called
    for every table, column and function; whatever is not named here is refused.
    """
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    # A count(*) reads the column "" of its table, or of its WITH. A table that is named like a
    # WITH of the statement would give away no more than how many rows it has.
    if action == sqlite3.SQLITE_READ and first in TABLES and second in ("", *TABLES[first]):
        return sqlite3.SQLITE_OK
    is_count = action == sqlite3.SQLITE_READ and second == "" and database is None
    if is_count and first in with_names(statement):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in _ALLOWED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    # Here a hostile statement is refused: another table, a PRAGMA, ATTACH, a function, a write.
    return sqlite3.SQLITE_DENY


def _may_change_facts(
    statement: str,
    action: int,
    first: str | None,
    second: str | None,
    database: str | None,
    source: str | None,
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
    return _may_read(statement, action, first, second, database, source)


@contextmanager
def _interrupted_after(
    conn: sqlite3.Connection, deadline: Deadline, statements: Sequence[str]
) -> Iterator[None]:
    """Interrupt what runs when the deadline is over."""
    words = (" LIKE ", "TRIM(", "REPLACE(", "INSTR(")
    has_pattern = any(word in statement for statement in statements for word in words)
    steps = _STEPS_OF_PATTERNS if has_pattern else _STEPS
    conn.set_progress_handler(lambda: int(deadline.is_over), steps)
    try:
        yield
    finally:
        conn.set_progress_handler(None, 0)


@contextmanager
def _limits(conn: sqlite3.Connection, statement: str) -> Iterator[None]:
    """Bound what a statement can do in one step, between two looks at the deadline."""
    makes_longer = "||" in statement or "REPLACE(" in statement
    limits = {
        sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_JOINED if makes_longer else LONGEST_VALUE,
        sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: MAX_PATTERN,
        sqlite3.SQLITE_LIMIT_VDBE_OP: _MAX_INSTRUCTIONS,
    }
    previous = {limit: conn.setlimit(limit, value) for limit, value in limits.items()}
    try:
        yield
    finally:
        for limit, value in previous.items():
            conn.setlimit(limit, value)


# A piece of SQLite's message -> what the model that wrote the statement reads instead.
_ADVICE_TO_MODELS: dict[str, str] = {
    "interrupted": model_limits.TOO_SLOW,
    "FOREIGN KEY": model_limits.NO_SUCH_TURN,
    "is no date": model_limits.NO_DATE,
    "NOT NULL": model_limits.MISSING_VALUE,
    "CHECK": model_limits.EMPTY_VALUE,
    "prohibited": model_limits.OTHER_TABLE,
    "not authorized": model_limits.NOT_ALLOWED,
    "too big": model_limits.VALUE_TOO_LONG,
    "pattern too complex": f"a LIKE pattern has at most {MAX_PATTERN} bytes",
    "too many columns": f"select at most {MAX_COLUMNS} columns",
}


_FAULTS_OF_THE_FILE = (
    *("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_IOERR"),
    *("SQLITE_LOCKED", "SQLITE_NOTADB", "SQLITE_PROTOCOL", "SQLITE_READONLY"),
)


@contextmanager
def _errors_for_the_model() -> Iterator[None]:
    """Turn SQLite's errors about a model's statement into a SqlError, which its next attempt sees.

    Faults of the file are no fault of the statement, so trying again would not help: they pass.
    """
    try:
        yield
    except MemoryError as error:
        raise SqlError("too much work: write fewer or shorter expressions") from error
    # UnicodeEncodeError: half of a surrogate pair cannot be sent to SQLite.
    except (OverflowError, UnicodeEncodeError) as error:
        raise SqlError(_advice(error)) from error
    except sqlite3.DatabaseError as error:
        # By SQLite's code, not its words: "malformed JSON" says nothing of the file.
        # Python's own errors, as for two statements, have none.
        if getattr(error, "sqlite_errorname", "").startswith(_FAULTS_OF_THE_FILE):
            raise
        raise SqlError(_advice(error)) from error


def _advice(error: Exception) -> str:
    message = str(error)
    return next((text for sign, text in _ADVICE_TO_MODELS.items() if sign in message), message)
