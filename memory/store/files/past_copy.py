"""Copies of a memory at a moment in the past."""

import json
import os
import sqlite3
from pathlib import Path

from memory.store.changes import history, journal, journaled_rows
from memory.store.changes.points_in_time import date_keys, has_happened, read_moment
from memory.store.database import Connection
from memory.store.facts import entities
from memory.store.forgetting import turn_removal
from memory.store.search.vectors import EmbedTexts
from memory.store.sqlite.connection import SqliteConnection, connect
from memory.store.turns import turns_table


def copy_name() -> str:
    """The name of a copy's file: `forget` looks for the copies of killed processes."""
    return f"memory.{os.getpid()}.db"


def copy_file(conn: SqliteConnection, path: Path) -> None:
    """Copy a SQLite memory into a file that is not there yet."""
    copy = sqlite3.connect(path)
    try:
        conn.backup(copy)
    finally:
        copy.close()


def take_back(path: Path, moment: str, embed: EmbedTexts) -> None:
    """Copy a memory into a separate file, as the memory was at a moment.

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
    past = history.past_at(conn, point)
    images = history.images_at(conn, point)
    journaled_rows.take_back_others(conn, past.changes)
    # What the triggers log from here on belongs to this change, which is deleted with the others.
    journal.begin(conn, "as of", "")
    history.restore_facts(conn, images)
    listed = "(SELECT value FROM json_each(?))"
    conn.execute(
        f"DELETE FROM facts_log WHERE change_id NOT IN {listed} AND id NOT IN {listed}"
        f" OR fact_id IN {listed}",
        [json.dumps(ids) for ids in (past.changes, past.entries, past.later_facts)],
    )
    conn.execute(
        f"DELETE FROM changes WHERE id NOT IN {listed}",
        [json.dumps([*past.changes, *past.changes_of_entries])],
    )
    journal.mark_undone(conn)


def _take_back_turns(conn: Connection, point: str, embed: EmbedTexts) -> None:
    """Remove the turns said after a moment, and everything derived from them."""
    turns = turns_table.read_turns(conn)
    keys = date_keys(turn.said_at for turn in turns)
    later = [turn for turn, key in zip(turns, keys, strict=True) if not has_happened(key, point)]
    turn_removal.remove_turns(conn, later)
    turn_removal.shrink_windows(conn, [turn.id for turn in later])
    turn_removal.remove_columns(conn, later, embed)
