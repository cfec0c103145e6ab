"""A connection to one namespace of a database, and the driver's errors in clear words."""

import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from memory.errors import InputError, StoreError
from memory.store.postgres.address import LONGEST_NAME, password_of, without_password
from memory.store.postgres.fact_table import FactTable
from memory.store.postgres.pool import WAIT_SECONDS, AllInUseError, Pool, begin
from memory.store.postgres.word_lists import WordLists
from memory.store.statement_file import FACTS_NOW, for_postgres, read_statements
from memory.system.home import item_keys, know_item_key

_ITEM_KEY = "key of forgotten items"  # its name in memory.secrets
COPIED_ROWS = 8  # fewer are faster as statements, which are prepared
_NO_EXIT = "cannot exit pipeline mode"  # libpq's

_Result = TypeVar("_Result")

_FOLDER = Path(__file__).parent
STATEMENTS = read_statements(
    _FOLDER.parent / "statements.sql",
    _FOLDER.parent / "leases.sql",
    _FOLDER / "postgres.sql",
    _FOLDER / "bookkeeping.sql",
    FACTS_NOW,
    render=for_postgres,
)


@contextmanager
def pipeline(conn: psycopg.Connection) -> Iterator[None]:
    """Run the statements of the block in one round trip; raises the error of the first that failed.

    A pipeline that cannot be left, as results are still to come, is of no use, nor is what libpq
    says of it ("cannot exit pipeline mode"): the connection is closed, and the cause is raised.
    """
    is_outermost = not conn.info.pipeline_status
    try:
        with conn.pipeline():
            yield
    except psycopg.OperationalError as error:
        cause = error.__context__
        if _NO_EXIT in str(error) and isinstance(cause, psycopg.Error):
            raise cause from None
        raise
    finally:
        if is_outermost and not conn.closed and conn.info.pipeline_status:
            conn.close()


