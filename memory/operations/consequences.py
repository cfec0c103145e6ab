"""Forgetting by consequence: what a caller without the right to forget may not write.

A setting may say that turns are forgotten some time after a fact of an attribute is stored. Whoever
could give a fact of it to another's turn, or let other words mean it, could delete that turn.
"""

from collections.abc import Iterable

from memory.errors import InputError
from memory.store import Store
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.turns import expiry
from memory.vocabulary import name_key

_NEEDED = "that takes the right to forget"


def refuse_expiring(store: Store, attributes: Iterable[str]) -> None:
    """Raise InputError for an attribute whose turns are forgotten after a time."""
    vocabulary, periods = vocabulary_of(store), expiry.periods_of_attributes(store)
    for name in attributes:
        if not periods.keys().isdisjoint({name_key(name), name_key(vocabulary.name_of(name))}):
            raise InputError(f"turns with a fact of {name!r:.60} are forgotten: {_NEEDED}")


def refuse_undo(store: Store, change_id: int) -> None:
    """Raise InputError for a change that says when turns are forgotten."""
    if expiry.sets_expiry(store, change_id):
        raise InputError(f"change {change_id} says when turns are forgotten: {_NEEDED}")


def refuse_to_expire(turn_id: int | None, expires: str) -> None:
    """Raise InputError if a fact would make an existing turn expire."""
    if turn_id and expires:
        raise InputError(f"turn {turn_id} would be forgotten then: {_NEEDED}")
