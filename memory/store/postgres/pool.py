"""The connections of this process to a database: a few for each login, shared, made when needed.

Not psycopg_pool: it connects in background threads. If no connection can be made, a caller waits
until the deadline, even if the server is back meanwhile, and does not learn why. Here the caller
that needs a connection makes it, and gets the driver's error at once, unless the error is
temporary: a server that is starting, or has no free connections at the moment.

A pooler like PgBouncer, in its transaction mode, may give each transaction another connection to
the server, and each connection another client. Behind one nothing may last longer than its
transaction: no prepared statement, and no setting that another program would get.
"""

import os
import selectors
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from memory.store.fair_lock import Places
from memory.store.postgres.address import Address

POOL_CONNECTIONS = 4  # of each login, in one process
WAIT_SECONDS = 15.0  # for a free connection, and for another writer of the same namespace
CONNECT_SECONDS = 10
TRUSTED_SECONDS = 60.0  # a connection that was used since then is not asked whether it stands
IDLE_SECONDS = 600.0  # a connection is closed when it was unused for this long

# A network or a host that is gone says nothing: a line is given up after half a minute.
_LINES = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}


# What a server or a pooler says that will soon take connections again: it starts, or others have
# all of them.
_PASSING = (
    "too many clients already",
    "remaining connection slots are reserved",
    "the database system is starting up",
    "no more connections allowed",
)
_RETRY_SECONDS = 0.25


# Names mean what Postgres and our schema call so, whatever path a login or database sets: functions
# or tables of another schema could come before them, and would run as us.
OWN_NAMES = "search_path = pg_catalog, pg_temp"
_SETTINGS = (
    OWN_NAMES,
    # A commit is on disk when it returns, whatever the server's default is.
    "synchronous_commit = on",
    f"lock_timeout = {int(WAIT_SECONDS * 1000)}",
)


class AllInUseError(Exception):
    """All connections of this process are in use, and stayed so for WAIT_SECONDS."""


@dataclass(frozen=True)
class _Idle:
    conn: psycopg.Connection
    since: float  # monotonic seconds


