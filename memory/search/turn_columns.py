"""What the ranking keeps of each turn: a row of numbers, a vector in eight bits, a code of signs.

All of it is known when the turn is said and never changes afterwards, so it is stored once.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from memory.model import Turn
from memory.search.question import TELLS_TIME, packed_date
from memory.search.words import words

TURN_DTYPE = np.dtype(
    [
        ("id", "<i4"),
        ("session", "<i4"),  # id of the session's first turn
        ("previous", "<i4"),  # id of the turn before in the session, 0: none
        ("speaker", "<i4"),
        ("date", "<i4"),  # yyyymmdd, 0 for what is not known
        ("length", "<u2"),  # words, at most MAX_LENGTH
        ("tells_time", "?"),
        ("asks", "?"),
    ]
)
MAX_LENGTH = 100
# A turn's vector holds half as much of its predecessor's, and more where the turn is short: what a
# short message is about was said before it. Below FULL_LENGTH words a vector weighs less, as the
# length of a sum of random vectors grows with the square root of their number; further words make
# a turn no likelier to be what is asked for.
CONTEXT = 0.5
FULL_LENGTH = 25
_WORD = re.compile(r"\w+")
_LONGEST_TIME = 16  # letters of the longest word that tells a time, and more
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # Latin, Chinese and Japanese, Arabic

SessionEnd = tuple[
    int, int, NDArray[np.int8]
]  # a session's first and last turn, and the last's vector


def describe_turns(
    turns: Sequence[Turn],
    vectors: NDArray[np.float32],
    tails: dict[str, SessionEnd],
    speakers: Mapping[str, int],
) -> tuple[NDArray[np.void], NDArray[np.int8]]:
    """The rows and vectors of turns that were just numbered.

    Args:
        turns: in the order of their ids.
        vectors: (len(turns), width) unit rows, or zeros for a turn without meaning.
        tails: the end of each of their sessions that has begun, brought up to date here.
        speakers: the number of each of their speakers.

    Returns:
        (n,) TURN_DTYPE; (n, width) int8, each a multiple of the turn's unit vector in context.
    """
    rows = np.zeros(len(turns), TURN_DTYPE)
    eight_bit = np.zeros(vectors.shape, np.int8)
    for n, turn in enumerate(turns):
        first, previous, context = tails.get(turn.session, (turn.id, 0, None))
        said = _WORD.findall(turn.text)
        length = len(said) if turn.text.isascii() else len(words(turn.text))
        vector = vectors[n] * min(length / FULL_LENGTH, 1) ** 0.5
        if context is not None:
            vector = vector + CONTEXT * _unit(context)
        eight_bit[n] = np.rint(vector * (127 / max(float(np.abs(vector).max()), 1e-9)))
        rows[n] = (
            turn.id,
            first,
            previous,
            speakers[turn.speaker],
            _packed_date(turn.said_at),
            min(length, MAX_LENGTH),
            any(map(_tells_time, said)),
            turn.text.rstrip().endswith(_QUESTION_MARKS),
        )
        tails[turn.session] = (first, turn.id, eight_bit[n])
    return rows, eight_bit


_packed_date = lru_cache(4_096)(packed_date)


@lru_cache(65_536)
def _word_tells_time(word: str) -> bool:
    return TELLS_TIME.fullmatch(word) is not None


def _tells_time(word: str) -> bool:
    """Whether a word says when: TELLS_TIME matches whole words only, and most come again."""
    return len(word) <= _LONGEST_TIME and _word_tells_time(word)


def _unit(vector: NDArray[np.int8]) -> NDArray[np.float32]:
    floats = vector.astype(np.float32)
    length = float(np.sqrt(floats @ floats))
    return floats / (length or 1.0)


def sign_codes(vectors: NDArray[np.generic]) -> NDArray[np.uint64]:
    """One bit for each number above zero: (n, width) -> (n, width / 64 rounded up)."""
    bits = np.packbits(vectors > 0, axis=1)  # type: ignore[operator]
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view("<u8")


def disagreement(
    planes: Sequence[NDArray[np.uint64]], code: NDArray[np.uint64]
) -> NDArray[np.uint16]:
    """In how many signs codes differ from one code, their Hamming distance.

    `planes` are arrays of the codes' first 64 signs, their second 64 signs, and so on; the result
    is of their shape.
    """
    total = np.zeros(planes[0].shape, np.uint16)
    for plane, signs in zip(planes, code, strict=True):
        total += np.bitwise_count(plane ^ signs)
    return total
