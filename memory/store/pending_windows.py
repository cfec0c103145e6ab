"""The windows of a SQLite namespace that wait to be digested: claimed, given back, taken over.

A window is a row of `pending` from before a model sees it until its facts are stored. The row says
who works on the window and until when, so a kill leaves the window there for the next process.
These functions run inside the caller's transaction.
"""

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Collection

from memory.errors import StoreError
from memory.model import Pending

Window = tuple[int, int]  # ids of its first and last turn, inclusive


def new_claimant() -> str:
    """A name for one open store: host, process and a number that no other store has.

    The process lets others see that its claims are void once it is dead. The number tells two
    stores of one process apart, and a process from a later one with the same id.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


def claim(
    conn: sqlite3.Connection, claimant: str, *, size: int, lease_s: float, since: int
) -> Window | None:
    """The next undigested window of at most `size` turns; see `Store.claim`."""
    # Windows are claimed in order, so all turns up to the last one of a change or of a pending
    # window are taken. No high-water mark is stored that could disagree with the journal.
    [(taken,)] = conn.execute(
        "SELECT max((SELECT coalesce(max(last_turn), 0) FROM changes),"
        " (SELECT coalesce(max(last_turn), 0) FROM pending))"
    )
    ids = conn.execute(
        "SELECT id FROM turns WHERE id > ? AND id >= ? ORDER BY id LIMIT ?", (taken, since, size)
    ).fetchall()
    if not ids:
        return None
    first, last = ids[0][0], ids[-1][0]
    passed = conn.execute(
        "SELECT min(id), max(id) FROM turns WHERE id > ? AND id < ?", (taken, first)
    ).fetchone()
    if passed[0]:  # they would count as digested once a later window is
        conn.execute("INSERT INTO pending VALUES (?, ?, '', 0, '', 0)", passed)
    conn.execute(
        "INSERT INTO pending VALUES (?, ?, '', 0, ?, ?)",
        (first, last, claimant, time.time() + lease_s),
    )
    return first, last


def reclaim(
    conn: sqlite3.Connection, claimant: str, window: Window, *, lease_s: float, size: int | None
) -> Window | None:
    """Take over a pending window, or its first `size` turns; see `Store.reclaim`."""
    first, last = window
    row = conn.execute(
        "SELECT error, attempts, claimed_by, claimed_until FROM pending"
        " WHERE first_turn = ? AND last_turn = ?",
        window,
    ).fetchone()
    if row is None:
        return None
    error, attempts, claimed_by, claimed_until = row
    if claimed_until > time.time() and _may_be_at_work(claimed_by):
        return None

    ids = conn.execute(
        "SELECT id FROM turns WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (first, last, -1 if size is None else size + 1),
    ).fetchall()
    if size is not None and len(ids) > size:
        conn.execute(
            "INSERT INTO pending VALUES (?, ?, ?, ?, '', 0)", (ids[size][0], last, error, attempts)
        )
        last = ids[size - 1][0]
    conn.execute(
        "UPDATE pending SET last_turn = ?, claimed_by = ?, claimed_until = ?"
        " WHERE first_turn = ? AND last_turn = ?",
        (last, claimant, time.time() + lease_s, *window),
    )
    return first, last


def fail(
    conn: sqlite3.Connection, claimant: str, window: Window, error: str, attempted: bool
) -> None:
    """Give a claimed window back with the reason; see `Store.fail`."""
    # Only where the claim is still ours: a slow process must not end the claim of its successor.
    conn.execute(
        "UPDATE pending SET error = ?, attempts = attempts + ?, claimed_until = 0"
        " WHERE first_turn = ? AND last_turn = ? AND claimed_by = ?",
        (error, attempted, *window, claimant),
    )


def pending(conn: sqlite3.Connection) -> list[Pending]:
    """The windows that no model has stored yet, oldest first."""
    rows = conn.execute(
        "SELECT first_turn, last_turn, error, attempts FROM pending ORDER BY first_turn"
    )
    return [Pending(*row) for row in rows]


def refuse_lost_claim(
    conn: sqlite3.Connection, claimant: str, window: Window | None, claimed: Collection[Window]
) -> None:
    """Raises StoreError when another process took over a window that this one had claimed.

    Its facts must not be stored twice. Windows that were never claimed (a person's write) pass.
    """
    if window is None or window not in claimed:
        return
    row = conn.execute(
        "SELECT claimed_by FROM pending WHERE first_turn = ? AND last_turn = ?", window
    ).fetchone()
    if row is None or row[0] != claimant:
        raise StoreError(f"turns {window}: another process took them over, or forgot some")


def _may_be_at_work(claimant: str) -> bool:
    """Whether the process behind a claim may be alive; on another machine nobody can tell."""
    host, pid, _ = claimant.rsplit(":", 2)
    return host != socket.gethostname() or is_running(int(pid))


def is_running(pid: int) -> bool:
    """Whether there may be a process with this number, whoever owns it."""
    if os.name == "nt":
        # There, os.kill ends the process whatever the signal. A claim of a dead one ends with its
        # lease.
        return True
    try:
        os.kill(pid, 0)  # signal 0 is not delivered: it only asks whether the process is there
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's process, but a process
    return True
