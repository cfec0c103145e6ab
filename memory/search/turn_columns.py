"""The columns of the ranking: for each turn a row of numbers, an eight-bit vector and its signs.

They are complete when the turn is added and never change, so a store computes them once.

One column says how lasting a turn is: "I can't have milk" matters for years, "what rain" does not.
It is a logistic regression over the turn's vector, its nearness to sentences of that kind, its
length and whether it asks, fitted by `python -m tests.benchmarks.lasting --fit` to data/rows, whose
turns are labelled with what they say. `lasting.json` holds the sentences and the weights.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.embed import embed
from memory.search.question import TELLS_TIME, packed_date
from memory.text.speakers import is_assistant
from memory.text.tokens import TextCache
from memory.text.words import count_words

FILE = Path(__file__).with_name("lasting.json")
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


TURN_DTYPE = np.dtype(
    [
        ("id", "<i4"),
        ("session", "<i4"),  # id of the session's first turn
        ("previous", "<i4"),  # id of the turn before in the session, 0: none
        ("speaker", "<i4"),
        ("date", "<i4"),  # yyyymmdd, 0 for an unknown part
        ("length", "<u2"),  # words, at most MAX_LENGTH
        ("tells_time", "?"),  # contains a word like "yesterday" or "2023"
        # Whether it ends in a question mark, in the lowest bit; above it how lasting what it says
        # is (`memory.search.turn_columns`), which memories of before 2026-12-01 lack.
        ("asks_and_lasting", "u1"),
    ]
)
MAX_LENGTH = 1_000  # memories of before 2026-11-24 have at most 100
# A turn's vector includes half as much of the turn before it, and more where the turn is short:
# the turn before says what a short message is about. Below FULL_LENGTH words a vector weighs less,
# because the length of a sum of random vectors grows with the square root of their number. More
# words do not make a turn likelier to be relevant (recall@10 .829 to .833 on LoCoMo, the log).
CONTEXT_SHARE = 0.5
FULL_LENGTH = 25
_WORD = re.compile(r"\w+")
# In ASCII text, what is left between spaces are the runs of _WORD, found in a third of its time.
_SIGNS_TO_SPACES = {n: " " for n in range(128) if not _WORD.match(chr(n))}
_LONGEST_TIME = 16  # letters; no word that tells a time is longer
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # Latin, Chinese and Japanese, Arabic


class SessionEnd(NamedTuple):
    """The end of a session so far: ids of its first and last turn, and the last one's vector."""

    first: int
    last: int
    vector: NDArray[np.int8]


def describe_turns(
    turns: Sequence[Turn],
    vectors: NDArray[np.float32],
    session_ends: dict[str, SessionEnd],
    speakers: Mapping[str, int],
) -> tuple[NDArray[np.void], NDArray[np.int8]]:
    """The rows and vectors of new turns.

    Args: turns: in the order of their ids. vectors: (len(turns), width) unit rows, or zeros for a
        turn without meaning. session_ends: the ends of their existing sessions; this function
        updates them. speakers: the number of each speaker.

    Returns:
        (n,) TURN_DTYPE; (n, width) int8, each a multiple of the turn's unit vector in context.
    """
    rows = np.zeros(len(turns), TURN_DTYPE)
    eight_bit = np.zeros(vectors.shape, np.int8)
    lasting_of = lasting_scores(turns).tolist()
    for n, turn in enumerate(turns):
        before = session_ends.get(turn.session)
        if turn.text.isascii():
            runs = turn.text.translate(_SIGNS_TO_SPACES).split()
            length = len(runs)
        else:
            runs = _WORD.findall(turn.text)
            length = count_words(turn.text, most=MAX_LENGTH)
        vector = vectors[n] * min(length / FULL_LENGTH, 1) ** 0.5
        if before is not None:
            vector = vector + CONTEXT_SHARE * _unit(before.vector)
        # Scaled to a largest number of 127. Eight bits find what 32 bits find (decision
        # 13).
        eight_bit[n] = np.rint(vector * (127 / max(float(np.abs(vector).max()), 1e-9)))
        first = before.first if before else turn.id
        rows[n] = (
            turn.id,
            first,
            before.last if before else 0,
            speakers[turn.speaker],
            _packed_date(turn.said_at),
            min(length, MAX_LENGTH),
            any(map(_tells_time.__getitem__, runs)),
            turn.text.rstrip().endswith(_QUESTION_MARKS) | lasting_of[n] << 1,
        )
        session_ends[turn.session] = SessionEnd(first, turn.id, eight_bit[n])
    return rows, eight_bit


def asks(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which turns end in a question mark."""
    return (rows["asks_and_lasting"] & 1).astype(np.bool_)


def lasting(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    """How lasting what turns say is, 0 where no one has scored it."""
    return np.asarray(rows["asks_and_lasting"] >> 1, np.uint8)


_packed_date = lru_cache(4_096)(packed_date)  # the turns of a session have few dates


# TELLS_TIME matches whole words, and most recur.
_tells_time = TextCache(
    lambda word: len(word) <= _LONGEST_TIME and TELLS_TIME.fullmatch(word) is not None,
    most=65_536,
    longest=_LONGEST_TIME,
)


def _unit(vector: NDArray[np.int8]) -> NDArray[np.float32]:
    floats = vector.astype(np.float32)
    length = float(np.sqrt(floats @ floats))
    return floats / (length or 1.0)
