"""Tags of turns: what an application or a person says of them, as keys with values.

They are stored with their turns, or set later as a change that can be undone. Functions that take
a connection run inside the transaction of the caller.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from memory.errors import InputError
from memory.records import Change, Turn
from memory.store.changes import journal
from memory.store.changes.journaled_rows import TABLES, JournaledRows
from memory.store.database import Connection, HasConnections
from memory.store.turns.minted_names import SPEAKS_OF, as_read
from memory.store.turns.turn_validation import valid_tags
from memory.store.turns.turns_table import BEYOND_ALL_IDS, to_turns
from memory.text.turn_filter import texts_of

TagValues = Mapping[int, Mapping[str, set[str]]]  # turn id -> key -> values

_COLUMNS, _ = TABLES["tags"]


def insert_tags(conn: Connection, turns: Sequence[Turn]) -> None:
    """Insert the tags of turns that were just added."""
    rows = [
        (turn.id, key, value)
        for turn in turns
        for key, given in turn.tags.items()
        for value in texts_of(given)
    ]
    if rows:
        conn.insert_rows("tags", _COLUMNS, rows)


def tagged_turns(conn: Connection, turn_ids: Iterable[int]) -> list[Turn]:
    """The turns with these ids and their tags; ids without a turn are left out."""
    ids = sorted({turn_id for turn_id in turn_ids if 0 < turn_id < BEYOND_ALL_IDS})
    with conn.together():
        turns = conn.run("turns_by_id", ids=ids)
        tags = conn.run("tags_of_turns", turn_ids=ids)
    return to_turns(turns, {n: _tags(values) for n, values in _by_turn(tags).items()})


def with_tags(conn: Connection, turns: Sequence[Turn]) -> list[Turn]:
    """Stored turns with their tags, which are a text for one value and a list for several."""
    tags = conn.run("tags_of_turns", turn_ids=[turn.id for turn in turns])
    values = _by_turn(tags)
    return [
        replace(turn, tags=_tags(values[turn.id])) if turn.id in values else turn for turn in turns
    ]


def set_tags(
    store: HasConnections, turn_ids: Sequence[int], tags: Mapping[str, Any], by: str = ""
) -> Change:
    """Give turns these values of the keys instead of those they had; other keys stay.

    A journaled change. Raises InputError for a turn that is not there, tags that are no texts or
    the memory's own, and when nothing would change.
    """
    wanted = {key: {*texts_of(value)} for key, value in valid_tags(tags).items()}
    return replace_tags(store, turn_ids, wanted, by)


def remove_tags(
    store: HasConnections, turn_ids: Sequence[int], keys: Sequence[str], by: str = ""
) -> Change:
    """Take all values of these keys from turns. Raises InputError as `set_tags` does."""
    names = [keys] if isinstance(keys, str) else keys
    sound = valid_tags(dict.fromkeys(names, "any"))
    return replace_tags(store, turn_ids, {key: set() for key in sound}, by)


def count_tags(store: HasConnections) -> dict[str, dict[str, int]]:
    """How many turns have each value of each key: {"project": {"move": 12}}.

    Without the days that turns speak of, which are as many as a calendar's.
    """
    counts: dict[str, dict[str, int]] = {}
    with store.reading() as conn:
        rows = conn.run("count_tags").fetchall()
    for key, value, turns in sorted(row for row in rows if row[0] != SPEAKS_OF):
        counts.setdefault(key, {})[value] = turns
    return counts


def has_tag(store: HasConnections, key: str) -> bool:
    """Whether a turn has this key."""
    with store.reading() as conn:
        return conn.run("turn_with_key", key=key).fetchone() is not None


def replace_tags(
    store: HasConnections, turn_ids: Collection[int], wanted: Mapping[str, set[str]], by: str
) -> Change:
    """Give turns exactly these values of the keys, as `set_tags` does."""
    with store.transaction() as conn:
        return journal.change(conn, replace_tags_in(conn, turn_ids, wanted, by))


def replace_tags_in(
    conn: Connection, turn_ids: Collection[int], wanted: Mapping[str, set[str]], by: str
) -> int:
    """`replace_tags` inside the caller's transaction; returns the change's number."""
    ids = sorted({*turn_ids})
    # No key or value: a turn's tags are removed when it is forgotten.
    statement = f"-- tags of {len(ids)} turn{'' if len(ids) == 1 else 's'}"
    change_id = journal.begin(conn, f"edit by {by or 'user'}", statement)
    _put(conn, change_id, ids=ids, wanted=wanted)
    return change_id


def replace_tags_of_those_there(
    conn: Connection, turn_ids: Collection[int], wanted: Mapping[str, set[str]], by: str
) -> None:
    """`replace_tags_in` for the turns that have not been forgotten in the meantime, if any."""
    if there := [turn_id for (turn_id,) in conn.run("turn_ids_of", turn_ids=sorted({*turn_ids}))]:
        replace_tags_in(conn, there, wanted, by)


def _put(
    conn: Connection, change_id: int, *, ids: Sequence[int], wanted: Mapping[str, set[str]]
) -> None:
    there = {turn_id for (turn_id,) in conn.run("turn_ids_of", turn_ids=ids)}
    if missing := [turn_id for turn_id in ids if turn_id not in there]:
        raise InputError(f"there is no turn {missing[0]}")
    values = _by_turn(conn.run("tags_of_turns", turn_ids=ids))
    stored = JournaledRows(conn, change_id, "tags")
    changed = False
    for turn_id in ids:
        for key, new in wanted.items():
            old = values.get(turn_id, {}).get(key, set())
            for value in sorted(old - new):
                stored.drop({"turn_id": turn_id, "key": key, "value": value})
            for value in sorted(new - old):
                stored.put({"turn_id": turn_id, "key": key, "value": value})
            changed |= old != new
    if not changed:
        raise InputError("the turns have these tags already; nothing changes")


def _by_turn(rows: Iterable[tuple[int, str, str]]) -> TagValues:
    values: dict[int, dict[str, set[str]]] = {}
    for turn_id, key, value in rows:
        values.setdefault(turn_id, {}).setdefault(key, set()).add(value)
    return values


def _tags(values: Mapping[str, set[str]]) -> dict[str, str | list[str]]:
    return {
        as_read(key): sorted(values[key]) if len(values[key]) > 1 else next(iter(values[key]))
        for key in sorted(values)
    }
