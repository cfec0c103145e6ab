"""The signs of vectors: whether two may be near is seen without their numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def sign_codes(vectors: NDArray[np.generic]) -> NDArray[np.uint64]:
    """One bit for each number, set if it is above zero: (n, width) -> (n, width / 64 rounded up).

    Signs alone cost .004 of recall@10 (decision 13), but comparing them is fast enough to
    choose among a million turns.
    """
    bits = np.packbits(vectors > 0, axis=1)  # type: ignore[operator]
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view("<u8")


def disagreement(
    planes: Sequence[NDArray[np.uint64]], code: NDArray[np.uint64]
) -> NDArray[np.uint16]:
    """The Hamming distance of codes from one code: the number of signs that differ.

    `planes` are arrays of the codes' first 64 signs, their second 64 signs, and so on; the result
    has their shape.
    """
    total = np.zeros(planes[0].shape, np.uint16)
    for plane, signs in zip(planes, code, strict=True):
        total += np.bitwise_count(plane ^ signs)
    return total
