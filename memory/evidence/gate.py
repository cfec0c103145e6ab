"""Whether a message touches a memory: if it does not, nothing is shown with it.

A search always finds something, even for "what is 2+2". The gate looks at the turns that it found:
how near they are to the message, whether it names a person or thing of theirs, and which of its
words they all lack. A word counts by how much it tells (`word_weights`), not by a list of common
words. A message about oneself ("my", "I") mostly asks. The gate does not depend on the memory's
embedder, its vectors or its database.

It decides about the message, not about each turn: an answer often shares no word with its question.
Which turns are shown then is read from the ranking (`count_near`).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import embed, word_weights
from memory.search.question import SpeakerNames
from memory.store import Store
from memory.text.text_cache import TextCache
from memory.text.word_forms import known_forms, telling_words
from memory.text.words import words

# The formula: a message touches a memory if the sum of weight times value is above 0. Fitted by
# `python -m tests.benchmarks.gate --fit` to memories of 5 to 12,500 turns (docs/log.md).
WEIGHTS = {
    "near": 16.007,  # the mean cosine of the nearest turns
    "missing": -0.646,  # how much the words tell that no turn holds
    "speaker": 7.490,  # whether it names a speaker of the turns
    "name": 2.169,  # whether a word of it is a name in the turns
    "my": 3.600,  # whether it says my or our
    "self": 2.155,  # whether it says I or we
    "length": 2.189,  # log of the message's words: as many more may be missing
    "size": -0.954,  # log of the memory's different turns: of many, some are near by chance
    "always": -2.686,
}
# Looked at, the best first. A smaller memory counts as one of this size.
MOST_TURNS = 24
_NEAR_TURNS = 10  # how many of the nearest count
_NEAREST = 3
_LONGEST = 4_000  # characters of a message or a turn
_WEIGHT_UNIT = 100.0  # about the weight of a word such as "garden"
# Who says I or my speaks of themselves, and asks for a fact of the world less often. Without these
# words 20 instead of 10 in 100 statements were lost (docs/log.md). "Me" is not one: "tell me a
# joke" is said as often.
_SELF = frozenset(words("i we im ive id ich wir je nous yo nosotros ik wij"))
_OWN = frozenset(
    words(
        "my mine our ours mein meine meinen meinem meiner unser unsere mon ma mes notre nos mi mis"
        " nuestro nuestra mijn onze"
    )
)
_ROLES = frozenset({"user", "human", "you"})  # speakers without names
_WITHIN_SENTENCE = re.compile(r"(?<=[\w,;] )[^\W\d_]\w+")


def touched(
    store: Store, message: str, turns: Sequence[Turn], hits: Sequence[Turn] | None = None
) -> list[Turn]:
    """The turns that may be shown with a message, or none if it does not touch the memory.

    Args:
        turns: each text once, the best first; the gate looks at the first MOST_TURNS.
        hits: all turns of the search that they were taken from, with repeats.
    """
    hits = turns if hits is None else hits
    times = Counter([(turn.speaker, turn.text) for turn in hits])
    size = different_turns(store.count_turns(), hits)
    said = [times[turn.speaker, turn.text] for turn in turns]
    return list(turns) if touches(message, turns, size, said) else []


def different_turns(memory_turns: int, hits: Sequence[Turn]) -> int:
    """About how many different turns a memory has, if as many are alike as among the hits.

    A sentence said fifteen times is one turn that may be near by chance.
    """
    different = len({(turn.speaker, turn.text) for turn in hits})
    return round(memory_turns * different / len(hits)) if hits else memory_turns


def touches(
    message: str, turns: Sequence[Turn], memory_turns: int, times: Sequence[int] = ()
) -> bool:
    """Whether a message touches a memory of this many different turns.

    Args:
        turns: the best that the memory has, each once.
        times: how often each of them was said; once by default.
    """
    if not turns or not message.strip():
        return False
    values = features(message, turns, memory_turns, times)
    return sum(WEIGHTS[name] * value for name, value in values.items()) > 0


def features(
    message: str, turns: Sequence[Turn], memory_turns: int, times: Sequence[int] = ()
) -> Mapping[str, float]:
    """What speaks for a message and against it, by the names of WEIGHTS."""
    message = message[:_LONGEST]
    texts = [turn.text[:_LONGEST] for turn in turns[:MOST_TURNS]]
    is_named, plain = _without_names(message, {turn.speaker for turn in turns[:MOST_TURNS]})
    message_words = words(message)
    telling = list(dict.fromkeys(telling_words(plain)))
    vectors = _vectors_of(texts[:_NEAR_TURNS])
    nearness = vectors @ embed([plain])[0]
    is_missing = ~held_words(telling, texts).any(axis=0)
    return {
        "near": _near(nearness, times or [1] * len(turns)),
        "missing": float(is_missing @ np.array([*map(_weight, telling)]) / _WEIGHT_UNIT),
        "speaker": float(is_named),
        "name": float(_holds_name(telling, texts)),
        "my": float(not _OWN.isdisjoint(message_words)),
        "self": float(not _SELF.isdisjoint(message_words)),
        "length": float(np.log1p(len(message_words))),
        "size": float(np.log(max(memory_turns, MOST_TURNS))),
        "always": 1.0,
    }


def _vectors_of(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of texts, (n, width); the missing ones are made in one batch."""
    vectors = {text: _known_vectors.get(text) for text in texts}
    new = [text for text, vector in vectors.items() if vector is None]
    for text, vector in zip(new, embed(new), strict=True):
        vectors[text] = vector
        _known_vectors.keep(text, vector)
    return np.array([vectors[text] for text in texts])


