"""The contract of a store, the object that holds one namespace, in groups.

Functions ask for the group that they need where that says more than `Store`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from memory.records import (
    Change,
    Contradiction,
    Edit,
    Entity,
    Fact,
    Forgotten,
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
from memory.turn_filter import TurnFilter
from memory.vocabulary import Attribute, Vocabulary

if TYPE_CHECKING:  # the parser takes long to import
    from memory.sql import CheckedSelect, CheckedWrites
    from memory.store.contradictions import Verdict
    from memory.store.limits import Room, TurnMeter
    from memory.store.search_tables import Searched


class Turns(Protocol):
    """What was said: stored for good, searched, and counted when a question uses it."""

    def add(self, turns: Sequence[Turn], once: bool = False) -> TurnIds:
        """Store turns in one transaction and return their ids; durable on return.

        With `once`, a turn whose source is in the memory is not stored again; its id is returned.

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
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first. No language model is asked.

        A `filter` such as {"session": "private", "since": "2017-05"} (`memory.turn_filter`) leaves
        only some turns to rank, as if the memory held no others; but the turns around one in its
        session remain its context.

        `weights` are those of the ranking's features, by the names of
        `memory.search.ranking.FEATURE_WEIGHTS`; None stands for these.

        First the turns that wait for their vectors are embedded. Turns that cannot be embedded (a
        store opened read-only never writes) are ranked by every feature but their meaning.

        Raises ModelError when the memory's embedder is not the packaged one and cannot be used,
        InputError for weights of other features and for an unknown or wrong filter.
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

        What they say of names (INSERT INTO entities and aliases, DELETE FROM aliases) is a part of
        it; where that moves many facts of other turns to another entity, it is refused like a wide
        change, and held in a window.

        They are the text of a model's answer, or checked already.
        With a window, a new fact's turn_id must lie in it, facts of other turns may be ended and
        nothing else, and the window counts as digested. As a model may have written the statement,
        at most `journal.MOST_ENDED` facts that were there before may be changed or deleted, and
        none ended at a time that the memory knows nothing of; a person (`by_person`) may do more.
        Facts are stored in the words of `Store.vocabulary`: under its names, with the values that
        it allows; of other attributes none where it is strict (`Change.left_out` names them).
        Raises SqlError when a statement is refused, wrong, too wide or too slow; HeldError when a
        window would end so many facts that a person must decide; ClaimLostError when another
        process took the window over. Nothing is written then.
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

    def journal(self, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
        """What each change did to each fact, oldest first; that of one change, or to one fact."""

    def revert(self, point: str | int) -> Change:
        """Make all facts as they were at a point, as one change that can be undone.

        Raises InputError when they are so already.
        """


class Assertions(Protocol):
    """Facts that turns assert in templates."""

    def record(self, asserted: Sequence[TurnAssertions]) -> list[Change]:
        """Store what turns assert: one journaled change for each turn that says news.

        One more for the names that it gives, which are stored once: a person may take them back.
        A new value of an attribute of one value ends the old one. What is known is not stored
        again, nor what a template stored of the turn before; what a person has changed since a turn
        was said stays as it is. The turns stay undigested: a digest takes these facts back as it
        stores their window. Raises SqlError as `write` does; nothing is written then.
        """

    def by_template(self, fact_ids: Sequence[int]) -> set[int]:
        """Those of some facts that `record` stored and no person has changed."""


class Standing(Protocol):
    """What persons want of every answer: facts, edited and undone as any."""

    def standing(self, names: Sequence[str] = ()) -> list[Fact]:
        """Standing instructions and preferences of persons, of all without names, newest first.

        Only what the person whom they are about said, in a message. Ended ones are among them.
        """


class Contradictions(Protocol):
    """Facts that cannot both be true, where neither corrects the other."""

    def contradictions(self) -> list[Contradiction]:
        """Facts in force that cannot both be true and that nobody has settled, newest first.

        `write` links them when the second is stored, where a model's answer names them (INSERT INTO
        contradictions). A change of state is none.
        """

    def settle(self, first: int, second: int, right: "Verdict", by: str = "") -> Change:
        """Say which of two facts that contradict each other is right: "first", "second" or "both".

        The wrong one is deleted, and no digest links these two again. One change, which can be
        undone. Raises InputError where they are no open contradiction.
        """


class Labels(Protocol):
    """What an application or a person says of turns: tags, which filters choose by.

    Tags that come with a turn are stored with it (`Turn.tags`); later ones are a journaled change.
    """

    def set_tags(self, turn_ids: Sequence[int], tags: Tags, by: str = "") -> Change:
        """Give turns these values of the keys instead of those they had; other keys stay.

        Raises InputError for a turn that is not there, tags that are no texts, and when nothing
        would change.
        """

    def remove_tags(self, turn_ids: Sequence[int], keys: Sequence[str], by: str = "") -> Change:
        """Take all values of these keys from turns. Raises InputError as `set_tags` does."""

    def count_tags(self) -> dict[str, dict[str, int]]:
        """How many turns have each value of each key: {"project": {"move": 12}}."""


class Attributes(Protocol):
    """What facts are stored under: the application's vocabulary, each edit a journaled change."""

    def vocabulary(self) -> Vocabulary:
        """The attributes in force: those that the application set, and the default beside them."""

    def set_attribute(self, attribute: Attribute, by: str = "") -> Change:
        """Add an attribute to the vocabulary, or put it in the place of the one of its name.

        Facts that have another name of it get its name, and values are written as it lists them,
        in the same change. Raises InputError for an attribute that contradicts itself or the
        vocabulary, facts with a value that it does not allow, and when nothing would change.
        """

    def set_vocabulary(
        self,
        attributes: Sequence[Attribute] = (),
        *,
        replaces: bool = False,
        strict: bool | None = None,
        by: str = "",
    ) -> Change:
        """Set several attributes as `set_attribute` does, as one change.

        Arguments:
            replaces: no other attributes are in force from now on, also none of the default.
            strict: facts of other attributes are not stored; None leaves that as it is.
            by: who does it, for the journal.
        """

    def rename_attribute(self, name: str, new_name: str, by: str = "") -> Change:
        """Give an attribute and its facts another name; the old one goes on meaning it.

        Also one that only facts have. Raises InputError for a name that nothing has, and for a new
        one that means something else already.
        """

    def merge_attributes(self, names: Sequence[str], into: str, by: str = "") -> Change:
        """Make several attributes one: their names become other names of `into`, with all facts.

        Of other names of `into` the facts get its name: those of a memory from before it had them.
        Raises InputError for a name that nothing has, for facts with a value that `into` does not
        allow, and when nothing would change.
        """

    def remove_attribute(self, name: str, by: str = "") -> Change:
        """Take an attribute out of the vocabulary; its facts stay as they are.

        In the place of one that the application changed the default one is in force again.
        Raises InputError for a name that the vocabulary lacks.
        """


class Entities(Protocol):
    """Who facts are about: names that mean one entity, or two that share a name.

    What a person says of them is a journaled change and can be undone.
    """

    def entities(self) -> list[Entity]:
        """The entities that facts are about, that have a description or another name, by name."""

    def entities_called(self, name: str) -> list[str]:
        """The entities that a name may mean; several for namesakes, [] when nobody has it."""

    def facts_about(self, name: str) -> list[Fact]:
        """The facts about the entities that a name may mean, by id, whatever their subjects say."""

    def name_lines(self, text: str, tokens: int) -> str:
        """What is said of the names in a text, for a prompt, in at most `tokens` tokens; or ""."""

    def merge_entities(self, name: str, into: str, by: str = "") -> Change:
        """Make an entity one with another: all its names mean that one from now on.

        Raises InputError when there is no such entity, or both are the same.
        """

    def split_entity(self, name: str, new: str, turn_ids: Sequence[int], by: str = "") -> Change:
        """Make the facts of some turns those of another entity (new or not).

        Raises InputError when there is no such entity, or no fact of these turns is about it or
        names it.
        """

    def rename_entity(self, name: str, new: str, by: str = "") -> Change:
        """Give an entity another name; the old one means it still.

        Raises InputError when there is no such entity, or another one has that name.
        """

    def describe_entity(self, name: str, description: str, by: str = "") -> Change:
        """Say in a few words who or what an entity is; "" takes the description away.

        Raises InputError when there is no such entity, or nothing would change.
        """

    def add_alias(self, name: str, entity: str, turn_id: int = 0, by: str = "") -> Change:
        """Say that a name means an entity: as a turn says and where that counts, or everywhere (0).

        Raises InputError for a turn that is not there, a name that is a relation to nobody in
        particular ("my mother"), and for one that means another entity everywhere already.
        """

    def remove_alias(self, name: str, entity: str, by: str = "") -> Change:
        """Take back that a name means an entity, whoever said so.

        Raises InputError when nobody did.
        """


class Summaries(Protocol):
    """The story of the memory, a line for each run of turns; a digest tells it (`Facts.write`)."""

    def summaries(self) -> list[Summary]:
        """All lines, in the order of their turns."""

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        """The facts that models and persons have stored of these turns, in the turns' order.

        Those that templates made (`Assertions.record`) are left out.
        """

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        """The facts of these turns by their ids, past ones too, with what was said of each since.

        It takes one round trip.
        """

    def set_summary(
        self, summary: Summary, instead_of: Summary | None = None, by: str = ""
    ) -> Change:
        """Store a line, in the place of the one that it was told anew from; a journaled change.

        A long text is cut. Raises InputError where that one is not there any more, where one of
        these turns is there already, and for turns that are not there.
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

    def last_turn_taken(self) -> int:
        """The id of the last turn in a window, digested or pending; 0 without windows."""

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""

    def apply_held(self, window: tuple[int, int], by: str = "") -> Change:
        """Run what is held of a pending window, because a person (`by`) says so.

        Raises InputError when nothing is held of it, or the facts have changed too much since.
        """


class Work(Protocol):
    """The tasks of workers: what waits in this memory, and who is at it."""

    def waiting_work(self, attempts: int) -> WaitingWork:
        """What waits here; a window waits for a person once it failed so often."""

    def tasks(self) -> list[Task]:
        """The tasks that workers have claimed, by name."""

    def claim_task(self, task: str, claimant: str) -> Task | None:
        """Claim a task, for ten minutes; None while it is not due or another worker is at it.

        A `claimant` is a name as `new_claimant` makes it. The task may be claimed again sooner
        where its process is known to have ended.
        """

    def end_task(
        self, task: str, claimant: str, due_at: float = 0.0, failures: int = 0, error: str = ""
    ) -> None:
        """Give a claimed task back; it is due again at `due_at`, in Unix seconds."""

    def move_task(self, task: str, claimant: str, position: int) -> None:
        """Note how far a claimed task has come in the journal."""

    def spend_on_task(self, task: str, day: str, calls: int, tokens: int) -> None:
        """Add what a task has cost to the sums of a day (2024-05-31)."""


class Embeddings(Protocol):
    """The vectors of the turns."""

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


class Maintenance(Protocol):
    """Settings, backups, exports, and forgetting for good."""

    def settings(self, name: str | None = None) -> list[Setting]:
        """Every value that all settings ever had, or the one of this name, oldest first.

        The newest value of a setting is the one in force.
        """

    def set(self, name: str, value: Any) -> Setting:
        """Give a setting a new value (anything JSON holds); the ones before stay on record.

        Raises InputError for "embedder" and "vocabulary", which `reembed` and `set_vocabulary` set.
        """

    def withheld(self) -> Withheld:
        """How many secrets and pieces of private text were ever left out of added turns."""

    def forget(self, turn_ids: Sequence[int]) -> Forgotten:
        """Remove turns and all that rests on them, then overwrite where they were on disk.

        That is the facts of these turns, what the journal says of them, words and vectors, in known
        backups too. Whatever interrupts this, nothing is half removed, and a later call finishes
        the overwriting. A call without turns does only that, and returns the receipt of the call
        that was interrupted.
        Raises InputError for an id that is no turn's, StoreError when another process reads or
        writes the file so that it cannot be overwritten.
        """

    def vacuum(self) -> str:
        """Have a server drop the bytes of removed rows, of all its namespaces; returns the SQL.

        The tables are locked meanwhile. "" for a file, which `forget` overwrites at once.
        Raises StoreError where the login may not, or others use the tables for too long.
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

    def check(self) -> list[str]:
        """What is wrong with the file and its indexes, one line each; empty when all is well."""


class Store(
    Turns,
    Facts,
    Assertions,
    Standing,
    Contradictions,
    Labels,
    Attributes,
    Entities,
    Summaries,
    Queue,
    Work,
    Embeddings,
    Maintenance,
    Protocol,
):
    """One namespace. A third database implements these groups, and how it is opened.

    Threads may share a store: they read at the same time, and write in the order in which they
    ask. Each process opens its own on the same address; one that is forked later gets a StoreError.
    `address` is what `open_store` opens again; `location` names it in messages, without a password.
    A store opened `read_only` never writes to it. A server sets `room` and `meter`: `add` raises
    InputError for turns beyond them.
    """

    read_only: bool
    room: "Room | None"
    meter: "TurnMeter | None"
    is_served: bool

    @property
    def address(self) -> str: ...

    @property
    def location(self) -> str: ...

    def as_of(self, moment: str) -> "Store":
        """This memory as it was at a moment: a copy for reading, gone when it is closed.

        It holds the turns said by then (a turn without a date counts as said when the dated turn
        before it was) and the facts of `facts(moment)` that rest on them.
        """

    def searched(
        self, turn_filter: TurnFilter | None = None
    ) -> "AbstractContextManager[Searched | None]":
        """This memory while it is searched, None without turns: for a search over several."""

    @property
    def cached_bytes(self) -> int:
        """How many bytes of RAM its index takes between two calls."""

    def is_current(self) -> bool:
        """Whether the memory is still where it was opened; false once it is moved or deleted.

        A server is asked every few seconds at most.
        """

    def close(self) -> None:
        """Release the database. Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
