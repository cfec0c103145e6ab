"""Turns as the product reads them: named statements that return all that match, as records."""

from typing import NamedTuple

from memory.store.database import HasConnections


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
