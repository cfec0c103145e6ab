"""The windows of a SQLite namespace that wait to be digested: claimed, given back, taken over.

A claimed window stands in `pending` with who works on it and until when, so that a kill leaves it
there. These functions run inside the caller's transaction.
"""

import os
import socket
import sqlite3
import time
from collections.abc import Collection

from memory.errors import StoreError
from memory.model import Pending

Window = tuple[int, int]


def claim(conn: sqlite3.Connection, me: str, size: int, lease_s: float) -> Window | None:
    """The next undigested window of at most `size` turns; see `Store.claim`."""
    ids = conn.execute(
        "SELECT id FROM turns WHERE id > max("
        " (SELECT coalesce(max(last_turn), 0) FROM changes),"
        " (SELECT coalesce(max(last_turn), 0) FROM pending)) ORDER BY id LIMIT ?",
        (size,),
    ).fetchall()
    if not ids:
        return None
    window = (ids[0][0], ids[-1][0])
    conn.execute(
        "INSERT INTO pending VALUES (?, ?, '', 0, ?, ?)", (*window, me, time.time() + lease_s)
    )
    return window


def reclaim(conn: sqlite3.Connection, me: str, window: Window, lease_s: float) -> bool:
    """Take over a pending window; see `Store.reclaim`."""
    row = conn.execute(
        "SELECT claimed_by, claimed_until FROM pending WHERE first_turn = ? AND last_turn = ?",
        window,
    ).fetchone()
    if row is None or (row[1] > time.time() and _lives(row[0])):
        return False
    conn.execute(
        "UPDATE pending SET claimed_by = ?, claimed_until = ?"
        " WHERE first_turn = ? AND last_turn = ?",
        (me, time.time() + lease_s, *window),
    )
    return True


def fail(conn: sqlite3.Connection, me: str, window: Window, error: str, attempted: bool) -> None:
    """Give a claimed window back with the reason; see `Store.fail`."""
    conn.execute(
        "UPDATE pending SET error = ?, attempts = attempts + ?, claimed_until = 0"
        " WHERE first_turn = ? AND last_turn = ? AND claimed_by = ?",
        (error, attempted, *window, me),
    )


def pending(conn: sqlite3.Connection) -> list[Pending]:
    """The windows that no model has stored yet, oldest first."""
    rows = conn.execute(
        "SELECT first_turn, last_turn, error, attempts FROM pending ORDER BY first_turn"
    )
    return [Pending(*row) for row in rows]


def refuse_lost_claim(
    conn: sqlite3.Connection, me: str, window: Window | None, claimed: Collection[Window | None]
) -> None:
    """A claimed window that another process took over must not be stored twice: StoreError."""
    if window is None or window not in claimed:
        return
    row = conn.execute(
        "SELECT claimed_by FROM pending WHERE first_turn = ? AND last_turn = ?", window
    ).fetchone()
    if row is None or row[0] != me:
        raise StoreError(f"turns {window}: another process took them over, or forgot some")


def _lives(claimant: str) -> bool:
    """Whether the process behind a claim may still be at work (unknown on another machine)."""
    host, pid, _ = claimant.rsplit(":", 2)
    return host != socket.gethostname() or is_running(int(pid))


def is_running(pid: int) -> bool:
    """Whether there is a process with this number, whoever owns it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
