"""A namespace in a database: what is the same in SQLite and in Postgres.

The store carries out what the modules beside it decide. What differs, a transaction and the walls
around a model's SQL, is in sqlite.py and postgres/.
"""

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
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
from memory.errors import InputError, ModelError, NotThereError, SqlError, Stop
from memory.home import agree_to_embedder, agreed_embedder, embed_command, withdraw_agreement
from memory.owner import is_unnamed, owner_of
from memory.records import (
    Change,
    Contradiction,
    Edit,
    Entity,
    Fact,
    Hit,
    Pending,
    Rows,
    Setting,
    StatedFact,
    Summary,
    Tags,
    Task,
    Turn,
    TurnAssertions,
    TurnIds,
    WaitingWork,
    Withheld,
)
from memory.search import ranking
from memory.secrets import DEFAULT_POLICY, mask
from memory.store import (
    assertions,
    contradictions,
    dump,
    entities,
    history,
    journal,
    pending_windows,
    search_tables,
    settings,
    standing_facts,
    summaries,
    turns_table,
    vectors,
    vocabulary_table,
    withdrawals,
    work,
)
from memory.store import tags as tag_rows
from memory.store.catalog import catalog
from memory.store.contradictions import Verdict
from memory.store.database import Connection
from memory.store.fair_lock import FairLock
from memory.store.filtered_turns import FilteredTurns
from memory.store.limits import Room, TurnMeter
from memory.store.protocol import Store
from memory.store.search_tables import Searched
from memory.store.turn_validation import (
    TIMEZONE,
    local_now,
    told_in_zone,
    valid_tags,
    valid_turn,
)
from memory.store.withheld import (
    COUNT,
    POLICY,
    PublicTurns,
    add_withheld,
    policy_of,
    public_turns,
    withheld_of,
)
from memory.turn_filter import TurnFilter, read_filter
from memory.vocabulary import (
    Attribute,
    Vocabulary,
    merged,
    removed,
    renamed,
    with_attributes,
)

# After a failure `add` leaves the embedder alone for this time, so that a chat does not wait for
# its retries at each turn of an outage.
EMBEDDER_REST_S = 60.0
# What a store says in a process that was forked after it was opened.
FORKED = "{location}: opened before this process was forked; open it again in this process"
_NAMED_ATTRIBUTES = 5  # in the cause of a change of the vocabulary

_log = logging.getLogger("memory.store")


