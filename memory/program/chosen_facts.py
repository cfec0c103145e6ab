"""Facts chosen from a turn's own words: what the packaged model stores, without being asked.

A model of 135 million parameters chooses badly while it writes. So rules list what a turn states
of its speaker, word for word, and a net of one hidden layer says which of it is worth storing. Its
weights were fitted to the gold facts of data/train by `python -m locomo.serving.chosen_facts`.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.dates import WORD, resolve_dates
from memory.embed import DIM, embed
from memory.model import Fact, Turn
from memory.program.messages import is_evidence, is_question
from memory.program.stated_facts import SENTENCE, dated, is_stated
from memory.sql import quoted

BUCKETS = 1 << 13  # features are hashed to as many rows of weights
VECTORS = 6  # of words, of a candidate
WEIGHTS = Path(__file__).parent / "chosen_facts.npz"
_LONGEST_VALUE = 14  # words; longer gold values are in the words of whoever wrote them
_LONGEST_TURN = 2_000  # characters: pasted texts and documents are found as turns
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?(?:[.,:/-]\w+)*|[^\w\s]")
_PRONOUNS = {"i", "we", "you", "he", "she", "it", "they", "me", "us", "him", "her", "them"}
_CONJUNCTIONS = WORD.findall(
    "and but or so because that while when if who which where as than though although since until"
    " till"
)
_PREPOSITIONS = WORD.findall(
    "to in on at for with from by about into over after before during near"
)
_BORDERS = {*_PRONOUNS, *_CONJUNCTIONS, *_PREPOSITIONS}
_FUNCTION_WORDS = _BORDERS | set(
    WORD.findall(
        "my our your his its their a an the this these those some any no every each another of up"
        " off out down under between through against without am is are was were be been being have"
        " has had do does did will would can could should may might must not just also still really"
        " very too only even never always there here what why how then"
    )
)
_CONTRACTED = ("n't", "'m", "'ve", "'s", "'re", "'d", "'ll")
# "Bought a pan" tells of the speaker, "Frida turns fourteen" and "first gig in May" do not.
_PAST = re.compile(
    r"\w+ed|bought|got|went|made|took|had|saw|met|found|lost|left|sold|won|gave|came|ate|caught"
    r"|wrote|read|did|began|built|broke|chose|drank|drove|fell|felt|flew|grew|heard|held|hit|hurt"
    r"|kept|led|paid|put|ran|rode|sang|sat|sent|set|slept|spent|spoke|swam|taught|told|thought"
    r"|woke|wore"
)
_ATTRIBUTE = "says"  # where no word of the clause tells what the value is to the speaker


class Span(NamedTuple):
    """Words of a sentence, from the number `start` to before `end`."""

    sentence: int
    start: int
    end: int


@dataclass(frozen=True)
class Candidate:
    """A fact that a turn states, and the words that are its value.

    `features` are the numbers of its features, `vectors` the meaning of its words: (VECTORS * DIM,)
    """

    fact: Fact
    span: Span
    features: NDArray[np.int64]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Net:
    """A layer over the features and the vectors of a candidate, and one over that layer.

    Shapes: `features` (BUCKETS, hidden), `vectors` (VECTORS * DIM, hidden), `bias` (hidden,),
    `output` (hidden,), `level` (1,).
    """

    features: NDArray[np.float32]
    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]
    output: NDArray[np.float32]
    level: NDArray[np.float32]

    def score(self, candidate: Candidate) -> float:
        """Above 0 where the candidate is worth storing."""
        hidden = self.features[candidate.features].sum(axis=0) + self.bias
        hidden += candidate.vectors @ self.vectors
        return float(np.maximum(hidden, 0) @ self.output + self.level[0])


@dataclass(frozen=True)
class _Sentence:
    """A sentence with its words, as they stand and in small letters, and their places in it."""

    text: str
    words: list[str]
    lower: list[str]
    places: list[tuple[int, int]]

    def value(self, span: Span) -> str:
        return self.text[self.places[span.start][0] : self.places[span.end - 1][1]]

    def clause_start(self, number: int) -> int:
        """The number of the first word of the clause that a word stands in."""
        while number > 0 and self.words[number - 1][0].isalnum():
            if self.lower[number - 1] in ("and", "but", "so", "because"):
                break
            number -= 1
        return number


def chosen_facts(turn: Turn, previous: Turn | None) -> list[Fact]:
    """The facts of a turn that are worth storing, in its order; none where it tells nothing."""
    options = candidates(turn, previous)
    return [option.fact for option in best_apart(options, _net().score)]


def best_apart(
    options: Sequence[Candidate], score: Callable[[Candidate], float]
) -> list[Candidate]:
    """Those with a score above 0 that share no word with a better one, in the turn's order."""
    scored = sorted(((score(option), option) for option in options), key=lambda pair: -pair[0])
    taken: list[Candidate] = []
    for value, option in scored:
        if value > 0 and not any(_overlap(option.span, better.span) for better in taken):
            taken.append(option)
    return sorted(taken, key=lambda option: option.span)


