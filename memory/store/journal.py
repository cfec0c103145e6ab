"""The journal of a SQLite namespace: every write to facts is one change, and can be undone.

The triggers on `facts` write the log; these functions run inside the caller's transaction.
"""

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from memory.errors import InputError, SqlError
from memory.model import Change

MAX_FACTS_CHANGED = 1000
_CHANGE = (
    "id, at, cause, statement, undone_at, first_turn, last_turn,"
    " (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id)"
)
_FACT = "id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at"
IMAGE = f"json_array({_FACT})"  # a fact as the triggers write it


def begin(
    conn: sqlite3.Connection,
    cause: str,
    statement: str,
    window: tuple[int, int] | None = None,
    undoes: int | None = None,
) -> int:
    """Open a change, to which what happens to facts from now on belongs; returns its id."""
    first, last = window or (None, None)
    cursor = conn.execute(
        "INSERT INTO changes (at, cause, statement, undoes, first_turn, last_turn)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (now(), cause, statement, undoes, first, last),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def check(conn: sqlite3.Connection, change: int, window: tuple[int, int] | None) -> None:
    """A change is not huge, and its new facts lie in the window shown; else a SqlError."""
    (facts,) = conn.execute(
        "SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = ?", (change,)
    ).fetchone()
    if facts > MAX_FACTS_CHANGED:
        raise SqlError(f"this would change {facts} facts; narrow it with WHERE")
    named = conn.execute(
        "SELECT DISTINCT json_extract(after, '$[6]') FROM facts_log WHERE change_id = ?"
        " AND after IS NOT NULL"
        " AND json_extract(after, '$[6]') IS NOT json_extract(before, '$[6]')",
        (change,),
    ).fetchall()
    for (turn_id,) in named:
        if window and not window[0] <= turn_id <= window[1]:
            raise SqlError(
                f"turn_id {turn_id} is not one of the turns shown; use the number in brackets,"
                f" {window[0]} to {window[1]}"
            )
    if window:
        _refuse_overwriting(conn, change, window)


def _refuse_overwriting(conn: sqlite3.Connection, change: int, window: tuple[int, int]) -> None:
    """A fact from before a window stays as it was recorded: a digest may end it, not reword it."""
    row = conn.execute(
        "SELECT json_extract(before, '$[1]'), json_extract(before, '$[2]') FROM facts_log"
        " WHERE change_id = ? AND before IS NOT NULL AND after IS NOT NULL"
        " AND json_extract(before, '$[6]') NOT BETWEEN ? AND ?"
        " AND (json_extract(before, '$[1]') <> json_extract(after, '$[1]')"
        " OR json_extract(before, '$[2]') <> json_extract(after, '$[2]')"
        " OR json_extract(before, '$[3]') <> json_extract(after, '$[3]')"
        " OR json_extract(before, '$[6]') <> json_extract(after, '$[6]'))",
        (change, *window),
    ).fetchone()
    if row:
        subject, attribute = (text.replace("'", "''") for text in row)
        raise SqlError(
            "this overwrites a fact from before the turns shown; end it and insert the new one:"
            " UPDATE facts SET ended_on = '2023-05' WHERE"
            f" subject = '{subject}' AND attribute = '{attribute}'"
            " AND COALESCE(ended_on, '') = ''; INSERT INTO facts ..."
        )


def undo(conn: sqlite3.Connection, change_id: int) -> int:
    """Take a change back; returns the id of the change that did so.

    Raises InputError when there is no such change, it is undone already, or a later one rests on
    it.
    """
    target = change(conn, change_id)
    if target.undone_at:
        raise InputError(f"change {change_id} was undone at {target.undone_at}")
    log = conn.execute(
        "SELECT fact_id, before, after FROM facts_log WHERE change_id = ? ORDER BY id DESC",
        (change_id,),
    ).fetchall()
    undoing = begin(conn, f"undo {change_id}", "", undoes=change_id)
    for fact_id, before, after in log:
        _refuse_if_changed_since(conn, change_id, fact_id, after)
        put(conn, fact_id, before)
    mark_undone(conn)
    return undoing


def put(conn: sqlite3.Connection, fact_id: int, image: str | None) -> None:
    """Make a fact as an image shows it (None: it is not there), within the change begun last."""
    conn.execute("DELETE FROM facts WHERE id = ?", (fact_id,))
    if image is not None:
        conn.execute(
            f"INSERT INTO facts ({_FACT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", json.loads(image)
        )


def mark_undone(conn: sqlite3.Connection) -> None:
    """Note which changes are undone: those that an undo takes back which is not undone itself."""
    undos = conn.execute(
        "SELECT id, at, undoes FROM changes WHERE undoes IS NOT NULL ORDER BY id DESC"
    ).fetchall()
    undone: dict[int, str] = {}
    for undo_id, at, undoes in undos:
        if undo_id not in undone:
            undone[undoes] = at
    conn.execute("UPDATE changes SET undone_at = NULL WHERE undone_at IS NOT NULL")
    conn.executemany(
        "UPDATE changes SET undone_at = ? WHERE id = ?",
        [(at, change_id) for change_id, at in undone.items()],
    )


def _refuse_if_changed_since(
    conn: sqlite3.Connection, change_id: int, fact_id: int, after: str | None
) -> None:
    row = conn.execute(f"SELECT {IMAGE} FROM facts WHERE id = ?", (fact_id,)).fetchone()
    if (row[0] if row else None) != after:
        later = conn.execute(
            "SELECT change_id FROM facts_log WHERE fact_id = ? ORDER BY id DESC", (fact_id,)
        ).fetchone()
        raise InputError(
            f"change {change_id} cannot be undone: change {later[0]} rests on its fact {fact_id};"
            f" undo {later[0]} first"
        )


def changes(conn: sqlite3.Connection) -> list[Change]:
    """All changes, oldest first."""
    return [_to_change(row) for row in conn.execute(f"SELECT {_CHANGE} FROM changes ORDER BY id")]


def change(conn: sqlite3.Connection, change_id: int) -> Change:
    """The change with this id. Raises InputError when there is none."""
    known = abs(change_id) < 2**63  # what SQLite takes for a number
    find = f"SELECT {_CHANGE} FROM changes WHERE id = ?"
    row = conn.execute(find, (change_id,)).fetchone() if known else None
    if row is None:
        raise InputError(f"there is no change {change_id}")
    return _to_change(row)


def _to_change(row: tuple[Any, ...]) -> Change:
    number, at, cause, statement, undone_at, first, last, facts = row
    window = None if first is None else (first, last)
    return Change(number, at, cause, statement, facts, undone_at, window)


def now() -> str:
    """The moment, as ISO text in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