class DatabaseStore(Store):
    """A namespace in a database; the contract of each method is in `Store`."""

    def __init__(self, read_only: bool, embedder: str | None) -> None:
        self.read_only = read_only
        self.room: Room | None = None
        self.meter: TurnMeter | None = None
        self.is_served = False  # to others: a dump is let in as turns that are added
        self._requested_embedder = embedder
        self._embedder: Embedder | None = load_embedder(embedder) if embedder else None
        # In monotonic seconds; above 0 while the embedder cannot be used.
        self._embedder_retry_at = 0.0
        self._claimant = pending_windows.new_claimant()
        self._claimed_windows: set[tuple[int, int]] = set()
        # Whoever has the lock begins a read transaction and brings the index up to that moment: it
        # never holds more than a search may see.
        self._searching = FairLock()
        self._index = ranking.Index()
        self._filtered_turns = FilteredTurns()  # of the index
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
    def _run_statements(
        self, conn: Connection, writes: "Sequence[sql_policy.CheckedFacts]"
    ) -> None:
        """Run a model's INSERTs, UPDATEs and DELETEs behind walls.

        Raises SqlError when one is refused, wrong or too slow; the caller then rolls back.
        """

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[Connection]:
        """A connection of its own for a long look at one moment, while others write."""

    @abstractmethod
    def _refuse_newer_schema(self) -> None:
        """Raises StoreError for a schema with tables that this version does not know.

        They may hold what was said: nothing that is about all of a memory may leave them out.
        """

    # ---------------------------------------------------------------- turns

    def add(self, turns: Sequence[Turn], once: bool = False) -> TurnIds:
        if isinstance(turns, Turn):
            raise InputError("add takes a list of turns: store.add([turn])")
        public = self._public([valid_turn(turn, number) for number, turn in enumerate(turns, 1)])
        clean = self._of_owner(public.turns)
        if self.room is not None and clean:
            with self._reading() as conn:
                self.room.refuse_beyond(conn, clean)
        if self.meter is None or not clean:
            ids, _ = self._store_turns(clean, public, once)
        else:
            with self.meter.adding(clean) as stored:
                ids, new = self._store_turns(clean, public, once)
                stored += new
        if time.monotonic() >= self._embedder_retry_at:
            self._embed_waiting()
        return ids

    def _store_turns(
        self, clean: Sequence[Turn], public: PublicTurns, once: bool
    ) -> tuple[TurnIds, Sequence[Turn]]:
        """Store turns in one transaction; their ids, and those of them that are new."""
        ids, new = TurnIds(), list[Turn]()
        while clean and not ids:
            # Vectors are made outside the transaction, so that no other process waits for them.
            recorded = self._recorded_embedder()
            is_hosted = isinstance(self._load_embedder(recorded), HostedEmbedder)
            rows = None if is_hosted else self._embed([turn.text for turn in clean], recorded)
            with self._transaction() as conn:
                # Another process may have added the first turns of this memory meanwhile, or made
                # all vectors anew. Then the loop embeds these once more, by the new embedder.
                in_force = conn.run("settings_of_additions").fetchall()
                embedders = [(row, value) for row, name, value in in_force if name == "embedder"]
                zones = [value for _, name, value in in_force if name == TIMEZONE]
                if vectors.newest_embedder(embedders) == recorded:
                    if recorded is None:
                        width = 0 if rows is None else rows.shape[1]
                        vectors.record_embedder(conn, self.embedder, width)
                    told = told_in_zone(clean, zones[0]) if zones else clean
                    insertion = turns_table.insert_turns(conn, told, once)
                    tag_rows.insert_tags(conn, insertion.stored)
                    conn.words.put_turns(insertion.stored)
                    if rows is not None and insertion.stored:
                        stored_rows = rows[insertion.positions]
                        search_tables.put_columns(conn, insertion.stored, stored_rows)
                    ids = TurnIds(insertion.ids)
                    ids.withheld = public.sum_of(insertion.positions)
                    new = insertion.stored
                    add_withheld(conn, ids.withheld)
        return ids, new

    def _of_owner(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """The turns with the owner's name in place of "user".

        Where no owner is known, "user" and "User" are one speaker, by the name that came first.
        """
        unnamed = [turn for turn in turns if is_unnamed(turn.speaker) and turn.kind == "message"]
        if not unnamed:
            return turns
        name = owner_of(self)
        if not name:
            with self._reading() as conn:
                speakers = [row[1] for row in conn.run("speakers_after", after=0)]
            name = next(filter(is_unnamed, speakers), unnamed[0].speaker)
        return [
            replace(turn, speaker=name)
            if is_unnamed(turn.speaker) and turn.kind == "message"
            else turn
            for turn in turns
        ]

    def _public(self, turns: Sequence[Turn]) -> PublicTurns:
        """Turns as the memory's policy lets them in: before anything, an embedder too, sees them.

        The policy is read only where it matters.
        """
        public = public_turns(turns)
        if not public.has_secrets:
            return public
        policy = policy_of(self.settings(POLICY))
        return public if policy == DEFAULT_POLICY else public_turns(turns, policy)

    def withheld(self) -> Withheld:
        return withheld_of(self.settings(COUNT))

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
            turns = tag_rows.tagged_turns(conn, turn_ids)
            marked = {turn.id: turn for turn in withdrawals.mark_turns(conn, turns)}
        missing = [turn_id for turn_id in turn_ids if turn_id not in marked]
        if missing and not missing_ok:
            raise NotThereError(f"there is no turn {missing[0]}")
        return [marked[turn_id] for turn_id in turn_ids if turn_id in marked]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        with self._reading() as conn:
            turns = turns_table.read_turns(conn, first, last)
            return withdrawals.mark_turns(conn, tag_rows.with_tags(conn, turns))

    def count_turns(self) -> int:
        with self._reading() as conn:
            return turns_table.count_turns(conn)

    # ---------------------------------------------------------------- search

    def search(
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        feature_weights = ranking.ordered_weights(weights)
        turn_filter = read_filter(filter)
        vectors_of: dict[tuple[int, str], NDArray[np.float32]] = {}
        self._embed_waiting()
        while True:
            with self._searched(turn_filter) as searched:
                if searched is None:
                    return []
                query = searched.index.query(text, searched.selection)
                asked = searched.embedder_id, query.plain
                if not isinstance(load_embedder(searched.embedder), HostedEmbedder):
                    vectors_of[asked] = searched.embed(query.plain)
                if asked in vectors_of:
                    return searched.index.rank(
                        query,
                        vectors_of[asked],
                        matches=searched.matches(query),
                        k=k,
                        feature_weights=feature_weights,
                        selection=searched.selection,
                    )
            # A network is asked while no other search waits for this one.
            vectors_of[asked] = searched.embed(query.plain)

    @contextmanager
    def searched(self, turn_filter: TurnFilter | None = None) -> Iterator[Searched | None]:
        self._embed_waiting()
        with self._searched(turn_filter) as searched:
            yield searched

    @contextmanager
    def _searched(self, turn_filter: TurnFilter | None) -> Iterator[Searched | None]:
        # A read transaction: index, words and vectors are of one moment and one embedder.
        with self._searching, self._transaction("DEFERRED") as conn:
            new_rows = search_tables.rows_after(conn, self._index)
            recorded = vectors.newest_embedder(new_rows.embedders)
            if recorded is None:
                yield None
                return
            # Another row "embedder" stands for other vectors, also where its name is the same.
            if recorded != self._index_embedder:
                if self._index.last_id or self._index.names.last:
                    self._index = ranking.Index()
                    self._filtered_turns = FilteredTurns()
                    new_rows = search_tables.rows_after(conn, self._index)
                self._index_embedder = recorded
            search_tables.extend_index(conn, self._index, new_rows)
            if search_tables.extend_index_by_waiting(
                conn, self._index, new_rows, recorded.width or 1
            ):
                self._index_embedder = None  # such an index is good for this search only
            selection = None
            if turn_filter:
                selection = self._filtered_turns.select(conn, self._index, turn_filter)
            yield Searched(
                self._index,
                conn.words,
                recorded.name,
                recorded.id,
                partial(self._vector_of, recorded),
                selection,
            )

    @property
    def cached_bytes(self) -> int:
        with self._searching:
            return self._index.nbytes + self._filtered_turns.nbytes

    def _vector_of(self, recorded: vectors.RecordedEmbedder, text: str) -> NDArray[np.float32]:
        """The unit vector of a question; of one number where no turn has a vector."""
        [vector] = self._embed([text], recorded)
        return vector if recorded.width else np.zeros(1, np.float32)

    # ---------------------------------------------------------------- vectors

    @property
    def embedder(self) -> str:
        return self._embedder_name(self._recorded_embedder())

    def to_embed(self, embedder: str) -> tuple[int, int]:
        with self._reading() as conn:
            return vectors.to_embed(conn, embedder)

    def vacuum(self) -> str:
        return ""

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        loaded = load_embedder(embedder)
        if isinstance(loaded, HostedEmbedder):
            agree_to_embedder(self.location, loaded.name)
        vectors.reembed(
            self._reading,
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
            vectors.embed_waiting(self._reading, self._transaction, self._embed)
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
        from memory.sql import attribute_names, in_force  # with the parser

        # What runs is the statement that the policy renders, never the model's own text.
        select = sql_policy.check_select(sql) if isinstance(sql, str) else sql
        if attribute_names.compares_attributes(select):
            names_of = self.vocabulary().names_of
            select = attribute_names.select_by_all_names(select, names_of)
        if in_force.reads_facts_now(select):
            one_valued = self.vocabulary().one_valued
            select = in_force.select_with_facts_now(select, self._today(), one_valued)
        hits = [
            [
                (hit.turn_id, hit.score)
                for hit in self.search(call.text, call.k, call.filter, weights)
            ]
            for call in select.searches
        ]
        rows = self._select_for_model(select, hits)
        with self._reading() as conn:
            return withdrawals.mark_rows(conn, rows)

    def _today(self) -> str:
        """The day (ISO) on which the facts of `facts_now` are in force."""
        return local_now()[:10]

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
        self._refuse_secrets(writes)
        # Read before the transaction, which in Postgres is that of a login for models.
        vocabulary = self.vocabulary()
        with self._model_transaction() as conn:
            pending_windows.refuse_lost_claim(
                conn, self._claimant, window=window, claimed=self._claimed_windows
            )
            change = self._change_facts(
                conn,
                writes,
                vocabulary,
                cause=cause,
                window=window,
                by_person=by_person,
            )
            if not by_person:
                journal.check_ends(conn, change.id)
        if window:
            self._claimed_windows.discard(window)
        return change

    def _refuse_secrets(self, writes: "sql_policy.CheckedWrites") -> None:
        """Refuse statements that hold a secret, unless the memory's policy lets it in."""
        facts = sql_policy.parts_of(writes).facts
        if (
            any(mask(statement.text).secrets for statement in facts)
            and policy_of(self.settings(POLICY)) != "off"
        ):
            raise SqlError(
                "a value holds what looks like a secret (a key, token or password), and this memory"
                " stores none; leave it out"
            )

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        vocabulary = self.vocabulary()
        with self._model_transaction() as conn:
            statement = pending_windows.held_statement(conn, window)
            try:
                return self._change_facts(
                    conn,
                    sql_policy.check_writes(statement),
                    vocabulary,
                    cause=f"digest applied by {by or 'user'}",
                    window=window,
                    by_person=True,
                )
            except SqlError as error:  # the facts have changed since it was written
                raise InputError(
                    f"what is held of turns {window[0]}-{window[1]} does not fit any more"
                    f" ({error}); skip it, or digest again with --replay"
                ) from error

    def _change_facts(
        self,
        conn: Connection,
        writes: "sql_policy.CheckedWrites",
        vocabulary: Vocabulary,
        *,
        cause: str,
        window: tuple[int, int] | None,
        by_person: bool,
    ) -> Change:
        """Run statements, in the words of a vocabulary, as one change; the window is done with it.

        Raises SqlError for one that does more than it may, HeldError where a person must decide.
        """
        from memory.store import vocabulary_rules  # with the parser of SQL

        parts = sql_policy.parts_of(writes)
        statements, left_out = vocabulary_rules.in_vocabulary(parts.facts, vocabulary)
        checked = (*statements, *parts.names, *parts.contradictions, *parts.summaries)
        text = ";\n".join(statement.text for statement in checked)
        change_id = journal.begin(conn, cause, text, window=window)
        since = 0
        if window:
            assertions.take_back(conn, window)
            (since,) = conn.run("last_entry").fetchone()
        self._run_statements(conn, statements)
        entities.carry_out(conn, change_id, parts.names, window)
        lines = [line for statement in parts.summaries for line in statement.rows]
        summaries.put(conn, change_id, lines, window)
        # In the same transaction as its facts: no kill can store a window and leave it pending.
        if window:
            first, last = window
            conn.run("delete_window", first=first, last=last)
        journal.check_change(conn, change_id, window, by_person=by_person, since=since)
        if any(statement.command == "update" for statement in statements):
            vocabulary_rules.check_updated(conn, change_id, vocabulary)
        if window is None and any(statement.command != "insert" for statement in statements):
            summaries.blank_corrected(conn, change_id)
        moved = entities.derive(conn, change_id)
        if not by_person:
            entities.check_moved(conn, change_id, moved, window)
        # By their attributes none of these is missing: a strict vocabulary has left facts out.
        contradictions.link(
            conn,
            change_id,
            () if left_out else parts.contradictions,
            vocabulary=vocabulary,
            window=window,
        )
        return replace(journal.change(conn, change_id), left_out=left_out)

    def record(self, asserted: Sequence[TurnAssertions]) -> list[Change]:
        vocabulary = self.vocabulary()
        changes = []
        with self._transaction() as conn:
            turns = [of_turn.turn for of_turn in asserted]
            present = {turn.id for turn in assertions.undigested(conn, turns)}
            removals = assertions.removals(conn) if present else ()
            for of_turn in asserted:
                if of_turn.turn.id not in present:
                    continue

                def change(cause: str, writes: "sql_policy.CheckedWrites") -> Change:
                    return self._change_facts(
                        conn, writes, vocabulary, cause=cause, window=None, by_person=False
                    )

                # Names first: they say whom the facts are about.
                turn = of_turn.turn
                if names := assertions.new_names(conn, of_turn):
                    changes.append(change(f"{assertions.NAMES_CAUSE}{turn.id}", names))
                writes = assertions.writes_for(conn, of_turn, vocabulary, removals)
                if writes:
                    changes.append(change(f"{assertions.CAUSE}{turn.id}", writes))
        return changes

    def by_template(self, fact_ids: Sequence[int]) -> set[int]:
        with self._reading() as conn:
            return assertions.by_template(conn, fact_ids)

    def standing(self, names: Sequence[str] = ()) -> list[Fact]:
        with self._reading() as conn:
            return standing_facts.standing_facts(conn, names)

    def contradictions(self) -> list[Contradiction]:
        with self._reading() as conn:
            return contradictions.open_pairs(conn)

    def settle(self, first: int, second: int, right: Verdict, by: str = "") -> Change:
        wrong = {"first": second, "second": first}.get(right)
        statement = f"DELETE FROM facts WHERE id = {wrong}" if wrong else "-- both facts are true"
        with self._transaction() as conn:
            change_id = journal.begin(conn, f"edit by {by or 'user'}", statement)
            contradictions.settle(conn, change_id, first=first, second=second, right=right)
            return journal.change(conn, change_id)

    def undo(self, change_id: int) -> Change:
        with self._transaction() as conn:
            undoing = journal.undo(conn, change_id)
            summaries.blank_undone(conn, undoing)
            entities.derive(conn, undoing)
            return journal.change(conn, undoing)

    def changes(
        self,
        before: int | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[Change]:
        with self._reading() as conn:
            return journal.changes(conn, before, limit, after)

    # ---------------------------------------------------------------- the vocabulary

    def vocabulary(self) -> Vocabulary:
        with self._reading() as conn:
            return vocabulary_table.read_definition(conn).vocabulary

    def set_attribute(self, attribute: Attribute, by: str = "") -> Change:
        return self.set_vocabulary([attribute], by=by)

    def set_vocabulary(
        self,
        attributes: Sequence[Attribute] = (),
        *,
        replaces: bool = False,
        strict: bool | None = None,
        by: str = "",
    ) -> Change:
        return self._edit_vocabulary(
            lambda definition, used: with_attributes(
                definition, attributes, replaces=replaces, strict=strict
            ),
            f"attributes set by {by or 'user'}: {_set_in_short(attributes, replaces, strict)}",
        )

    def rename_attribute(self, name: str, new_name: str, by: str = "") -> Change:
        return self._edit_vocabulary(
            lambda definition, used: renamed(definition, name, new_name, used),
            f"attribute renamed by {by or 'user'}: {name} to {new_name}",
        )

    def merge_attributes(self, names: Sequence[str], into: str, by: str = "") -> Change:
        return self._edit_vocabulary(
            lambda definition, used: merged(definition, names, into, used),
            f"attributes merged by {by or 'user'}: {_in_short(names)} into {into}",
            [into],
        )

    def remove_attribute(self, name: str, by: str = "") -> Change:
        return self._edit_vocabulary(
            lambda definition, used: removed(definition, name),
            f"attribute removed by {by or 'user'}: {name}",
        )

    def _edit_vocabulary(
        self, edit: vocabulary_table.Edit, cause: str, names: Sequence[str] = ()
    ) -> Change:
        with self._transaction() as conn:
            return journal.change(conn, vocabulary_table.edit(conn, cause, edit, names))

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

    def last_turn_taken(self) -> int:
        with self._reading() as conn:
            return int(conn.run("last_turn_taken").fetchone()[0])

    def pending(self) -> list[Pending]:
        with self._reading() as conn:
            return pending_windows.pending(conn)

    # ---------------------------------------------------------------- the tasks of workers

    def waiting_work(self, attempts: int) -> WaitingWork:
        with self._reading() as conn:
            row = conn.run("waiting_work", now=time.time(), attempts=attempts).fetchone()
        return work.waiting_work(row)

    def tasks(self) -> list[Task]:
        with self._reading() as conn:
            return work.tasks(conn)

    def claim_task(self, task: str, claimant: str) -> Task | None:
        with self._transaction() as conn:
            return work.claim(conn, claimant, task)

    def end_task(
        self, task: str, claimant: str, due_at: float = 0.0, failures: int = 0, error: str = ""
    ) -> None:
        with self._transaction() as conn:
            work.end(conn, claimant, task, due_at=due_at, failures=failures, error=error)

    def move_task(self, task: str, claimant: str, position: int) -> None:
        with self._transaction() as conn:
            conn.run("move_task", task=task, held_by=claimant, position=position)

    def spend_on_task(self, task: str, day: str, calls: int, tokens: int) -> None:
        with self._transaction() as conn:
            conn.run("spend_on_task", task=task, day=day, calls=calls, tokens=tokens)

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
            change_id = history.revert(conn, point)
            entities.derive(conn, change_id)
            return journal.change(conn, change_id)

    # ---------------------------------------------------------------- tags

    def set_tags(self, turn_ids: Sequence[int], tags: Tags, by: str = "") -> Change:
        sound = valid_tags(tags)
        with self._transaction() as conn:
            change_id = self._begin_tagging(conn, turn_ids, by)
            tag_rows.set_tags(conn, change_id, turn_ids, sound)
            return journal.change(conn, change_id)

    def remove_tags(self, turn_ids: Sequence[int], keys: Sequence[str], by: str = "") -> Change:
        names = [keys] if isinstance(keys, str) else keys
        sound = valid_tags(dict.fromkeys(names, "any"))
        with self._transaction() as conn:
            change_id = self._begin_tagging(conn, turn_ids, by)
            tag_rows.remove_tags(conn, change_id, turn_ids, sound)
            return journal.change(conn, change_id)

    def _begin_tagging(self, conn: Connection, turn_ids: Sequence[int], by: str) -> int:
        # No key or value: those of a turn go when it is forgotten.
        turns = f"{len({*turn_ids})} turn{'' if len({*turn_ids}) == 1 else 's'}"
        return journal.begin(conn, f"edit by {by or 'user'}", f"-- tags of {turns}")

    def count_tags(self) -> dict[str, dict[str, int]]:
        with self._reading() as conn:
            return tag_rows.count_tags(conn)

    # ---------------------------------------------------------------- entities

    def entities(self) -> list[Entity]:
        with self._reading() as conn:
            return entities.entities(conn)

    def entities_called(self, name: str) -> list[str]:
        with self._reading() as conn:
            return entities.entities_called(conn, name)

    def facts_about(self, name: str) -> list[Fact]:
        with self._transaction("DEFERRED") as conn:
            fact_ids = {*entities.facts_about(conn, name)}
            return [fact for fact in history.facts(conn, None) if fact.id in fact_ids]

    def name_lines(self, text: str, tokens: int) -> str:
        with self._reading() as conn:
            return entities.name_lines(conn, text, tokens)

    def merge_entities(self, name: str, into: str, by: str = "") -> Change:
        return self._change_names(
            f"merge {name} into {into}",
            by,
            lambda conn, change_id: entities.merge(conn, change_id, name, into),
        )

    def split_entity(self, name: str, new: str, turn_ids: Sequence[int], by: str = "") -> Change:
        return self._change_names(
            f"split {new} from {name}",
            by,
            lambda conn, change_id: entities.split(conn, change_id, name, new, {*turn_ids}),
        )

    def rename_entity(self, name: str, new: str, by: str = "") -> Change:
        return self._change_names(
            f"rename {name} to {new}",
            by,
            lambda conn, change_id: entities.rename(conn, change_id, name, new),
        )

    def describe_entity(self, name: str, description: str, by: str = "") -> Change:
        return self._change_names(
            f"describe {name}",
            by,
            lambda conn, change_id: entities.describe(conn, change_id, name, description),
        )

    def add_alias(self, name: str, entity: str, turn_id: int = 0, by: str = "") -> Change:
        return self._change_names(
            f"{name} is {entity}",
            by,
            lambda conn, change_id: entities.add_alias(conn, change_id, name, entity, turn_id),
        )

    def remove_alias(self, name: str, entity: str, by: str = "") -> Change:
        return self._change_names(
            f"{name} is not {entity}",
            by,
            lambda conn, change_id: entities.remove_alias(conn, change_id, name, entity),
        )

    def _change_names(
        self, statement: str, by: str, change_rows: Callable[[Connection, int], None]
    ) -> Change:
        """Make one journaled change of what a person says of names."""
        with self._transaction() as conn:
            change_id = journal.begin(conn, f"edit by {by or 'user'}", f"-- {statement}")
            change_rows(conn, change_id)
            entities.derive(conn, change_id)
            return journal.change(conn, change_id)

    # ---------------------------------------------------------------- summaries

    def summaries(self) -> list[Summary]:
        with self._reading() as conn:
            return summaries.summaries(conn)

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        with self._reading() as conn:
            return assertions.digested_facts(conn, turn_ids)

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        with self._reading() as conn:
            return assertions.facts_of_turns(conn, turn_ids)

    def set_summary(
        self, summary: Summary, instead_of: Summary | None = None, by: str = ""
    ) -> Change:
        with self._transaction() as conn:
            change_id = journal.begin(conn, f"summary by {by or 'user'}", "-- summary")
            summaries.write_text(conn, change_id, summary, instead_of)
            return journal.change(conn, change_id)

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
        if name == vocabulary_table.SETTING:
            raise InputError(
                "the setting vocabulary is set by set_vocabulary (memory facts attributes)"
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
        self._refuse_newer_schema()
        with self._snapshot() as conn:
            yield from dump.dump(conn)

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        try:
            return dump.load(
                self._transaction,
                embed=self._embed,
                is_agreed=self._is_agreed,
                records=records,
                adding=self._adding,
                secrets=policy_of(self.settings(POLICY)) if self.is_served else "off",
            )
        finally:
            # Tags come after their turns, and no entry of a log says so.
            with self._searching:
                self._filtered_turns.forget_tags()

    @contextmanager
    def _adding(self, turns: Sequence[Turn]) -> Iterator[list[Turn]]:
        """Let turns of a dump be added, as `add` does; the block says which it has stored."""
        stored: list[Turn] = []
        if not turns:
            yield stored
            return
        if self.room is not None:
            with self._reading() as conn:
                self.room.refuse_beyond(conn, turns)
        with self.meter.adding(turns) if self.meter else nullcontext(stored) as stored:
            yield stored


def _set_in_short(attributes: Sequence[Attribute], replaces: bool, strict: bool | None) -> str:
    """What a change of the vocabulary sets, for its cause."""
    parts = [_in_short([attribute.name for attribute in attributes])] if attributes else []
    if replaces:
        parts.append("no others")
    if strict is not None:
        parts.append("strict" if strict else "not strict")
    return ", ".join(parts)


def _in_short(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_NAMED_ATTRIBUTES])
    further = len(names) - _NAMED_ATTRIBUTES
    return f"{listed} and {further} more" if further > 0 else listed
