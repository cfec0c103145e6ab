"""What is known of frequent words, kept while an index lives: no turn is removed from one."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MOST_WORDS = 64  # kept with their turns; of a million turns 8 MB
MOST_COUNTED = 20_000  # words of like meaning and examples
_COUNTED_BYTES = 250  # of one of them
_FOR_EVER = 2**62  # no turn has this number
_NOT_COUNTED: tuple[bool, int] = (False, -1)


class FrequentWords:
    """The turns that hold a word, a bit for each id up to the newest that does.

    And of words of like meaning and of examples whether they are frequent.
    """

    def __init__(self) -> None:
        self._bits: dict[str, NDArray[np.uint8]] = {}
        self._counted: dict[str, tuple[bool, int]] = {}  # and the last turn counted

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

    def known(self, words: Iterable[str], newest: int) -> list[bool | None]:
        """Which words are frequent in a memory whose last turn is `newest`; None: count it."""
        counts = [self._counted.get(word, _NOT_COUNTED) for word in words]
        return [is_frequent if newest <= known_to else None for is_frequent, known_to in counts]

    def put_count(self, word: str, count: int, newest: int, frequent_from: int) -> bool:
        """Keep how many turns hold a word; returns whether it is frequent."""
        if len(self._counted) >= MOST_COUNTED:
            self._counted.clear()
        # Each new turn may hold the word, and none is removed.
        known_to = newest + frequent_from - 1 - count if count < frequent_from else _FOR_EVER
        self._counted[word] = count >= frequent_from, known_to
        return count >= frequent_from

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        bits = sum(bits.nbytes for bits in self._bits.values())
        return bits + len(self._counted) * _COUNTED_BYTES
