"""A namespace in a database: what is the same in SQLite and in Postgres.

The store carries out what the modules beside it decide. What differs, a transaction and the walls
around a model's SQL, is in sqlite.py and postgres/.
"""

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from memory.errors import InputError, ModelError, SqlError, Stop
from memory.home import agree_to_embedder, agreed_embedder, embed_command, withdraw_agreement
from memory.records import Change, Edit, Fact, Hit, Pending, Rows, Setting, Turn
from memory.search import ranking
from memory.store import (
    dump,
    history,
    journal,
    pending_windows,
    search_tables,
    settings,
    turns_table,
    vectors,
    withdrawals,
)
from memory.store.catalog import catalog
from memory.store.database import Connection
from memory.store.protocol import Store
from memory.store.turn_validation import valid_turn

# After a failure `add` leaves the embedder alone for this time, so that a chat does not wait for
# its retries at each turn of an outage.
EMBEDDER_REST_S = 60.0

_log = logging.getLogger("memory.store")


class DatabaseStore(Store):
    """A namespace in a database; the contract of each method is in `Store`."""

    def __init__(self, read_only: bool, embedder: str | None) -> None:
        self.read_only = read_only
        self._requested_embedder = embedder
        self._embedder: Embedder | None = load_embedder(embedder) if embedder else None
        # In monotonic seconds; above 0 while the embedder cannot be used.
        self._embedder_retry_at = 0.0
        self._claimant = pending_windows.new_claimant()
        self._claimed_windows: set[tuple[int, int]] = set()
        self._index = ranking.Index()
        self._index_embedder: vectors.RecordedEmbedder | None = None  # of the index's vectors
        self._agreed_embedder = ""  # for a copy of `as_of`: what its memory may ask

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---------------------------------------------------------------- what differs

    @property
    @abstractmethod
    def location(self) -> str: ...

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]:
        """A connection for statements that read; errors of the database become ours."""

    @abstractmethod
    def _transaction(self, kind: str = "IMMEDIATE") -> AbstractContextManager[Connection]:
        """A transaction: all of it or nothing, whatever is raised inside.

        IMMEDIATE is the only writer of this namespace; DEFERRED reads, all of one moment.
        """

    def _model_transaction(self) -> AbstractContextManager[Connection]:
        """A transaction for `_run_statements`."""
        return self._transaction()

    @abstractmethod
    def _run_statements(self, conn: Connection, writes: "sql_policy.CheckedWrites") -> None:
        """Run a model's INSERTs, UPDATEs and DELETEs behind walls.

        Raises SqlError when one is refused, wrong or too slow; the caller then rolls back.
        """

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[Connection]:
        """A connection of its own for a long look at one moment, while others write."""

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
                    conn.words.put_turns(insertion.stored)
                    if rows is not None and insertion.stored:
                        stored_rows = rows[insertion.positions]
                        search_tables.put_columns(conn, insertion.stored, stored_rows)
                    ids = insertion.ids
        if time.monotonic() >= self._embedder_retry_at:
            self._embed_waiting()
        return ids

    def known(self, sources: Sequence[str]) -> dict[str, int]:
        with self._reading() as conn:
            return turns_table.ids_by_source(conn, sources)

    def turn(self, turn_id: int) -> Turn:
        [turn] = self.turns_by_id([turn_id])
        return turn

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        if not turn_ids:
            return []
        with self._reading() as conn:
            turns = turns_table.turns_by_id(conn, turn_ids)
            marked = {turn.id: turn for turn in withdrawals.mark_turns(conn, [*turns.values()])}
        missing = [turn_id for turn_id in turn_ids if turn_id not in marked]
        if missing and not missing_ok:
            raise InputError(f"there is no turn {missing[0]}")
        return [marked[turn_id] for turn_id in turn_ids if turn_id in marked]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        with self._reading() as conn:
            turns = turns_table.read_turns(conn, first, last)
            return withdrawals.mark_turns(conn, turns)

    def count_turns(self) -> int:
        with self._reading() as conn:
            return turns_table.count_turns(conn)

    # ---------------------------------------------------------------- search

    def search(
        self, text: str, k: int = 10, weights: Mapping[str, float] | None = None
    ) -> list[Hit]:
        feature_weights = ranking.ordered_weights(weights)
        self._embed_waiting()
        # A read transaction: index, words and vectors are of one moment and one embedder.
        with self._transaction("DEFERRED") as conn:
            new_rows = search_tables.rows_after(conn, self._index)
            recorded = vectors.newest_embedder(new_rows.embedders)
            if recorded is None:
                return []
            # Another row "embedder" stands for other vectors, also where its name is the same.
            if recorded != self._index_embedder:
                if self._index.last_id or self._index.names.last:
                    self._index = ranking.Index()
                    new_rows = search_tables.rows_after(conn, self._index)
                self._index_embedder = recorded
            search_tables.extend_index(conn, self._index, new_rows)
            if search_tables.extend_index_by_waiting(
                conn, self._index, new_rows, recorded.width or 1
            ):
                self._index_embedder = None  # such an index is good for this search only
            query = self._index.query(text)
            [vector] = self._embed([query.plain], recorded)
            if not recorded.width:  # no turn has a vector
                vector = np.zeros(1, np.float32)
            matches = conn.words.matches(query)
            return self._index.rank(
                query,
                vector,
                matches=matches,
                k=k,
                feature_weights=feature_weights,
            )

    # ---------------------------------------------------------------- vectors

    @property
    def embedder(self) -> str:
        return self._embedder_name(self._recorded_embedder())

    def to_embed(self, embedder: str) -> tuple[int, int]:
        with self._reading() as conn:
            return vectors.to_embed(conn, embedder)

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        loaded = load_embedder(embedder)
        if isinstance(loaded, HostedEmbedder):
            agree_to_embedder(self.location, loaded.name)
        with self._reading() as conn:
            vectors.reembed(
                conn,
                self._transaction,
                embedder=loaded,
                batch=batch,
                progress=progress or (lambda turns: None),
            )
        self._requested_embedder = None  # the recorded one is right from now on
        if not isinstance(loaded, HostedEmbedder):
            withdraw_agreement(self.location)

    def _recorded_embedder(self) -> vectors.RecordedEmbedder | None:
        with self._reading() as conn:
            return vectors.recorded_embedder(conn)

    def _embedder_name(self, recorded: vectors.RecordedEmbedder | None) -> str:
        return recorded.name if recorded else self._requested_embedder or PACKAGED_EMBEDDER

    def _load_embedder(self, recorded: vectors.RecordedEmbedder | None) -> Embedder:
        """The recorded embedder, or the one asked for when there is none yet."""
        vectors.refuse_other_name(recorded, self._requested_embedder, self.location)
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
                f"{self.location} names the hosted embedder {embedder.name}, and nobody on this"
                " machine has agreed that it gets this memory's texts; agree with:"
                f" {embed_command(self.location, embedder.name, '--agree')},"
                f" or make the vectors here: {embed_command(self.location, PACKAGED_EMBEDDER)}"
            )
        rows = embedder(texts)
        if recorded and not rows.shape[1]:  # no text has any words
            return np.zeros((len(texts), recorded.width), np.float32)
        if recorded:
            vectors.refuse_other_width(recorded, rows.shape[1], self.location)
        return rows

    def _is_agreed(self, embedder: str) -> bool:
        """Whether somebody on this machine named this hosted embedder for this memory."""
        return embedder in (self._agreed_embedder, agreed_embedder(self.location))

    def _embed_waiting(self) -> None:
        """Embed the turns that wait for it; what prevents it is logged, once until it works again.

        Nothing is raised: the turns are stored, whatever happens to their vectors.
        """
        if self.read_only or isinstance(self._embedder, (PackagedEmbedder, LocalEmbedder)):
            return
        try:
            with self._reading() as conn:
                vectors.embed_waiting(conn, self._transaction, self._embed)
            self._embedder_retry_at = 0.0
        except Stop as error:
            if not self._embedder_retry_at:
                with self._reading() as conn:
                    last = search_tables.last_with_columns(conn)
                    (count,) = conn.run("count_turns_after", after=last).fetchone()
                _log.warning("%s: %d turns wait for their vectors: %s", self.location, count, error)
            self._embedder_retry_at = time.monotonic() + EMBEDDER_REST_S

    # ---------------------------------------------------------------- what a model may do

    def read(
        self, sql: "str | sql_policy.CheckedSelect", weights: Mapping[str, float] | None = None
    ) -> Rows:
        # What runs is the statement that the policy renders, never the model's own text.
        select = sql_policy.check_select(sql) if isinstance(sql, str) else sql
        hits = [
            [(hit.turn_id, hit.score) for hit in self.search(text, k, weights)]
            for text, k in select.searches
        ]
        rows = self._select_for_model(select, hits)
        with self._reading() as conn:
            return withdrawals.mark_rows(conn, rows)

    @abstractmethod
    def _select_for_model(
        self, select: "sql_policy.CheckedSelect", hits: "Sequence[sql_policy.Hits]"
    ) -> Rows:
        """Run a SELECT behind walls, with the hits of its searches: (turn id, score), best first.

        `model_limits` bound it.
        """

    def write(
        self,
        sql: "str | sql_policy.CheckedWrites",
        cause: str,
        window: tuple[int, int] | None = None,
        by_person: bool = False,
    ) -> Change:
        writes = sql_policy.check_writes(sql) if isinstance(sql, str) else sql
        with self._model_transaction() as conn:
            pending_windows.refuse_lost_claim(
                conn, self._claimant, window=window, claimed=self._claimed_windows
            )
            change_id = self._change_facts(conn, writes, cause=cause, window=window)
            journal.check_change(conn, change_id, window, by_person=by_person and window is None)
            change = journal.change(conn, change_id)
        if window:
            self._claimed_windows.discard(window)
        return change

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        with self._model_transaction() as conn:
            statement = pending_windows.held_statement(conn, window)
            try:
                change_id = self._change_facts(
                    conn,
                    sql_policy.check_writes(statement),
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
        conn: Connection,
        writes: "sql_policy.CheckedWrites",
        *,
        cause: str,
        window: tuple[int, int] | None,
    ) -> int:
        """Run statements as one change, and return its id; the window is done with it."""
        text = ";\n".join(write.text for write in writes)
        change_id = journal.begin(conn, cause, text, window=window)
        self._run_statements(conn, writes)
        # In the same transaction as its facts: no kill can store a window and leave it pending.
        if window:
            first, last = window
            conn.run("delete_window", first=first, last=last)
        return change_id

    def undo(self, change_id: int) -> Change:
        with self._transaction() as conn:
            return journal.change(conn, journal.undo(conn, change_id))

    def changes(self, before: int | None = None, limit: int | None = None) -> list[Change]:
        with self._reading() as conn:
            return journal.changes(conn, before, limit)

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
        with self._reading() as conn:
            return pending_windows.pending(conn)

    def catalog(self, tokens: int) -> str:
        with self._reading() as conn:
            return catalog(conn, tokens)

    # ---------------------------------------------------------------- the journal, read

    def facts(self, point: str | int | None = None) -> list[Fact]:
        with self._reading() as conn:
            return history.facts(conn, point)

    def journal(self, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
        with self._reading() as conn:
            return history.edits(conn, change_id, fact_id)

    def revert(self, point: str | int) -> Change:
        with self._transaction() as conn:
            return journal.change(conn, history.revert(conn, point))

    # ---------------------------------------------------------------- settings, questions

    def settings(self, name: str | None = None) -> list[Setting]:
        with self._reading() as conn:
            return settings.setting_history(conn, name)

    def set(self, name: str, value: Any) -> Setting:
        if name == "embedder":
            raise InputError(
                "the setting embedder says who made the vectors; reembed (memory admin embed)"
                " makes them anew by another one"
            )
        with self._transaction() as conn:
            return settings.add_setting(conn, name, value)

    def count_shown(self, turn_ids: Sequence[int]) -> None:
        if turn_ids and not self.read_only:
            with self._transaction() as conn:
                settings.count_shown(conn, turn_ids)

    def shown(self) -> dict[int, int]:
        with self._reading() as conn:
            return settings.shown(conn)

    # ---------------------------------------------------------------- records

    def dump(self) -> Iterator[dict[str, Any]]:
        with self._snapshot() as conn:
            yield from dump.dump(conn)

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        with self._reading() as conn:
            return dump.load(
                conn,
                self._transaction,
                embed=self._embed,
                is_agreed=self._is_agreed,
                records=records,
            )
