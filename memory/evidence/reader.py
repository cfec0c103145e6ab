"""Reads a memory for one question, or all that it knows of one person or thing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, cast

from memory.errors import InputError
from memory.evidence.marks import Recalled, recalled_facts
from memory.evidence.question import UserQuestion
from memory.evidence.wishes import Standing, shown_before
from memory.records import Fact, Hit, Rows, Summary, Turn
from memory.search.question import asks_for_story, subjects_in, subjects_of
from memory.store import Store, namespaces, open_store
from memory.store.configuration.settings import asker_of
from memory.store.facts.entity_edits import facts_about
from memory.store.facts.fact_reads import current_among, facts_from, facts_now_about, has_facts
from memory.store.facts.standing_facts import names_of_askers
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import first_store
from memory.store.turns.turn_validation import local_now
from memory.store.waiting.pending_windows import last_turn_taken
from memory.text.characters import sound_text
from memory.text.turn_filter import TurnFilter
from memory.vocabulary import PROFILE_PARTS, Vocabulary
from memory.vocabulary.templates import asked_about, whom

if TYPE_CHECKING:  # the parser of SQL waits until a statement needs it
    from memory.sql import CheckedSelect


_STORY_CANDIDATES = 400  # turns; first the ones that a story's names and months select


class MemoryReader:
    """Looks things up in a memory for a question, each only once.

    `weights` are a program's, of the ranking's features; None means the packaged ones. `store` is
    the memory to read. What is from the turns in `without` is in no hit, turn, fact, mark or wish.
    """

    def __init__(
        self,
        store: Store,
        weights: Mapping[str, float] | None = None,
        without: frozenset[int] = frozenset(),
    ) -> None:
        self.store = store
        self.without = without
        self._weights = weights
        self._hits: dict[tuple[str, int], Sequence[Hit]] = {}
        self._turns: dict[int, Turn] = {}
        self._standing: dict[tuple[str, ...], Standing] = {}
        self._overviews: dict[UserQuestion, Sequence[Fact] | None] = {}
        self._recalled: dict[tuple[str, str, bool], tuple[set[int], Recalled]] = {}

    def read(self, sql: "str | CheckedSelect") -> Rows:
        """The rows of one SELECT; raises SqlError."""
        return self.store.read(sql, weights=self._weights)

    def search(
        self, question: str, k: int, filter: TurnFilter | Mapping[str, Any] | None = None
    ) -> Sequence[Hit]:
        """The best k turns by the ranking, best first; with a filter only turns that pass it."""
        if filter is not None:
            return self._searched(question, k, filter)
        if (question, k) not in self._hits:
            hits = self._searched(question, k)
            self._hits[question, k] = [hit for hit in hits if hit.turn_id not in self.without]
        return self._hits[question, k]

    def _searched(
        self, question: str, k: int, filter: TurnFilter | Mapping[str, Any] | None = None
    ) -> Sequence[Hit]:
        """The best k turns; for a story first the ones that its names and months select."""
        subjects = subjects_of(question) if asks_for_story(question) else ()
        candidates = max(k, _STORY_CANDIDATES) if subjects else k
        hits = self.store.search(question, candidates, filter, weights=self._weights)
        if not subjects:
            return hits
        turns = self.turns_by_id([hit.turn_id for hit in hits], missing_ok=True)
        worth = {turn.id: subjects_in(turn, subjects) for turn in turns}
        # Sorting is stable: of turns with as many names, the nearest come first.
        return sorted(hits, key=lambda hit: -worth.get(hit.turn_id, 0))[:k]

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids, in the order of the ids; InputError if one is missing."""
        turn_ids = [turn_id for turn_id in turn_ids if turn_id not in self.without]
        missing = [turn_id for turn_id in turn_ids if turn_id not in self._turns]
        if missing:
            read = self.store.turns_by_id(missing, missing_ok=missing_ok)
            self._turns |= {turn.id: turn for turn in read}
        return [self._turns[turn_id] for turn_id in turn_ids if turn_id in self._turns]

    def has_facts(self) -> bool:
        """Whether the memory holds any fact."""
        return has_facts(self.store)

    def asker(self, name: str = "") -> str:
        """The asker, as the memory knows them; the owner if no one is named."""
        return asker_of(first_store(self.store), sound_text(name))

    def catalog(self, tokens: int) -> str:
        """A summary of the memory in at most `tokens` tokens."""
        return self.store.catalog(tokens)

    def name_lines(self, text: str, tokens: int) -> str:
        """What is known of the names in a text, in at most `tokens` tokens; "" for nothing."""
        return self.store.name_lines(text, tokens)

    def vocabulary(self) -> Vocabulary:
        """The attributes of the memory's facts."""
        return vocabulary_of(self.store)

    def standing(self, question: str, *askers: str) -> Standing:
        """What the asker, by any of these names, wants of answers, and contradictions."""
        key = (question, *askers)
        if key not in self._standing:
            self._standing[key] = shown_before(
                first_store(self.store), question, *askers, without=self.without
            )
        return self._standing[key]

    def overview(self, question: UserQuestion) -> Sequence[Fact] | None:
        """All current facts for "What do you know about ...?"; None for other questions."""
        if question not in self._overviews:
            facts = overview_facts(self.store, question)
            self._overviews[question] = facts and [
                fact for fact in facts if fact.turn_id not in self.without
            ]
        return self._overviews[question]

    def recalled(
        self, turns: Sequence[Turn], question: str, day: str = "", *, periods: bool = False
    ) -> Recalled:
        """The current facts of turns on a day (ISO; "": today), and what in a turn is outdated.

        With `periods` also since when that was so. If an earlier call covered these turns, its
        result is returned.
        """
        turn_ids = {turn.id for turn in turns}
        known_ids, recalled = self._recalled.get((question, day, periods), (set(), None))
        if recalled is None or not turn_ids <= known_ids:
            recalled = recalled_facts(
                self.store,
                turns,
                question,
                day or local_now()[:10],
                periods=periods,
                without=self.without,
            )
            self._recalled[question, day, periods] = turn_ids, recalled
        return recalled

    def next_window(self, size: int) -> tuple[int, int]:
        """The first and the last id of the next turns that no digest has stored."""
        first = last_turn_taken(self.store) + 1
        turns = self.store.turns(first, first + size - 1)
        return (turns[0].id, turns[-1].id) if turns else (first, first)

    def facts_from(self, turn_ids: Sequence[int]) -> Sequence[Fact]:
        """The facts that come from these turns, in the order of their turns."""
        return facts_from(self.store, turn_ids)

    def summaries(self) -> Sequence[Summary]:
        """Summaries of runs of turns, in order."""
        return [
            summary
            for summary in self.store.summaries()
            if not any(summary.turn_id <= number <= summary.last_turn_id for number in self.without)
        ]

    def digested_facts(self, turn_ids: Sequence[int]) -> Sequence[Fact]:
        """The facts that models and people stored from these turns, in order."""
        return self.store.digested_facts(turn_ids)


