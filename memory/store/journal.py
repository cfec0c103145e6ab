"""The journal of a SQLite namespace: every write to facts is one change, and can be undone.

The triggers on `facts` (migrations/0002_lookup.sql) write `facts_log`: whatever happens to facts
belongs to the newest row of `changes`. So a change is begun before facts are written, in the same
transaction. These functions run inside that transaction, which the caller holds.
"""

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from memory.errors import InputError, SqlError
from memory.model import Change

MAX_FACTS_CHANGED = 1000
_CHANGE_COLUMNS = (
    "id, at, cause, statement, undone_at, first_turn, last_turn,"
    " (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id)"
)
_FACT_COLUMNS = "id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at"
# A fact as the triggers write it into facts_log.before and .after. The numbers in '$[n]' below
# are places in this array: 1 subject, 2 attribute, 3 value, 6 turn_id.
FACT_IMAGE = f"json_array({_FACT_COLUMNS})"


def begin(
    conn: sqlite3.Connection,
    cause: str,
    statement: str,
    window: tuple[int, int] | None = None,
    undoes: int | None = None,
) -> int:
    """Begin a change, to which all further writes to facts belong; returns its id."""
    first, last = window or (None, None)
    cursor = conn.execute(
        "INSERT INTO changes (at, cause, statement, undoes, first_turn, last_turn)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (now(), cause, statement, undoes, first, last),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def check_change(conn: sqlite3.Connection, change_id: int, window: tuple[int, int] | None) -> None:
    """Raises SqlError for a change that is huge, or whose new facts lie outside the window shown.

    Checked in the log after the statements have run, as no look at their text could tell which
    facts a WHERE picks.
    """
    (facts,) = conn.execute(
        "SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = ?", (change_id,)
    ).fetchone()
    if facts > MAX_FACTS_CHANGED:
        raise SqlError(f"this would change {facts} facts; narrow it with WHERE")
    if window is None:
        return

    # Turns that facts name now and did not name before. IS NOT, as `before` is NULL for a new fact.
    named_turns = conn.execute(
        "SELECT DISTINCT json_extract(after, '$[6]') FROM facts_log WHERE change_id = ?"
        " AND after IS NOT NULL"
        " AND json_extract(after, '$[6]') IS NOT json_extract(before, '$[6]')",
        (change_id,),
    ).fetchall()
    for (turn_id,) in named_turns:
        if not window[0] <= turn_id <= window[1]:
            raise SqlError(
                f"turn_id {turn_id} is not one of the turns shown; use the number in brackets,"
                f" {window[0]} to {window[1]}"
            )
    _refuse_overwriting(conn, change_id, window)


def _refuse_overwriting(conn: sqlite3.Connection, change_id: int, window: tuple[int, int]) -> None:
    """Raises SqlError for a digest that rewords a fact from before its window; it may end the fact.

    A new truth ends the old one (docs/decisions.md, 36), so that "as of" questions keep both.
    """
    overwritten = conn.execute(
        "SELECT json_extract(before, '$[1]'), json_extract(before, '$[2]') FROM facts_log"
        " WHERE change_id = ? AND before IS NOT NULL AND after IS NOT NULL"
        " AND json_extract(before, '$[6]') NOT BETWEEN ? AND ?"
        " AND (json_extract(before, '$[1]') <> json_extract(after, '$[1]')"
        " OR json_extract(before, '$[2]') <> json_extract(after, '$[2]')"
        " OR json_extract(before, '$[3]') <> json_extract(after, '$[3]')"
        " OR json_extract(before, '$[6]') <> json_extract(after, '$[6]'))",
        (change_id, *window),
    ).fetchone()
    if overwritten:
        # The message is the model's next prompt: it shows the very statement to write instead.
        subject, attribute = (text.replace("'", "''") for text in overwritten)
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

    # Newest entry first: a change may have touched one fact several times.
    entries = conn.execute(
        "SELECT fact_id, before, after FROM facts_log WHERE change_id = ? ORDER BY id DESC",
        (change_id,),
    ).fetchall()
    # An undo is a change itself: the triggers log what it restores, so the journal alone says what
    # the facts were at any time, and an undo can be undone (docs/decisions.md, 1).
    undoing = begin(conn, f"undo {change_id}", "", undoes=change_id)
    for fact_id, before, after in entries:
        _refuse_if_changed_since(conn, change_id, fact_id=fact_id, after=after)
        restore_fact(conn, fact_id, before)
    mark_undone(conn)
    return undoing


def restore_fact(conn: sqlite3.Connection, fact_id: int, image: str | None) -> None:
    """Make a fact as an image shows it (None: it is not there), within the change begun last."""
    conn.execute("DELETE FROM facts WHERE id = ?", (fact_id,))
    if image is not None:
        conn.execute(
            f"INSERT INTO facts ({_FACT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            json.loads(image),
        )


def mark_undone(conn: sqlite3.Connection) -> None:
    """Note which changes are undone: those that an undo takes back which is not undone itself."""
    undos = conn.execute(
        "SELECT id, at, undoes FROM changes WHERE undoes IS NOT NULL ORDER BY id DESC"
    ).fetchall()
    # Newest first, so that whether an undo was undone is known before its target is marked.
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
    """Raises InputError when a fact is not as a change left it."""
    row = conn.execute(f"SELECT {FACT_IMAGE} FROM facts WHERE id = ?", (fact_id,)).fetchone()
    image = row[0] if row else None
    if image != after:
        (later,) = conn.execute(
            "SELECT change_id FROM facts_log WHERE fact_id = ? ORDER BY id DESC", (fact_id,)
        ).fetchone()
        raise InputError(
            f"change {change_id} cannot be undone: change {later} rests on its fact {fact_id};"
            f" undo {later} first"
        )


def changes(conn: sqlite3.Connection) -> list[Change]:
    """All changes, oldest first."""
    rows = conn.execute(f"SELECT {_CHANGE_COLUMNS} FROM changes ORDER BY id")
    return [_to_change(row) for row in rows]


def change(conn: sqlite3.Connection, change_id: int) -> Change:
    """The change with this id. Raises InputError when there is none."""
    row = None
    if abs(change_id) < 2**63:  # sqlite3 raises OverflowError for a larger number
        row = conn.execute(
            f"SELECT {_CHANGE_COLUMNS} FROM changes WHERE id = ?", (change_id,)
        ).fetchone()
    if row is None:
        raise InputError(f"there is no change {change_id}")
    return _to_change(row)


def _to_change(row: tuple[Any, ...]) -> Change:
    number, at, cause, statement, undone_at, first, last, facts = row
    return Change(
        id=number,
        at=at,
        cause=cause,
        statement=statement,
        facts=facts,
        undone_at=undone_at,
        window=None if first is None else (first, last),
    )


def now() -> str:
    """The moment, as ISO text in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