class Pool:
    """At most `most` connections, which `connect` makes; the one used last is taken first.

    `settings` are what our own statements need: of each connection, or of each transaction where
    `is_behind_pooler` is set.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        most: int = POOL_CONNECTIONS,
        settings: Sequence[str] = (),
    ) -> None:
        self.is_behind_pooler = False
        self._settings = settings
        self._connect = connect
        self._places = Places(most)
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._is_closed = False
        self._reaper: threading.Timer | None = None

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection for the block, committed at its end, or rolled back after an exception.

        Behind a pooler the block is one transaction; `begin` says how that of another kind is
        begun. Raises AllInUseError when none is free in time, and an error of the driver when none
        can be made.
        """
        conn = self.take()
        try:
            if self.is_behind_pooler and self._settings:
                conn.execute("; ".join(["BEGIN", *(f"SET LOCAL {s}" for s in self._settings)]))
            yield conn
        except BaseException:
            # The exception of the block says more than one of a connection that broke off.
            with suppress(psycopg.Error):
                conn.rollback()
            raise
        else:
            conn.commit()
        finally:
            self.give_back(conn)

    def take(self) -> psycopg.Connection:
        """A connection that stands, for `give_back` afterwards; raises as `connection`."""
        deadline = time.monotonic() + WAIT_SECONDS
        if not self._places.take(WAIT_SECONDS):
            raise AllInUseError
        try:
            while (idle := self._newest()) is not None:
                with suppress(psycopg.Error):
                    _check(idle)
                    return idle.conn
                idle.conn.close()
            return self._connected(deadline)
        except BaseException:
            self._places.give_back()
            raise

    def _connected(self, deadline: float) -> psycopg.Connection:
        """A new connection; a server that will soon have one is asked again until then."""
        while True:
            try:
                return self._connect()
            except psycopg.OperationalError as error:
                is_passing = any(sign in str(error) for sign in _PASSING)
                if not is_passing or time.monotonic() + _RETRY_SECONDS > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    def give_back(self, conn: psycopg.Connection) -> None:
        """Let others use a connection; one in a transaction or broken is closed."""
        is_usable = not conn.closed and conn.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if is_usable and not self._is_closed:
                self._idle.append(_Idle(conn, time.monotonic()))
                self._reap_later()
            else:
                conn.close()
        self._places.give_back()

    def close(self) -> None:
        """Close the unused connections, and others once they are given back."""
        with self._lock:
            self._is_closed = True
            for idle in self._idle:
                idle.conn.close()
            self._idle.clear()
            if self._reaper:
                self._reaper.cancel()

    def _newest(self) -> _Idle | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _reap_later(self) -> None:
        """Have the idle connections closed in a while; the lock is taken."""
        if self._reaper is None:
            self._reaper = threading.Timer(IDLE_SECONDS, self._reap)
            self._reaper.daemon = True
            self._reaper.start()

    def _reap(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            self._reaper = None
            # Those used last are at the end.
            while self._idle and self._idle[0].since <= oldest:
                self._idle.pop(0).conn.close()
            if self._idle:
                self._reap_later()


def begin(conn: psycopg.Connection, modes: str = "") -> None:
    """Begin a transaction with these modes, or give them to the one its pool has begun."""
    is_begun = conn.info.transaction_status == TransactionStatus.INTRANS
    if modes or not is_begun:
        conn.execute(f"{'SET TRANSACTION' if is_begun else 'BEGIN'} {modes}")


_pools: dict[tuple[int, Address, str], Pool] = {}
_pools_lock = threading.Lock()


def pool(address: Address, login: str = "", password: str = "") -> Pool:
    """The connections that this process shares, of the address' own login or of another one."""
    address = replace(address, namespace="")
    key = (os.getpid(), address, login)  # a forked process makes its own
    with _pools_lock:
        if key not in _pools:
            # What the address itself says counts.
            options: dict[str, Any] = {**_LINES, **conninfo_to_dict(address.conninfo)}
            if login:
                options |= {"user": login, "password": password}
            options |= {"connect_timeout": CONNECT_SECONDS, "application_name": "sql-memory"}
            merged = make_conninfo(**options)

            def connect() -> psycopg.Connection:
                conn = psycopg.connect(
                    merged,
                    autocommit=True,
                    # The reset of a model's connection drops prepared statements.
                    prepare_threshold=None if login else 5,
                )
                if connections.is_behind_pooler or _is_behind_pooler(conn, address.pooler):
                    connections.is_behind_pooler = True
                    conn.prepare_threshold = None
                elif settings:
                    conn.execute("; ".join(f"SET {setting}" for setting in settings))
                return conn

            settings = () if login else _SETTINGS
            connections = _pools[key] = Pool(connect, settings=settings)
        return _pools[key]


def _is_behind_pooler(conn: psycopg.Connection, pooler: str) -> bool:
    """Whether what this connection sets may reach other clients, or be missing in its next use.

    A pooler gives its clients a made-up process id to cancel by, as it may serve them by several.
    """
    if pooler:
        return pooler == "transaction"
    [(process_id,)] = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchall()
    return bool(process_id != conn.info.backend_pid)


def close_pools() -> None:
    """Close all connections of this process that no store uses at the moment."""
    with _pools_lock:
        for connections in _pools.values():
            connections.close()
        _pools.clear()


def _check(idle: _Idle) -> None:
    """Raises the driver's error for a connection that broke off while it was unused.

    A server that goes away says so. It is asked only then, or when the connection was idle for
    long, because a network may forget it. That saves each use a round trip.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(idle.conn.pgconn.socket, selectors.EVENT_READ)
        if selector.select(0) or time.monotonic() - idle.since > TRUSTED_SECONDS:
            idle.conn.execute("")


@contextmanager
def connection_of_models(connections: Pool) -> Iterator[psycopg.Connection]:
    """A connection of the second login, which is as a new one when it is returned."""
    # What a model's statement may have set outlives its transaction. A pooler might reset another
    # client's connection: settings there are rolled back, and only locks outlive that.
    reset = "DISCARD ALL"
    with connections.connection() as conn:
        if connections.is_behind_pooler:
            begin(conn)
            reset = "SELECT pg_catalog.pg_advisory_unlock_all()"
        try:
            yield conn
        finally:
            try:
                conn.execute(reset)
            except psycopg.Error:
                conn.close()
