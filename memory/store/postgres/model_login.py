"""A model's SQL in Postgres: a second login runs it, which sees no row without a ticket.

The login and its tickets stand behind the parser's allow-list (memory/sql/policy.py), and each wall
fails differently. The rendered tree names the namespace in every table reference. The second login
sees no row without a ticket, which only the owner can sign (row-level security); with the ticket
that a model's statement runs under, no row of any table can be written. A cursor takes one SELECT
and nothing else: an UPDATE or DELETE is a query too, which says what our code is to write
(`memory.sql.CheckedChange`). A deadline on the server and another one here end what takes too long.
What is the same in SQLite is in memory/store/model_limits.py.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from memory.errors import SqlError, StoreError
from memory.records import Rows
from memory.store import model_limits
from memory.store.model_limits import ResultRows

_ROWS_AT_ONCE = 10  # of a cursor: what is too long is seen before it is all here
_GRACE_SECONDS = 0.5  # beyond the server's own deadline, before this side asks it to stop

_SET_LIMITS = (
    "SELECT set_config('memory.ticket', %(ticket)s, true),"
    " set_config('statement_timeout', %(milliseconds)s, true),"
    " set_config('max_parallel_workers_per_gather', '0', true),"
    " set_config('synchronous_commit', 'on', true),"
    # Where tables are spread over servers: see migrations/versions/0003_servers.sql.
    " CASE WHEN current_setting('citus.propagate_set_commands', true) = 'local'"
    " THEN memory.spread_ticket(%(ticket)s) END"
)


def enter(conn: psycopg.Connection, ticket: str, seconds: float) -> None:
    """Bring a ticket and a deadline into the open transaction."""
    # As a parameter: the text of a statement shows to other sessions of this login.
    conn.execute(_SET_LIMITS, {"ticket": ticket, "milliseconds": str(int(seconds * 1000))})


def select(
    conn: psycopg.Connection, statement: str, ticket: str, *, limit: int, seconds: float
) -> Rows:
    """The first `limit` rows of a SELECT by the second login, within `seconds`.

    A transaction that is open goes on as it was before.
    Raises SqlError when the statement is refused, wrong, too slow or gives too much.
    """
    rows = ResultRows(limit)
    is_inside = conn.info.transaction_status == TransactionStatus.INTRANS
    with errors_for_the_model(), _cancelled_after(conn, seconds):
        try:
            with conn.pipeline():  # up to the first rows in one round trip
                conn.execute("SAVEPOINT model_read" if is_inside else "BEGIN")
                conn.execute("SET TRANSACTION READ ONLY")
                enter(conn, ticket, seconds)
                conn.execute(f"DECLARE model_rows NO SCROLL CURSOR FOR {statement}")
                while rows.missing:
                    size = min(_ROWS_AT_ONCE, rows.missing)
                    cursor = conn.execute(f"FETCH FORWARD {size} FROM model_rows")
                    batch = cursor.fetchall()
                    columns = [column.name for column in cursor.description or ()]
                    rows.extend([tuple(map(_plain, row)) for row in batch])
                    if len(batch) < size:
                        break
                if not is_inside:
                    conn.execute("ROLLBACK")  # in the round trip that ends the pipeline
        finally:
            # With whatever the statement has set.
            if is_inside:
                conn.execute("ROLLBACK TO SAVEPOINT model_read")
            else:
                conn.rollback()
    return rows.result(columns)


def _plain(value: Any) -> Any:
    """A number of Postgres as SQLite would give it."""
    if not isinstance(value, Decimal):
        return value
    exponent = value.as_tuple().exponent
    return int(value) if exponent == 0 else float(value)


@contextmanager
def _cancelled_after(conn: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Ask the server to stop what runs when the time is over, whatever its own deadline is."""

    def stop() -> None:
        with suppress(psycopg.Error):
            conn.cancel_safe(timeout=seconds)

    timer = threading.Timer(seconds + _GRACE_SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


# The class of an error -> what the model that wrote the statement reads instead.
_ADVICE_TO_MODELS: dict[type[psycopg.Error], str] = {
    psycopg.errors.QueryCanceled: model_limits.TOO_SLOW,
    psycopg.errors.ForeignKeyViolation: model_limits.NO_SUCH_TURN,
    psycopg.errors.NotNullViolation: model_limits.MISSING_VALUE,
    psycopg.errors.InsufficientPrivilege: model_limits.NOT_ALLOWED,
    psycopg.errors.UndefinedTable: model_limits.OTHER_TABLE,
    psycopg.errors.ProgramLimitExceeded: model_limits.VALUE_TOO_LONG,
    psycopg.errors.ConfigurationLimitExceeded: model_limits.TOO_SLOW,
    psycopg.errors.InvalidTextRepresentation: "CAST: a text here is no number; cast only what is"
    " one, or compare as text",
}


@contextmanager
def errors_for_the_model() -> Iterator[None]:
    """Turn Postgres' errors about a model's statement into a SqlError, for its next attempt.

    Faults of the server or the network are no fault of the statement: they pass.
    """
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        is_long = error.diag.constraint_name == "fact_is_short"
        raise SqlError(
            "a column of a fact holds at most 20000 characters"
            if is_long
            else model_limits.EMPTY_VALUE
        ) from error
    except (psycopg.OperationalError, psycopg.InternalError) as error:
        advice = _advice(error)
        if advice is None and (error.sqlstate or "")[:2] not in ("22", "42", "54"):
            raise
        raise SqlError(advice or str(error.diag.message_primary)) from error
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        raise SqlError(_advice(error) or message) from error
    except UnicodeEncodeError as error:
        raise SqlError(str(error)) from error


def _advice(error: psycopg.Error) -> str | None:
    return next((text for kind, text in _ADVICE_TO_MODELS.items() if isinstance(error, kind)), None)


# --- whether they stand -------------------------------------------------------------------------

_FENCED = ("turns", "facts", "changes", "facts_log", "pending", "word_lists", "counters")
_FAULTS = """
SELECT 'the second login ' || %(role)s || ' is not there' WHERE NOT EXISTS
    (SELECT FROM pg_roles WHERE rolname = %(role)s)
UNION ALL
SELECT 'the second login ' || %(role)s || ' may pass row-level security' FROM pg_roles
WHERE rolname = %(role)s AND (rolsuper OR rolbypassrls)
UNION ALL
SELECT 'the second login ' || %(role)s || ' is a member of ' || owner.rolname
FROM pg_roles AS model, pg_namespace AS space, pg_roles AS owner
WHERE model.rolname = %(role)s AND space.nspname = 'memory' AND owner.oid = space.nspowner
    AND pg_has_role(model.oid, owner.oid, 'MEMBER')
UNION ALL
SELECT 'row-level security of memory.' || relname || ' is off' FROM pg_class
WHERE relnamespace = 'memory'::regnamespace AND relname = ANY (%(fenced)s) AND NOT relrowsecurity
UNION ALL
SELECT 'memory.' || relname || ' has no policy' FROM pg_class
WHERE relnamespace = 'memory'::regnamespace AND relname = ANY (%(fenced)s)
    AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid)
UNION ALL
SELECT %(role)s || ' may read or write memory.' || relname FROM pg_class
WHERE relnamespace = 'memory'::regnamespace AND relkind = 'r' AND relname <> ALL (%(fenced)s)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)
    AND has_table_privilege(%(role)s, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT %(role)s || ' may sign tickets' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)
    AND has_function_privilege(%(role)s, 'memory.signature(text)', 'EXECUTE')
"""


def refuse_gaps(conn: psycopg.Connection, role: str, location: str) -> None:
    """Raises StoreError, which says which, when a wall does not stand in this database."""
    faults = conn.execute(_FAULTS, {"role": role, "fenced": list(_FENCED)}).fetchall()
    if faults:
        raise StoreError(
            f"{location}: {faults[0][0]}; a model's SQL could leave its namespace, so this is not"
            " opened. `memory admin migrate --check` lists what differs"
        )
