"""The columns of the ranking: for each turn a row of numbers, an eight-bit vector and its signs.

They are complete when the turn is added and never change, so a store computes them once.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.lasting import lasting_scores
from memory.search.question import TELLS_TIME, packed_date
from memory.text.tokens import TextCache
from memory.text.words import count_words

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
        # is (`memory.search.lasting`), which memories of before 2026-12-01 lack.
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
