"""A namespace as it was: facts at a point, what each change did, copies of the past."""

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from memory.errors import InputError
from memory.records import Edit, Fact
from memory.store import entities, journal, journaled_rows, turn_removal, turns_table
from memory.store.connection import SqliteConnection, connect
from memory.store.database import Connection
from memory.store.derived_facts import derived_from, restore_origins
from memory.store.points_in_time import (
    date_keys,
    has_happened,
    read_moment,
    read_point,
)
from memory.store.vectors import EmbedTexts
from memory.written_dates import date_key

Images = dict[int, str]  # facts by id, each as the journal writes it: JSON of its columns


def facts(conn: Connection, point: str | int | None) -> list[Fact]:
    """The facts as they are, or as they were at a point, by id."""
    return [journal.to_fact(json.loads(image)) for image in _images(conn, point).values()]


def edits(conn: Connection, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
    """What each change did to each fact, oldest first; a fact left as it was is not there.

    With a `change_id` what that change did, with a `fact_id` what was done to that fact.
    """
    if fact_id is not None:
        entries = conn.run("edits_of_fact", fact_id=fact_id)
    elif change_id is not None:
        entries = conn.run("edits_of_change", change_id=change_id)
    else:
        entries = conn.run("edits")
    # A change may touch a fact several times: the image before the first and after the last count.
    net: dict[tuple[int, int], tuple[str, str | None, str | None]] = {}
    for number, fact, before, after, at, said_at in entries:
        _, first_before, _ = net.get((number, fact), ("", before, ""))
        net[number, fact] = (_moment(at, said_at), first_before, after)
    return [
        Edit(
            change_id=number,
            moment=moment,
            fact_id=fact,
            before=None if before is None else journal.to_fact(json.loads(before)),
            after=None if after is None else journal.to_fact(json.loads(after)),
        )
        for (number, fact), (moment, before, after) in net.items()
        if before != after and change_id in (None, number)
    ]


def revert(conn: Connection, point: str | int) -> int:
    """Make all facts as they were at a point; returns the id of the change that did so."""
    images = _images(conn, point)
    if images == _images(conn, None):
        raise InputError(f"the facts are as they were at {point}: there is nothing to revert")
    change_or_moment = read_point(point)
    name = f"#{change_or_moment}" if isinstance(change_or_moment, int) else point
    change_id = journal.begin(conn, f"revert to {name}", "")
    _restore_facts(conn, images)
    return change_id


def copy_name() -> str:
    """The name of a copy's file: `forget` looks for those of killed processes."""
    return f"memory.{os.getpid()}.db"


def copy_file(conn: SqliteConnection, path: Path) -> None:
    """Copy a SQLite memory into a file that is not there yet."""
    copy = sqlite3.connect(path)
    try:
        conn.backup(copy)
    finally:
        copy.close()


def take_back(path: Path, moment: str, embed: EmbedTexts) -> None:
    """Make a copy of a memory, in a file of its own, as the memory was at a moment.

    `embed` is asked for the vectors of turns whose session had a later turn between them.
    """
    point = read_moment(moment)
    copy = connect(path, read_only=False)
    try:
        # After a crash the copy is thrown away, so it needs no log and no syncs. Foreign keys are
        # off because one of them has no index: each removed row would be looked for in a whole
        # table.
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = OFF"):
            copy.execute(f"PRAGMA {pragma}")
        copy.execute("BEGIN")
        # What an older version stored may be longer than a fact can be by now.
        [trigger] = copy.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'inserted_fact_is_short'"
        ).fetchone()
        copy.execute("DROP TRIGGER inserted_fact_is_short")
        _take_back_changes(copy, point)
        copy.execute(trigger)
        _take_back_turns(copy, point, embed)
        entities.derive_all(copy)
        copy.execute(
            "DELETE FROM settings WHERE name <> 'embedder' AND substr(set_at, 1, ?) > ?",
            (len(point), point),
        )
        copy.execute("COMMIT")
    finally:
        copy.close()


def _take_back_changes(conn: SqliteConnection, point: str) -> None:
    """Make facts and journal as if the changes after a moment had never been."""
    change_ids = json.dumps(_changes_at(conn, point))
    images = _images(conn, point)
    journaled_rows.take_back_others(conn, _changes_at(conn, point))
    # What the triggers log from here on belongs to this change, which is deleted with the others.
    journal.begin(conn, "as of", "")
    _restore_facts(conn, images)
    for table, column in (("facts_log", "change_id"), ("changes", "id")):
        conn.execute(
            f"DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM json_each(?))",
            (change_ids,),
        )
    journal.mark_undone(conn)


def _take_back_turns(conn: Connection, point: str, embed: EmbedTexts) -> None:
    """Remove the turns that were said after a moment, and all that rests on them."""
    turns = turns_table.read_turns(conn)
    keys = date_keys(turn.said_at for turn in turns)
    later = [turn for turn, key in zip(turns, keys, strict=True) if not has_happened(key, point)]
    ids = [turn.id for turn in later]
    derived = derived_from(
        ids, facts=facts(conn, None), edits=edits(conn), changes=journal.changes(conn)
    )
    restore_origins(conn, derived.restored)
    turn_removal.remove_facts(conn, ids, derived.ids)
    turn_removal.remove_turns(conn, later)
    turn_removal.shrink_windows(conn, ids)
    turn_removal.remove_columns(conn, later, embed)


def _images(conn: Connection, point: str | int | None) -> Images:
    """The facts as they are (None), or as the journal says they were at a point."""
    if point is None:
        return dict(conn.run("images_of_facts").fetchall())
    changes = _changes_at(conn, point)
    return dict(conn.run("images_after_changes", change_ids=changes).fetchall())


def _changes_at(conn: Connection, point: str | int) -> list[int]:
    """The changes that have happened at a point."""
    change_or_moment = read_point(point)
    changes = conn.run("moments_of_changes").fetchall()
    if isinstance(change_or_moment, str):
        return [
            change_id
            for change_id, at, said_at in changes
            if has_happened(date_key(_moment(at, said_at)), change_or_moment)
        ]
    newest = changes[-1][0] if changes else 0
    if not 0 <= change_or_moment <= newest:
        raise InputError(f"there is no change {change_or_moment}; the newest is {newest}")
    return [change_id for change_id, _, _ in changes if change_id <= change_or_moment]


def _moment(at: str, said_at: str | None) -> str:
    """The moment a change counts from: of its turns if they were said before it; see `Edit`."""
    return said_at if said_at and date_key(said_at) <= date_key(at) else at


def _restore_facts(conn: Connection, images: Mapping[int, str]) -> None:
    """Make the facts as the images show them, within the change that was begun."""
    current = _images(conn, None)
    for fact_id in sorted(current.keys() | images.keys()):
        if current.get(fact_id) != images.get(fact_id):
            journal.restore_fact(conn, fact_id, images.get(fact_id))
