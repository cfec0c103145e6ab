"""Turns that no digest has taken yet."""

from memory.store.pending_windows import last_turn_taken
from memory.store.protocol import Store


def turns_not_taken(store: Store) -> int:
    """How many turns are in no window yet."""
    last = last_turn_taken(store)
    [(turns,)] = store.read(f"SELECT COUNT(*) AS turns FROM turns WHERE id > {last}").rows
    return int(turns)
