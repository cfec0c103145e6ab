"""Turns that no digest has taken yet."""

from memory.store.protocol import Store


def turns_not_taken(store: Store) -> int:
    """How many turns are in no window yet."""
    last = store.last_turn_taken()
    [(turns,)] = store.read(f"SELECT COUNT(*) AS turns FROM turns WHERE id > {last}").rows
    return int(turns)
