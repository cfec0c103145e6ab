"""The contract of a store, the object that holds one namespace, in four groups.

Functions ask for the group that they need where that says more than `Store`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from memory.records import Change, Edit, Fact, Forgotten, Hit, Pending, Rows, Setting, Turn

if TYPE_CHECKING:  # the parser takes long to import
    from memory.sql import CheckedSelect, CheckedWrites


class Turns(Protocol):
    """What was said: stored for good, searched, and counted when a question uses it."""

    def add(self, turns: Sequence[Turn], once: bool = False) -> list[int]:
        """Store turns in one transaction and return their ids; durable on return.

        With `once`, a turn whose source is in the memory is not stored again; its id is returned.

        An embedder on this machine makes the turns' vectors first. An embedder on the network is
        asked when the turns are durable, for all turns that wait for their vectors. When it cannot
        be used they go on waiting, a warning is logged ("memory.store", once until it works
        again), and a later add or search tries again.

        Raises InputError for a turn with empty text, or when the memory's vectors are by now those
        of another embedder than the one this store was opened with; ModelError when an embedder on
        this machine cannot be used. Nothing is stored then.
        """

    def known(self, sources: Sequence[str]) -> dict[str, int]:
        """The turns with these outside ids: source -> turn id (the oldest of several)."""

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

    def catalog(self, tokens: int) -> str:
        """What this memory holds, for a prompt, in at most `tokens` tokens.

        Speakers, date range and sessions, then subjects with their commonest attributes.
        """

    def search(
        self, text: str, k: int = 10, weights: Mapping[str, float] | None = None
    ) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first. No language model is asked.

        `weights` are those of the ranking's features, by the names of
        `memory.search.ranking.FEATURE_WEIGHTS`; None stands for these.

        First the turns that wait for their vectors are embedded. Turns that cannot be embedded (a
        store opened read-only never writes) are ranked by every feature but their meaning.

        Raises ModelError when the memory's embedder is not the packaged one and cannot be used,
        InputError for weights of other features.
        """

    def count_shown(self, turn_ids: Sequence[int]) -> None:
        """Note that a question brought up these turns. A read-only store notes nothing."""

    def shown(self) -> dict[int, int]:
        """How often questions brought up each turn; turns that none brought up are left out."""


