"""A model's SQL in Postgres: a second login runs it, which sees no row without a ticket.

The login and its tickets come after the parser's allow-list (memory/sql/policy.py), and each wall
fails differently. The rendered tree names the namespace in every table reference. The second login
sees no row without a ticket, which only the owner can sign (row-level security); with the ticket of
a model's statement, no row of any table can be written. A cursor takes one SELECT and nothing else:
an UPDATE or DELETE is a query too, which says what our code is to write
(`memory.sql.CheckedChange`). A deadline on the server and another one here end what takes too long;
the one here lasts longer while the server is busy with others. The parts shared with SQLite are in
memory/store/model_limits.py.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus

from memory.errors import SqlError, StoreError
from memory.records import Rows
from memory.store import model_limits
from memory.store.model_limits import ResultRows, longest_wait
from memory.store.postgres import migrate, names
from memory.store.postgres.connection import pipeline

_ROWS_AT_ONCE = 10  # of a cursor: what is too long is seen before it is all here
# Work that takes _PROBE_SECONDS on a free processor. The extra time shows how busy a server is,
# because Postgres does not report a statement's processor time.
_PROBE = (
    "SELECT count(n), extract(epoch FROM clock_timestamp() - statement_timestamp())"
    " FROM generate_series(1, 100000) n"
)
_PROBE_SECONDS = 0.015

_SET_LIMITS = (
    "SELECT set_config('memory.ticket', %(ticket)s, true),"
    " set_config('statement_timeout', %(milliseconds)s, true),"
    " set_config('max_parallel_workers_per_gather', '0', true),"
    " set_config('synchronous_commit', 'on', true),"
    # Where tables are spread over servers: see migrations/versions/0012_schema.sql.
    " CASE WHEN current_setting('citus.propagate_set_commands', true) = 'local'"
    " THEN memory.spread_ticket(%(ticket)s) END"
)


def enter(conn: psycopg.Connection, ticket: str, seconds: float) -> None:
    """Bring a ticket and a deadline into the open transaction."""
    # As a parameter: the text of a statement shows to other sessions of this login.
    conn.execute(_SET_LIMITS, {"ticket": ticket, "milliseconds": str(int(seconds * 1000))})


def select(
    conn: psycopg.Connection,
    statement: str,
    ticket: str,
    *,
    limit: int,
    seconds: float,
    is_behind_pooler: bool = False,
) -> Rows:
    """The first `limit` rows of a SELECT by the second login, within `seconds` of work.

    An open transaction continues unchanged. Raises SqlError when the statement is refused, wrong,
    too slow or gives too much.
    """
    rows = ResultRows(limit)
    is_inside = conn.info.transaction_status == TransactionStatus.INTRANS
    with errors_for_the_model(), _cancelled_after(conn, seconds, is_behind_pooler):
        try:
            with pipeline(conn):  # up to the first rows in one round trip
                conn.execute("SAVEPOINT model_read" if is_inside else "BEGIN")
                conn.execute("SET TRANSACTION READ ONLY")
                enter(conn, ticket, longest_wait(seconds))
                conn.execute(f"DECLARE model_rows NO SCROLL CURSOR FOR {statement}")
                while rows.missing:
                    size = min(_ROWS_AT_ONCE, rows.missing)
                    cursor = conn.cursor()
                    cursor.adapters.register_loader("numeric", _Number)
                    cursor.execute(f"FETCH FORWARD {size} FROM model_rows")
                    batch = cursor.fetchall()
                    columns = [column.name for column in cursor.description or ()]
                    rows.extend(batch)
                    if len(batch) < size:
                        break
                if not is_inside:
                    conn.execute("ROLLBACK")  # in the round trip that ends the pipeline
        finally:
            # With whatever the statement has set.
            if conn.closed:  # the pipeline could not be left
                pass
            elif is_inside:
                conn.execute("ROLLBACK TO SAVEPOINT model_read")
            else:
                conn.rollback()
    return rows.result(columns)


class _Number(Loader):
    """A number of Postgres' own kind as SQLite would give it.

    What the parser lets through has none: it is rendered with casts to 64 bits. One may have
    131,000 digits, and Python takes seconds for a few of those, which no deadline interrupts.
    """

    def load(self, data: Buffer) -> int | float:
        if len(data) > model_limits.LONGEST_NUMBER:
            raise SqlError(model_limits.TOO_LARGE)
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdecimal() else float(text)


@contextmanager
def _cancelled_after(
    conn: psycopg.Connection, seconds: float, is_behind_pooler: bool
) -> Iterator[None]:
    """Ask the server to stop what runs after `seconds`, or later where it is busy with others.

    How busy it is cannot be asked behind a pooler, which may have no connection free for it.
    """
    is_done = threading.Event()

    def stop() -> None:
        if is_done.wait(seconds):
            return
        most = longest_wait(seconds) - seconds
        busyness = float("inf") if is_behind_pooler else _busyness(conn)
        if is_done.wait(min(seconds * (busyness - 1), most)):
            return
        with suppress(psycopg.Error):
            conn.cancel_safe(timeout=seconds)

    watcher = threading.Thread(target=stop, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        watcher.join()  # it must not stop the next statement of this connection


def _busyness(conn: psycopg.Connection) -> float:
    """How many times longer than alone a statement takes on this server now; 1 if unknown."""
    try:
        with (
            psycopg.connect(
                conn.info.dsn, password=conn.info.password, connect_timeout=2, autocommit=True
            ) as probe,
            probe.transaction(),
        ):
            probe.execute(f"SET LOCAL statement_timeout = {int(1000 * _PROBE_SECONDS * 50)}")
            [(_, seconds)] = probe.execute(_PROBE).fetchall()
    except psycopg.errors.QueryCanceled:
        return float("inf")
    except psycopg.Error:
        return 1.0
    return max(float(seconds) / _PROBE_SECONDS, 1.0)


# The class of an error -> what the model that wrote the statement reads instead.
_ADVICE_TO_MODELS: dict[type[psycopg.Error], str] = {
    psycopg.errors.QueryCanceled: model_limits.TOO_SLOW,
    psycopg.errors.ForeignKeyViolation: model_limits.NO_SUCH_TURN,
    psycopg.errors.NotNullViolation: model_limits.MISSING_VALUE,
    psycopg.errors.InsufficientPrivilege: model_limits.NOT_ALLOWED,
    psycopg.errors.UndefinedTable: model_limits.OTHER_TABLE,
    psycopg.errors.ProgramLimitExceeded: model_limits.VALUE_TOO_LONG,
    psycopg.errors.ConfigurationLimitExceeded: model_limits.TOO_SLOW,
    psycopg.errors.NumericValueOutOfRange: model_limits.TOO_LARGE,
    psycopg.errors.InvalidTextRepresentation: "CAST: a text here is no number; cast only what is"
    " one, or compare as text",
}


@contextmanager
def errors_for_the_model(has_only_its_text: bool = True) -> Iterator[None]:
    """Turn Postgres' errors about a model's statement into a SqlError, for its next attempt.

    Faults of the server or the network are no fault of the statement: they pass.
    """
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        advice_by_constraint = {
            "fact_is_short": "a column of a fact holds at most 20000 characters",
            "fact_is_dated": model_limits.NO_DATE,
            "fact_has_one_spelling": model_limits.NO_DATE,
        }
        name = error.diag.constraint_name or ""
        raise SqlError(advice_by_constraint.get(name, model_limits.EMPTY_VALUE)) from error
    except (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError) as error:
        advice = _advice(error)
        if advice is None and (error.sqlstate or "")[:2] not in ("22", "42", "54"):
            raise
        raise SqlError(advice or str(error.diag.message_primary)) from error
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        raise SqlError(_advice(error) or message) from error
    except UnicodeEncodeError as error:
        if not has_only_its_text:  # half a character may be in the cause, which a person gave
            raise
        raise SqlError(str(error)) from error


def _advice(error: psycopg.Error) -> str | None:
    return next((text for kind, text in _ADVICE_TO_MODELS.items() if isinstance(error, kind)), None)


# --- whether they stand -------------------------------------------------------------------------

_FENCED = (
    *("turns", "facts", "changes", "facts_log", "pending", "word_lists", "counters"),
    *("tags", "attributes", "entities", "aliases", "contradictions", "summaries", "rows_log"),
)
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
    -- A newer version's table is fenced like ours; the parser lets no statement of a model name it.
    AND NOT (%(is_newer)s AND relname <> ALL (%(known)s) AND relrowsecurity
        AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid))
UNION ALL
SELECT %(role)s || ' may sign tickets' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)
    AND has_function_privilege(%(role)s, 'memory.signature(text)', 'EXECUTE')
"""


def refuse_gaps(conn: psycopg.Connection, role: str, location: str) -> None:
    """Raises StoreError, with its name, when a wall is missing in this database."""
    values = {
        "role": role,
        "fenced": [*_FENCED],
        "known": [*names.TABLES, "counters", "namespaces", "secrets", "version"],
        "is_newer": migrate.is_newer(migrate.revision_of(conn)),
    }
    faults = conn.execute(_FAULTS, values).fetchall()
    if faults:
        raise StoreError(
            f"{location}: {faults[0][0]}; a model's SQL could leave its namespace, so this is not"
            " opened. `memory admin migrate --check` lists what differs"
        )