def _near(nearness: NDArray[np.float32], times: Sequence[int]) -> float:
    """The mean cosine of the nearest turns; a turn said twice may count twice.

    Repeating never makes a turn less near: the same exchange, added fourteen times, closed the gate
    to itself.
    """
    repeated = np.repeat(nearness, np.minimum(times[: len(nearness)], _NEAREST))
    return max(float(np.sort(values)[-_NEAREST:].mean()) for values in (nearness, repeated))


def _without_names(message: str, speakers: set[str]) -> tuple[bool, str]:
    """Whether a message names one of the speakers, and the message without these names."""
    names = _names_of(tuple(sorted(speakers)))
    named, plain = names.take_out(message)
    return bool(named - names.assistants), plain


@lru_cache(maxsize=64)
def _names_of(speakers: Sequence[str]) -> SpeakerNames:
    """The names of speakers that have one."""
    names = SpeakerNames()
    for number, speaker in enumerate(speakers):
        if speaker.strip().casefold() not in _ROLES:
            names.add(speaker, number)
    return names


def held_words(telling: Sequence[str], texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which words each text holds in any form, (texts, words)."""
    forms = [frozenset(known_forms[word]) for word in telling]
    # Forms of a word share its beginning, so most words of a text need no further look.
    beginnings = {form[:3] for of_word in forms for form in of_word}
    held = np.zeros((len(texts), len(telling)), np.bool_)
    for row, text in zip(held, texts, strict=True):
        for word in _known_words[text]:
            if word[:3] in beginnings:
                for place, of_word in enumerate(forms):
                    row[place] |= not of_word.isdisjoint(known_forms[word])
    return held


def _holds_name(telling: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether one of these words is a name: within sentences it mostly has a capital."""
    capitals = Counter[str]()
    for text in texts:
        for word, is_capital in _known_cases[text]:
            capitals[word] += 1 if is_capital else -1
    return any(capitals[word] > 0 for word in telling)


def _cases(text: str) -> tuple[tuple[str, bool], ...]:
    """The words within sentences, and whether they have a capital."""
    found = _WITHIN_SENTENCE.findall(text)
    return tuple((form, word[0].isupper()) for word in found for form in words(word))


@lru_cache(maxsize=4_000)
def _weight(word: str) -> float:
    return word_weights([word])[0]


# The next question finds most of the same turns.
_known_vectors = TextCache(lambda text: embed([text])[0], most=1_000, longest=2_000)
_known_words = TextCache(lambda text: tuple(telling_words(text)), most=1_000, longest=2_000)
_known_cases = TextCache(_cases, most=1_000, longest=2_000)
