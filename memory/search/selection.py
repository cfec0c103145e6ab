"""The turns of an index that a filter lets pass."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memory.search.question import SpeakerNames


@dataclass(frozen=True, eq=False)
class Selection:
    """Turns of an index, numbered from 1 in its order, as a memory of them alone would number them.

    `mask` says for each position whether its turn passes, `positions` has the passing positions,
    ascending, and `names` the names of their speakers. `plane_shape` is the shape of the index's
    planes of signs. `turn_ids` are the first and the last id of these turns and their neighbours.
    """

    mask: NDArray[np.bool_]
    positions: NDArray[np.int64]
    names: SpeakerNames
    plane_shape: tuple[int, ...]
    turn_ids: tuple[int, int]

    @property
    def count(self) -> int:
        """How many turns pass."""
        return len(self.positions)

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take by now."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))

    def numbers_of(self, positions: NDArray[np.int64]) -> NDArray[np.int32]:
        """The numbers of the passing positions among these."""
        numbers = self._numbers[positions]
        return numbers[numbers > 0]

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Where the turns are in a plane of signs, in columns as an index of them alone has them.

        A cell of a flat plane; 0, which is no turn's, fills the columns up.
        """
        size, width = self.plane_shape
        positions = np.zeros((self.count // size + 1) * size, np.int64)
        positions[1 : self.count + 1] = self.positions
        group, within = np.divmod(positions.reshape(-1, size).T, size)
        return within * width + group

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        """The number of each position, 0 if the turn does not pass."""
        numbers = np.cumsum(self.mask, dtype=np.int32)
        numbers[~self.mask] = 0
        return numbers