class Facts(Protocol):
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
    ) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change.

        They are the text of a model's answer, or checked already.
        With a window, a new fact's turn_id must lie in it, facts of other turns may be ended and
        nothing else, and the window counts as digested. Without one, at most
        `journal.MOST_ENDED` facts that were there before may be changed or deleted, as a model may
        have written the statement; any number where a person says so (`by_person`).
        Raises SqlError when a statement is refused, wrong, too wide or too slow; HeldError when a
        window would end so many facts that a person must decide; ClaimLostError when another
        process took the window over. Nothing is written then.
        """

    def undo(self, change_id: int) -> Change:
        """Take a change back, and return the change that did so (undo that one to redo).

        Raises InputError when a later change rests on it, or when it is undone already.
        """

    def changes(self, before: int | None = None, limit: int | None = None) -> list[Change]:
        """The journal, oldest first.

        Of the changes with ids below `before` (None: of all), the newest `limit` (None: all).
        """

    def facts(self, point: str | int | None = None) -> list[Fact]:
        """The facts as they are, or as they were at a point, by id.

        A point is a change, 12, "12" or "#12" (this change and all before it have happened; 0:
        none has), or a moment in ISO text as exact as wanted: "2017-06-01" is the end of that day
        (in UTC), "2017" of that year. Text of four digits from 1000 to 2999 is a year: change 2017
        is "#2017" or the number 2017. Raises InputError for a point that is neither, and for a
        change that does not exist.
        """

    def journal(self, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
        """What each change did to each fact, oldest first; that of one change, or to one fact."""

    def revert(self, point: str | int) -> Change:
        """Make all facts as they were at a point, as one change that can be undone.

        Raises InputError when they are so already.
        """


class Queue(Protocol):
    """The windows of turns that wait until a model stores their facts."""

    def claim(self, size: int, lease_s: float = 600.0, since: int = 0) -> tuple[int, int] | None:
        """The next undigested window of at most `size` turns, as (first, last) ids.

        The window goes into `pending` in the same transaction, so that it survives a kill, and no
        other process can take it for `lease_s` seconds. None when no turn from the id `since` on
        waits; those before it become a pending window that is nobody's.
        """

    def reclaim(
        self, window: tuple[int, int], lease_s: float = 600.0, size: int | None = None
    ) -> tuple[int, int] | None:
        """Take over a pending window, and return it; None when a process works on it.

        Of one with more than `size` turns the first so many, the others stay pending. None also
        when there is no such window by now.
        """

    def fail(
        self, window: tuple[int, int], error: str, attempted: bool = True, statement: str = ""
    ) -> None:
        """Give a claimed window back to `pending` with the reason; it can be claimed again.

        An interruption (`attempted` False) does not count as an attempt. A `statement` is held
        for a person: `apply_held` runs it. Of a long reason the beginning is kept.
        """

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        """Run what is held of a pending window, because a person (`by`) says so.

        Raises InputError when nothing is held of it, or the facts have changed too much since.
        """


class Maintenance(Protocol):
    """Settings, the vectors of the embedder, backups, exports, and forgetting for good."""

    def settings(self, name: str | None = None) -> list[Setting]:
        """Every value that all settings ever had, or the one of this name, oldest first.

        The newest value of a setting is the one in force.
        """

    def set(self, name: str, value: Any) -> Setting:
        """Give a setting a new value (anything JSON holds); the ones before stay on record.

        Raises InputError for "embedder", which `reembed` sets.
        """

    @property
    def embedder(self) -> str:
        """The name of the embedder that makes this memory's vectors (memory.embed)."""

    def to_embed(self, embedder: str) -> tuple[int, int]:
        """How many turns `reembed` would have to embed, and the bytes of their text in UTF-8."""

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        """Make the vectors of all turns anew by another embedder, then change to it at once.

        After each `batch` of turns their new vectors are on disk, and `progress` is called with
        how many they are. Searches use the old vectors until all new ones are there. Whatever
        interrupts this, a later call continues where it stopped. Turns that wait for their vectors
        and turns added meanwhile are included, and open stores notice the change.

        Raises InputError when there are no turns or no embedder has this name, ModelError when the
        embedder cannot be used, StoreError when another process was faster.
        """

    def forget(self, turn_ids: Sequence[int]) -> Forgotten:
        """Remove turns and all that rests on them, then overwrite where they were on disk.

        That is the facts of these turns, what the journal says of them, words and vectors, in known
        backups too. Whatever interrupts this, nothing is half removed, and a later call finishes
        the overwriting. A call without turns does only that, and returns the receipt of the call
        that was interrupted.
        Raises InputError for an id that is no turn's, StoreError when another process reads or
        writes the file so that it cannot be overwritten.
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

        Returns how many turns are new. After an interruption a later call continues. Raises
        InputError for a record that cannot be stored, and when this memory holds something else.
        """

    def check(self) -> list[str]:
        """What is wrong with the file and its indexes, one line each; empty when all is well."""


class Store(Turns, Facts, Queue, Maintenance, Protocol):
    """One namespace. A third database implements these four groups, and how it is opened.

    A store belongs to one thread; each thread and each process opens its own on the same address.
    `address` is what `open_store` opens again; `location` names it in messages, without a password.
    A store opened `read_only` never writes to it.
    """

    read_only: bool

    @property
    def address(self) -> str: ...

    @property
    def location(self) -> str: ...

    def as_of(self, moment: str) -> "Store":
        """This memory as it was at a moment: a copy for reading, gone when it is closed.

        It holds the turns said by then (a turn without a date counts as said when the dated turn
        before it was) and the facts of `facts(moment)` that rest on them.
        """

    def close(self) -> None:
        """Release the database. Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
