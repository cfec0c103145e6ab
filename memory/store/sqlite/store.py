"""A namespace in one SQLite file: WAL, one writer at a time, every commit on disk."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, local
from typing import Any, Generic, TypeVar
from weakref import finalize

from memory import sql as sql_policy
from memory.errors import DeletedError, SqlError, StoreError
from memory.records import Forgotten, Rows
from memory.store import migrations
from memory.store.changes.points_in_time import last_moment, read_moment
from memory.store.database import Connection, newer_schema
from memory.store.database_store import FORKED, DatabaseStore
from memory.store.facts import entities
from memory.store.fair_lock import FairLock, Places
from memory.store.files import backup, integrity, past_copy
from memory.store.files.older_copy import copy_of_older
from memory.store.forgetting import forget
from memory.store.model_limits import MAX_ROWS, READ_SECONDS, WRITE_SECONDS
from memory.store.search import vectors
from memory.store.sqlite import authorizer
from memory.store.sqlite.connection import (
    COPIED_WITHOUT_LOG,
    DAMAGED,
    OpenedFiles,
    SqliteConnection,
    WholeFileError,
    connect,
    lacks_log,
    may_be_damage,
    open_reader,
    refuse_deleted,
    refuse_newer,
    refuse_no_file,
    stamp_of,
    storage_errors,
)
from memory.store.sqlite.full_text import merge_words_of_facts
from memory.store.turns import turns_table
from memory.system.files import folder_lock
from memory.system.logs import clean_logger

MOST_READERS = 16  # connections in use at a time; each has three open files
MOST_SPARE = 4  # kept open for the next
CLOSE_SECONDS = 5.0  # how long a store that is closed waits for what another thread writes

_Conn = TypeVar("_Conn", bound=sqlite3.Connection)
_log = clean_logger("memory.store")


_ERRORS_OF_STORAGE = (
    *(OSError, OverflowError, TypeError, ValueError, LookupError),
    sqlite3.DatabaseError,
)


class SqliteStore(DatabaseStore):
    """A namespace in one file.

    One connection writes, for one thread after another in the order they ask. It also
    reads when no other thread has it. Threads that read meanwhile have a connection each
    (`_readers`), and so has each SELECT of a model (read-only, behind `authorizer`). Raises
    StoreError for anything that the file system or SQLite cannot do.
    """

    def __init__(self, path: Path, read_only: bool = False, embedder: str | None = None) -> None:
        super().__init__(read_only, embedder)
        self.path = path
        self._process = os.getpid()
        self._writer = FairLock()  # has `_conn`
        self._mine = local()  # `conn` is the connection of this thread's block
        self._folder_of_copy: TemporaryDirectory[str] | None = None  # of `as_of`
        self._day_of_copy = ""  # the last one of its moment
        with storage_errors(path):
            refuse_no_file(path)
            self._lacks_log = _lacks_log(path)  # looked at before SQLite makes a new one
            with folder_lock(path.parent):  # the file of the connection is the one at its path
                self._conn = connect(path, read_only, copied_by=copy_of_older)
                self._opened_files = OpenedFiles(path)
            self._stamp = stamp_of(self._conn)
            try:
                if not read_only:
                    entities.derive_older(self._conn, self.transaction)
                recorded = vectors.recorded_embedder(self._conn)
                vectors.refuse_other_name(recorded, embedder, self.location)
            except BaseException:
                self._conn.close()
                raise

        if self._lacks_log:
            _log.warning("%s: %s", path, COPIED_WITHOUT_LOG)
        own = partial(_open_own, path, self._opened_files)
        self._readers = SpareConnections(partial(own, open_reader))
        self._model_readers = SpareConnections(partial(own, authorizer.open_reader))
        may_leave = not (read_only or self._lacks_log)
        # Also when a script ends by an exception, or forgets to close the store.
        self._end = finalize(
            self,
            _end,
            self._conn,
            (self._readers, self._model_readers),
            may_leave=may_leave,
            process=os.getpid(),
            path=path,
            files=self._opened_files,
        )

    @property
    def location(self) -> str:
        return str(self.path)

    @property
    def address(self) -> str:
        return str(self.path)

    def is_current(self) -> bool:
        return self._opened_files.lie_at(self.path)

    def close(self) -> None:
        if os.getpid() == self._process:
            # Not in the middle of what another thread writes, unless that takes too long.
            is_mine = self._writer.take(CLOSE_SECONDS)
            try:
                self._end()
            finally:
                if is_mine:
                    self._writer.give_back()
            if self._folder_of_copy is not None:
                self._folder_of_copy.cleanup()

    # ---------------------------------------------------------------- what a model may do

    def _select_for_model(
        self, select: "sql_policy.CheckedSelect", hits: "Sequence[sql_policy.Hits]"
    ) -> Rows:
        statement = select.render(hits)
        self._refuse_fork()
        with self._storage_errors(), self._model_readers.one() as reader:
            return authorizer.select(reader, statement, limit=MAX_ROWS, seconds=READ_SECONDS)

    @property
    def today(self) -> str:
        return self._day_of_copy or super().today

    def _run_statements(
        self, conn: Connection, writes: "Sequence[sql_policy.CheckedFacts]", is_digest: bool
    ) -> None:
        authorizer.change_facts(self._conn, [write.text for write in writes], WRITE_SECONDS)
        merge_words_of_facts(self._conn, is_digest)

    @contextmanager
    def _model_transaction(self) -> Iterator[Connection]:
        try:
            with self.transaction() as conn:
                yield conn
        except WholeFileError as error:
            raise SqlError(f"{error.__cause__}; write a simpler statement") from error

    # ---------------------------------------------------------------- the whole file

    def as_of(self, moment: str) -> "SqliteStore":
        return SqliteStore.of_the_past(self, moment, past_copy.copy_file)

    @classmethod
    def of_the_past(
        cls, memory: DatabaseStore, moment: str, copy: Callable[[Any, Path], None]
    ) -> "SqliteStore":
        """A copy of a memory as that was at a moment; its folder goes when it is closed.

        `copy` copies the memory of a connection into a SQLite file.
        """
        read_moment(moment)
        folder = TemporaryDirectory(prefix="memory-as-of-")
        try:
            file = Path(folder.name) / past_copy.copy_name()
            with memory._snapshot() as conn:
                copy(conn, file)
            with storage_errors(file):
                past_copy.take_back(file, moment, memory.vectors.embed)
            past = cls(file, read_only=True)
        except BaseException:
            folder.cleanup()
            raise
        past._folder_of_copy = folder
        past._day_of_copy = last_moment(read_moment(moment)).date().isoformat()
        return past

    def forget(
        self, turn_ids: Sequence[int], replies: bool = True, repeats: bool = False
    ) -> Forgotten:
        self._refuse_newer_schema()
        with self._removing():
            forgotten = forget.forget(
                self._conn,
                self.transaction,
                embed=self.vectors.embed,
                turn_ids=turn_ids,
                place=forget.BytesOfMemory(
                    location=forget.file_of(self._conn),
                    file=Path(forget.file_of(self._conn)),
                    overwrite=lambda: forget.overwrite(self._conn),
                ),
                replies=replies,
                repeats=repeats,
            )
            # Of what is in the log only the salt is secret: where another program keeps the log
            # from being emptied, that is no reason to fail.
            self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return forgotten

    def backup(self, path: Path) -> None:
        # A store for reading cannot note the copy, so that `forget` knows it.
        with storage_errors(self.path if self.read_only else path):
            backup.backup(self.transaction, self._snapshot, path)

    def check(self) -> list[str]:
        with self._storage_errors():
            faults = self._faults()
        return [*faults, COPIED_WITHOUT_LOG] if self._lacks_log else faults

    # ---------------------------------------------------------------- connection

    def _refuse_fork(self) -> None:
        """Raises StoreError in a process that was forked: SQLite's connections do not follow."""
        if os.getpid() != self._process:
            raise StoreError(FORKED.format(location=self.location))

    @contextmanager
    def _alone(self) -> Iterator[SqliteConnection]:
        """The connection that writes, when it is this thread's turn; the block is brief.

        No model is asked in the block, on the network or here: all other threads that write wait.
        """
        self._refuse_fork()
        with self._writer, self._as_mine(self._conn):
            yield self._conn

    @contextmanager
    def _as_mine(self, conn: SqliteConnection) -> Iterator[None]:
        """Let what this thread reads inside the block be read by this connection."""
        before = getattr(self._mine, "conn", None)
        self._mine.conn = conn
        try:
            yield
        finally:
            self._mine.conn = before

    @property
    def _is_in_block(self) -> bool:
        return getattr(self._mine, "conn", None) is not None

    def _for_writing(self) -> "SqliteStore":
        return SqliteStore(self.path)

    @contextmanager
    def _removing(self) -> Iterator[None]:
        with self._storage_errors(), self._alone():
            self._conn.execute("PRAGMA secure_delete = ON")  # zeros in place of what is deleted
            yield

    @contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        self._forget_expired()
        try:
            with self._reader() as conn:
                yield conn
        except _ERRORS_OF_STORAGE as error:
            self._explain(error)
            raise

    @contextmanager
    def _reader(self) -> Iterator[SqliteConnection]:
        """The connection of this thread's block, or else an unused one."""
        self._refuse_fork()
        mine: SqliteConnection | None = getattr(self._mine, "conn", None)
        if mine is not None:
            yield mine
        # What a file that was moved held is read by the connection that holds it.
        elif self._writer.take(0) or (not self.is_current() and self._writer.take()):
            try:
                self._mine.conn = self._conn
                # Before a look at the file, which takes a transaction.
                if not self._opened_files.lie_at(self.path):
                    refuse_deleted(stamp_of(self._conn), self.path)
                yield self._conn
            finally:
                self._mine.conn = None
                self._writer.give_back()
        else:
            with self._readers.one() as reader, self._as_mine(reader):
                if not self._opened_files.lie_at(self.path):
                    refuse_deleted(stamp_of(reader), self.path)
                yield reader

    @contextmanager
    def _snapshot(self) -> Iterator[SqliteConnection]:
        self._refuse_fork()
        self._forget_expired()
        with (
            self._storage_errors(),
            closing(_open_own(self.path, self._opened_files, open_reader)) as reader,
        ):
            reader.execute("BEGIN")
            yield reader

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[SqliteConnection]:
        """A transaction: all of it or nothing, whatever is raised inside.

        IMMEDIATE takes the write lock at once. A transaction that began by reading could not write
        any more after another process has written, and would fail instead of waiting.
        """
        self._forget_expired()
        is_writing = kind == "IMMEDIATE"
        with (
            self._storage_errors(),
            self._alone() if is_writing else self._reader() as conn,
        ):
            conn.execute(f"BEGIN {kind}")
            try:
                yield conn
                if is_writing:
                    stamp = stamp_of(conn)
                    refuse_deleted(stamp, self.path)
                    self._opened_files.refuse_others(self.path)
                    self._refuse_other(stamp)
                conn.execute("COMMIT")
            except BaseException:
                if conn.in_transaction:  # some errors (a full disk) end it by themselves
                    conn.execute("ROLLBACK")
                raise

    def _refuse_other(self, stamp: migrations.Stamp) -> None:
        """Raises StoreError if another version has changed the file so that this cannot use it."""
        if stamp != self._stamp:
            refuse_newer(stamp, self.path)
            if stamp.version < migrations.VERSION:
                raise StoreError(
                    f"{self.path}: an older version's while it was open; open it again"
                )
            self._stamp = stamp

    def _refuse_newer_schema(self) -> None:
        with self.reading() as conn:
            version = stamp_of(conn).version
        if version > migrations.VERSION:
            raise StoreError(newer_schema(self.location, str(version)))

    def _faults(self) -> list[str]:
        """What a look at the whole file finds wrong with it."""
        with self._alone() as conn:
            return integrity.find_faults(conn)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        """What SQLite cannot do, and what Python cannot do with a damaged value, as a StoreError.

        An error of Python's is passed on where the file is whole: then the fault is another's.
        """
        try:
            yield
        except _ERRORS_OF_STORAGE as error:
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        """Raises what an error of SQLite or Python means here, if it means anything."""
        with storage_errors(self.path):
            self._look_for_damage(error)
            raise error

    def _look_for_damage(self, error: Exception) -> None:
        """Raises StoreError for an error that is the file's, and WholeFileError where it is not."""
        if isinstance(error, (OverflowError, UnicodeEncodeError, OSError)):
            return  # what was given cannot be stored, or the disk says why
        if not isinstance(error, sqlite3.DatabaseError):
            if faults := self._faults():
                raise StoreError(f"{self.path}: {faults[0]}; {DAMAGED}") from error
        # Only a look at the whole file says so: a statement may bring up the same words.
        elif may_be_damage(error) and not self._faults():
            raise WholeFileError(f"{self.path}: {error}; the file is whole") from error