class HasReader(Protocol):
    """A memory that is open already, such as `Memory`."""

    @property
    def reader(self) -> MemoryReader:
        """A reader for one question."""


# A name or a path, an open store, or a Memory.
MemoryLike = str | Path | Store | HasReader


def _place(memory: str | Path) -> namespaces.Location:
    """Where a call's memory is. The call's inputs may be a stranger's, such as a dataset's row.

    Raises InputError for the address of a server: libpq would show it this machine's password.
    """
    if isinstance(memory, str) and "://" in memory and not memory.startswith("sqlite:///"):
        kind = memory.partition("://")[0][:20]
        raise InputError(
            f"a call opens a memory by its name or its file's path, not by an address ({kind}://);"
            " open it by open_store(ADDRESS) and pass the store"
        )
    return namespaces.place_of(memory)


@contextmanager
def reading(
    memory: MemoryLike, weights: Mapping[str, float] | None = None
) -> Iterator[MemoryReader]:
    """A reader of a memory for one question; anything opened for it is closed afterwards.

    `weights` are for the ranking, if the memory has none.
    """
    if isinstance(memory, (str, Path)):
        with open_store(_place(memory), read_only=True) as store:
            yield MemoryReader(store, weights)
    elif reader := getattr(memory, "reader", None):
        yield reader
    else:
        yield MemoryReader(cast("Store", memory), weights)


@contextmanager
def writing(
    memory: MemoryLike | None,
    turns: Sequence[Turn | Mapping[str, Any]] = (),
    weights: Mapping[str, float] | None = None,
) -> Iterator[MemoryReader]:
    """As `reading`, of a memory that may be written to.

    Without a memory, makes one of these turns, numbered from 1, and removes it afterwards.
    """
    if isinstance(memory, (str, Path)):
        with open_store(_place(memory)) as store:
            yield MemoryReader(store, weights)
    elif memory is not None:
        with reading(memory, weights) as reader:
            yield reader
    else:
        given = [turn if isinstance(turn, Turn) else Turn(**turn) for turn in turns]
        with (
            TemporaryDirectory(prefix="memory-") as folder,
            open_store(Path(folder) / "memory.db") as store,
        ):
            store.add([replace(turn, id=0) for turn in given])
            yield MemoryReader(store, weights)


_KINDS = ("one value", "many", "plan", "event")  # what lasts comes first


def overview_facts(store: Store, question: UserQuestion) -> list[Fact] | None:
    """The current facts for "What do you know about ...?", by kind, newest first.

    An empty question asks about the asker. None for other questions, and if nothing is known.
    """
    who = asked_about(question.text)
    if who is None and question.text.strip():
        return None
    if who:
        facts = _facts_of(store, who, question.asker)
    else:
        names = names_of_askers(first_store(store), *question.askers)
        facts = facts_now_about(store, sorted(names), question.today)
    if who and not facts:
        return None
    return by_kind(facts, vocabulary_of(store))


def _facts_of(store: Store, who: str, asker: str) -> list[Fact]:
    """The current facts about a person, by a name or by their relation to the asker."""
    somebody = whom(who, asker)
    own = first_store(store)
    return current_among(own, facts_about(own, somebody.subject)) if somebody else []


def by_kind(facts: Sequence[Fact], vocabulary: Vocabulary) -> list[Fact]:
    """Facts in the order of a profile, then other states, plans and events; each newest first."""

    def place(fact: Fact) -> tuple[int, int, str, int]:
        known = vocabulary.canonical(fact.attribute)
        part = known.profile if known else ""
        return (
            PROFILE_PARTS.index(part) if part else len(PROFILE_PARTS),
            _KINDS.index(known.kind) if known else len(_KINDS),
            fact.attribute,
            -fact.turn_id,
        )

    return sorted(facts, key=place)
