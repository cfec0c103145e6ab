"""What a speaker says again with another value: "the wedding is on the 12th", then "on the 19th".

Two sentences say the same thing if they share most words, in order, and differ in one place: in
numbers, in names, or in what a question asks for. This works in any language and needs no fact.
Something that happened twice looks the same (the log has how often), so only the earlier turn gets
the mark.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from memory.records import Turn
from memory.text.dates import COUNT, around_relative_date, short_day
from memory.text.speakers import is_by_assistant
from memory.text.tokens import TextCache
from memory.text.words import SHORTEST_STEM, forms_of, is_among, telling_words
from memory.vocabulary.templates.clauses import without_fillers
from memory.vocabulary.templates.parts import own_text
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
# For one turn's sentences that begin alike: each is compared with all other turns' sentences, and
# one message of 2,000 such sentences made a question wait 36 s.
_MOST_ALIKE = 8
_MOST_KNOWN, _LONGEST_KNOWN = 1_000, 2_000  # texts, and characters of one: 5 MB of chats
_MOST_COMPARED = 4_000  # pairs of sentences
_FEWEST_ASKED = 2  # words before a value other than a number or a name
_FEWEST_OF_NEWS = 2  # telling words around a value that has changed


@dataclass(frozen=True)
class Restated:
    """The newest turn that says something again, and its value."""

    turn: Turn
    value: str
    is_asked_for: bool  # whether no other sentence has more words of a question
    mark: str  # `later, turn 3, 10 Mar 2026: 4,600 euros`
    earlier: Turn
    opens: str  # the earlier sentence's first word
    around: frozenset[str]  # the telling words that both sentences have

    @property
    def is_news(self) -> bool:
        """Whether the value may have changed: another day, and something that the speaker does not
        do again and again ("I'm interested in", "I think I'll take").
        """
        return (
            len(self.around) >= _FEWEST_OF_NEWS
            and not _is_same_time(self.earlier, self.turn)
            and self.opens.partition("'")[0].casefold() not in language_words().speakers
        )


@dataclass(frozen=True, eq=False)  # told apart by identity, which pairs of them are looked up by
class _Sentence:
    written: tuple[str, ...]  # its words
    folded: tuple[str, ...]
    is_part: bool  # of a longer sentence
    ends: tuple[str, str]  # its first two words, and its last two

    # Most sentences are like no other and never need these two.
    @cached_property
    def told_by(self) -> tuple[tuple[str, ...], ...]:
        """Each word without stop words, in the form of the index."""
        return tuple(map(_telling_of.__getitem__, self.folded))

    @cached_property
    def telling(self) -> frozenset[str]:
        """All of these."""
        return frozenset(chain.from_iterable(self.told_by))


_telling_of = TextCache(lambda word: tuple(telling_words(word)), most=20_000, longest=40)
_Said = tuple[Turn, _Sentence]


class _Sentences(NamedTuple):
    """The sentences of a text, and all words that one of them begins or ends with."""

    sentences: tuple[_Sentence, ...]
    ends: frozenset[str]


class _Difference(NamedTuple):
    """The one place where two sentences differ.

    `value` is what the later one has there. `frame` are the telling words before the place,
    `around` those on both sides. `is_clear` is true where the sentences have most words in common,
    and numbers or names in the place.
    """

    value: str
    frame: tuple[str, ...]
    around: frozenset[str]
    is_first: bool  # whether the place is at the beginning
    is_clear: bool


@dataclass(frozen=True)
class _QuestionWords:
    """The words of some sentences that a question has, looked up if two are alike."""

    question: str
    sentences: Sequence[_Sentence]

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the sentences that the question has in any form."""
        forms = forms_of(telling_words(self.question))
        # Two forms of a word begin alike, except for numbers: the others are not compared.
        beginnings = {form[:SHORTEST_STEM] for form in forms}
        words = set[str]().union(*[sentence.telling for sentence in self.sentences])
        alike = [word for word in words if word[:SHORTEST_STEM] in beginnings or word in COUNT]
        return frozenset([word for word in alike if is_among(word, forms)])

    @cached_property
    def largest(self) -> int:
        """The highest number of them in one sentence."""
        shared = [self.words.intersection(sentence.telling) for sentence in self.sentences]
        return max(map(len, shared), default=0)


