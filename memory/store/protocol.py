"""The contract of a store, the object that holds one namespace.

Its members are the operations that each database and a united memory implement differently.
Everything else (tags, names, settings, the vocabulary, the tasks of workers) is functions that take
a store, in the modules that name their subjects: `tags.set_tags(store, ...)`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from memory.errors import InputError
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
from memory.store.database import Connection, HasConnections
from memory.text.turn_filter import TurnFilter

if TYPE_CHECKING:  # the parser takes long to import, and so does numpy
    from memory.sql import CheckedSelect, CheckedWrites
    from memory.store.configuration.limits import Served
    from memory.store.search.search_tables import Searched
    from memory.store.search.vectors import Vectors
    from memory.store.waiting.pending_windows import Claims


class Turns(HasConnections, Protocol):
    """The turns: stored for good, searched, and counted when a question uses them."""

    def add(
        self,
        turns: Sequence[Turn],
        once: bool = False,
        also: Callable[[Connection], object] | None = None,
    ) -> TurnIds:
        """Store turns in one transaction and return their ids; durable on return.

        With `once`, a turn whose source is in the memory is not stored again, and the existing id
        is returned.

        `also` is called with the connection, in the same transaction, if there is a turn to store.

        Text in <private> tags is never stored. Secrets (keys, tokens, passwords of machines) are
        treated as the setting "secrets" says: mask, refuse or off. `withheld` of the ids counts
        both in the new turns.

        Raises InputError for a turn with empty text, or if another embedder has made the memory's
        vectors since this store was opened; ModelError when the embedder cannot be used;
        SecretError if secrets are refused. Then nothing is stored.
        """

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids, in the order of the ids, with one statement.

        Raises InputError for an id without a turn; with `missing_ok` such an id is left out.
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
        *,
        limit: int | None = None,
    ) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first. No language model is asked.

        `limit` is another name for `k`.

        A `filter` such as {"session": "private", "since": "2017-05"} (`memory.text.turn_filter`)
        restricts the ranking to some turns, as if the memory held no others, except that a turn's
        neighbours in its session remain its context.

        `weights` has the weights of the ranking's features, with the names of
        `memory.search.ranking.FEATURE_WEIGHTS`, which is the default.

        Raises ModelError when the embedder cannot be used, or makes vectors of another width by
        now; InputError for weights of other features and for an unknown or wrong filter.
        """

    def searched(
        self, turn_filter: TurnFilter | None = None
    ) -> "AbstractContextManager[Searched | None]":
        """This memory during a search over several memories; None without turns."""

    def catalog(self, tokens: int) -> str:
        """What this memory holds, for a prompt, in at most `tokens` tokens.

        Speakers, date range and sessions, then subjects with their commonest attributes.
        """

    def name_lines(self, text: str, tokens: int) -> str:
        """What is known about the names in a text, for a prompt of at most `tokens`; or ""."""

    def forget(
        self, turn_ids: Sequence[int], replies: bool = True, repeats: bool = False
    ) -> Forgotten:
        """Remove turns and everything derived from them, then overwrite their bytes on disk.

        That is the facts of these turns, their entries in the journal, words and vectors, and the
        `replies` of assistants that quote them, in known backups too. With `repeats`, also the
        turns of people who say the same again. If it is interrupted, nothing is half removed, and
        a later call finishes the overwriting. A call without turns does only that, and returns the
        receipt of the interrupted call. Raises InputError for an id without a turn, StoreError when
        another process reads or writes the file so that it cannot be overwritten.
        """


