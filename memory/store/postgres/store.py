"""A namespace in Postgres: one writer at a time, every commit on disk, shared tables."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from memory import sql as sql_policy
from memory.errors import DeletedError, InputError, SqlError, StoreError
from memory.records import Forgotten, Rows
from memory.store.changes.journal import MAX_FACTS_CHANGED
from memory.store.configuration import settings
from memory.store.database import Connection
from memory.store.database_store import FORKED, DatabaseStore
from memory.store.facts import entities
from memory.store.fair_lock import FairLock
from memory.store.forgetting import forget
from memory.store.model_limits import MAX_ROWS, READ_SECONDS, WRITE_SECONDS, Deadline
from memory.store.postgres import faults, migrate, model_login, names, sqlite_copy
from memory.store.postgres.address import Address, read_address
from memory.store.postgres.connection import NamespaceConnection, postgres_errors
from memory.store.postgres.pool import (
    CONNECT_SECONDS,
    OWN_NAMES,
    WAIT_SECONDS,
    Pool,
    begin,
    connection_of_models,
    pool,
)
from memory.store.search import vectors
from memory.store.sqlite.store import SqliteStore

# How long a memory that another process deleted or renamed may go on under its name.
CURRENT_SECONDS = 5.0

# How the second login is admitted.
_BY_SERVER = "pg_hba.conf admit it by password (scram-sha-256)"
_BY_POOLER = (
    "the pooler look up its password (PgBouncer's auth_query; see docs/scaling.md), and"
    f" {_BY_SERVER}"
)


@dataclass(frozen=True)
class Database:
    """A database whose schema and walls were looked at: its two pools of connections."""

    own: Pool
    of_models: Pool
    revision: str


_databases: dict[Pool, Database] = {}  # the databases checked so far, by their own pool
_looked_at: dict[Pool, float] = {}  # when, in monotonic seconds
_databases_lock = threading.Lock()


class PostgresStore(DatabaseStore):
    """The rows of one namespace in a database of many.

    Our own statements run as the login of the address, with the namespace in each table reference.
    What a model wrote runs as a second login, behind `model_login`.
    Raises StoreError for whatever the server or the network cannot do.
    """

    def __init__(self, text: str, read_only: bool = False, embedder: str | None = None) -> None:
        super().__init__(read_only, embedder)
        self._address = read_address(text)
        self._looked_at = time.monotonic()
        self._process = os.getpid()
        # Threads that write wait here for their turn, without a connection of the pool, which
        # readers need meanwhile.
        self._writer = FairLock()
        with self._errors():
            self._database = looked_at(self._address, may_set_up=not read_only)
            with self._database.own.connection() as conn:
                self._namespace = number_of(conn, self._address, may_make=not read_only)
                self._tickets = _tickets(conn, self._namespace)
            self._conn = NamespaceConnection(self._database.own, self._namespace)
            vectors.refuse_other_name(
                vectors.recorded_embedder(self._conn), embedder, self.location
            )
            if not read_only:
                entities.derive_older(self._conn, self.transaction)

    @property
    def location(self) -> str:
        return self._address.location

    @property
    def address(self) -> str:
        return self._address.text

    def is_current(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < CURRENT_SECONDS:
            return True
        with self._errors():
            if looked_at(self._address, may_set_up=False) is not self._database:
                return False
            with self._database.own.connection() as conn:
                select = "SELECT id FROM memory.namespaces WHERE name = %s"
                row = conn.execute(select, (self._address.namespace,)).fetchone()
        self._looked_at = now
        return row == (self._namespace,)

    def close(self) -> None:
        """Nothing is held between calls: connections belong to the process."""

    # ---------------------------------------------------------------- what a model may do

    def _select_for_model(
        self, select: "sql_policy.CheckedSelect", hits: "Sequence[sql_policy.Hits]"
    ) -> Rows:
        statement = select.render(hits, dialect="postgres", namespace=self._namespace)
        with (
            self._errors(),
            connection_of_models(self._database.of_models) as conn,
        ):
            return model_login.select(
                conn,
                statement,
                self._tickets["r"],
                limit=MAX_ROWS,
                seconds=READ_SECONDS,
                is_behind_pooler=self._database.of_models.is_behind_pooler,
            )

    @contextmanager
    def _model_transaction(self) -> Iterator[Connection]:
        self._refuse_writing()
        journal = self._tickets["j"]
        with (
            self._errors(),
            self._writer,
            connection_of_models(self._database.of_models) as conn,
            conn.transaction(),
            self._conn.bound(conn),
        ):
            model_login.enter(conn, journal, WAIT_SECONDS)  # also for another writer to end
            self._refuse_deleted(self._conn.lock_writer())
            with model_login.errors_for_the_model(has_only_its_text=False):
                yield self._conn
                self._conn.finish()

    def _run_statements(
        self, conn: Connection, writes: "Sequence[sql_policy.CheckedFacts]", is_digest: bool
    ) -> None:
        bound = self._conn.connection
        facts = self._conn.facts
        deadline = Deadline(WRITE_SECONDS)
        for write in writes:
            deadline.refuse_if_over()
            # Facts to insert are values already. Of other statements Postgres says what they would
            # do, under a ticket that can only read.
            rows: Sequence[tuple[Any, ...]] = (
                write.rows if write.command == "insert" else self._changed_facts(write, deadline)
            )
            if len(rows) > MAX_FACTS_CHANGED:
                raise SqlError(
                    f"this would change more than {MAX_FACTS_CHANGED} facts; narrow it with WHERE"
                )
            model_login.enter(bound, self._tickets["j"], deadline.seconds_left)
            with model_login.errors_for_the_model():
                if write.command == "insert":
                    facts.insert_new(write.columns, rows)
                elif write.command == "update":
                    facts.update(write.columns, rows)
                else:
                    facts.delete([fact_id for (fact_id,) in rows])

    def _changed_facts(
        self, change: "sql_policy.CheckedChange", deadline: Deadline
    ) -> tuple[tuple[Any, ...], ...]:
        """The facts that an UPDATE or DELETE is going to change, and what it sets."""
        return model_login.select(
            self._conn.connection,
            change.facts_query(self._namespace),
            self._tickets["r"],
            limit=MAX_FACTS_CHANGED + 1,
            seconds=min(WRITE_SECONDS, deadline.seconds_left),
            is_behind_pooler=self._database.of_models.is_behind_pooler,
        ).rows

    # ---------------------------------------------------------------- the whole memory

    def as_of(self, moment: str) -> SqliteStore:
        return SqliteStore.of_the_past(self, moment, sqlite_copy.write_copy)

    def forget(
        self, turn_ids: Sequence[int], replies: bool = True, repeats: bool = False
    ) -> Forgotten:
        self._refuse_newer_schema()
        with self._errors():
            return forget.forget(
                self._conn,
                self.transaction,
                embed=self.vectors.embed,
                turn_ids=turn_ids,
                place=forget.BytesOfMemory(
                    location=self.location,
                    file=None,
                    overwrite=self._refresh_statistics,  # and the server's vacuum, docs/security.md
                    vacuum=names.VACUUM,
                ),
                replies=replies,
                repeats=repeats,
            )

    def _refresh_statistics(self) -> None:
        with self._database.own.connection() as conn:
            names.refresh_statistics(conn)

    def vacuum(self) -> str:
        self._refuse_writing()
        with self._errors(), self._database.own.connection() as conn:
            names.vacuum(conn, self.location)
        return names.VACUUM

    def backup(self, path: Path) -> None:
        self._refuse_writing()
        self._refuse_newer_schema()
        path = path.absolute()
        if path.exists():
            raise InputError(f"{path} exists already; nothing was written")
        if not path.parent.is_dir():
            raise InputError(f"the folder {path.parent} does not exist; nothing was written")
        # Noted before the copy is made: no copy may exist that `forget` does not know.
        with self.transaction() as conn:
            settings.add_setting(conn, forget.BACKUP, str(path))
        with self._snapshot() as reader:
            sqlite_copy.write_copy(reader, path)

    def check(self) -> list[str]:
        with self.transaction("DEFERRED"):
            return faults.find_faults(self._conn)

    # ---------------------------------------------------------------- connection

    def _errors(self) -> AbstractContextManager[None]:
        if os.getpid() != self._process:  # libpq's connections do not follow
            raise StoreError(FORKED.format(location=self.location))
        return postgres_errors(self.location, self._address.conninfo)

    def _refuse_writing(self) -> None:
        if self.read_only:
            raise StoreError(f"{self.location}: opened for reading only")

    def _refuse_newer_schema(self) -> None:
        with self._errors(), self._database.own.connection() as conn:
            migrate.refuse_newer(conn, self.location)

    def _for_writing(self) -> "PostgresStore":
        return PostgresStore(self.address)

    @property
    def _is_in_block(self) -> bool:
        return self._conn.is_bound

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self._forget_expired()
        with self._errors():
            yield self._conn

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[Connection]:
        self._forget_expired()
        if kind == "DEFERRED":
            with (
                self._errors(),
                self._database.own.connection() as conn,
                self._conn.reading(conn),
            ):
                yield self._conn
            return
        self._refuse_writing()
        with (
            self._errors(),
            self._writer,
            self._database.own.connection() as conn,
            self._conn.writing(conn) as is_there,
        ):
            self._refuse_deleted(is_there)
            yield self._conn
            self._conn.finish()

    def _refuse_deleted(self, is_there: bool) -> None:
        if not is_there:
            raise DeletedError(
                f"{self.location}: deleted while it was open; open it again to begin a new one"
            )

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        self._forget_expired()
        # A separate view, so that the store's is free while a caller takes rows.
        reader = NamespaceConnection(self._database.own, self._namespace)
        with (
            self._errors(),
            self._database.own.connection() as conn,
            reader.bound(conn),
        ):
            begin(conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield reader


def looked_at(address: Address, may_set_up: bool) -> Database:
    """The pools of a database whose schema is of this version and whose walls stand.

    An empty database is set up. Its walls are checked once in a process, and again when another
    version has changed its schema, which is looked up every few seconds.
    """
    own = pool(address)
    known = _databases.get(own)
    if known and time.monotonic() - _looked_at[own] < CURRENT_SECONDS:
        return known
    if known:
        # Without the lock: a server that does not answer must hold up no one else, nor one by one.
        with own.connection() as conn:
            revision = migrate.revision_of(conn)
        if revision == known.revision:
            _looked_at[own] = time.monotonic()
            return known
    with _databases_lock:
        if own in _databases and _databases[own] is not known:
            return _databases[own]  # another thread has looked meanwhile
        # Not from the pool, whose connections are set up for an existing schema.
        with psycopg.connect(address.conninfo, connect_timeout=CONNECT_SECONDS) as conn:
            conn.execute(f"SET LOCAL {OWN_NAMES}")
            revision = migrate.revision_of(conn)
            migrate.refuse_other_revision(conn, address.location)
        if not revision and not may_set_up:
            raise StoreError(f"{address.location}: there is no memory here to read")
        if not revision:
            _, revision = migrate.upgrade(address.conninfo, address.location)
        with own.connection() as conn:
            role = migrate.model_role(conn.info.dbname)
            model_login.refuse_gaps(conn, role, address.location)
            [(password,)] = conn.execute(
                "SELECT value FROM memory.secrets WHERE name = 'model password'"
            ).fetchall()
        of_models = pool(address, role, password)
        try:
            with of_models.connection():
                pass
        except psycopg.OperationalError as error:
            how = _BY_POOLER if own.is_behind_pooler else _BY_SERVER
            raise StoreError(
                f"{address.location}: the second login {role}, which runs a model's SQL, cannot"
                f" connect; let {how}"
            ) from error
        _looked_at[own] = time.monotonic()
        _databases[own] = Database(own, of_models, revision)
        return _databases[own]


def number_of(conn: psycopg.Connection, address: Address, may_make: bool) -> int:
    """The number of a namespace; a new name gets the next where a memory may be made."""
    select = "SELECT id FROM memory.namespaces WHERE name = %s"
    row = conn.execute(select, (address.namespace,)).fetchone()
    if row is None and not may_make:
        raise StoreError(f"{address.location}: there is no memory here to read")
    if row is None:
        with conn.transaction():
            conn.execute(
                "INSERT INTO memory.namespaces (name) VALUES (%s) ON CONFLICT DO NOTHING",
                (address.namespace,),
            )
            row = conn.execute(select, (address.namespace,)).fetchone()
            assert row is not None
            conn.execute(
                "INSERT INTO memory.counters (namespace) VALUES (%s) ON CONFLICT DO NOTHING", row
            )
    return int(row[0])


def _tickets(conn: psycopg.Connection, namespace: int) -> dict[str, str]:
    """The tickets of a namespace by their scope, signed."""
    contents = {scope: f"{namespace}.{scope}" for scope in "rj"}
    signatures = conn.execute(
        "SELECT content, memory.signature(content) FROM unnest(%s::text[]) AS content",
        ([*contents.values()],),
    )
    signature_of: dict[str, str] = dict(signatures.fetchall())
    return {scope: f"{text}.{signature_of[text]}" for scope, text in contents.items()}
