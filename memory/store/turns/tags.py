"""Tags of turns: what an application or a person says of them, as keys with values.

They are stored with their turns, or set later as a change that can be undone. Functions that take
a connection run inside the transaction of the caller.

The days that a turn speaks of are one of them: "Dentist tomorrow", said on a Thursday, has the tag
`speaks_of` with Friday's date. It goes with its turn: a filter and a model's SQL read it, an export
has it, and forgetting removes it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from memory.errors import InputError
from memory.records import CORRECTIONS, Change, Turn
from memory.store.changes import journal
from memory.store.changes.journaled_rows import TABLES, JournaledRows
from memory.store.database import Connection, HasConnections
from memory.store.turns.turn_validation import SPEAKS_OF, as_read, valid_tags
from memory.store.turns.turns_table import BEYOND_ALL_IDS, to_turns
from memory.text.dates import LONGEST_TOLD, add_days, told_days
from memory.text.speakers import is_by_assistant
from memory.text.turn_filter import tag_texts, texts_of
from memory.vocabulary.templates import supposes
from memory.vocabulary.templates.parts import own_lines

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


Days = tuple[date, date]  # the first and the last

MOST_TURNS = 200  # that speak of the days of one question
_MOST_DAYS, _LONGEST = 16, 20_000  # days of a turn, and characters that are read
_SENTENCE_END = re.compile(r"[.!?]\s")


def with_days(turns: Sequence[Turn]) -> Sequence[Turn]:
    """New turns with the days that they speak of, as their relative dates are shown.

    Only people's messages have some: assistants give advice, examples and drafts, and documents
    count from another day (decision 202).
    """
    return [_with_days(turn) for turn in turns]


def _with_days(turn: Turn) -> Turn:
    tags = {key: value for key, value in turn.tags.items() if key != SPEAKS_OF}
    if days := _days_of(turn):
        return replace(turn, tags=tags | {SPEAKS_OF: [*map(_written, days)]})
    return turn if len(tags) == len(turn.tags) else replace(turn, tags=tags)


def _days_of(turn: Turn) -> list[Days]:
    if turn.kind != "message" or turn.session == CORRECTIONS or is_by_assistant(turn):
        return []
    days = [
        span
        for line, is_own in own_lines(turn.text[:_LONGEST])
        if is_own
        for span in told_days(line, turn.said_at, _tells)
    ]
    return [*dict.fromkeys(days)][:_MOST_DAYS]


def is_told(before: str) -> bool:
    """Whether the date after some words is real: "Imagine we moved yesterday" has none."""
    *_, sentence = _SENTENCE_END.split(before)
    return not supposes(sentence)


def _tells(before: str, after: str) -> bool:
    """Whether a text states the date between `before` and `after`, and does not ask for it.

    "Can you remind me of the dentist tomorrow?" asks someone to act, and tells of it.
    """
    if not is_told(before):
        return False
    end = _SENTENCE_END.search(f"{after} ")
    if end is None or not end[0].startswith("?"):
        return True
    *_, begun = _SENTENCE_END.split(before)
    return " you " in f" {begun}{after[: end.start()]} ".lower()


def days_of_turn(turn: Turn) -> list[Days]:
    """The days that a stored turn speaks of, in order."""
    return sorted(_read(tag_texts(turn.tags.get(SPEAKS_OF, ()), SPEAKS_OF)))


def meets(days: Days, spans: Sequence[Days]) -> bool:
    """Whether some days have one in common with any of these."""
    return any(first <= days[1] and days[0] <= last for first, last in spans)


def turns_speaking_of(conn: Connection, days: Sequence[Days]) -> list[int]:
    """The turns that speak of any of these days, the newest first, at most MOST_TURNS."""
    turn_ids: set[int] = set()
    for first, last in days:
        rows = conn.run(
            "turns_with_tag_between",
            key=SPEAKS_OF,
            # A span that began before may reach into these days.
            first=add_days(first, -LONGEST_TOLD).isoformat(),
            last=add_days(last, 1).isoformat(),
        )
        turn_ids |= {
            turn_id
            for turn_id, value in rows
            if any(meets(days_told, [(first, last)]) for days_told in _read([value]))
        }
    return sorted(turn_ids, reverse=True)[:MOST_TURNS]


def record_days(store: HasConnections, turns: Sequence[Turn]) -> None:
    """Store the days of turns that an older version added; nothing twice."""
    without = [turn for turn in turns if SPEAKS_OF not in turn.tags]
    new = [
        replace(turn, tags={SPEAKS_OF: turn.tags[SPEAKS_OF]})
        for turn in with_days(without)
        if SPEAKS_OF in turn.tags
    ]
    if new:
        with store.transaction() as conn:
            # Another process may have stored them, or have forgotten the turns.
            stored = tagged_turns(conn, [turn.id for turn in new])
            lacking = {turn.id for turn in stored if SPEAKS_OF not in turn.tags}
            insert_tags(conn, [turn for turn in new if turn.id in lacking])


def _written(days: Days) -> str:
    first, last = (day.isoformat() for day in days)
    return first if first == last else f"{first}/{last}"


def _read(texts: Iterable[str]) -> Iterator[Days]:
    """The days of tags; a tag of another form, as an older version's may be, has none."""
    for text in texts:
        first, _, last = text.partition("/")
        with suppress(ValueError):
            yield date.fromisoformat(first), date.fromisoformat(last or first)
