"""Pinned turns: a person wants them in every block for a prompt, whatever the message is about.

A pin is a tag of its turn, so it is a change that can be undone, and goes when the turn is
forgotten.
"""

from collections.abc import Collection

from memory.errors import InputError
from memory.records import Change, Turn
from memory.store.database import HasConnections
from memory.store.files.united import first_store
from memory.store.protocol import Store
from memory.store.turns.minted_names import PINNED
from memory.store.turns.tags import replace_tags

_YES = "yes"
MOST_PINNED = 12  # in one memory: each takes room in every block


def pin(store: Store, turn_ids: Collection[int], by: str = "") -> Change:
    """Pin turns. Raises InputError for more than MOST_PINNED, or if they are pinned already."""
    pinned = {*_pinned_ids(store), *turn_ids}
    if len(pinned) > MOST_PINNED:
        raise InputError(
            f"a memory has at most {MOST_PINNED} pinned turns, and these would be {len(pinned)};"
            " unpin some first"
        )
    return replace_tags(store, turn_ids, {PINNED: {_YES}}, by)


def unpin(store: Store, turn_ids: Collection[int], by: str = "") -> Change:
    """Unpin turns. Raises InputError if none is pinned."""
    return replace_tags(store, turn_ids, {PINNED: set()}, by)


def pinned_turns(store: Store) -> list[Turn]:
    """The pinned turns in the order they were said; nothing of several memories."""
    if first_store(store) is not store:
        return []
    return store.turns_by_id(_pinned_ids(store), missing_ok=True)


def _pinned_ids(store: HasConnections) -> list[int]:
    with store.reading() as conn:
        rows = conn.run("turns_with_tag_between", key=PINNED, first=_YES, last=f"{_YES}~")
        # A tag of another value is of an older version, where it meant nothing.
        return sorted(turn_id for turn_id, value in rows if value == _YES)
