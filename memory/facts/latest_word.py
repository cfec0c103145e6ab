"""The latest word on facts and turns: the later turn of their speaker that changes what they say.

Changes are found when a turn is added (newer_words.py), and read here: for the facts and
turns of a block one statement each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from memory.records import WITHDRAWN, Fact, FactWithLater, Turn
from memory.store import Store
from memory.store.facts.fact_reads import current_among
from memory.store.facts.rights import provenance_of
from memory.store.files.united import first_store
from memory.store.turns import newer_words
from memory.store.turns.newer_words import NewerWord
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.tokens import line_tokens, trim
from memory.vocabulary.templates.parts import own_text

MOST_LISTED = 60  # facts of a list that are given with their latest word
_LONGEST = 2_000  # characters of a turn
_QUOTE_TOKENS = 40  # a sentence of news, whole
_SHORT_TOKENS = 12


@dataclass(frozen=True)
class LatestWord:
    """A later turn that changes a fact or a turn, and the sentence that does.

    `value` is the new value if the sentence says the same with another one, else "": then it may
    or may not change the fact.
    """

    turn: Turn
    sentence: str
    value: str = ""

    @property
    def text(self) -> str:
        """`later, turn 3, 10 Mar 2026: "no dog anymore"`."""
        return f"{self._head}: {self.quotation}"

    @property
    def short_text(self) -> str:
        """The same with the first words of the sentence."""
        return f'{self._head}: "{trim(one_line(self.sentence), _SHORT_TOKENS)}"'

    @property
    def _head(self) -> str:
        day = f", {short_day(self.turn.said_at)}" if self.turn.said_at else ""
        return f"later, turn {self.turn.id}{day}"

    @property
    def quotation(self) -> str:
        """The turn in quotation marks if it is short, else the sentence, cut if it is long."""
        turn = one_line(own_text(self.turn.text[:_LONGEST])).strip()
        quoted = turn if 0 < line_tokens(turn) <= _QUOTE_TOKENS else one_line(self.sentence)
        return f'"{trim(quoted, _QUOTE_TOKENS)}"'


def with_latest(line: str, word: LatestWord | None) -> str:
    """A line of a fact with the latest word on it, if there is one."""
    return f"{line}; {word.text}" if word else line


def with_later(store: Store, facts: Sequence[Fact], day: str = "") -> list[Fact]:
    """A list of facts: of the first MOST_LISTED, a current one with a latest word has `later`."""
    latest = latest_words(store, current_among(store, facts[:MOST_LISTED]), day)
    return [
        FactWithLater(**vars(fact), later=latest[fact.id].text) if fact.id in latest else fact
        for fact in facts
    ]


def latest_words(
    store: Store, facts: Sequence[Fact], day: str = "", without: Collection[int] = ()
) -> Mapping[int, LatestWord]:
    """The latest word on facts that their speaker said, up to a day (ISO), by the facts' ids.

    A fact that no one speaks of later is left out, and so is a fact that was said again unchanged.
    What was said before a person edited a fact changes it no more. Turns in `without` say nothing.
    """
    words = _newer(store, [fact.turn_id for fact in facts], without)
    of_facts = {
        fact.id: [word for word in words[fact.turn_id] if word.fact_id == fact.id]
        for fact in facts
        if fact.turn_id in words
    }
    return _latest(store, of_facts, day)


def latest_of_turns(
    store: Store, turns: Sequence[Turn], day: str = "", without: Collection[int] = ()
) -> Mapping[int, LatestWord]:
    """The latest word on turns, up to a day (ISO), by their ids: on their own words or facts."""
    return _latest(store, _newer(store, [turn.id for turn in turns], without), day)


def _newer(
    store: Store, turn_ids: Sequence[int], without: Collection[int]
) -> Mapping[int, Sequence[NewerWord]]:
    """What later turns change of these; nothing of several memories, which count turns apart."""
    first = first_store(store)
    if first is not store or not turn_ids:
        return {}
    with first.reading() as conn:
        words = newer_words.of_turns(conn, sorted({*turn_ids}))
    if not without:
        return words
    return {
        turn_id: [word for word in of_turn if word.newer_turn not in without]
        for turn_id, of_turn in words.items()
    }


def _latest(
    store: Store, words: Mapping[int, Sequence[NewerWord]], day: str
) -> dict[int, LatestWord]:
    """The newest of some words for each key that is not the same again."""
    if not words:
        return {}
    ids = {word.newer_turn for of_one in words.values() for word in of_one}
    turns = {turn.id: turn for turn in store.turns_by_id(sorted(ids), missing_ok=True)}
    edit_days = _edit_days(store, {word.fact_id for of_one in words.values() for word in of_one})
    latest = {}
    for key, of_one in words.items():
        later_turns = [
            (turns[word.newer_turn], word)
            for word in of_one
            if word.newer_turn in turns
            and not turns[word.newer_turn].text.startswith(WITHDRAWN)
            and (not day or turns[word.newer_turn].said_at[:10] <= day)
            and turns[word.newer_turn].said_at[:10] >= edit_days.get(word.fact_id, "")
        ]
        if later_turns:
            turn, word = max(
                later_turns, key=lambda pair: (pair[0].said_at[:10], pair[0].id, pair[1].chance)
            )
            if word.kind == "changes":
                latest[key] = LatestWord(turn, word.sentence, word.value)
    return latest


def _edit_days(store: Store, fact_ids: Collection[int]) -> dict[int, str]:
    """The day on which a person last edited each fact, by its id; unedited facts are left out."""
    stored = sorted({*fact_ids} - {0})  # 0 means a turn's own words
    if not stored:
        return {}
    with store.reading() as conn:
        provenance = provenance_of(conn, stored)
    return {fact_id: of_fact.edited_at[:10] for fact_id, of_fact in provenance.items()}
