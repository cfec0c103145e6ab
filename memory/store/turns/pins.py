"""Pinned turns, which a person wants in every block for a prompt, and those kept out of all.

Either is a tag of its turn, so it is a change that can be undone, and goes when the turn is
forgotten.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from memory.errors import InputError, NotThereError
from memory.records import Change
from memory.store.changes import journal
from memory.store.database import Connection, HasConnections
from memory.store.turns.tags import replace_tags_in
from memory.store.turns.turn_validation import PINNED

_PINNED, _KEPT_OUT = "yes", "no"
MOST_PINNED = 12  # in one memory: each takes room in every block


class Pins(NamedTuple):
    """The ids of the turns that are in every block, and of those that are in none."""

    pinned: tuple[int, ...] = ()
    kept_out: frozenset[int] = frozenset()


NO_PINS = Pins()


def pin(store: HasConnections, turn_ids: Collection[int], by: str = "") -> Change:
    """Pin turns. Raises InputError for more than MOST_PINNED, or if they are pinned already."""
    return _mark(store, turn_ids, {_PINNED}, by)


def unpin(store: HasConnections, turn_ids: Collection[int], by: str = "") -> Change:
    """Neither pin turns nor keep them out. Raises InputError if that is so already."""
    return _mark(store, turn_ids, set(), by)


def keep_out(store: HasConnections, turn_ids: Collection[int], by: str = "") -> Change:
    """Keep turns out of every block. Raises InputError if they are kept out already."""
    return _mark(store, turn_ids, {_KEPT_OUT}, by)


def turns_of_facts(store: HasConnections, fact_ids: Collection[int]) -> list[int]:
    """The turns that facts are from. Raises NotThereError for a fact that is not there."""
    with store.reading() as conn:
        facts = [journal.to_fact(row) for row in conn.run("facts_by_id", fact_ids=[*fact_ids])]
    if missing := {*fact_ids} - {fact.id for fact in facts}:
        raise NotThereError(f"there is no fact {min(missing)}")
    return [fact.turn_id for fact in facts]


def pins_of(store: HasConnections) -> Pins:
    """What is pinned, and what is kept out."""
    with store.reading() as conn:
        return _pins(conn)


def count_pinned(conn: Connection) -> int:
    """How many turns are pinned."""
    return len(_pins(conn).pinned)


def refuse_too_many(conn: Connection, before: int) -> None:
    """Raise InputError for more than MOST_PINNED, and more than before, in a transaction."""
    number = count_pinned(conn)
    if number > max(MOST_PINNED, before):
        raise InputError(
            f"a memory has at most {MOST_PINNED} pinned turns, and these would be {number};"
            " unpin some first"
        )


def _mark(store: HasConnections, turn_ids: Iterable[int], values: set[str], by: str) -> Change:
    with store.transaction() as conn:
        before = count_pinned(conn)  # of an older version there may be more, which can be unpinned
        change_id = replace_tags_in(conn, {*turn_ids}, {PINNED: values}, by)
        refuse_too_many(conn, before)
        return journal.change(conn, change_id)


def _pins(conn: Connection) -> Pins:
    rows = conn.run("turns_with_tag_between", key=PINNED, first=_KEPT_OUT, last=f"{_PINNED}~")
    # A tag of another value is of an older version, where it meant nothing.
    values = rows.fetchall()
    return Pins(
        tuple(sorted(turn_id for turn_id, value in values if value == _PINNED)),
        frozenset(turn_id for turn_id, value in values if value == _KEPT_OUT),
    )
