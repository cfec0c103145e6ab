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
_FACT = "(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)"


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
        if after is not None:
            conn.execute("DELETE FROM facts WHERE id = ?", (fact_id,))
        if before is not None:
            conn.execute(
                f"INSERT INTO facts {_FACT} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", json.loads(before)
            )
    conn.execute("UPDATE changes SET undone_at = ? WHERE id = ?", (now(), change_id))
    # Undoing an undo puts the first change back in force.
    conn.execute(
        "UPDATE changes SET undone_at = NULL WHERE id = (SELECT undoes FROM changes WHERE id = ?)",
        (change_id,),
    )
    return undoing


def _refuse_if_changed_since(
    conn: sqlite3.Connection, change_id: int, fact_id: int, after: str | None
) -> None:
    row = conn.execute(
        "SELECT json_array(id, subject, attribute, value, happened_on, ended_on, turn_id,"
        " recorded_at) FROM facts WHERE id = ?",
        (fact_id,),
    ).fetchone()
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
    row = conn.execute(f"SELECT {_CHANGE} FROM changes WHERE id = ?", (change_id,)).fetchone()
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
