"""A contradiction of two facts is settled by a person."""

from typing import Literal

from memory.errors import InputError
from memory.facts.edit_history import conflict_over, edits_since
from memory.records import Change
from memory.store import Store
from memory.store.facts.contradictions import settle_contradiction

_BOTH: Literal["both"] = "both"


def settle(
    store: Store,
    fact_id: int,
    other_id: int,
    *,
    right: int | Literal["both"],
    by: str = "",
    seen: int | None = None,
) -> Change:
    """Say which of two facts that contradict each other is right; the wrong one is deleted.

    Arguments:
        fact_id, other_id: the two, in any order.
        right: the right one's id, or "both" if they do not contradict each other.
        by: who says so.
        seen: the newest change that `by` knows.

    Raises InputError if they are not an open contradiction, or `right` is neither; EditConflict
    when someone has edited one of them after `seen`.
    """
    if right != _BOTH and right not in (fact_id, other_id):
        raise InputError(f"give the fact that is right, {fact_id} or {other_id}, or both")
    for number in (fact_id, other_id):
        if seen is not None and edits_since(store, number, seen):
            raise conflict_over(store, number)
    first, second = sorted((fact_id, other_id))
    verdict: Literal["first", "second", "both"]
    verdict = "both" if right == _BOTH else "first" if right == first else "second"
    return settle_contradiction(store, first, second, verdict, by=by)
