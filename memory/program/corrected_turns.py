"""Turns without what persons have taken from their facts: nothing reads it from them again.

A fact that a person has corrected or deleted leaves the sentence where it was. Lists, states and
sentences are read from turns at the time of the question, and would bring it back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from memory.passages import sentences
from memory.program.model import MemoryReader
from memory.records import Removal, Turn
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.written_dates import is_later


@dataclass(frozen=True)
class CorrectedTurns:
    """The turns of a memory, each without the sentences that say what was taken from its facts.

    A turn of which nothing is left is not there.
    """

    reader: MemoryReader

    def turns(self, first: int, last: int) -> list[Turn]:
        """See `MemoryReader.turns`."""
        return self.of(self.reader.turns(first, last))

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """See `MemoryReader.turns_by_id`."""
        return self.of(self.reader.turns_by_id(turn_ids, missing_ok))

    def of(self, turns: Sequence[Turn]) -> list[Turn]:
        """These turns as they are after the corrections."""
        if not self._removals:
            return [*turns]
        corrected = (self._corrected(turn) for turn in turns)
        return [turn for turn in corrected if turn.text]

    @cached_property
    def _removals(self) -> Mapping[str, Sequence[Removal]]:
        """Removals by the longest word of their value."""
        by_word = defaultdict[str, list[Removal]](list)
        for removal in self.reader.removals():
            if value := _value_words(removal):
                by_word[max(value, key=len)].append(removal)
        return by_word

    def _corrected(self, turn: Turn) -> Turn:
        """The turn without what was taken of it; the turn itself where nothing was."""
        removals = [
            removal
            for word in self._removals.keys() & set(words(turn.text))
            for removal in self._removals[word]
            if _is_told_before(turn, removal)
        ]
        parts = sentences(turn.text) if removals else []
        remaining = [
            sentence
            for sentence in parts
            if not any(_says(sentence, turn.speaker, removal) for removal in removals)
        ]
        return (
            turn if len(remaining) == len(parts) else replace(turn, text="".join(remaining).strip())
        )


def _value_words(removal: Removal) -> set[str]:
    return set(telling_words(removal.value) or words(removal.value))


def _is_told_before(turn: Turn, removal: Removal) -> bool:
    """Whether a person had the turn behind them: what is said later is said anew."""
    return turn.id <= removal.turn_id or is_later(removal.at, turn.said_at)


def _says(sentence: str, speaker: str, removal: Removal) -> bool:
    sentence_words = set(words(sentence))
    is_of_subject = not set(words(removal.subject)).isdisjoint(sentence_words | {*words(speaker)})
    return is_of_subject and _value_words(removal) <= sentence_words