def insert_of(facts: Sequence[Fact]) -> str:
    """One INSERT of these facts; `-- none` without any."""
    if not facts:
        return "-- none"
    rows = []
    for fact in facts:
        texts = (fact.subject, fact.attribute, fact.value, fact.happened_on)
        rows.append(f"({', '.join(map(quoted, texts))}, {fact.turn_id})")
    columns = "subject, attribute, value, happened_on, turn_id"
    return f"INSERT INTO facts ({columns}) VALUES {', '.join(rows)}"


def candidates(turn: Turn, previous: Turn | None) -> list[Candidate]:
    """All that a turn states of its speaker, as `is_stated` says, in the turn's order."""
    if not is_evidence(turn.text) or len(turn.text) > _LONGEST_TURN:
        return []
    options = []
    sentences = [_sentence(text) for text in SENTENCE.findall(turn.text) if text.strip()]
    for number, sentence in enumerate(sentences):
        if is_question(sentence.text):
            continue
        about = _sentence_features(sentence, number, len(sentences), previous)
        for span in _spans(sentence, number):
            fact = _fact(sentence, span, turn)
            if _has_speaker(sentence, span, fact.attribute) and is_stated(fact, turn):
                names = [*about, *_span_features(sentence, span)]
                features = np.array([_bucket(name) for name in names])
                options.append(Candidate(fact, span, features, _span_vectors(sentence, span)))
    return options


def _sentence(text: str) -> _Sentence:
    matches = list(_WORD.finditer(text))
    words = [match[0] for match in matches]
    lower = [word.lower().replace("\u2019", "'") for word in words]
    return _Sentence(text, words, lower, [match.span() for match in matches])


def _spans(sentence: _Sentence, number: int) -> list[Span]:
    """Where values may begin and end: at the borders of phrases."""
    words, lower = sentence.words, sentence.lower
    is_word = [word[0].isalnum() for word in words]

    def begins(place: int) -> bool:
        before = lower[place - 1] if place else ""
        return is_word[place] and (
            place <= 3
            or not is_word[place - 1]
            or before in _FUNCTION_WORDS
            or before.endswith(("ed", *_CONTRACTED))
            or lower[place] in _FUNCTION_WORDS
            or words[place][0].isupper()
            or words[place][0].isdigit()
        )

    def ends(place: int) -> bool:
        after = lower[place] if place < len(words) else ""
        return is_word[place - 1] and (not after or not is_word[place] or after in _BORDERS)

    starts = [place for place in range(len(words)) if begins(place)]
    stops = [place for place in range(1, len(words) + 1) if ends(place)]
    return [
        Span(number, start, end)
        for start in starts
        for end in stops
        if 0 < end - start <= _LONGEST_VALUE
    ]


def _fact(sentence: _Sentence, span: Span, turn: Turn) -> Fact:
    """What a span says of the speaker: the last telling word before it in its clause says how."""
    telling = [
        sentence.lower[number]
        for number in range(sentence.clause_start(span.start), span.start)
        if sentence.words[number].isalpha()
        and sentence.lower[number] not in _FUNCTION_WORDS
        and not (number and sentence.words[number][0].isupper())  # a name
    ]
    fact = Fact(
        subject=turn.speaker,
        attribute=telling[-1] if telling else _ATTRIBUTE,
        value=resolve_dates(sentence.value(span), turn.said_at, iso=True),
        turn_id=turn.id,
    )
    fact = dated(fact, turn)
    if fact.happened_on:
        return fact
    # "Last Friday I bought a bike": the day stands beside the value.
    whole = replace(fact, value=resolve_dates(sentence.text, turn.said_at, iso=True))
    return replace(fact, happened_on=dated(whole, turn).happened_on)


