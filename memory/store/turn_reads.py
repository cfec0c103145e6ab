"""Turns as the product reads them: named statements that return all that match, as records."""

from collections.abc import Iterator
from typing import NamedTuple

from memory.records import Turn
from memory.store.database import HasConnections
from memory.store.protocol import Turns
from memory.store.turns_table import BEYOND_ALL_IDS


class Size(NamedTuple):
    """How much a memory holds."""

    turns: int
    facts: int


def size_of(store: HasConnections) -> Size:
    """How many turns and facts there are."""
    with store.reading() as conn:
        return Size(*conn.run("size").fetchone())


def ends_of_turns(store: HasConnections) -> list[str]:
    """When the first and the last dated turn were said; [] without dated turns."""
    with store.reading() as conn:
        first, last = conn.run("ends_of_turns").fetchone()
    return [] if first is None else [first, last]


def has_turns(store: HasConnections, first: int, last: int) -> bool:
    """Whether there is a turn with an id from first to last."""
    with store.reading() as conn:
        [(lowest, _)] = conn.run("turn_bounds", first=first, last=last).fetchall()
    return lowest is not None


def batches_of_turns(store: Turns, most: int) -> Iterator[list[Turn]]:
    """All turns in the order of their ids, at most so many at a time."""
    first: int | None = 1
    while first is not None:
        if turns := store.turns(first, first + most - 1):
            yield turns
        with store.reading() as conn:  # forgotten turns may have left a gap
            bounds = conn.run("turn_bounds", first=first + most, last=BEYOND_ALL_IDS).fetchone()
        first = bounds[0]
