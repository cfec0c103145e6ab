"""A namespace in one SQLite file."""

import logging
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from memory import sql
from memory.embed import PACKAGED, Embedder, Hosted, Local, Packaged, load_embedder
from memory.errors import InputError, Stop
from memory.model import Change, Edit, Fact, Forgotten, Hit, Pending, Rows, Setting, Turn
from memory.search import ranking
from memory.store import (
    backup,
    dump,
    forget,
    history,
    integrity,
    journal,
    pending_windows,
    search_tables,
    settings,
    turns_table,
    vectors,
    walls,
)
from memory.store.catalog import catalog
from memory.store.connection import connect, storage_errors
from memory.store.turn_validation import valid_turn

MAX_ROWS = 200
READ_SECONDS = 2.0
EMBEDDER_REST_S = 60.0
WRITE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SqliteStore:
    """The Store protocol over one file: WAL, one writer at a time, every commit on disk.

    Its connections: one of ours, and one that models read through (read-only, behind the walls
    of `walls`). Raises StoreError for whatever the file system or SQLite cannot do.
    """

    def __init__(self, path: Path, read_only: bool = False, embedder: str | None = None) -> None:
        self.path = path
        self.read_only = read_only
        self._retry_at = 0.0  # when `add` asks an embedder that failed again (monotonic seconds)
        self._wanted = embedder
        self._embedder: Embedder | None = load_embedder(embedder) if embedder else None
        self._me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._claimed: set[tuple[int, int] | None] = set()
        self._index = ranking.Index()
        self._indexed: vectors.RecordedEmbedder | None = None  # whose vectors the index holds
        self._reader: sqlite3.Connection | None = None
        self._scratch: TemporaryDirectory[str] | None = None  # where a copy of the past lies
        with storage_errors(path):
            self._conn = connect(path, read_only)
            try:
                if read_only:
                    vectors.refuse_older(self._conn, path)
                else:
                    vectors.describe_older(self._conn, self._transaction)
                vectors.refuse_other_name(vectors.recorded_embedder(self._conn), embedder, path)
            except BaseException:
                self._conn.close()
                raise

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        for conn in (self._reader, self._conn):
            if conn is not None:
                conn.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---------------------------------------------------------------- turns

    def add(self, turns: Sequence[Turn], once: bool = False) -> list[int]:
        """Store turns in one transaction and return their ids; on disk on return."""
        clean = [valid_turn(turn, number) for number, turn in enumerate(turns, 1)]
        ids: list[int] = []
        while clean and not ids:
            made = self._recorded()
            waits = isinstance(self._load(made), Hosted)
            rows = None if waits else self._embed([turn.text for turn in clean], made)
            with self._transaction() as conn:
                if vectors.recorded_embedder(conn) == made:  # else others were faster: once more
                    if made is None:
                        width = 0 if rows is None else rows.shape[1]
                        vectors.record_embedder(conn, self.embedder, width)
                    inserted = turns_table.insert_turns(conn, clean, once)
                    search_tables.put_words(conn, inserted.stored)
                    if rows is not None and inserted.stored:
                        search_tables.put_columns(conn, inserted.stored, rows[inserted.places])
                    ids = inserted.ids
        if time.monotonic() >= self._retry_at:  # a chat does not wait for each retry in an outage
            self._embed_waiting()
        return ids

    def known(self, sources: Sequence[str]) -> dict[str, int]:
        """The turns with these outside ids: source -> turn id (the oldest of several)."""
        with storage_errors(self.path):
            return turns_table.ids_by_source(self._conn, sources)

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""
        found = self.turns(turn_id, turn_id)
        if not found:
            raise InputError(f"there is no turn {turn_id} in {self.path.name}")
        return found[0]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """The turns with ids from first to last (inclusive; None: to the end), in order."""
        with storage_errors(self.path):
            return turns_table.read_turns(self._conn, first, last)

    # ---------------------------------------------------------------- search

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first."""
        self._embed_waiting()
        with self._transaction("DEFERRED") as conn:  # all that is read is of one moment
            if (made := vectors.recorded_embedder(conn)) is None:
                return []
            if made != self._indexed:
                self._index, self._indexed = ranking.Index(), made
            search_tables.extend(conn, self._index)
            if search_tables.extend_waiting(conn, self._index, made.width or 1):
                self._indexed = None
            query = self._index.query(text)
            [vector] = self._embed([query.plain], made)
            if not made.width:  # no turn has a vector
                vector = np.zeros(1, np.float32)
            return self._index.rank(query, vector, search_tables.held(conn, query), k)

    # ---------------------------------------------------------------- vectors

    @property
    def embedder(self) -> str:
        """The name of the embedder that makes this memory's vectors."""
        made = self._recorded()
        return made.name if made else self._wanted or PACKAGED

    def to_embed(self, embedder: str) -> tuple[int, int]:
        """How many turns `reembed` would embed, and the bytes of their text."""
        with storage_errors(self.path):
            return vectors.to_embed(self._conn, embedder)

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        """Make the vectors of all turns anew by another embedder."""
        loaded, tell = load_embedder(embedder), progress or (lambda turns: None)
        with storage_errors(self.path):
            vectors.reembed(self._conn, self._transaction, loaded, batch, tell)
        self._wanted = None

    def _recorded(self) -> vectors.RecordedEmbedder | None:
        with storage_errors(self.path):
            return vectors.recorded_embedder(self._conn)

    def _embed_waiting(self) -> None:
        """Embed the turns that wait for it; what prevents it is logged, once until it works again.

        Nothing is raised: the turns are stored, whatever happens to their vectors.
        """
        if self.read_only or isinstance(self._embedder, (Packaged, Local)):
            return
        try:
            with storage_errors(self.path):
                vectors.embed_waiting(self._conn, self._transaction, self._embed)
            self._retry_at = 0.0
        except Stop as error:
            if not self._retry_at:
                last = search_tables.last_with_columns(self._conn)
                [(count,)] = self._select("SELECT count(*) FROM turns WHERE id > ?", (last,))
                _log.warning("%s: %d turns wait for their vectors: %s", self.path, count, error)
            self._retry_at = time.monotonic() + EMBEDDER_REST_S

    def _load(self, made: vectors.RecordedEmbedder | None) -> Embedder:
        """The recorded embedder, the one asked for when there is none yet."""
        vectors.refuse_other_name(made, self._wanted, self.path)
        name = made.name if made else self._wanted or PACKAGED
        if self._embedder is None or self._embedder.name != name:
            self._embedder = load_embedder(name)
        return self._embedder

    def _embed(
        self, texts: Sequence[str], made: vectors.RecordedEmbedder | None
    ) -> NDArray[np.float32]:
        rows = self._load(made)(texts)
        if made and not rows.shape[1]:  # nothing but blanks
            return np.zeros((len(texts), made.width), np.float32)
        if made:
            vectors.refuse_other_width(made, rows.shape[1], self.path)
        return rows

    # ---------------------------------------------------------------- what a model may do

    def read(self, sql_text: str) -> Rows:
        """Run one SELECT that a model may write. Raises SqlError: refused, wrong or too slow."""
        statement = sql.read_statement(
            sql_text, lambda text, k: [(h.turn_id, h.score) for h in self.search(text, k)]
        )
        if self._reader is None:
            with storage_errors(self.path):
                self._reader = walls.open_reader(self.path)
        return walls.select(self._reader, statement, MAX_ROWS, READ_SECONDS)

    def write(self, sql_text: str, cause: str, window: tuple[int, int] | None = None) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change."""
        statements = sql.write_statements(sql_text)
        with self._transaction() as conn:
            pending_windows.refuse_lost_claim(conn, self._me, window, self._claimed)
            change = journal.begin(conn, cause, ";\n".join(statements), window)
            for statement in statements:
                walls.change_facts(conn, statement, WRITE_SECONDS)
            journal.check(conn, change, window)
            if window:
                conn.execute("DELETE FROM pending WHERE first_turn = ? AND last_turn = ?", window)
            stored = journal.change(conn, change)
        self._claimed.discard(window)
        return stored

    def undo(self, change_id: int) -> Change:
        """Take a change back; the change that did so is returned and can be undone itself."""
        with self._transaction() as conn:
            return journal.change(conn, journal.undo(conn, change_id))

    def changes(self) -> list[Change]:
        """The journal, oldest first."""
        with storage_errors(self.path):
            return journal.changes(self._conn)

    # ---------------------------------------------------------------- windows

    def claim(self, size: int, lease_s: float = 600.0) -> tuple[int, int] | None:
        """The next undigested window of at most `size` turns, kept from others for `lease_s`."""
        with self._transaction() as conn:
            window = pending_windows.claim(conn, self._me, size, lease_s)
        self._claimed.add(window)
        return window

    def reclaim(self, window: tuple[int, int], lease_s: float = 600.0) -> bool:
        """Take over a pending window; False when it is stored by now or somebody works on it."""
        with self._transaction() as conn:
            if taken := pending_windows.reclaim(conn, self._me, window, lease_s):
                self._claimed.add(window)
        return taken

    def fail(self, window: tuple[int, int], error: str, attempted: bool = True) -> None:
        """Give a claimed window back to `pending` with the reason; it can be claimed again."""
        with self._transaction() as conn:
            pending_windows.fail(conn, self._me, window, error, attempted)
        self._claimed.discard(window)

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""
        with storage_errors(self.path):
            return pending_windows.pending(self._conn)

    def catalog(self, tokens: int) -> str:
        """Speakers, dates and sessions, then subjects with their commonest attributes."""
        with storage_errors(self.path):
            return catalog(self._conn, tokens)

    # ---------------------------------------------------------------- the journal, read

    def facts(self, point: str | int | None = None) -> list[Fact]:
        """The facts as they are, or as they were at a point, by id."""
        with storage_errors(self.path):
            return history.facts(self._conn, point)

    def journal(self) -> list[Edit]:
        """What each change did to each fact, oldest first."""
        with storage_errors(self.path):
            return history.edits(self._conn)

    def revert(self, point: str | int) -> Change:
        """Make all facts as they were at a point, as one change that can be undone."""
        with self._transaction() as conn:
            return journal.change(conn, history.revert(conn, point))

    def as_of(self, moment: str) -> "SqliteStore":
        """A copy of this memory as it was at a moment, for reading; gone when it is closed."""
        scratch = TemporaryDirectory(prefix="memory-as-of-")
        try:
            with storage_errors(self.path):
                copy = history.copy_as_of(self._conn, moment, self._embed, Path(scratch.name))
            past = SqliteStore(copy, read_only=True)
        except BaseException:
            scratch.cleanup()
            raise
        past._scratch = scratch
        return past

    # ---------------------------------------------------------------- settings, questions

    def settings(self, name: str | None = None) -> list[Setting]:
        """Every value that settings ever had, or that one did, oldest first."""
        with storage_errors(self.path):
            return settings.history(self._conn, name)

    def set(self, name: str, value: Any) -> Setting:
        """Give a setting a new value (anything JSON holds); the ones before stay on record."""
        with self._transaction() as conn:
            return settings.put(conn, name, value)

    def count_shown(self, turn_ids: Sequence[int]) -> None:
        """Note that a question brought up these turns. A store for reading only notes nothing."""
        if not self.read_only:
            with self._transaction() as conn:
                settings.count_shown(conn, turn_ids)

    def shown(self) -> dict[int, int]:
        """How often questions brought up each turn; turns that none did are not there."""
        return dict(self._select("SELECT turn_id, times FROM shown ORDER BY turn_id"))

    # ---------------------------------------------------------------- the whole file

    def forget(self, turn_ids: Sequence[int]) -> Forgotten:
        """Remove turns and all that rests on them, and overwrite where they were."""
        with storage_errors(self.path):
            return forget.forget(self._conn, self._transaction, self._embed, turn_ids)

    def backup(self, path: Path) -> None:
        """Copy the whole memory into a new file, also while others write."""
        with storage_errors(path):
            backup.backup(self._conn, self._transaction, path)

    def dump(self) -> Iterator[dict[str, Any]]:
        """Everything that was stored, as records; `load` makes an equal memory of them."""
        with storage_errors(self.path):
            yield from dump.dump(self._conn)

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        """Store the records of a dump in this memory, which is empty or holds a part of them."""
        with storage_errors(self.path):
            return dump.load(self._conn, self._transaction, self._embed, records)

    def check(self) -> list[str]:
        """What is wrong with the file and its indexes, one line each; empty when all is well."""
        with storage_errors(self.path):
            return integrity.check(self._conn)

    # ---------------------------------------------------------------- connection

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with storage_errors(self.path):
            return self._conn.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing, whatever is raised inside."""
        with storage_errors(self.path):
            self._conn.execute(f"BEGIN {kind}")
            try:
                yield self._conn
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise
