"""A namespace in a database: what is the same in SQLite and in Postgres.

The store carries out what the modules next to it decide. The differences, transactions and the
walls around a model's SQL, are in sqlite/ and postgres/.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from memory import sql as sql_policy
from memory.errors import InputError, NotThereError, SqlError, StoreError
from memory.records import (
    Change,
    Fact,
    Hit,
    Pending,
    Rows,
    StatedFact,
    Summary,
    Turn,
    TurnAssertions,
    TurnIds,
)
from memory.search import ranking
from memory.search.index import Index
from memory.store.changes import history, journal
from memory.store.configuration import settings
from memory.store.configuration.limits import Served
from memory.store.configuration.setting_values import EXPIRY, TIMEZONE
from memory.store.configuration.settings import asker_of, is_unnamed
from memory.store.configuration.withheld import (
    POLICY,
    PublicTurns,
    add_withheld,
    policy_of,
    public_turns,
)
from memory.store.database import Connection
from memory.store.facts import (
    assertions,
    contradictions,
    digest_rights,
    entities,
    entity_edits,
    repeated_facts,
    rights,
)
from memory.store.facts.catalog import catalog
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.fair_lock import FairLock
from memory.store.files import dump
from memory.store.forgetting import forget as removal
from memory.store.protocol import Store
from memory.store.search import search_tables, vectors
from memory.store.search.search_tables import Searched
from memory.store.search.vectors import EmbedderState, Vectors
from memory.store.turns import expiry, summaries, turns_table
from memory.store.turns import tags as tag_rows
from memory.store.turns.expiry import ExpiredTurns
from memory.store.turns.filtered_turns import FilteredTurns, shown_only, with_signs
from memory.store.turns.pins import count_pinned, refuse_too_many
from memory.store.turns.tags import turns_speaking_of, with_days
from memory.store.turns.turn_validation import FORGET_AFTER, local_now, told_in_zone, valid_turn
from memory.store.waiting import pending_windows
from memory.text.dates import asked_days
from memory.text.secrets import DEFAULT_POLICY, mask
from memory.text.turn_filter import TurnFilter, read_filter
from memory.text.words import signs_of
from memory.vocabulary import Vocabulary

# What a store says in a process that was forked after it was opened.
FORKED = "{location}: opened before this process was forked; open it again in this process"
_AT_ONCE = 4_096  # turns whose vectors, words and columns are held: a million take gigabytes


class DatabaseStore(Store):
    """A namespace in a database; the contract of each method is in `Store`."""

    def __init__(self, read_only: bool, embedder: str | None) -> None:
        self.read_only = read_only
        self.served: Served | None = None
        self.claims = pending_windows.Claims()
        self._embedder = EmbedderState.of(embedder)
        # Whoever has the lock begins a read transaction and brings the index up to that moment: it
        # never holds more than a search may see.
        self._searching = FairLock()
        self._index = Index()
        self._filtered_turns = FilteredTurns()  # of the index
        self._ranked = ranking.RankedQuestion()
        self._index_embedder: vectors.RecordedEmbedder | None = None  # of the index's vectors
        self._expired = ExpiredTurns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def vectors(self) -> Vectors:
        return Vectors(self, self._embedder)

    # ---------------------------------------------------------------- what differs

    @property
    @abstractmethod
    def location(self) -> str: ...

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]: ...

    @abstractmethod
    def transaction(self, kind: str = "IMMEDIATE") -> AbstractContextManager[Connection]: ...

    def _model_transaction(self) -> AbstractContextManager[Connection]:
        """A transaction for `_run_statements`."""
        return self.transaction()

    @abstractmethod
    def _run_statements(
        self, conn: Connection, writes: "Sequence[sql_policy.CheckedFacts]", is_digest: bool
    ) -> None:
        """Run a model's INSERTs, UPDATEs and DELETEs behind walls.

        Many searches follow a digest's writes at once.

        Raises SqlError when one is refused, wrong or too slow; the caller then rolls back.
        """

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[Connection]:
        """A separate connection for a long look at one moment, while others write."""

    @property
    @abstractmethod
    def _is_in_block(self) -> bool:
        """Whether this thread is inside `reading` or `transaction`."""

    def _forget_expired(self) -> None:
        """Forget the turns whose moment has come, before anything is read.

        They are removed at once. Their bytes are overwritten when a store is opened, and by
        `memory serve worker`, which both keep the receipts.
        """
        if self._expired.are_to_look_for and not self._is_in_block:
            self._expired.forget(self, self._remove_expired)

    def _remove_expired(self) -> None:
        """Remove the turns whose moment has come; their bytes are still to be overwritten."""
        if self.read_only:
            self._remove_by_writer()
            return
        with self._removing(), self.transaction() as conn:
            if turn_ids := expiry.expired_turns(conn):
                removal.remove_for_good(conn, turn_ids, self.vectors.embed, is_expiry=True)

    def _remove_by_writer(self) -> None:
        try:
            with self._for_writing() as writer:
                writer.count_turns()
        except StoreError as error:
            raise StoreError(
                f"{self.location}: turns here have expired, and it is opened for reading only;"
                " open it once for writing, or run: memory serve worker --once"
            ) from error

    @abstractmethod
    def _for_writing(self) -> Store:
        """A store on the same memory that may write."""

    def _removing(self) -> AbstractContextManager[Any]:
        """A block whose deleted rows leave as few bytes as the database can."""
        return nullcontext()

    @abstractmethod
    def _refuse_newer_schema(self) -> None:
        """Raises StoreError for a schema with tables that this version does not know.

        They may hold what was said: nothing that is about all of a memory may leave them out.
        """

    # ---------------------------------------------------------------- turns

    def add(
        self,
        turns: Sequence[Turn],
        once: bool = False,
        also: Callable[[Connection], object] | None = None,
    ) -> TurnIds:
        if isinstance(turns, Turn):
            raise InputError("add takes a list of turns: store.add([turn])")
        public = self._public([valid_turn(turn, number) for number, turn in enumerate(turns, 1)])
        clean = self._of_owner(public.turns)
        self._refuse_beyond(clean)
        return self._store_turns(clean, public, once=once, also=also)

    def _store_turns(
        self,
        clean: Sequence[Turn],
        public: PublicTurns,
        *,
        once: bool,
        also: Callable[[Connection], object] | None,
    ) -> TurnIds:
        """Store turns in one transaction; returns their ids."""
        ids = TurnIds()
        while clean and not ids:
            # Vectors are made outside the transaction, so that no other process waits for them.
            recorded = self.vectors.recorded()
            texts = [turn.text for turn in clean]
            rows = self.vectors.embed(texts[:_AT_ONCE], recorded)
            with self.transaction() as conn:
                # Another process may have added the first turns of this memory meanwhile, or made
                # all vectors anew. Then the loop embeds these once more, by the new embedder.
                in_force = conn.run("settings_of_additions").fetchall()
                embedders = [(row, value) for row, name, value in in_force if name == "embedder"]
                zones = [value for _, name, value in in_force if name == TIMEZONE]
                periods = [value for _, name, value in in_force if name == EXPIRY]
                if vectors.newest_embedder(embedders) == recorded:
                    if recorded is None:
                        vectors.record_embedder(conn, self.vectors.embedder, rows.shape[1])
                    told = told_in_zone(clean, zones[0]) if zones else clean
                    told = with_days(expiry.with_moments(told, zones, periods))
                    if any(FORGET_AFTER in turn.tags for turn in told):
                        self._expired.look_again()
                    insertion = turns_table.insert_turns(conn, told, once)
                    tag_rows.insert_tags(conn, insertion.stored)
                    names = [turn.speaker for turn in insertion.stored]
                    _, new_speakers = search_tables.number_speakers(conn, names)
                    entities.derive_of_speakers(conn, new_speakers)
                    self._index_stored(conn, texts, insertion, rows)
                    ids = TurnIds(insertion.ids)
                    ids.by_turn = public.of_new(insertion.positions)
                    add_withheld(conn, ids.withheld)
                    if also:
                        also(conn)
        return ids

    def _index_stored(
        self,
        conn: Connection,
        texts: Sequence[str],
        insertion: turns_table.Insertion,
        rows: NDArray[np.float32],
    ) -> None:
        """Store what search needs of the new ones of some turns, _AT_ONCE of them at a time.

        `rows` are the vectors of the first _AT_ONCE. The rest are made here, inside the
        transaction: any other writer waits for that many turns anyway.
        """
        done = 0
        for first in range(0, len(texts), _AT_ONCE):
            begun, done = done, bisect_left(insertion.positions, first + _AT_ONCE)
            stored = insertion.stored[begun:done]
            if not stored:
                continue
            conn.words.put_turns(stored)
            if first:
                recorded = vectors.recorded_embedder(conn)
                rows = self.vectors.embed(texts[first : first + _AT_ONCE], recorded)
            of_stored = [position - first for position in insertion.positions[begun:done]]
            search_tables.put_columns(conn, stored, rows[of_stored])

    def _of_owner(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """The turns with the owner's name in place of "user".

        Where no owner is known, "user" and "User" are one speaker, by the name that came first.
        """
        unnamed = [turn for turn in turns if is_unnamed(turn.speaker) and turn.kind == "message"]
        if not unnamed:
            return turns
        name = asker_of(self) or unnamed[0].speaker
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
        policy = policy_of(settings.settings_of(self, POLICY))
        return public if policy == DEFAULT_POLICY else public_turns(turns, policy)

    def turn(self, turn_id: int) -> Turn:
        [turn] = self.turns_by_id([turn_id])
        return turn

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        if not turn_ids:
            return []
        with self.reading() as conn:
            turns = tag_rows.tagged_turns(conn, turn_ids)
            marked = {turn.id: turn for turn in journal.mark_turns(conn, turns)}
        missing = [turn_id for turn_id in turn_ids if turn_id not in marked]
        if missing and not missing_ok:
            raise NotThereError(f"there is no turn {missing[0]}")
        return [marked[turn_id] for turn_id in turn_ids if turn_id in marked]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        with self.reading() as conn:
            turns = turns_table.read_turns(conn, first, last)
            return journal.mark_turns(conn, tag_rows.with_tags(conn, turns))

    def count_turns(self) -> int:
        # An index that has all turns knows how many: counting a million takes 24 ms. Another thread
        # may be extending it, and what is read in this order can only look older than it is.
        embedder, index = self._index_embedder, self._index
        last, count = index.last_id, index.count
        with self.reading() as conn:
            newest = conn.run("last_turn_and_embedder").fetchone()
            if embedder and newest == (last, embedder.id):
                return count
            return turns_table.count_turns(conn)

    # ---------------------------------------------------------------- search

    def search(
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        limit: int | None = None,
    ) -> list[Hit]:
        k = k if limit is None else limit
        feature_weights = ranking.ordered_weights(weights)
        turn_filter = read_filter(filter)
        with self._searched(turn_filter, signs_of(text)) as searched:
            if searched is None:
                return []
            query = searched.query(text)
            ranked = partial(
                ranking.rank,
                searched.index,
                query,
                searched.embed(query.plain),
                matches=searched.matches(query),
                feature_weights=feature_weights,
                selection=searched.selection,
                last=self._ranked,
            )
            return searched.newest_versions_first(ranked, k)

    @contextmanager
    def searched(self, turn_filter: TurnFilter | None = None) -> Iterator[Searched | None]:
        with self._searched(turn_filter) as searched:
            yield searched

    @contextmanager
    def _searched(
        self, turn_filter: TurnFilter | None, signs: Sequence[str] = ()
    ) -> Iterator[Searched | None]:
        # A read transaction: index, words and vectors are of one moment and one embedder.
        with self._searching, self.transaction("DEFERRED") as conn:
            new_rows = search_tables.rows_after(conn, self._index)
            recorded = vectors.newest_embedder(new_rows.embedders)
            if recorded is None:
                yield None
                return
            # Another row "embedder" means other vectors, even with the same name.
            if recorded != self._index_embedder:
                if self._index.last_id or self._index.names.last:
                    self._index = Index()
                    self._filtered_turns = FilteredTurns()
                    new_rows = search_tables.rows_after(conn, self._index)
                self._index_embedder = recorded
            search_tables.extend_index(conn, self._index, new_rows)
            selection = None
            if new_rows.hides:
                turn_filter = shown_only(turn_filter)
            if turn_filter:
                selection = self._filtered_turns.select(conn, self._index, turn_filter)
            if signs:
                selection = with_signs(conn, self._index, signs, selection)
            yield Searched(
                self._index,
                conn.words,
                recorded.name,
                partial(self.vectors.vector_of, recorded),
                selection,
                lambda text: turns_speaking_of(conn, asked_days(text, self.today)),
                new_rows.replaced,
            )

    @property
    def cached_bytes(self) -> int:
        with self._searching:
            return self._index.nbytes + self._filtered_turns.nbytes + self._ranked.nbytes

    def vacuum(self) -> str:
        return ""

    # ---------------------------------------------------------------- what a model may do

    def read(
        self, sql: "str | sql_policy.CheckedSelect", weights: Mapping[str, float] | None = None
    ) -> Rows:
        from memory.sql import attribute_names, in_force, today  # with the parser

        self._forget_expired()
        # What runs is the statement that the policy renders, never the model's own text.
        select = sql_policy.check_select(sql) if isinstance(sql, str) else sql
        if attribute_names.compares_attributes(select):
            names_of = vocabulary_of(self).names_of
            select = attribute_names.select_by_all_names(select, names_of)
        if in_force.reads_facts_now(select):
            with self.reading() as conn:
                values = rights.values_for_models(conn, self.today)
            select = in_force.select_with_facts_now(select, values)
        if today.reads_today(select):
            select = today.select_on(select, self.today)
        hits = [
            [
                (hit.turn_id, hit.score)
                for hit in self.search(call.text, call.k, call.filter, weights)
            ]
            for call in select.searches
        ]
        rows = self._select_for_model(select, hits)
        with self.reading() as conn:
            return journal.mark_rows(conn, rows)

    @property
    def today(self) -> str:
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
        sets_aside: bool = False,
    ) -> Change:
        writes = sql_policy.check_writes(sql) if isinstance(sql, str) else sql
        self._refuse_secrets(writes)
        # Read before the transaction, which in Postgres is that of a login for models.
        vocabulary = vocabulary_of(self)
        with self._model_transaction() as conn:
            pending_windows.refuse_lost_claim(conn, self.claims, window)
            change, refused = self._change_facts(
                conn,
                writes,
                vocabulary,
                cause=cause,
                window=window,
                by_person=by_person,
                sets_aside=sets_aside,
            )
            if not by_person:
                journal.check_ends(conn, change.id)
        if window and refused.statement:
            # A separate transaction: the login that runs a model's SQL may add no window. A kill
            # between the two leaves the new facts stored and the old ones open.
            with self.transaction() as conn:
                pending_windows.hold(conn, window, refused.undecided, refused.statement)
        if window:
            self.claims.windows.discard(window)
        expiry.expire_by_attribute(self, [change.id])
        return replace(change, set_aside=refused.reasons, undecided=refused.undecided)

    def _refuse_secrets(self, writes: "sql_policy.CheckedWrites") -> None:
        """Refuse statements that hold a secret, unless the memory's policy lets it in."""
        facts = sql_policy.parts_of(writes).facts
        if (
            any(mask(statement.text).secrets for statement in facts)
            and policy_of(settings.settings_of(self, POLICY)) != "off"
        ):
            raise SqlError(
                "a value holds what looks like a secret (a key, token or password), and this memory"
                " stores none; leave it out"
            )

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        vocabulary = vocabulary_of(self)
        with self._model_transaction() as conn:
            statement = pending_windows.held_statement(conn, window)
            try:
                change, _ = self._change_facts(
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
        expiry.expire_by_attribute(self, [change.id])
        return change

    def _change_facts(
        self,
        conn: Connection,
        writes: "sql_policy.CheckedWrites",
        vocabulary: Vocabulary,
        *,
        cause: str,
        window: tuple[int, int] | None,
        by_person: bool,
        sets_aside: bool = False,
    ) -> tuple[Change, digest_rights.SetAside]:
        """Run statements, in the words of a vocabulary, as one change; the window is done with it.

        Returns the change, and what of it a digest may not change (`keep_to_rights`). Raises
        SqlError for a statement that does more than it may, HeldError if a person must decide.
        """
        from memory.store.facts import vocabulary_rules  # with the parser of SQL

        parts = sql_policy.parts_of(writes)
        statements, left_out = vocabulary_rules.in_vocabulary(parts.facts, vocabulary)
        checked = (*statements, *parts.names, *parts.contradictions, *parts.summaries)
        text = ";\n".join(statement.text for statement in checked)
        change_id = journal.begin(conn, cause, text, window=window)
        self._run_statements(conn, statements, is_digest=window is not None)
        refused = digest_rights.SetAside()
        if window is not None and not by_person:
            refused = digest_rights.keep_to_rights(
                conn, change_id, window, vocabulary, sets_aside=sets_aside
            )
        is_update = any(statement.command == "update" for statement in statements)
        if is_update:
            vocabulary_rules.restate_updated(conn, change_id)
        entity_edits.carry_out(conn, change_id, parts.names, window)
        lines = [line for statement in parts.summaries for line in statement.rows]
        summaries.put(conn, change_id, lines, window)
        # In the same transaction as its facts: no kill can store a window and leave it pending.
        if window:
            first, last = window
            conn.run("delete_window", first=first, last=last)
        journal.check_change(conn, change_id, window, by_person=by_person)
        if is_update:
            vocabulary_rules.check_updated(conn, change_id, vocabulary)
        if window is None and any(statement.command != "insert" for statement in statements):
            summaries.blank_corrected(conn, change_id)
        moved = entities.derive(conn, change_id)
        if not by_person:
            entity_edits.check_moved(conn, change_id, moved, window)
        is_digest = window is not None and not by_person
        repeated = repeated_facts.drop_repeated(conn, change_id, vocabulary) if is_digest else []
        # By their attributes all of these are complete: a strict vocabulary has left facts out.
        contradictions.link(
            conn,
            change_id,
            () if left_out else parts.contradictions,
            vocabulary=vocabulary,
            window=window,
            repeated=repeated,
        )
        return replace(journal.change(conn, change_id), left_out=left_out), refused

    def record(self, asserted: Sequence[TurnAssertions]) -> list[Change]:
        vocabulary = vocabulary_of(self)
        changes = []
        with self.transaction() as conn:
            turns = [of_turn.turn for of_turn in asserted]
            present = {turn.id for turn in assertions.undigested(conn, turns)}
            removals = assertions.removals(conn) if present else ()
            for of_turn in asserted:
                if of_turn.turn.id not in present:
                    continue

                def change(cause: str, writes: "sql_policy.CheckedWrites") -> Change:
                    written, _ = self._change_facts(
                        conn, writes, vocabulary, cause=cause, window=None, by_person=False
                    )
                    return written

                # Names first: they say which people the facts are about.
                turn = of_turn.turn
                if names := assertions.new_names(conn, of_turn):
                    changes.append(change(f"{assertions.NAMES_CAUSE}{turn.id}", names))
                writes = assertions.writes_for(conn, of_turn, vocabulary, removals)
                if writes:
                    changes.append(change(f"{rights.CAUSE}{turn.id}", writes))
        expiry.expire_by_attribute(self, [change.id for change in changes])
        return changes

    def undo(self, change_id: int) -> Change:
        with self.transaction() as conn:
            target = journal.change(conn, change_id)
            pinned = count_pinned(conn)
            undoing = journal.undo(conn, change_id)
            entities.derive(conn, undoing)
            refuse_too_many(conn, pinned)
            note = pending_windows.wait_again(conn, target)
            return replace(journal.change(conn, undoing), note=note)

    def changes(
        self,
        before: int | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[Change]:
        with self.reading() as conn:
            return journal.changes(conn, before, limit, after)

    # ---------------------------------------------------------------- what is read of it

    def pending(self) -> list[Pending]:
        with self.reading() as conn:
            return pending_windows.pending(conn)

    def catalog(self, tokens: int) -> str:
        with self.reading() as conn:
            return catalog(conn, tokens)

    def facts(self, point: str | int | None = None) -> list[Fact]:
        with self.reading() as conn:
            return history.facts(conn, point)

    def name_lines(self, text: str, tokens: int) -> str:
        with self.reading() as conn:
            return entities.name_lines(conn, text, tokens)

    def summaries(self) -> list[Summary]:
        with self.reading() as conn:
            return summaries.summaries(conn)

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        with self.reading() as conn:
            return assertions.digested_facts(conn, turn_ids)

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        with self.reading() as conn:
            return assertions.facts_of_turns(conn, turn_ids)

    # ---------------------------------------------------------------- records

    def dump(self) -> Iterator[dict[str, Any]]:
        self._refuse_newer_schema()
        with self._snapshot() as conn:
            yield from dump.dump(conn)

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        try:
            return dump.load(
                self.transaction,
                embed=self.vectors.embed,
                records=records,
                refuse_beyond=self._refuse_beyond,
                secrets=policy_of(settings.settings_of(self, POLICY)) if self.served else "off",
            )
        finally:
            # Tags come after their turns, and no entry of a log says so.
            with self._searching:
                self._filtered_turns.forget_tags()

    def _refuse_beyond(self, turns: Sequence[Turn]) -> None:
        """Raises InputError for turns that a server's limits leave no room for."""
        if self.served is not None and turns:
            self.served.refuse_beyond(self, turns)