def _has_speaker(sentence: _Sentence, span: Span, attribute: str) -> bool:
    """Whether a clause tells of its speaker before the value, or begins with what they did."""
    before = sentence.lower[sentence.clause_start(span.start) : span.start]
    first = sentence.lower[span.start].partition("'")[0]
    is_own = first in ("i", "we") or before[:1] == ["the"]
    names_speaker = any(word.partition("'")[0] in ("i", "we", "my", "our") for word in before)
    return is_own or names_speaker or _PAST.fullmatch(attribute) is not None


def _sentence_features(
    sentence: _Sentence, number: int, count: int, previous: Turn | None
) -> list[str]:
    words = set(sentence.lower)
    return [
        f"sentence {min(number, 4)}",
        f"sentences {min(count, 6)}",
        f"last {number == count - 1}",
        f"words {min(len(sentence.lower) // 3, 9)}",
        f"first {sentence.lower[0] if sentence.lower else ''}",
        f"first two {' '.join(sentence.lower[:2])}",
        f"exclamation {'!' in sentence.text}",
        f"you {bool(words & {'you', 'your'})}",
        f"asked {previous is not None and is_question(previous.text)}",
        *(f"among {word}" for word in sorted(words & _FUNCTION_WORDS)),
    ]


def _span_features(sentence: _Sentence, span: Span) -> list[str]:
    words, lower = sentence.words, sentence.lower
    _, start, end = span
    clause = sentence.clause_start(start)
    value = lower[start:end]
    before = lower[start - 1] if start else "<"
    earlier = lower[start - 2] if start > 1 else "<"
    after = lower[end] if end < len(lower) else ">"
    return [
        f"before {before}",
        f"two before {earlier} {before}",
        f"begins {value[0]}",
        f"begins so {' '.join(value[:2])}",
        f"after {before} {value[0]}",
        f"ends {value[-1]}",
        f"then {after}",
        f"length {end - start}",
        f"from {min(start, 6)}",
        f"to {min(len(lower) - end, 6)}",
        f"shapes {_shape(words[start])} {_shape(words[end - 1])}",
        f"number {any(map(_has_digit, value))}",
        f"name {any(word[0].isupper() for word in words[max(start, 1) : end])}",
        f"clause words {min(start - clause, 7)}",
        f"whole {start == clause} {end >= len(lower) - 1}",
        f"commas {value.count(',')}",
        f"function words {4 * sum(word in _FUNCTION_WORDS for word in value) // (end - start)}",
        *(f"clause {word}" for word in lower[clause:start][-5:]),
        *(f"value {word}" for word in value),
    ]


def _span_vectors(sentence: _Sentence, span: Span) -> NDArray[np.float32]:
    """Of the value, the clause before it, the sentence; of its first and last word, and before."""
    lower = sentence.lower
    _, start, end = span
    phrases = [
        lower[start:end],
        lower[sentence.clause_start(start) : start],
        lower,
        lower[start : start + 1],
        lower[end - 1 : end],
        lower[max(start - 1, 0) : start],
    ]
    zeros = np.zeros(DIM, np.float32)
    means = [np.mean([_vector(word) for word in phrase] or [zeros], axis=0) for phrase in phrases]
    return np.concatenate(means).astype(np.float32)


@lru_cache(maxsize=16_384)
def _vector(word: str) -> NDArray[np.float32]:
    return np.asarray(embed([word])[0])


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _shape(word: str) -> str:
    if _has_digit(word):
        return "digits" if word.isdigit() else "mixed"
    return "capitals" if word.isupper() else "capital" if word[0].isupper() else "small"


def _bucket(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "replace")) % BUCKETS


def _overlap(span: Span, other: Span) -> bool:
    is_same_sentence = span.sentence == other.sentence
    return is_same_sentence and span.start < other.end and other.start < span.end


@cache
def _net() -> Net:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        layers = {field.name: file[field.name].astype(np.float32) for field in fields(Net)}
    return Net(**layers)


@cache
def weights_sha256() -> str:
    """SHA-256 of the file of weights: other weights make other memories."""
    return sha256(WEIGHTS.read_bytes()).hexdigest()
