"""A SQLite namespace as it was: facts at a point, what each change did, copies of the past."""

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError
from memory.model import Edit, Fact
from memory.store import journal, points_in_time, turn_removal, turns_table
from memory.store.connection import connect
from memory.store.vectors import RecordedEmbedder

Embed = Callable[[Sequence[str], RecordedEmbedder], NDArray[np.float32]]
Images = dict[int, str]  # facts by id, each as the journal writes it: JSON of its columns

# The last dated turn of a change's window; what counts as dated is what
# `points_in_time.key` can read.
_SAID_AT = (
    "(SELECT said_at FROM turns WHERE id BETWEEN first_turn AND last_turn"
    " AND (said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')"
    " ORDER BY id DESC LIMIT 1)"
)


def facts(conn: sqlite3.Connection, point: str | int | None) -> list[Fact]:
    """The facts as they are, or as they were at a point, by id."""
    return [_to_fact(image) for image in _images(conn, point).values()]


def edits(conn: sqlite3.Connection) -> list[Edit]:
    """What each change did to each fact, oldest first; a fact left as it was is not there."""
    net: dict[tuple[int, int], tuple[str, str | None, str | None]] = {}
    for change_id, fact_id, before, after, at, said_at in conn.execute(
        f"SELECT change_id, fact_id, before, after, at, {_SAID_AT}"
        " FROM facts_log JOIN changes ON changes.id = change_id ORDER BY facts_log.id"
    ):
        first = net.get((change_id, fact_id), ("", before, ""))[1]
        net[change_id, fact_id] = (_moment(at, said_at), first, after)
    return [
        Edit(
            change_id,
            moment,
            fact_id,
            before=None if before is None else _to_fact(before),
            after=None if after is None else _to_fact(after),
        )
        for (change_id, fact_id), (moment, before, after) in net.items()
        if before != after
    ]


def revert(conn: sqlite3.Connection, point: str | int) -> int:
    """Make all facts as they were at a point; returns the id of the change that did so."""
    then, read = _images(conn, point), points_in_time.read_point(point)
    if then == _images(conn, None):
        raise InputError(f"the facts are as they were at {point}: there is nothing to revert")
    name = f"#{read}" if isinstance(read, int) else point
    change = journal.begin(conn, f"revert to {name}", "")
    _make(conn, then)
    return change


def copy_as_of(conn: sqlite3.Connection, moment: str, embed: Embed, folder: Path) -> Path:
    """A copy of this memory in a folder, as it was at a moment.

    `embed` is asked for the vectors of turns whose session had a later turn between them.
    """
    point = points_in_time.read_moment(moment)
    path = folder / f"memory.{os.getpid()}.db"  # `forget` looks for those of killed processes
    copy = sqlite3.connect(path)
    try:
        conn.backup(copy)
    finally:
        copy.close()
    copy = connect(path, read_only=False)
    try:
        # It is thrown away after a crash, and one of these keys has no index.
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = OFF"):
            copy.execute(f"PRAGMA {pragma}")
        copy.execute("BEGIN")
        _take_back_changes(copy, point)
        _take_back_turns(copy, point, embed)
        copy.execute(
            "DELETE FROM settings WHERE name <> 'embedder' AND substr(set_at, 1, ?) > ?",
            (len(point), point),
        )
        copy.execute("COMMIT")
    finally:
        copy.close()
    return path


def _take_back_changes(conn: sqlite3.Connection, point: str) -> None:
    """Make facts and journal as if the changes after a moment had never been."""
    counted = json.dumps(_counted(conn, point))
    then = _images(conn, point)
    journal.begin(conn, "as of", "")  # what is logged now goes with it
    _make(conn, then)
    for table, column in (("facts_log", "change_id"), ("changes", "id")):
        conn.execute(
            f"DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM json_each(?))",
            (counted,),
        )
    journal.mark_undone(conn)


def _take_back_turns(conn: sqlite3.Connection, point: str, embed: Embed) -> None:
    """Remove the turns that were said after a moment, and all that rests on them."""
    turns = turns_table.read_turns(conn)
    dated = points_in_time.keys(turn.said_at for turn in turns)
    later = [
        turn for turn, key in zip(turns, dated, strict=True) if not points_in_time.is_by(key, point)
    ]
    ids = [turn.id for turn in later]
    turn_removal.take_facts(conn, ids)
    turn_removal.take_turns(conn, later)
    turn_removal.take_from_windows(conn, ids)
    turn_removal.take_columns(conn, later, embed)


def _images(conn: sqlite3.Connection, point: str | int | None) -> Images:
    if point is None:
        return dict(conn.execute(f"SELECT id, {journal.IMAGE} FROM facts ORDER BY id").fetchall())
    return dict(
        conn.execute(
            "SELECT fact_id, after FROM facts_log WHERE after IS NOT NULL AND id IN ("
            " SELECT max(id) FROM facts_log"
            " WHERE change_id IN (SELECT value FROM json_each(?)) GROUP BY fact_id"
            ") ORDER BY fact_id",
            (json.dumps(_counted(conn, point)),),
        ).fetchall()
    )


def _counted(conn: sqlite3.Connection, point: str | int) -> list[int]:
    """The changes that have happened at a point."""
    read = points_in_time.read_point(point)
    changes = conn.execute(f"SELECT id, at, {_SAID_AT} FROM changes ORDER BY id").fetchall()
    if isinstance(read, str):
        return [
            n
            for n, *dates in changes
            if points_in_time.is_by(points_in_time.key(_moment(*dates)), read)
        ]
    newest = changes[-1][0] if changes else 0
    if not 0 <= read <= newest:
        raise InputError(f"there is no change {read}; the newest is {newest}")
    return [n for n, *_ in changes if n <= read]


def _moment(at: str, said_at: str | None) -> str:
    """When a change counts from; see `Edit`."""
    return said_at if said_at and points_in_time.key(said_at) <= points_in_time.key(at) else at


def _make(conn: sqlite3.Connection, then: Mapping[int, str]) -> None:
    """Make the facts so, within the change that was begun."""
    now = _images(conn, None)
    for fact_id in sorted(now.keys() | then.keys()):
        if now.get(fact_id) != then.get(fact_id):
            journal.put(conn, fact_id, then.get(fact_id))


def _to_fact(image: str) -> Fact:
    number, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at = json.loads(
        image
    )
    dates = (happened_on or "", ended_on or "", recorded_at)
    return Fact(subject, attribute, value, turn_id, *dates, id=number)