def _lacks_log(path: Path) -> bool:
    """As `lacks_log`, and no one is just making the file, which has no log at first."""
    if not lacks_log(path):
        return False
    with folder_lock(path.parent, is_exclusive=True):
        return lacks_log(path)


def _open_own(path: Path, files: OpenedFiles, connect: "Callable[[Path], _Conn]") -> "_Conn":
    """One more connection to the file of a store. Raises DeletedError if the file is another.

    A file that took its place a moment ago may not even have tables.
    """
    with folder_lock(path.parent):
        if not files.lie_at(path):
            raise DeletedError(f"{path}: deleted or moved while it was open; open it again")
        return connect(path)


def _end(
    conn: SqliteConnection,
    spare: "Sequence[SpareConnections[Any]]",
    *,
    may_leave: bool,
    process: int,
    path: Path,
    files: OpenedFiles,
) -> None:
    """Close a store's connections, and leave a memory without turns like an unused one.

    In the state of one in use (WAL), only what its log brings could tell whether it has turns.
    Does nothing in a process that was forked: the connections belong to the first.
    """
    if os.getpid() != process:
        return
    with suppress(sqlite3.Error):  # closed already, or in use by others
        for connections in spare:
            connections.close()
        if may_leave and not turns_table.ever_had_turns(conn):
            # SQLite removes the log by its name: where a deleted memory was, that is another one's.
            with folder_lock(path.parent, is_exclusive=True, seconds=CLOSE_SECONDS) as is_free:
                if is_free and files.lie_at(path):
                    conn.execute("PRAGMA busy_timeout = 0")
                    conn.execute("PRAGMA journal_mode = DELETE")
    conn.close()


class SpareConnections(Generic[_Conn]):
    """Connections to one file for threads that read at the same time.

    Makes one for each block that needs it, and keeps some for later blocks.
    """

    def __init__(self, connect: Callable[[], _Conn]) -> None:
        self._connect = connect
        self._places = Places(MOST_READERS)
        self._lock = Lock()
        self._spare: list[_Conn] = []
        self._is_closed = False

    @contextmanager
    def one(self) -> Iterator[_Conn]:
        """A connection for this block alone. Raises SQLite's error if it cannot be made."""
        with self._places.one():
            with self._lock:
                conn = self._spare.pop() if self._spare else None
            conn = conn or self._connect()
            try:
                yield conn
            finally:
                self._keep(conn)

    def _keep(self, conn: _Conn) -> None:
        with self._lock:
            if not (self._is_closed or conn.in_transaction) and len(self._spare) < MOST_SPARE:
                self._spare.append(conn)
                return
        conn.close()

    def close(self) -> None:
        """Close the unused connections; the others are closed when they come back."""
        with self._lock:
            self._is_closed = True
            spare, self._spare = self._spare, []
        for conn in spare:
            conn.close()
