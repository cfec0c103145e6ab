"""Turns that no digest has taken yet."""

from memory.store.protocol import Store


def last_turn_taken(store: Store) -> int:
    """The id of the last turn in a window, digested or pending; 0 without windows."""
    digested = [change.window[1] for change in store.changes() if change.window]
    pending = [window.last_turn for window in store.pending()]
    return max([0, *digested, *pending])


def turns_not_taken(store: Store) -> int:
    """How many turns are in no window yet."""
    last = last_turn_taken(store)
    [(turns,)] = store.read(f"SELECT COUNT(*) AS turns FROM turns WHERE id > {last}").rows
    return int(turns)
