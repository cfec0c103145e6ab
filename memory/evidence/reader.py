"""A memory as it is read for one question."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from memory.evidence.marks import Recalled, recalled_facts
from memory.evidence.standing import Standing
from memory.evidence.wishes import shown_before
from memory.records import Fact, Hit, Rows, Summary, Turn
from memory.search.searcher import Searcher
from memory.store import Store
from memory.store.turn_validation import local_now
from memory.store.united import first_store
from memory.store.vocabulary_edits import vocabulary_of
from memory.text.turn_filter import TurnFilter
from memory.vocabulary import Vocabulary

if TYPE_CHECKING:  # the parser of SQL waits until a statement needs it
    from memory.sql import CheckedSelect


class MemoryReader:
    """What may be looked up in a memory for a question; nothing is looked up twice.

    `searcher` ranks by the weights of a program, in the order of a reranker.
    """

    def __init__(self, store: Store, searcher: Searcher | None = None) -> None:
        self._store = store
        self._searcher = searcher or Searcher()
        self._turns: dict[int, Turn] = {}
        self._standing: dict[tuple[str, ...], Standing] = {}
        self._recalled: dict[tuple[str, str], tuple[set[int], Recalled]] = {}

    def read(self, sql: "str | CheckedSelect") -> Rows:
        """The rows of one SELECT; raises SqlError."""
        return self._store.read(sql, weights=self._searcher.weights)

    def search(
        self, question: str, k: int, filter: TurnFilter | Mapping[str, Any] | None = None
    ) -> Sequence[Hit]:
        """The best k turns by the ranking, best first; with a filter only turns that pass it."""
        return self._searcher.search(self._store, question, k, filter)

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids, in the order of the ids; InputError for one that is missing."""
        missing = [turn_id for turn_id in turn_ids if turn_id not in self._turns]
        if missing:
            read = self._store.turns_by_id(missing, missing_ok=missing_ok)
            self._turns |= {turn.id: turn for turn in read}
        return [self._turns[turn_id] for turn_id in turn_ids if turn_id in self._turns]

    def catalog(self, tokens: int) -> str:
        """A summary of the memory in at most `tokens` tokens."""
        return self._store.catalog(tokens)

    def name_lines(self, text: str, tokens: int) -> str:
        """What is known of the names in a text, in at most `tokens` tokens; "" for nothing."""
        return self._store.name_lines(text, tokens)

    def vocabulary(self) -> Vocabulary:
        """The attributes of the memory's facts."""
        return vocabulary_of(self._store)

    def standing(self, question: str, *askers: str) -> Standing:
        """What the asker, by any of these names, wants of answers, and contradictions."""
        key = (question, *askers)
        if key not in self._standing:
            self._standing[key] = shown_before(first_store(self._store), question, *askers)
        return self._standing[key]

    def recalled(self, turns: Sequence[Turn], question: str, day: str = "") -> Recalled:
        """The current facts of turns on a day (ISO; "": today), and what of a turn is outdated.

        What was looked up for these and further turns before is returned as it is.
        """
        turn_ids = {turn.id for turn in turns}
        known_ids, recalled = self._recalled.get((question, day), (set(), None))
        if recalled is None or not turn_ids <= known_ids:
            recalled = recalled_facts(self._store, turns, question, day or local_now()[:10])
            self._recalled[question, day] = turn_ids, recalled
        return recalled

    def summaries(self) -> Sequence[Summary]:
        """What happened in runs of turns, in their order."""
        return self._store.summaries()

    def digested_facts(self, turn_ids: Sequence[int]) -> Sequence[Fact]:
        """The facts that models and persons have stored of these turns, in their order."""
        return self._store.digested_facts(turn_ids)
