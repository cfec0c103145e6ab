"""Windows whose SQL waits for a person: run as it stands, or left out."""

from memory.errors import InputError
from memory.records import Change
from memory.store import Store


def decide(store: Store, window: tuple[int, int], apply: bool, by: str = "user") -> Change:
    """Run what is held of a window, or let the window be digested without facts.

    Raises InputError for a window that does not wait, and where nothing is held that could be run.
    """
    if window not in {(pending.first_turn, pending.last_turn) for pending in store.pending()}:
        first, last = window
        raise InputError(f"turns {first}-{last} are no window that waits; `digest` lists those")
    if apply:
        return store.apply_held(window, by)
    return store.write("-- none", cause=f"digest skipped by {by}", window=window)