def restated(turns: Sequence[Turn], question: str) -> Mapping[int, Restated]:
    """The turns, by id, whose speaker later says the same with another value.

    The value that the question asks for may be any words: "Where is the key?" fits "the key is
    under the pot" and "the key is behind the meter".
    """
    order = sorted([(turn.said_at[:19], turn.id, place) for place, turn in enumerate(turns)])
    in_time = [turns[place] for *_, place in order]
    by_turn = [
        (turn, _sentences_of[turn.text])
        for turn in in_time
        if turn.kind == "message" and not is_by_assistant(turn)
    ]
    sentences = [sentence for _, told in by_turn for sentence in told.sentences]
    shared = _QuestionWords(question, sentences)
    again: dict[int, Restated] = {}
    for group in _groups(by_turn):
        for place, (turn, earlier) in enumerate(group):
            # The newest wins, even if it repeats the first value: the rest need not be compared.
            for later_turn, later in reversed(group[place + 1 :]):
                if turn.id == later_turn.id:
                    continue
                if earlier.folded == later.folded:
                    if not (earlier.is_part or later.is_part):
                        again.pop(turn.id, None)
                    break
                # One place alone differs, so neither is much longer.
                if abs(len(earlier.folded) - len(later.folded)) >= _MOST_VALUE_WORDS:
                    continue
                difference = _difference(earlier, later)
                if difference is None:
                    continue
                asked = earlier.telling & shared.words
                has_most = (
                    asked == later.telling & shared.words <= difference.around
                    and len(asked) == shared.largest
                )
                has_frame = has_most and bool(difference.frame) and asked >= {*difference.frame}
                is_asked_for = has_frame or (has_most and shared.largest >= _FEWEST_ASKED)
                if difference.is_first and not is_asked_for:
                    continue  # a capital on the first word does not make a name
                if difference.is_clear or (has_frame and len(difference.frame) >= _FEWEST_ASKED):
                    value, said_at = difference.value, later_turn.said_at
                    day = f", {short_day(said_at)}" if said_at else ""
                    mark = f"later, turn {later_turn.id}{day}: {value}"
                    again[turn.id] = Restated(
                        *(later_turn, value, is_asked_for, mark),
                        *(turn, earlier.written[0], difference.around),
                    )
                    break
    return again


def _is_same_time(turn: Turn, later: Turn) -> bool:
    """Whether two turns are of one day, or of one session where a day is not known."""
    if turn.said_at and later.said_at:
        return turn.said_at[:10] == later.said_at[:10]
    return bool(turn.session) and turn.session == later.session


def _groups(by_turn: Sequence[tuple[Turn, _Sentences]]) -> Iterable[list[_Said]]:
    """Sentences of one speaker with the same two words at the beginning, or at the end.

    Two that differ in one place share one or the other.
    """
    turns_of_ends = Counter(chain.from_iterable([told.ends for _, told in by_turn]))
    # Most are from one turn: a sentence begins as its first part does.
    shared = {end for end, turns in turns_of_ends.items() if turns > 1}
    groups = defaultdict[tuple[str, str], list[_Said]](list)
    for turn, (sentences, _) in by_turn:
        is_long = len(sentences) > _MOST_ALIKE
        alike = Counter[str]()
        for sentence in sentences:
            for end in sentence.ends:
                if end not in shared:
                    continue
                if is_long:
                    alike[end] += 1
                    if alike[end] > _MOST_ALIKE:
                        continue
                groups[turn.speaker, end].append((turn, sentence))
    return groups.values()


def newest_first(turns: Sequence[Turn], question: str) -> list[Turn]:
    """The turns in order, except that a turn comes before the one whose value it replaces.

    Turns with what the question asks for come before all others: "Who is the head of the mill?" has
    every word of "the head of the mill is", and a search may rank another thing of the mill first.
    """
    later = restated(turns, question)
    places = {turn.id: place for place, turn in enumerate(turns)}
    for earlier_id, again in later.items():
        if again.turn.id in places:
            place = -1 if again.is_asked_for else places[earlier_id]
            places[again.turn.id] = min(places[again.turn.id], place)
    # Of two at one place, the one not said again.
    return sorted(turns, key=lambda turn: (places[turn.id], turn.id in later))


