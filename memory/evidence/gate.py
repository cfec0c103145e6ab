"""How wide a memory opens to a message: to what belongs, to a little, or not at all.

A dial, for what it hides costs an answer and what it shows thirty tokens. It closes on empty talk:
greetings, thanks, arithmetic, jokes and general knowledge, without a word of oneself, of advice or
of what the memory knows. What it doubts gets a few turns and the portrait (`memory.evidence.room`).

One logistic regression over the message, the turns that the search found and who is named, fitted
by `python -m tests.benchmarks.gate --fit` to conversations of four languages; `gate.json` has its
sentences, its words and its weights. It does not depend on the memory's embedder.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import embed, word_weights
from memory.text.tokens import TextCache
from memory.text.words import known_forms, telling_words, words

# To all that belongs, to a few turns and the portrait, or to nothing but what always stands.
Opening = Literal["open", "narrow", "closed"]

FILE = Path(__file__).with_suffix(".json")
MOST_TURNS = 20  # looked at, the best first. A smaller memory counts as one of this size.
_NEAR_TURNS, _NEAREST = 10, 3
_LONGEST = 2_000  # characters of a message or a turn
_WITHIN_SENTENCE = re.compile(r"(?<=[\w,;] )[^\W\d_]\w+")
_WEIGHT_UNIT = 100.0  # about the weight of a word such as "garden"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Gate:
    """The weights of `features` by name, the sentences, the words, and from where it is narrow.

    `narrow` is a score; `advice` is by how much a message must be nearer to sentences of advice and
    oneself than to empty talk, whatever the memory holds.
    """

    weights: Mapping[str, float]
    empty: Floats
    personal: Floats
    self_words: frozenset[str]
    my_words: frozenset[str]
    narrow: float
    advice: float


@cache
def shipped_gate() -> Gate:
    """The fitted gate."""
    read = json.loads(FILE.read_text("utf-8"))
    return Gate(
        read["weights"],
        embed(read["empty"]),
        embed(read["personal"]),
        frozenset(read["self"].split()),
        frozenset(read["my"].split()),
        read["narrow"],
        read["advice"],
    )


def opening(message: str, turns: Sequence[Turn], *, names: int, memory_turns: int) -> Opening:
    """How wide a memory opens to a message.

    Arguments:
        message: without the names in it.
        turns: the best that the memory has for it.
        names: how many people of the memory it names.
        memory_turns: how many turns the memory has.
    """
    if not turns or not (message.strip() or names):
        return "closed"
    gate = shipped_gate()
    values = features(message, turns, names=names, memory_turns=memory_turns)
    score = sum(gate.weights[name] * value for name, value in values.items())
    if score > 0:
        return "open"
    asks_advice = values["personal"] - values["empty"] > gate.advice
    return "narrow" if asks_advice or score > gate.narrow else "closed"


def touched(message: str, turns: Sequence[Turn], memory_turns: int) -> list[Turn]:
    """The turns that may be shown with a message; none if the gate is not open."""
    is_open = opening(message, turns, names=0, memory_turns=memory_turns) == "open"
    return [*turns] if is_open else []


def features(
    message: str, turns: Sequence[Turn], *, names: int, memory_turns: int
) -> dict[str, float]:
    """What speaks for a message and against it, by name.

    near: the mean cosine of the nearest turns. missing: how much the words tell that no turn holds.
    held: how much the word tells most that one does. called: whether such a word is a name, with a
    capital within sentences. names: whether it names someone. my, self: whether it says my, I.
    empty, personal: the mean cosine of the nearest sentences of empty talk, of advice and oneself.
    length: log of its words. size: log of the memory's turns: among many, some are near.
    """
    gate = shipped_gate()
    message = message[:_LONGEST]
    texts = [turn.text[:_LONGEST] for turn in turns[:MOST_TURNS]]
    spoken = words(message)
    telling = list(dict.fromkeys(telling_words(message)))
    vector = embed([message])[0]
    is_held = _held_words(telling, texts)
    weights = np.array([*map(_weight, telling)]) / _WEIGHT_UNIT
    near_turns = np.array([_vector_of[text] for text in texts[:_NEAR_TURNS]])
    return {
        "near": _mean_of_nearest(near_turns, vector),
        "missing": float(~is_held @ weights),
        "held": float((is_held * weights).max(initial=0)),
        "called": float(
            _is_called([w for w, held in zip(telling, is_held, strict=True) if held], texts)
        ),
        "names": float(names > 0),
        "my": float(not gate.my_words.isdisjoint(spoken)),
        "self": float(not gate.self_words.isdisjoint(spoken)),
        "empty": _mean_of_nearest(gate.empty, vector),
        "personal": _mean_of_nearest(gate.personal, vector),
        "length": float(np.log1p(len(spoken))),
        "size": float(np.log(max(memory_turns, MOST_TURNS))),
        "always": 1.0,
    }


def _mean_of_nearest(vectors: Floats, vector: Floats) -> float:
    return float(np.sort(vectors @ vector)[-_NEAREST:].mean())


def _held_words(telling: Sequence[str], texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which words any text holds in any form, (words,)."""
    forms = [frozenset(known_forms[word]) for word in telling]
    # Forms of a word share its beginning, so most words of a text need no further look.
    beginnings = {form[:3] for of_word in forms for form in of_word}
    near = {word for text in texts for word in _words_of[text] if word[:3] in beginnings}
    held = set[str]().union(*(known_forms[word] for word in near))
    return np.array([not of_word.isdisjoint(held) for of_word in forms], np.bool_)


def _is_called(held: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether one of these words is a name: within sentences it mostly has a capital."""
    of_texts = [_capitals_of[text] for text in texts]
    return any(sum(capitals.get(word, 0) for capitals in of_texts) > 0 for word in held)


def _capitals(text: str) -> dict[str, int]:
    """Of each word within sentences how often it has a capital, less how often it has none."""
    capitals: dict[str, int] = {}
    for word in _WITHIN_SENTENCE.findall(text):
        for form in words(word):
            capitals[form] = capitals.get(form, 0) + (1 if word[0].isupper() else -1)
    return capitals


@lru_cache(maxsize=4_000)
def _weight(word: str) -> float:
    return word_weights([word])[0]


# The next message finds most of the same turns.
_vector_of = TextCache(lambda text: embed([text])[0], most=1_000, longest=_LONGEST)
_capitals_of = TextCache(_capitals, most=1_000, longest=_LONGEST)
_words_of = TextCache(lambda text: tuple(telling_words(text)), most=1_000, longest=_LONGEST)
