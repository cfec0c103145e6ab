"""The turns that hold frequent words, kept while an index lives: no turn is removed from one."""

import numpy as np
from numpy.typing import NDArray

MOST_WORDS = 64  # kept; of a million turns 8 MB


class FrequentWords:
    """For each word the turns that hold it, a bit for each id up to the newest that does."""

    def __init__(self) -> None:
        self._bits: dict[str, NDArray[np.uint8]] = {}

    def get(self, word: str) -> NDArray[np.int64] | None:
        """The ids of all turns that held a word when it was put here, ascending."""
        bits = self._bits.pop(word, None)
        if bits is None:
            return None
        self._bits[word] = bits  # the last one used is the last to go
        return np.flatnonzero(np.unpackbits(bits).view(np.bool_))

    def put(self, word: str, ids: NDArray[np.int64]) -> None:
        """Keep the ids, ascending, of all turns that hold a word."""
        is_held = np.zeros(int(ids[-1]) + 1, np.bool_)
        is_held[ids] = True
        self._bits.pop(word, None)
        self._bits[word] = np.packbits(is_held)
        if len(self._bits) > MOST_WORDS:
            del self._bits[next(iter(self._bits))]

    @property
    def nbytes(self) -> int:
        """How many bytes the bits take."""
        return sum(bits.nbytes for bits in self._bits.values())
