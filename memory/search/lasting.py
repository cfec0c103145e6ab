"""How lasting what a turn says is: "I can't have milk" matters for years, "what rain" does not.

A logistic regression over a turn's vector, its nearness to sentences of that kind, its length and
whether it asks. It is fitted by `python -m tests.benchmarks.lasting --fit` to data/rows, whose
turns are labelled with what they say. `lasting.json` holds the sentences and the weights.
A turn is scored once, when it is added; the score is a column next to its vector.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import embed
from memory.text.turn_lines import is_assistant
from memory.text.words import count_words

FILE = Path(__file__).with_suffix(".json")
MOST = 127  # a score has seven bits
_LONGEST = 1_000  # characters that are read, and words that are counted
_NEAREST = 3
# A score of 0 is a turn that no one has scored; logits of -5 to 5.5 are the others.
_STEPS, _LOWEST = 12, -5.0
# What is added to a logit, and to a length in words, before turns of other lengths are compared: by
# the score for the root of what they cost (docs/figures.md).
_ABOVE, _HEAD_WORDS = 5.0, 10.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """The weights of `features`, and the vectors of the sentences, (n, width)."""

    weights: Floats
    prototypes: Floats


@cache
def _shipped() -> Weights:
    read = json.loads(FILE.read_text("utf-8"))
    return Weights(np.array(read["weights"], np.float32), embed(read["prototypes"]))


def lasting_scores(turns: Sequence[Turn]) -> NDArray[np.uint8]:
    """The score of each turn, 1 to MOST, (n,): 0 for what no person says in a message."""
    scores = np.zeros(len(turns), np.uint8)
    places = [
        place
        for place, turn in enumerate(turns)
        if turn.kind == "message" and not is_assistant(turn.speaker)
    ]
    if places:
        shipped = _shipped()
        texts = [turns[place].text[:_LONGEST] for place in places]
        logits = features(texts, shipped.prototypes) @ shipped.weights
        scores[places] = np.clip(np.rint(_STEPS * (logits - _LOWEST)), 1, MOST)
    return scores


def features(texts: Sequence[str], prototypes: Floats) -> Floats:
    """What speaks for texts being lasting, (n, width + 4).

    The vector, four times the mean cosine of the nearest prototypes, the log of the length, whether
    it asks, and 1.
    """
    vectors = embed(texts)
    near = np.partition(vectors @ prototypes.T, -_NEAREST, axis=1)[:, -_NEAREST:].mean(axis=1)
    length = np.log1p([count_words(text, most=_LONGEST) for text in texts])
    asks = [text.rstrip().endswith("?") for text in texts]
    return np.column_stack([vectors, 4 * near, length, asks, np.ones(len(texts))]).astype(
        np.float32
    )


def worth(scores: NDArray[np.uint8], words: NDArray[np.uint16]) -> NDArray[np.float64]:
    """By which of some turns the most lasting is said in the fewest tokens, (n,); 0 for none."""
    above = scores / _STEPS + _LOWEST + _ABOVE
    worths: NDArray[np.float64] = np.where(scores > 0, np.maximum(above, 0), 0)
    return np.asarray(worths / np.sqrt(words + _HEAD_WORDS), np.float64)
