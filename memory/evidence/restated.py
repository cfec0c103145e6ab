"""What a speaker says again with another value: "the wedding is on the 12th", then "on the 19th".

Two sentences say the same thing where they have most words in common, in their order, and differ in
one place, in numbers or in names, or where a question asks for just that place: this holds in any
language and needs no fact. A thing that happened twice looks alike (the log has how often), so
it is only said of the earlier turn.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from memory.records import Turn
from memory.text.dates import around_relative_date, short_day
from memory.text.pasted import own_text
from memory.text.speakers import is_assistant
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.vocabulary.templates.clauses import without_fillers
from memory.vocabulary.templates.words import language_words

_SENTENCE_END = re.compile(r"(?<=[.!;])\s+|\n+")
_CLAUSE_END = re.compile(r"(?<=[,:])\s+")
_EDGES = " \t.,!;:()\"'\u201c\u201d"
# Words, numbers and dates; neither code nor a table.
_PLAIN = re.compile(
    r"[^\W_]+(?:[-'\u2019.,:/\u20ac$\u00a3%]+[^\W_]*)*|[\u20ac$\u00a3%&]\S*|[-\u2013\u2014]"
)
_FEWEST_WORDS, _MOST_WORDS = 4, 24  # of a sentence
_MOST_VALUE_WORDS = 4
# Of one turn's sentences that begin alike: each is compared with those of all other turns, and one
# message of 2,000 such sentences kept a question waiting for 36 s.
_MOST_ALIKE = 8
_FEWEST_ASKED = 2  # words before a value that is neither a number nor a name


@dataclass(frozen=True)
class Restated:
    """The newest turn that says something again, and with which value."""

    turn: Turn
    value: str
    is_asked_for: bool  # whether no other sentence has more words of a question

    @property
    def mark(self) -> str:
        """`later, turn 3, 10 Mar 2026: 4,600 euros`."""
        day = f", {short_day(self.turn.said_at)}" if self.turn.said_at else ""
        return f"later, turn {self.turn.id}{day}: {self.value}"


@dataclass(frozen=True)
class _Sentence:
    turn: Turn
    written: tuple[str, ...]  # its words
    folded: tuple[str, ...]
    asked: frozenset[str]  # those of them that the question has in any form
    is_part: bool  # of a longer sentence


def restated(turns: Sequence[Turn], question: str) -> Mapping[int, Restated]:
    """The turns whose speaker later says the same with another value, by their ids.

    What the question asks for may have any words as its value: "Where is the key?" of "the key is
    under the pot" and "the key is behind the meter".
    """
    forms = forms_of(telling_words(question))

    @cache
    def is_asked(word: str) -> bool:  # most words come again
        return is_among(word, forms)

    sentences = [
        sentence for turn in sorted(turns, key=_time) for sentence in _sentences(turn, is_asked)
    ]
    most_asked = max((len(sentence.asked) for sentence in sentences), default=0)
    # Of two that differ in one place, the beginnings or the ends are alike.
    groups: dict[tuple[str, ...], list[_Sentence]] = defaultdict(list)
    alike = Counter[tuple[object, ...]]()
    for sentence in sentences:
        first, last = sentence.folded[:2], sentence.folded[-2:]
        for key in (("", sentence.turn.speaker, *first), ("...", sentence.turn.speaker, *last)):
            alike[sentence.turn.id, key] += 1
            if alike[sentence.turn.id, key] <= _MOST_ALIKE:
                groups[key].append(sentence)
    again: dict[int, Restated] = {}
    for of_one in groups.values():
        # The newest comes last and wins, also where it says what was said first.
        for earlier, later in combinations(of_one, 2):
            if earlier.turn.id == later.turn.id:
                continue
            if earlier.folded == later.folded:
                if not (earlier.is_part or later.is_part):
                    again.pop(earlier.turn.id, None)
            elif other := _with_other_value(earlier, later, most_asked):
                again[earlier.turn.id] = other
    return again


def newest_first(turns: Sequence[Turn], question: str) -> list[Turn]:
    """The turns in their order, but what says something again before what it replaces.

    What the question asks for comes before all other turns: "Who is the head of the mill?" has
    every word of "the head of the mill is", and a search may rank another thing of the mill first.
    """
    later = restated(turns, question)
    places = {turn.id: place for place, turn in enumerate(turns)}
    for earlier_id, again in later.items():
        if again.turn.id in places:
            place = -1 if again.is_asked_for else places[earlier_id]
            places[again.turn.id] = min(places[again.turn.id], place)
    # Of two at one place the one that is not said again.
    return sorted(turns, key=lambda turn: (places[turn.id], turn.id in later))


def _time(turn: Turn) -> tuple[str, int]:
    return turn.said_at[:19], turn.id


def _sentences(turn: Turn, is_asked: Callable[[str], bool]) -> Iterator[_Sentence]:
    if is_assistant(turn.speaker) or turn.kind != "message":
        return
    for text, is_part in _clauses(own_text(turn.text)):
        written = [word.strip(_EDGES) for word in without_fillers(text.strip(_EDGES)).split()]
        if (
            _FEWEST_WORDS <= len(written) <= _MOST_WORDS
            and not text.rstrip().endswith("?")
            and all(map(_PLAIN.fullmatch, written))
        ):
            folded = tuple(word.casefold() for word in written)
            asked = frozenset(filter(is_asked, telling_words(" ".join(folded))))
            yield _Sentence(turn, tuple(written), folded, asked, is_part)


def _clauses(text: str) -> Iterator[tuple[str, bool]]:
    """The sentences of a text, and parts of them (True): between commas, and without a date.

    "Since last week the head of the mill is Bela" says who that is, and since when.
    """
    for sentence in _SENTENCE_END.split(text):
        yield sentence, False
        if sentence.rstrip().endswith("?"):
            continue
        parts = _CLAUSE_END.split(sentence)
        if len(parts) > 1:
            yield from ((part, True) for part in parts)
        for part in parts:
            if undated := _without_date(part.strip(_EDGES)):
                yield undated, True


def _without_date(text: str) -> str:
    """A clause without a relative date at its beginning or end; "" for another."""
    around = around_relative_date(text)
    if around is None:
        return ""
    before, after = (side.strip(_EDGES).split() for side in around)
    small = language_words().stops | language_words().opens
    while before and before[-1].casefold() in small:
        before.pop()
    return "" if before and after else " ".join(before or after)


def _with_other_value(earlier: _Sentence, later: _Sentence, most_asked: int) -> Restated | None:
    """What the later sentence says in the one place where the two differ; None for other sentences.

    `most_asked` is how many of the question's words the sentence with most of them has.
    """
    before, after = earlier.folded, later.folded
    shortest = min(len(before), len(after))
    begin = next((n for n in range(shortest) if before[n] != after[n]), shortest)
    end = next((n for n in range(shortest - begin) if before[-1 - n] != after[-1 - n]), 0)
    old, new = (words[begin : len(words) - end] for words in (earlier.written, later.written))
    frame = telling_words(" ".join(before[:begin]))
    around = telling_words(" ".join([*before[:begin], *before[len(before) - end :]]))
    if not around or not all(0 < len(value) <= _MOST_VALUE_WORDS for value in (old, new)):
        return None
    has_most = earlier.asked == later.asked <= {*around} and len(later.asked) == most_asked
    is_whole = has_most and bool(frame) and later.asked >= {*frame}
    is_asked_for = is_whole or (has_most and most_asked >= _FEWEST_ASKED)
    if begin == 0 and not is_asked_for:
        return None  # the capital of a first word makes no name
    if not (is_whole and len(frame) >= _FEWEST_ASKED) and (
        2 * (begin + end) < shortest or _kind(old, new) != _kind(new, old) or not _kind(old, new)
    ):
        return None
    value = [*new, *later.written[len(later.written) - end :]] if end else new
    return Restated(later.turn, " ".join(value), is_asked_for)


def _kind(value: Sequence[str], other_value: Sequence[str]) -> str:
    """Whether a value is a number or a name, but for words that both have; "" for other words."""
    words = [word for word in value if word not in other_value] or value
    has_digits = [any(map(str.isdigit, word)) for word in words]
    if not all(
        digits or word[:1].isupper() for word, digits in zip(words, has_digits, strict=True)
    ):
        return ""
    return "number" if any(has_digits) else "name"