class NamespaceConnection(threading.local):
    """One namespace's tables, as the shared modules use them; see `database.Connection`.

    Outside of `bound` each statement runs by itself on a connection of the pool. Each thread has
    its own `bound`, and all that belongs to its transaction.
    """

    integrity_error: type[Exception] = psycopg.IntegrityError

    def __init__(self, connections: Pool, namespace: int) -> None:
        self.namespace = namespace
        self._pool = connections
        self._bound: psycopg.Connection | None = None
        self._waits_for_rows = False
        self.words = WordLists(self)
        self.facts = FactTable(self, self.words)
        self._has_deferred_keys = False

    @contextmanager
    def bound(self, conn: psycopg.Connection) -> Iterator[None]:
        """Run all statements of the block on one connection, within its transaction."""
        before, self._bound = self._bound, conn
        try:
            yield
        finally:
            self._bound = before
            # What is still there belongs to a transaction that was rolled back.
            self.words.clear()
            self.facts.clear()
            self._has_deferred_keys = False

    @contextmanager
    def reading(self, conn: psycopg.Connection) -> Iterator[None]:
        """Run the block in a transaction that only reads, all of one moment.

        A statement is sent when the rows of it or of a later one are taken: that saves a search
        half of its round trips.
        """
        with self.bound(conn), pipeline(conn):
            self._waits_for_rows = True
            try:
                begin(conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield
                conn.execute("COMMIT")
            finally:
                self._waits_for_rows = False

    @contextmanager
    def writing(self, conn: psycopg.Connection) -> Iterator[bool]:
        """Run the block in a transaction as the one writer of this namespace.

        False where it is deleted. The connection's own block commits or rolls back.
        """
        with self.bound(conn):
            with pipeline(conn):  # both in one round trip
                begin(conn)
                lock = self.run("lock_writer")
            yield lock.fetchone() is not None

    @property
    def is_bound(self) -> bool:
        """Whether this thread is inside `bound`."""
        return self._bound is not None

    @property
    def connection(self) -> psycopg.Connection:
        """The connection of the transaction that is open."""
        assert self._bound is not None
        return self._bound

    def finish(self) -> None:
        """Write what follows from the writes of this transaction: the journal, words of facts."""
        self.facts.log()
        self.words.bring_in_facts()
        if self._has_deferred_keys:  # not at the commit, which several servers may take part in
            self._set_keys("IMMEDIATE")

    def lock_writer(self) -> bool:
        """Be the one writer until the transaction ends; False for a namespace that is deleted."""
        return self.run("lock_writer").fetchone() is not None

    def item_keys(self, makes: bool = False) -> list[bytes]:
        keys = self._run(lambda conn: _item_key(conn, makes))
        if makes:  # a copy of this memory in SQLite knows it, too
            know_item_key(keys[0])
        return [*keys, *item_keys()]

    def run(self, statement: str, /, **values: Any) -> psycopg.Cursor[Any]:
        return self.execute(STATEMENTS[statement], **values)

    def execute(self, text: str, /, **values: Any) -> psycopg.Cursor[Any]:
        """Run the text of a statement, as `run` runs a named one."""
        _refuse_large_numbers(values.values())
        parameters = {"namespace": self.namespace, **values}
        return self._run(lambda conn: conn.execute(text, parameters, binary=True))

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._waits_for_rows:
            yield
        elif self._bound is not None:
            with pipeline(self._bound):
                yield
        else:
            with self._pool.connection() as conn, self.bound(conn), pipeline(conn):
                yield

    def run_many(self, statement: str, rows: Iterable[dict[str, Any]], /) -> None:
        if values := self._with_namespace(rows):
            self.connection.cursor().executemany(STATEMENTS[statement], values)

    def run_returning(self, statement: str, rows: Iterable[dict[str, Any]], /) -> list[Any]:
        """Run a named statement for each of these rows of values; gives what RETURNING gives."""
        return self.execute_returning(STATEMENTS[statement], rows)

    def execute_returning(self, text: str, rows: Iterable[dict[str, Any]], /) -> list[Any]:
        """Run the text of a statement, as `run_returning` runs a named one."""
        values = self._with_namespace(rows)
        if not values:
            return []
        cursor = self.connection.cursor()
        cursor.executemany(text, values, returning=True)
        return [row for result in cursor.results() for row in result]

    def _with_namespace(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        values = [{"namespace": self.namespace, **row} for row in rows]
        for row in values:
            _refuse_large_numbers(row.values())
        return values

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /
    ) -> None:
        for row in rows:
            _refuse_large_numbers(row)
        names = ", ".join(("namespace", *columns))

        def run(conn: psycopg.Connection) -> psycopg.Cursor[Any]:
            cursor = conn.cursor()
            if len(rows) >= COPIED_ROWS:
                with cursor.copy(f"COPY memory.{table} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row((self.namespace, *row))
            else:
                places = ", ".join(["%s"] * (len(columns) + 1))
                cursor.executemany(
                    f"INSERT INTO memory.{table} ({names}) VALUES ({places})",
                    [(self.namespace, *row) for row in rows],
                )
            return cursor

        if rows:
            self._run(run)

    def read_rows(
        self, table: str, columns: Sequence[str], order: Sequence[str]
    ) -> psycopg.Cursor[Any]:
        return self.execute(
            f"SELECT {', '.join(columns)} FROM memory.{table} WHERE namespace = %(namespace)s"
            f" ORDER BY {', '.join(order)}"
        )

    def find_row(
        self, table: str, columns: Sequence[str], key: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        conditions = " AND ".join(f"{column} = %({column})s" for column in key)
        return self.execute(
            f"SELECT {', '.join(columns)} FROM memory.{table}"
            f" WHERE namespace = %(namespace)s AND {conditions}",
            **key,
        ).fetchone()

    def delete_row(self, table: str, key: Mapping[str, Any]) -> None:
        conditions = " AND ".join(f"{column} = %({column})s" for column in key)
        self.execute(
            f"DELETE FROM memory.{table} WHERE namespace = %(namespace)s AND {conditions}", **key
        )

    def new_id(self, table: str) -> int:
        [number] = self.next_ids(table, 1)
        return number

    def next_ids(self, table: str, count: int) -> Sequence[int]:
        """The numbers of some new rows of a table."""
        [(last,)] = self.execute(
            f"UPDATE memory.counters SET {table} = {table} + %(count)s"
            f" WHERE namespace = %(namespace)s RETURNING {table}",
            count=count,
        ).fetchall()
        return range(last - count + 1, last + 1)

    def _run(self, run: Callable[[psycopg.Connection], _Result]) -> _Result:
        if self._bound is not None:
            return run(self._bound)
        with self._pool.connection() as conn:
            return run(conn)

    def defer_keys(self) -> None:
        self._set_keys("DEFERRED")
        self._has_deferred_keys = True

    def _set_keys(self, mode: str) -> None:
        self.run("set_keys", mode=mode)

    def last_id(self, table: str) -> int:
        row = self.execute(
            f"SELECT {table} FROM memory.counters WHERE namespace = %(namespace)s"
        ).fetchone()
        return int(row[0]) if row else 0

    def reserve_ids(self, table: str, last: int) -> None:
        self.execute(
            f"UPDATE memory.counters SET {table} = %(last)s"
            f" WHERE namespace = %(namespace)s AND {table} < %(last)s",
            last=last,
        )


def _refuse_large_numbers(values: Iterable[Any]) -> None:
    """Raises OverflowError, as SQLite does, for a number of more than 64 bits."""
    if any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
        raise OverflowError


_BROKEN_OFF = (
    "the connection broke off before the server had answered; try again: a turn with your own id"
    " (source) is stored once"
)
# A piece of libpq's or the server's message -> what a person can do about it.
_ADVICE = {
    "password authentication failed": "the server refuses the user or the password",
    "no password supplied": "the server wants a password; write USER:PASSWORD@ in the address",
    "could not translate host name": "the host's name is not known; check the address",
    "failed to resolve host": "the host's name is not known; check the address",
    "Name or service not known": "the host's name is not known; check the address",
    "Connection refused": "no server answers there; start it, or check host and port",
    "No such file or directory": "no server answers there; start it, or check host and port",
    "timeout expired": "no server answers there in time; check host, port and network",
    "the database system is": "the server is starting or stopping; try again",
    "No space left on device": "the server's disk is full; nothing was written",
    "could not extend file": "the server's disk is full; nothing was written",
    "lock timeout": f"another process has been writing for {WAIT_SECONDS:.0f} seconds; try again",
    "statement timeout": f"another process has been writing for {WAIT_SECONDS:.0f} seconds; try"
    " again",
    "read-only transaction": "opened for reading only, or the server takes no writes",
    "connection was lost": _BROKEN_OFF,
    "server closed the connection": _BROKEN_OFF,
    "terminating connection": _BROKEN_OFF,
    "no more connections allowed": "the pooler has no free connection; try again, or raise its"
    " max_client_conn",
    "query_wait_timeout": "the pooler has no free connection to the server; try again, or raise its"
    " default_pool_size",
    "too many clients": "the server has no free connection; try again, or raise max_connections",
    "remaining connection slots": "the server has no free connection; try again, or raise"
    " max_connections",
}


@contextmanager
def postgres_errors(location: str, conninfo: str) -> Iterator[None]:
    """Turn errors of the driver into a StoreError of one line; it never shows the password."""
    try:
        yield
    except AllInUseError as error:
        raise StoreError(
            f"{location}: all connections of this process were in use for {WAIT_SECONDS:.0f}"
            " seconds; try again",
            cause="connections",
        ) from error
    except OverflowError as error:
        raise InputError("a number here has more than 64 bits; no id is so large") from error
    except UnicodeEncodeError as error:
        raise InputError("a text here holds half a character (a lone surrogate)") from error
    except psycopg.errors.CheckViolation as error:
        long = re.fullmatch(
            "turns_(session|speaker|source)_check", error.diag.constraint_name or ""
        )
        fault = (
            f"a turn's {long[1]} has more than {LONGEST_NAME} bytes, which Postgres cannot index"
            if long
            else _one_line(error, conninfo)
        )
        raise InputError(fault) from error
    except psycopg.DataError as error:
        raise InputError(_one_line(error, conninfo)) from error
    except (psycopg.Error, OSError) as error:
        message = _one_line(error, conninfo)
        advice = next((text for sign, text in _ADVICE.items() if sign in str(error)), message)
        raise StoreError(f"{location}: {advice}", cause=_cause(error)) from error


def _cause(error: Exception) -> str:
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "writer"
    # Without a diagnosis the error is not the server's: there was no connection, or it broke off.
    is_connected = getattr(error, "diag", None) and error.diag.sqlstate  # type: ignore[attr-defined]
    return "" if is_connected else "unreachable"


def _one_line(error: Exception, conninfo: str) -> str:
    diagnosis = getattr(error, "diag", None)
    message = (diagnosis and diagnosis.message_primary) or " ".join(str(error).split())
    password = password_of(conninfo)
    return without_password(message.replace(password, "***") if password else message)


def _item_key(conn: psycopg.Connection, makes: bool = False) -> list[bytes]:
    """The key that marks forgotten turns, hidden from models. Without `makes` it may be missing."""
    if makes:
        insert = "INSERT INTO memory.secrets (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        conn.execute(insert, (_ITEM_KEY, secrets.token_hex(32)))
    select = "SELECT value FROM memory.secrets WHERE name = %s"
    return [bytes.fromhex(key) for (key,) in conn.execute(select, (_ITEM_KEY,))]
