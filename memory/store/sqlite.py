"""A namespace in one SQLite file: the store that carries out what the modules beside it decide."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from memory import sql as sql_policy
from memory.embed import (
    PACKAGED_EMBEDDER,
    Embedder,
    HostedEmbedder,
    LocalEmbedder,
    PackagedEmbedder,
    load_embedder,
)
from memory.errors import InputError, ModelError, SqlError, Stop, StoreError
from memory.home import agree_to_embedder, agreed_embedder, withdraw_agreement
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
    withdrawals,
)
from memory.store.catalog import catalog
from memory.store.connection import (
    COPIED_WITHOUT_LOG,
    DAMAGED,
    OpenedFiles,
    connect,
    lacks_log,
    storage_errors,
)
from memory.store.protocol import Store
from memory.store.turn_validation import valid_turn

MAX_ROWS = 200  # that a model's SELECT returns
READ_SECONDS = 2.0
WRITE_SECONDS = 5.0  # of a whole change: `add` waits for it, for at most connection.BUSY_SECONDS
# After a failure `add` leaves the embedder alone for this time, so that a chat does not wait for
# its retries at each turn of an outage.
EMBEDDER_REST_S = 60.0

_log = logging.getLogger(__name__)


class SqliteStore(Store):
    """A namespace in one file: WAL, one writer at a time, every commit on disk.

    The contract of each method is in `Store`. The store has one connection for itself, and another
    that models read through (read-only, behind `walls`).
    Raises StoreError for whatever the file system or SQLite cannot do.
    """

    def __init__(self, path: Path, read_only: bool = False, embedder: str | None = None) -> None:
        self.path = path
        self.read_only = read_only
        self._requested_embedder = embedder
        self._embedder: Embedder | None = load_embedder(embedder) if embedder else None
        # In monotonic seconds; above 0 while the embedder cannot be used.
        self._embedder_retry_at = 0.0
        self._claimant = pending_windows.new_claimant()
        self._claimed_windows: set[tuple[int, int]] = set()
        self._index = ranking.Index()
        self._index_embedder: vectors.RecordedEmbedder | None = None  # of the index's vectors
        self._model_connection: sqlite3.Connection | None = None
        self._folder_of_copy: TemporaryDirectory[str] | None = None  # of `as_of`
        self._agreed_embedder = ""  # for a copy of `as_of`: what its memory may ask
        with storage_errors(path):
            self._lacks_log = lacks_log(path)  # looked at before SQLite makes a new one
            self._conn = connect(path, read_only)
            self._opened_files = OpenedFiles(path)
            try:
                if read_only:
                    vectors.refuse_older_turns(self._conn, path)
                else:
                    vectors.index_older_turns(self._conn, self._transaction)
                vectors.refuse_other_name(vectors.recorded_embedder(self._conn), embedder, path)
                if isinstance(self._embedder, HostedEmbedder):
                    agree_to_embedder(path, self._embedder.name)
            except BaseException:
                self._conn.close()
                raise

        if self._lacks_log:
            _log.warning("%s: %s", path, COPIED_WITHOUT_LOG)

    def close(self) -> None:
        self._leave_without_log()
        for conn in (self._model_connection, self._conn):
            if conn is not None:
                conn.close()
        if self._folder_of_copy is not None:
            self._folder_of_copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _leave_without_log(self) -> None:
        """Leave a memory without turns in the state of one that nobody uses.

        In the state of one in use, only what its log brings could tell whether it has turns.
        """
        if self.read_only or self._lacks_log:
            return
        with suppress(sqlite3.Error):  # closed already, or in use by others, who will do it
            if not turns_table.ever_had_turns(self._conn):
                self._conn.execute("PRAGMA busy_timeout = 0")
                self._conn.execute("PRAGMA journal_mode = DELETE")

    # ---------------------------------------------------------------- turns

    def add(self, turns: Sequence[Turn], once: bool = False) -> list[int]:
        if isinstance(turns, Turn):
            raise InputError("add takes a list of turns: store.add([turn])")
        clean = [valid_turn(turn, number) for number, turn in enumerate(turns, 1)]
        ids: list[int] = []
        while clean and not ids:
            # Vectors are made outside the transaction, so that no other process waits for them.
            recorded = self._recorded_embedder()
            is_hosted = isinstance(self._load_embedder(recorded), HostedEmbedder)
            rows = None if is_hosted else self._embed([turn.text for turn in clean], recorded)
            with self._transaction() as conn:
                # Another process may have added the first turns of this memory meanwhile, or made
                # all vectors anew. Then the loop embeds these once more, by the new embedder.
                if vectors.recorded_embedder(conn) == recorded:
                    if recorded is None:
                        width = 0 if rows is None else rows.shape[1]
                        vectors.record_embedder(conn, self.embedder, width)
                    insertion = turns_table.insert_turns(conn, clean, once)
                    search_tables.put_words(conn, insertion.stored)
                    if rows is not None and insertion.stored:
                        stored_rows = rows[insertion.places]
                        search_tables.put_columns(conn, insertion.stored, stored_rows)
                    ids = insertion.ids
        if time.monotonic() >= self._embedder_retry_at:
            self._embed_waiting()
        return ids

    def known(self, sources: Sequence[str]) -> dict[str, int]:
        with self._storage_errors():
            return turns_table.ids_by_source(self._conn, sources)

    def turn(self, turn_id: int) -> Turn:
        turns = self.turns(turn_id, turn_id)
        if not turns:
            raise InputError(f"there is no turn {turn_id} in {self.path.name}")
        return turns[0]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        with self._storage_errors():
            turns = turns_table.read_turns(self._conn, first, last)
            return withdrawals.mark_turns(self._conn, turns)

    # ---------------------------------------------------------------- search

    def search(self, text: str, k: int = 10) -> list[Hit]:
        self._embed_waiting()
        # A read transaction: index, words and vectors are of one moment and one embedder.
        with self._transaction("DEFERRED") as conn:
            recorded = vectors.recorded_embedder(conn)
            if recorded is None:
                return []
            # Another row "embedder" stands for other vectors, also where its name is the same.
            if recorded != self._index_embedder:
                self._index = ranking.Index()
                self._index_embedder = recorded
            search_tables.extend_index(conn, self._index)
            if search_tables.extend_index_by_waiting(conn, self._index, recorded.width or 1):
                self._index_embedder = None  # such an index is good for this search only
            query = self._index.query(text)
            [vector] = self._embed([query.plain], recorded)
            if not recorded.width:  # no turn has a vector
                vector = np.zeros(1, np.float32)
            matches = search_tables.word_matches(conn, query)
            return self._index.rank(query, vector, matches=matches, k=k)

    # ---------------------------------------------------------------- vectors

    @property
    def embedder(self) -> str:
        return self._embedder_name(self._recorded_embedder())

    def to_embed(self, embedder: str) -> tuple[int, int]:
        with self._storage_errors():
            return vectors.to_embed(self._conn, embedder)

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        loaded = load_embedder(embedder)
        if isinstance(loaded, HostedEmbedder):
            agree_to_embedder(self.path, loaded.name)
        with self._storage_errors():
            vectors.reembed(
                self._conn,
                self._transaction,
                embedder=loaded,
                batch=batch,
                progress=progress or (lambda turns: None),
            )
        self._requested_embedder = None  # the recorded one is right from now on
        if not isinstance(loaded, HostedEmbedder):
            withdraw_agreement(self.path)

    def _recorded_embedder(self) -> vectors.RecordedEmbedder | None:
        with self._storage_errors():
            return vectors.recorded_embedder(self._conn)

    def _embedder_name(self, recorded: vectors.RecordedEmbedder | None) -> str:
        return recorded.name if recorded else self._requested_embedder or PACKAGED_EMBEDDER

    def _load_embedder(self, recorded: vectors.RecordedEmbedder | None) -> Embedder:
        """The recorded embedder, or the one asked for when there is none yet."""
        vectors.refuse_other_name(recorded, self._requested_embedder, self.path)
        name = self._embedder_name(recorded)
        if self._embedder is None or self._embedder.name != name:
            self._embedder = load_embedder(name)
        return self._embedder

    def _embed(
        self, texts: Sequence[str], recorded: vectors.RecordedEmbedder | None
    ) -> NDArray[np.float32]:
        embedder = self._load_embedder(recorded)
        if isinstance(embedder, HostedEmbedder) and not self._is_agreed(embedder.name):
            raise ModelError(
                f"{self.path} names the hosted embedder {embedder.name}, and nobody on this machine"
                " has agreed that it gets this memory's texts; agree with: python -m memory embed"
                f" --file {self.path} --embedder {embedder.name} --agree, or make the vectors here:"
                f" python -m memory embed --file {self.path} --embedder {PACKAGED_EMBEDDER}"
            )
        rows = embedder(texts)
        if recorded and not rows.shape[1]:  # no text has any words
            return np.zeros((len(texts), recorded.width), np.float32)
        if recorded:
            vectors.refuse_other_width(recorded, rows.shape[1], self.path)
        return rows

    def _is_agreed(self, embedder: str) -> bool:
        """Whether somebody on this machine named this hosted embedder for this memory."""
        return embedder in (self._agreed_embedder, agreed_embedder(self.path))

    def _embed_waiting(self) -> None:
        """Embed the turns that wait for it; what prevents it is logged, once until it works again.

        Nothing is raised: the turns are stored, whatever happens to their vectors.
        """
        if self.read_only or isinstance(self._embedder, (PackagedEmbedder, LocalEmbedder)):
            return
        try:
            with self._storage_errors():
                vectors.embed_waiting(self._conn, self._transaction, self._embed)
            self._embedder_retry_at = 0.0
        except Stop as error:
            if not self._embedder_retry_at:
                last = search_tables.last_with_columns(self._conn)
                [(count,)] = self._select("SELECT count(*) FROM turns WHERE id > ?", (last,))
                _log.warning("%s: %d turns wait for their vectors: %s", self.path, count, error)
            self._embedder_retry_at = time.monotonic() + EMBEDDER_REST_S

    # ---------------------------------------------------------------- what a model may do

    def read(self, sql: str) -> Rows:
        # What runs is the statement that the policy renders, never the model's own text.
        statement = sql_policy.read_statement(sql, search=self._search_pairs)
        if self._model_connection is None:
            with self._storage_errors():
                self._model_connection = walls.open_reader(self.path)
        with self._storage_errors():
            rows = walls.select(
                self._model_connection, statement, limit=MAX_ROWS, seconds=READ_SECONDS
            )
            return withdrawals.mark_rows(self._conn, rows)

    def _search_pairs(self, text: str, k: int) -> list[tuple[int, float]]:
        """What search() in a SELECT stands for: (turn id, score), best first."""
        return [(hit.turn_id, hit.score) for hit in self.search(text, k)]

    def write(
        self,
        sql: str,
        cause: str,
        window: tuple[int, int] | None = None,
        by_person: bool = False,
    ) -> Change:
        statements = sql_policy.write_statements(sql)
        with self._transaction() as conn:
            pending_windows.refuse_lost_claim(
                conn, self._claimant, window=window, claimed=self._claimed_windows
            )
            change_id = self._change_facts(conn, statements, cause=cause, window=window)
            journal.check_change(conn, change_id, window, by_person=by_person and window is None)
            change = journal.change(conn, change_id)
        if window:
            self._claimed_windows.discard(window)
        return change

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        with self._transaction() as conn:
            statement = pending_windows.held_statement(conn, window)
            try:
                change_id = self._change_facts(
                    conn,
                    sql_policy.write_statements(statement),
                    cause=f"digest applied by {by or 'user'}",
                    window=window,
                )
                journal.check_change(conn, change_id, window, by_person=True)
            except SqlError as error:  # the facts have changed since it was written
                raise InputError(
                    f"what is held of turns {window[0]}-{window[1]} does not fit any more"
                    f" ({error}); skip it, or digest again with --replay"
                ) from error
            return journal.change(conn, change_id)

    def _change_facts(
        self,
        conn: sqlite3.Connection,
        statements: Sequence[str],
        *,
        cause: str,
        window: tuple[int, int] | None,
    ) -> int:
        """Run checked statements as one change, and return its id; the window is done with it."""
        change_id = journal.begin(conn, cause, ";\n".join(statements), window=window)
        walls.change_facts(conn, statements, WRITE_SECONDS)
        # In the same transaction as its facts: no kill can store a window and leave it pending.
        if window:
            conn.execute("DELETE FROM pending WHERE first_turn = ? AND last_turn = ?", window)
        return change_id

    def undo(self, change_id: int) -> Change:
        with self._transaction() as conn:
            return journal.change(conn, journal.undo(conn, change_id))

    def changes(self, before: int | None = None, limit: int | None = None) -> list[Change]:
        with self._storage_errors():
            return journal.changes(self._conn, before, limit)

    # ---------------------------------------------------------------- windows

    def claim(self, size: int, lease_s: float = 600.0, since: int = 0) -> tuple[int, int] | None:
        with self._transaction() as conn:
            window = pending_windows.claim(
                conn, self._claimant, size=size, lease_s=lease_s, since=since
            )
        if window:
            self._claimed_windows.add(window)
        return window

    def reclaim(
        self, window: tuple[int, int], lease_s: float = 600.0, size: int | None = None
    ) -> tuple[int, int] | None:
        with self._transaction() as conn:
            claimed = pending_windows.reclaim(
                conn, self._claimant, window, lease_s=lease_s, size=size
            )
        if claimed:
            self._claimed_windows.add(claimed)
        return claimed

    def fail(
        self, window: tuple[int, int], error: str, attempted: bool = True, statement: str = ""
    ) -> None:
        with self._transaction() as conn:
            pending_windows.fail(
                conn,
                self._claimant,
                window,
                error=error,
                attempted=attempted,
                statement=statement,
            )
        self._claimed_windows.discard(window)

    def pending(self) -> list[Pending]:
        with self._storage_errors():
            return pending_windows.pending(self._conn)

    def catalog(self, tokens: int) -> str:
        with self._storage_errors():
            return catalog(self._conn, tokens)

    # ---------------------------------------------------------------- the journal, read

    def facts(self, point: str | int | None = None) -> list[Fact]:
        with self._storage_errors():
            return history.facts(self._conn, point)

    def journal(self, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
        with self._storage_errors():
            return history.edits(self._conn, change_id, fact_id)

    def revert(self, point: str | int) -> Change:
        with self._transaction() as conn:
            return journal.change(conn, history.revert(conn, point))

    def as_of(self, moment: str) -> "SqliteStore":
        folder = TemporaryDirectory(prefix="memory-as-of-")
        try:
            with self._storage_errors():
                file = history.copy_as_of(
                    self._conn, moment, embed=self._embed, folder=Path(folder.name)
                )
            copy = SqliteStore(file, read_only=True)
        except BaseException:
            folder.cleanup()
            raise
        copy._folder_of_copy = folder
        copy._agreed_embedder = self._agreed_embedder or agreed_embedder(self.path)
        return copy

    # ---------------------------------------------------------------- settings, questions

    def settings(self, name: str | None = None) -> list[Setting]:
        with self._storage_errors():
            return settings.setting_history(self._conn, name)

    def set(self, name: str, value: Any) -> Setting:
        if name == "embedder":
            raise InputError(
                "the setting embedder says who made the vectors; reembed (python -m memory embed)"
                " makes them anew by another one"
            )
        with self._transaction() as conn:
            return settings.add_setting(conn, name, value)

    def count_shown(self, turn_ids: Sequence[int]) -> None:
        if not self.read_only:
            with self._transaction() as conn:
                settings.count_shown(conn, turn_ids)

    def shown(self) -> dict[int, int]:
        return dict(self._select("SELECT turn_id, times FROM shown ORDER BY turn_id"))

    # ---------------------------------------------------------------- the whole file

    def forget(self, turn_ids: Sequence[int]) -> Forgotten:
        with self._storage_errors():
            return forget.forget(
                self._conn, self._transaction, embed=self._embed, turn_ids=turn_ids
            )

    def backup(self, path: Path) -> None:
        # A store for reading cannot note the copy, so that `forget` knows it.
        with storage_errors(self.path if self.read_only else path):
            backup.backup(self._conn, self._transaction, path)

    def dump(self) -> Iterator[dict[str, Any]]:
        with self._storage_errors():
            yield from dump.dump(self._conn)

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        with self._storage_errors():
            return dump.load(
                self._conn,
                self._transaction,
                embed=self._embed,
                is_agreed=self._is_agreed,
                records=records,
            )

    def check(self) -> list[str]:
        with self._storage_errors():
            faults = integrity.find_faults(self._conn)
        return [*faults, COPIED_WITHOUT_LOG] if self._lacks_log else faults

    # ---------------------------------------------------------------- connection

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._storage_errors():
            return self._conn.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing, whatever is raised inside.

        IMMEDIATE takes the write lock at once. A transaction that began by reading could not write
        any more after another process has written, and would fail instead of waiting.
        """
        with self._storage_errors():
            self._conn.execute(f"BEGIN {kind}")
            try:
                yield self._conn
                if kind == "IMMEDIATE":
                    self._opened_files.refuse_others(self.path)
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:  # some errors (a full disk) end it by themselves
                    self._conn.execute("ROLLBACK")
                raise

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        """What SQLite cannot do, and what Python cannot do with a damaged value, as a StoreError.

        An error of Python's is passed on where the file is whole: then the fault is another's.
        """
        with storage_errors(self.path):
            try:
                yield
            except (OverflowError, UnicodeEncodeError):
                raise  # what was given cannot be stored
            except (TypeError, ValueError, LookupError) as error:
                if faults := integrity.find_faults(self._conn):
                    raise StoreError(f"{self.path}: {faults[0]}; {DAMAGED}") from error
                raise
