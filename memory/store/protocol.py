"""The contract of a store, the object that holds one namespace.

What is here is what databases and united memories do each in their own way. All else (tags, names,
settings, the vocabulary, the tasks of workers) is functions that take a store, in the modules that
name their subjects: `tags.set_tags(store, ...)`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

from memory.errors import HeldError
from memory.records import (
    Change,
    Fact,
    Forgotten,
    Hit,
    Pending,
    Rows,
    StatedFact,
    Summary,
    Turn,
    TurnAssertions,
    TurnIds,
)
from memory.store.database import HasConnections
from memory.text.turn_filter import TurnFilter

if TYPE_CHECKING:  # the parser takes long to import, and so does numpy
    from memory.sql import CheckedSelect, CheckedWrites
    from memory.store.embedding import Vectors
    from memory.store.limits import Served
    from memory.store.pending_windows import Claims
    from memory.store.search_tables import Searched


class Turns(HasConnections, Protocol):
    """What was said: stored for good, searched, and counted when a question uses it."""

    def add(
        self,
        turns: Sequence[Turn],
        once: bool = False,
        replaces: bool = False,
        takes_back: Mapping[int, str] = MappingProxyType({}),
    ) -> TurnIds:
        """Store turns in one transaction and return their ids; durable on return.

        With `once`, a turn whose source is in the memory is not stored again; its id is returned.
        With `replaces` too, one with another text takes the place of that turn, which is removed in
        the same transaction with all that rests on it (its bytes go when they are used again, or
        with the next `forget`).

        `takes_back` are ids of turns that a chat has left, each with a name for its place in the
        chat: they are removed in the same way. What stays is a mark of the place, and when the
        turn was said (memory/store/branches.py). An id without a turn is left out.

        Text in <private> tags is never stored. Secrets (keys, tokens, passwords of machines) are
        masked, as the setting "secrets" says: mask, refuse or off. `withheld` of the ids says how
        many of both there were in the turns that are new.

        An embedder on this machine makes the turns' vectors first. An embedder on the network is
        asked when the turns are durable, for all turns that wait for their vectors. When it cannot
        be used they go on waiting, a warning is logged ("memory.store", once until it works
        again), and a later add or search tries again.

        Raises InputError for a turn with empty text, or when the memory's vectors are by now those
        of another embedder than the one this store was opened with; ModelError when an embedder on
        this machine cannot be used; SecretError where secrets are refused. Nothing is stored then.
        """

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids, in the order of the ids, by one statement.

        Raises InputError for an id without a turn; with `missing_ok` it is left out.
        """

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """The turns with ids from first to last (inclusive; None: to the end), in order.

        The text of a correction that was undone begins with WITHDRAWN, here and in `read`.
        """

    def count_turns(self) -> int:
        """How many turns there are."""

    def search(
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first. No language model is asked.

        A `filter` such as {"session": "private", "since": "2017-05"} (`memory.text.turn_filter`)
        leaves only some turns to rank, as if the memory held no others; but the turns around one in
        its session remain its context.

        `weights` are those of the ranking's features, by the names of
        `memory.search.ranking.FEATURE_WEIGHTS`; None stands for these.

        First the turns that wait for their vectors are embedded. Turns that cannot be embedded (a
        store opened read-only never writes) are ranked by every feature but their meaning.

        Raises ModelError when the memory's embedder is not the packaged one and cannot be used,
        InputError for weights of other features and for an unknown or wrong filter.
        """

    def searched(
        self, turn_filter: TurnFilter | None = None
    ) -> "AbstractContextManager[Searched | None]":
        """This memory while it is searched, None without turns: for a search over several."""

    def count_shown(self, turn_ids: Sequence[int]) -> None:
        """Note that a question brought up these turns. A read-only store notes nothing."""

    def catalog(self, tokens: int) -> str:
        """What this memory holds, for a prompt, in at most `tokens` tokens.

        Speakers, date range and sessions, then subjects with their commonest attributes.
        """

    def name_lines(self, text: str, tokens: int) -> str:
        """What is said of the names in a text, for a prompt, in at most `tokens` tokens; or ""."""

    def forget(self, turn_ids: Sequence[int]) -> Forgotten:
        """Remove turns and all that rests on them, then overwrite where they were on disk.

        That is the facts of these turns, what the journal says of them, words and vectors, in known
        backups too. Whatever interrupts this, nothing is half removed, and a later call finishes
        the overwriting. A call without turns does only that, and returns the receipt of the call
        that was interrupted.
        Raises InputError for an id that is no turn's, StoreError when another process reads or
        writes the file so that it cannot be overwritten.
        """


class Facts(HasConnections, Protocol):
    """What models and people stored of it: each write is a journaled change and can be undone."""

    def read(self, sql: "str | CheckedSelect", weights: Mapping[str, float] | None = None) -> Rows:
        """Run one SELECT that a model may write, as text or checked already.

        `search()` in it ranks by these weights, as `search` does.

        Raises SqlError when it is refused, wrong or too slow; the message is for the model.
        """

    def write(
        self,
        sql: "str | CheckedWrites",
        cause: str,
        window: tuple[int, int] | None = None,
        by_person: bool = False,
        held: HeldError | None = None,
    ) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change.

        What they say of names (INSERT INTO entities and aliases, DELETE FROM aliases) is a part of
        it; where that moves many facts of other turns to another entity, it is refused like a wide
        change, and held in a window.

        They are the text of a model's answer, or checked already.
        With a window, a new fact's turn_id must lie in it, facts of other turns may be ended and
        nothing else, and the window counts as digested. As a model may have written the statement,
        at most `journal.MOST_ENDED` facts that were there before may be changed or deleted, and
        none ended at a time that the memory knows nothing of; a person (`by_person`) may do more.
        Facts are stored in the words of `vocabulary_of`: under its names, with the values that
        it allows; of other attributes none where it is strict (`Change.left_out` names them).
        What is `held` of the window, and no part of `sql`, waits there for a person.
        Raises SqlError when a statement is refused, wrong, too wide or too slow; HeldError when a
        window would end so many facts that a person must decide; ClaimLostError when another
        process took the window over. Nothing is written then.
        """

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        """Run what is held of a pending window, because a person (`by`) says so.

        Raises InputError when nothing is held of it, or the facts have changed too much since.
        """

    def record(self, asserted: Sequence[TurnAssertions]) -> list[Change]:
        """Store what turns assert: one journaled change for each turn that says news.

        One more for the names that it gives, which are stored once: a person may take them back.
        A new value of an attribute of one value ends the old one. What is known is not stored
        again, nor what a template stored of the turn before; what a person has changed since a turn
        was said stays as it is. The turns stay undigested: a digest takes these facts back as it
        stores their window. Raises SqlError as `write` does; nothing is written then.
        """

    def undo(self, change_id: int) -> Change:
        """Take a change back, and return the change that did so (undo that one to redo).

        Raises InputError when a later change rests on it, or when it is undone already.
        """

    def changes(
        self,
        before: int | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[Change]:
        """The journal, oldest first.

        Of the changes with ids below `before` (None: of all), the newest `limit` (None: all). With
        `after` instead the oldest with ids above it: what is new since then.
        """

    def facts(self, point: str | int | None = None) -> list[Fact]:
        """The facts as they are, or as they were at a point, by id.

        A point is a change, 12, "12" or "#12" (this change and all before it have happened; 0:
        none has), or a moment in ISO text as exact as wanted: "2017-06-01" is the end of that day
        (in UTC), "2017" of that year. Text of four digits from 1000 to 2999 is a year: change 2017
        is "#2017" or the number 2017. Raises InputError for a point that is neither, and for a
        change that does not exist.
        """

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        """The facts that models and persons have stored of these turns, in the turns' order.

        Those that templates made (`Facts.record`) are left out.
        """

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        """The facts of these turns by their ids, past ones too, with what was said of each since.

        It takes one round trip.
        """

    def summaries(self) -> list[Summary]:
        """All lines, in the order of their turns."""

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""


class Store(Turns, Facts, Protocol):
    """One namespace. A third database implements this, and how it is opened.

    Threads may share a store: they read at the same time, and write in the order in which they
    ask. Each process opens its own on the same address; one that is forked later gets a StoreError.
    `address` is what `open_store` opens again; `location` names it in messages, without a password.
    A store opened `read_only` never writes to it. A server sets `served`: `add` raises InputError
    for turns beyond its limits. `vectors` makes the turns' vectors; `claims` are the windows that
    this store is at work on.
    """

    read_only: bool
    served: "Served | None"
    vectors: "Vectors"
    claims: "Claims"

    @property
    def address(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def today(self) -> str:
        """The day (ISO) on which facts are current: today, or the day of a copy of the past."""

    def as_of(self, moment: str) -> "Store":
        """This memory as it was at a moment: a copy for reading, gone when it is closed.

        It holds the turns said by then (a turn without a date counts as said when the dated turn
        before it was) and the facts of `facts(moment)` that rest on them.
        """

    @property
    def cached_bytes(self) -> int:
        """How many bytes of RAM its index takes between two calls."""

    def is_current(self) -> bool:
        """Whether the memory is still where it was opened; false once it is moved or deleted.

        A server is asked every few seconds at most.
        """

    def backup(self, path: Path) -> None:
        """Copy the whole memory into a new file, also while others write; `forget` will know it.

        Raises InputError when a file is there already.
        """

    def dump(self) -> Iterator[dict[str, Any]]:
        """Everything that was stored, as records; `load` makes an equal memory of them.

        Vectors are not among them: `load` makes them anew.
        """

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        """Store the records of a dump, in a memory that is empty or holds the beginning of it.

        Returns how many turns are new. After an interruption a later call continues. Answers that
        an earlier version kept with their questions are left out. Raises InputError for a record
        that cannot be stored, and when this memory holds something else.
        """

    def vacuum(self) -> str:
        """Have a server drop the bytes of removed rows, of all its namespaces; returns the SQL.

        The tables are locked meanwhile. "" for a file, which `forget` overwrites at once.
        Raises StoreError where the login may not, or others use the tables for too long.
        """

    def check(self) -> list[str]:
        """What is wrong with the file and its indexes, one line each; empty when all is well."""

    def close(self) -> None:
        """Release the database. Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
