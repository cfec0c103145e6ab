"""What a speaker says again with another value: "the wedding is on the 12th", then "on the 19th".

Two sentences say the same thing where they have most words in common, in their order, and differ in
one place, in numbers or in names: this holds in any language and needs no fact. A thing that
happened twice looks alike (docs/log.md has how often), so it is only said of the earlier turn.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from memory.pasted import own_text
from memory.prompt import short_day
from memory.records import Turn
from memory.search.words import STOP_WORDS
from memory.speakers import is_assistant
from memory.templates.clauses import without_fillers

_SENTENCE_END = re.compile(r"(?<=[.!;])\s+|\n+")
_EDGES = " \t.,!;:()\"'\u201c\u201d"
# Words, numbers and dates; neither code nor a table.
_PLAIN = re.compile(
    r"[^\W_]+(?:[-'\u2019.,:/\u20ac$\u00a3%]+[^\W_]*)*|[\u20ac$\u00a3%&]\S*|[-\u2013\u2014]"
)
_FEWEST_WORDS, _MOST_WORDS = 4, 24  # of a sentence
_MOST_VALUE_WORDS = 4


@dataclass(frozen=True)
class Restated:
    """The newest turn that says something again, and with which value."""

    turn: Turn
    value: str

    @property
    def mark(self) -> str:
        """`later, turn 3, 10 Mar 2026: 4,600 euros`."""
        day = f", {short_day(self.turn.said_at)}" if self.turn.said_at else ""
        return f"later, turn {self.turn.id}{day}: {self.value}"


@dataclass(frozen=True)
class _Sentence:
    turn: Turn
    written: tuple[str, ...]  # its words

    @property
    def folded(self) -> list[str]:
        return [word.casefold() for word in self.written]


def restated(turns: Sequence[Turn]) -> Mapping[int, Restated]:
    """The turns whose speaker later says the same with another value, by their ids."""
    groups: dict[tuple[str, ...], list[_Sentence]] = defaultdict(list)
    for turn in sorted(turns, key=_time):
        for sentence in _sentences(turn):
            groups[(turn.speaker, *sentence.folded[:2])].append(sentence)
    again: dict[int, Restated] = {}
    for sentences in groups.values():
        # The newest comes last and wins, also where it says what was said first.
        for earlier, later in combinations(sentences, 2):
            if earlier.turn.id == later.turn.id:
                continue
            if earlier.folded == later.folded:
                again.pop(earlier.turn.id, None)
            elif value := _other_value(earlier, later):
                again[earlier.turn.id] = Restated(later.turn, value)
    return again


def newest_first(turns: Sequence[Turn]) -> list[Turn]:
    """The turns in their order, but what says something again before what it replaces."""
    later = restated(turns)
    places = {turn.id: place for place, turn in enumerate(turns)}
    for earlier_id, again in later.items():
        if again.turn.id in places:
            places[again.turn.id] = min(places[again.turn.id], places[earlier_id])
    # Of two at one place the one that is not said again.
    return sorted(turns, key=lambda turn: (places[turn.id], turn.id in later))


def _time(turn: Turn) -> tuple[str, int]:
    return turn.said_at[:19], turn.id


def _sentences(turn: Turn) -> Iterator[_Sentence]:
    if is_assistant(turn.speaker) or turn.kind != "message":
        return
    for text in _SENTENCE_END.split(own_text(turn.text)):
        words = [word.strip(_EDGES) for word in without_fillers(text.strip(_EDGES)).split()]
        if (
            _FEWEST_WORDS <= len(words) <= _MOST_WORDS
            and not text.rstrip().endswith("?")
            and all(map(_PLAIN.fullmatch, words))
        ):
            yield _Sentence(turn, tuple(words))


def _other_value(earlier: _Sentence, later: _Sentence) -> str:
    """What the later sentence has in the one place where the two differ; "" for other sentences."""
    before, after = earlier.folded, later.folded
    shortest = min(len(before), len(after))
    begin = next((n for n in range(shortest) if before[n] != after[n]), shortest)
    end = next((n for n in range(shortest - begin) if before[-1 - n] != after[-1 - n]), 0)
    old, new = (words[begin : len(words) - end] for words in (earlier.written, later.written))
    frame = before[:begin]
    if (
        2 * (begin + end) < shortest
        or not 0 < len(old) <= _MOST_VALUE_WORDS
        or not 0 < len(new) <= _MOST_VALUE_WORDS
        or all(word in STOP_WORDS for word in frame)
        or _kind(old, new) != _kind(new, old)
        or not _kind(old, new)
    ):
        return ""
    return " ".join([*new, *later.written[len(later.written) - end :]] if end else new)


def _kind(value: Sequence[str], other_value: Sequence[str]) -> str:
    """Whether a value is a number or a name, but for words that both have; "" for other words."""
    words = [word for word in value if word not in other_value] or value
    has_digits = [any(map(str.isdigit, word)) for word in words]
    if not all(
        digits or word[:1].isupper() for word, digits in zip(words, has_digits, strict=True)
    ):
        return ""
    return "number" if any(has_digits) else "name"