class Facts(HasConnections, Protocol):
    """The facts from models and people: each write is a journaled change and can be undone."""

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
        sets_aside: bool = False,
    ) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change.

        Statements on names (INSERT INTO entities and aliases, DELETE FROM aliases) are part of it.
        If they would move many facts of other turns to another entity, they are refused like a wide
        change, and held in a window.

        `sql` is the text of a model's answer, or checked already. With a window, a new fact's
        turn_id must lie in it, facts of other turns may only be ended, and the window counts as
        digested. Because a model may have written the statement, at most `journal.MOST_ENDED`
        existing facts may be changed or deleted, and no fact may end at a time that the memory
        knows nothing about. A person (`by_person`) may do more. Facts are stored with the names of
        `vocabulary_of` and the values that it allows. A strict vocabulary drops facts with other
        attributes (`Change.left_out` names them).

        What a digest may not do to facts that exist (memory/store/facts/digest_rights.py) is
        refused;
        with `sets_aside` the rest is stored: `Change.set_aside` says what was refused and why, and
        `Change.undecided` what waits in the window for a person. Raises SqlError when a statement
        is refused, wrong, too wide or too slow; HeldError when a person has to decide whether facts
        end; ClaimLostError when another process took the window over. Then nothing is written.
        """

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        """Run the held statements of a pending window, because a person (`by`) says so.

        Raises InputError when the window holds nothing, or the facts have changed too much since.
        """

    def record(self, asserted: Sequence[TurnAssertions]) -> list[Change]:
        """Store what turns assert: one journaled change for each turn with news.

        Names that a turn introduces are another change. They are stored once, since a person may
        take them back. A new value of an attribute with one value ends the old one. Known facts are
        not stored again, nor facts that a template stored from the turn before, and facts that a
        person changed after the turn are not touched. The turns stay undigested, and a later digest
        adds to these facts. Raises SqlError as `write` does; then nothing is written.
        """

    def undo(self, change_id: int) -> Change:
        """Take a change back, and return the change that does so (undo that one to redo).

        Raises InputError when a later change depends on it, or when it is undone already.
        """

    def changes(
        self,
        before: int | None = None,
        limit: int | None = None,
        after: int | None = None,
    ) -> list[Change]:
        """The journal, oldest first.

        The newest `limit` changes (None: all) with ids below `before` (None: all ids). With `after`
        instead, the oldest with ids above it: everything since then.
        """

    def facts(self, point: str | int | None = None) -> list[Fact]:
        """The facts now, or at a point in the past, by id.

        A point is a change, 12, "12" or "#12" (after this change and all before it; 0: before the
        first), or a moment in ISO text as exact as you like: "2017-06-01" is the end of that day
        (in UTC), "2017" of that year. Text of four digits from 1000 to 2999 is a year: change 2017
        is "#2017" or the number 2017. Raises InputError for a point that is neither, and for a
        change that does not exist.
        """

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        """The facts that models and people have stored for these turns, in the turns' order.

        Facts made by templates (`Facts.record`) are left out.
        """

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        """The facts of these turns by id, past ones too, with what was said about each later.

        It takes one round trip.
        """

    def summaries(self) -> list[Summary]:
        """All lines of the story, in the order of their turns."""

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""


class Store(Turns, Facts, Protocol):
    """One namespace. A third database would implement this, and a way to open it.

    Threads may share a store: they read at the same time, and write in the order they ask.
    Each process opens its own store on the same address, and a process forked later gets a
    StoreError. `open_store` can open `address` again, and `location` names it in messages, without
    a password. A store opened `read_only` never writes to it. A server sets `served`: `add` raises
    InputError for turns beyond its limits. `vectors` makes the turns' vectors, and `claims` are the
    windows that this store is working on.
    """

    read_only: bool
    served: "Served | None"
    claims: "Claims"

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Store:
            raise InputError('Store is a type, and opens nothing; write open_store("anna.db")')
        return super().__new__(cls)

    @property
    def vectors(self) -> "Vectors": ...

    @property
    def address(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def today(self) -> str:
        """The day (ISO) on which facts are current: today, or the day of a copy of the past."""

    def as_of(self, moment: str) -> "Store":
        """This memory at a moment in the past: a copy for reading, removed when it is closed.

        It has the turns said by then (a turn without a date gets the date of the dated turn before
        it) and their facts among `facts(moment)`.
        """

    @property
    def cached_bytes(self) -> int:
        """How many bytes of RAM its index takes between two calls."""

    def is_current(self) -> bool:
        """Whether the memory is still where it was opened; false after a move or a deletion.

        A server is asked every few seconds at most.
        """

    def backup(self, path: Path) -> None:
        """Copy the whole memory into a new file, even while others write; `forget` will find it.

        Raises InputError if the file exists already.
        """

    def dump(self) -> Iterator[dict[str, Any]]:
        """Everything that was stored, as records; `load` makes an equal memory from them.

        Vectors are not included, because `load` makes them again.
        """

    def load(self, records: Iterable[dict[str, Any]]) -> int:
        """Store the records of a dump in a memory that is empty or has the beginning of the dump.

        Returns how many turns are new. After an interruption a later call continues. Answers that
        an earlier version stored with their questions are left out. Raises InputError for a record
        that cannot be stored, and if this memory has other contents.
        """

    def vacuum(self) -> str:
        """Have a server drop the bytes of removed rows, of all its namespaces; returns the SQL.

        The tables are locked meanwhile. "" for a file, which `forget` overwrites at once. Raises
        StoreError if the login may not do this, or others use the tables for too long.
        """

    def check(self) -> list[str]:
        """What is wrong with the file and its indexes, one line each; empty when all is well."""

    def close(self) -> None:
        """Release the database. Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