# A closed class: words that begin the case of an order.
_CASES = frozenset(("when", "whenever", "if", "wenn", "falls", "cuando", "si", "quand", "lorsque"))


def has_other_value(order: str, later: str) -> bool:
    """Whether two orders differ in one place, in numbers or names: "use Celsius", "use Fahrenheit".

    "Three" and "five" are numbers, and the first word of an order is no name. A name behind "when"
    is of another case: "two books when I ask about Peru" leaves the books about Nepal alone.
    """
    before, after = order.split(), later.split()
    before[:1], after[:1] = (word.casefold().split() for word in (before[0], after[0]))
    places = [
        n for n, (word, other) in enumerate(zip(before, after, strict=False)) if word != other
    ]
    if len(before) != len(after) or len(places) != 1:
        return False
    [place] = places
    is_of_case = any(word.casefold() in _CASES for word in before[:place])
    return not is_of_case and _are_values(before[place], after[place])


def _are_values(word: str, other: str) -> bool:
    numbers = [word.strip(_EDGES).casefold() in language_words().numbers for word in (word, other)]
    return all(numbers) or _are_of_a_kind([word], [other])


def _sentences(text: str) -> _Sentences:
    sentences = tuple(_plain_sentences(text))
    return _Sentences(sentences, frozenset(end for told in sentences for end in told.ends))


# A question looks at its turns twice, and the next question at most of them again.
_sentences_of = TextCache(_sentences, most=_MOST_KNOWN, longest=_LONGEST_KNOWN)


def _plain_sentences(text: str) -> Iterator[_Sentence]:
    for clause, is_part in _clauses(own_text(text)):
        if clause.rstrip().endswith("?") or len(clause.split()) < _FEWEST_WORDS:
            continue
        written = [word.strip(_EDGES) for word in without_fillers(clause.strip(_EDGES)).split()]
        if _FEWEST_WORDS <= len(written) <= _MOST_WORDS and all(map(_PLAIN.fullmatch, written)):
            folded = tuple(map(str.casefold, written))
            ends = (" ".join(folded[:2]), f"... {' '.join(folded[-2:])}")
            yield _Sentence(tuple(written), folded, is_part, ends)


def _clauses(text: str) -> Iterator[tuple[str, bool]]:
    """The sentences of a text, and parts of them (True): between commas, and without a date.

    "Since last week the head of the mill is Bela" gives the person and the date.
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


@lru_cache(maxsize=_MOST_COMPARED)  # the next question compares most of them again
def _difference(earlier: _Sentence, later: _Sentence) -> _Difference | None:
    """The one place where two sentences differ; None for sentences that differ in more."""
    before, after = earlier.folded, later.folded
    shortest = min(len(before), len(after))
    begin = end = 0
    while begin < shortest and before[begin] == after[begin]:
        begin += 1
    while end < shortest - begin and before[-1 - end] == after[-1 - end]:
        end += 1
    if end == shortest - begin:  # no second place: one has all words of the other
        end = 0
    old = earlier.written[begin : len(before) - end]
    new = later.written[begin : len(after) - end]
    if not (0 < len(old) <= _MOST_VALUE_WORDS and 0 < len(new) <= _MOST_VALUE_WORDS):
        return None
    frame = [*chain.from_iterable(earlier.told_by[:begin])]
    around = {*frame, *chain.from_iterable(earlier.told_by[len(before) - end :])}
    if not around:
        return None
    value = [*new, *later.written[len(later.written) - end :]] if end else new
    return _Difference(
        value=" ".join(value),
        frame=tuple(frame),
        around=frozenset(around),
        is_first=begin == 0,
        is_clear=2 * (begin + end) >= shortest and _are_of_a_kind(old, new),
    )


def _are_of_a_kind(value: Sequence[str], other_value: Sequence[str]) -> bool:
    """Whether two values are numbers, or names, apart from words that both have."""
    kinds = []
    for words, others in ((value, other_value), (other_value, value)):
        # Where each word is the other's too, all of them count.
        of_both = () if {*words} <= {*others} else others
        kind = "name"
        for word in words:
            if word in of_both:
                continue
            if any(map(str.isdigit, word)):
                kind = "number"
            elif not word[:1].isupper():
                return False
        kinds.append(kind)
    return kinds[0] == kinds[1]
