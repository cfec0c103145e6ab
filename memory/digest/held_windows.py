"""Windows whose SQL needs a decision: apply it, or skip it."""

from memory.errors import InputError
from memory.records import Change
from memory.store import Store


def decide(store: Store, window: tuple[int, int], apply: bool, by: str = "user") -> Change:
    """Apply the SQL that a window holds, or mark the window as digested without facts.

    Raises InputError for a window that is not pending, and when it holds no SQL to apply.
    """
    if window not in {(pending.first_turn, pending.last_turn) for pending in store.pending()}:
        first, last = window
        raise InputError(f"turns {first}-{last} are not a pending window; `digest` lists them")
    if apply:
        return store.apply_held(window, by)
    return store.write("-- none", cause=f"digest skipped by {by}", window=window)
