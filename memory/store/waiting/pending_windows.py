"""The windows of a namespace that wait to be digested: claimed, given back, taken over.

A window is a row of `pending` from before a model sees it until its facts are stored. The row says
who works on the window and until when, so a kill leaves the window there for the next process.
Functions that take a connection run inside the caller's transaction.
"""

import os
import re
import socket
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from memory.errors import ClaimLostError, InputError
from memory.records import Change, Pending
from memory.store.database import Connection, HasConnections
from memory.store.turns.turns_table import BEYOND_ALL_IDS
from memory.store.waiting.leases import credible
from memory.text.characters import sound_text

Window = tuple[int, int]  # ids of its first and last turn, inclusive
# Characters: what a model wrote may be megabytes, and a person reads the beginning.
LONGEST_ERROR = 2_000
DIGEST = "digest "  # what the cause of a change that digests a window begins with
_CLAIMANT = re.compile(r"(.+):(\d{1,10}):([^:]*)", re.DOTALL)  # as `new_claimant` makes it


def new_claimant() -> str:
    """A name for one open store: host, process and a number that no other store has.

    The process lets others see that its claims are void once it is dead. The number tells two
    stores of one process apart, and a process from a later one with the same id.
    """
    number = f"{_process_number(os.getpid())}{uuid.uuid4().hex[:16]}"
    return f"{socket.gethostname()}:{os.getpid()}:{number}"


@cache
def _process_number(pid: int) -> str:
    """What the numbers of this process' claimants begin with; a forked process has its own."""
    return uuid.uuid4().hex[:16]


@dataclass
class Claims:
    """The windows that one open store has claimed, and the name that it claims under."""

    claimant: str = field(default_factory=new_claimant)
    windows: set[Window] = field(default_factory=set)


class Claiming(HasConnections, Protocol):
    """A store, as far as it works on windows."""

    @property
    def claims(self) -> Claims: ...


def claim_window(
    store: Claiming, size: int, lease_s: float = 600.0, since: int = 0
) -> Window | None:
    """The next undigested window of at most `size` turns, as (first, last) ids.

    The window goes into `pending` in the same transaction, so that it survives a kill, and no other
    process can take it for `lease_s` seconds. None when no turn from the id `since` on waits; those
    before it become a pending window without a claimant.
    """
    with store.transaction() as conn:
        window = _claim(conn, store.claims.claimant, size=size, lease_s=lease_s, since=since)
    if window:
        store.claims.windows.add(window)
    return window


def reclaim_window(
    store: Claiming, window: Window, lease_s: float = 600.0, size: int | None = None
) -> Window | None:
    """Take over a pending window, and return it; None when a process works on it.

    Of a window with more than `size` turns, the first `size`; the others stay pending. None also if
    there is no such window any more.
    """
    with store.transaction() as conn:
        claimed = _reclaim(conn, store.claims.claimant, window, lease_s=lease_s, size=size)
    if claimed:
        store.claims.windows.add(claimed)
    return claimed


def fail_window(
    store: Claiming, window: Window, error: str, attempted: bool = True, statement: str = ""
) -> None:
    """Give a claimed window back to `pending` with the reason; it can be claimed again.

    An interruption (`attempted` False) does not count as an attempt. A `statement` is held for a
    person: `Store.apply_held` runs it. Of a long reason the beginning is kept.
    """
    first, last = window
    with store.transaction() as conn:
        conn.run(
            "fail_window",
            first=first,
            last=last,
            claimed_by=store.claims.claimant,
            # Both may quote what a model wrote, and a model may write half a character.
            error=sound_text(error[:LONGEST_ERROR]),
            attempts=int(attempted),
            statement=sound_text(statement),
        )
    store.claims.windows.discard(window)


def last_turn_taken(store: HasConnections) -> int:
    """The id of the last turn in a window, digested or pending; 0 without windows."""
    with store.reading() as conn:
        return int(conn.run("last_turn_taken").fetchone()[0])


def undo_note(store: HasConnections, undoing: int) -> str:
    """What an undo, by its number, means for the window of a digest; "" for another change."""
    with store.reading() as conn:
        window = conn.run("window_of_undone", change_id=undoing).fetchone()
        return waiting_note(conn, tuple(window)) if window else ""


def count_turns_not_taken(store: HasConnections) -> int:
    """How many turns are in no window yet."""
    last = last_turn_taken(store)
    with store.reading() as conn:
        return int(conn.run("count_turns_after", after=last).fetchone()[0])


def _claim(
    conn: Connection, claimant: str, *, size: int, lease_s: float, since: int
) -> Window | None:
    (taken,) = conn.run("last_turn_taken").fetchone()
    ids = conn.run(
        "turn_ids_between", first=max(taken + 1, since), last=BEYOND_ALL_IDS, most=size
    ).fetchall()
    if not ids:
        return None
    first, last = ids[0][0], ids[-1][0]
    passed = conn.run("turn_bounds", first=taken + 1, last=first - 1).fetchone()
    if passed[0]:  # they would count as digested once a later window is
        _insert(conn, passed)
    _insert(conn, (first, last), claimed_by=claimant, claimed_until=time.time() + lease_s)
    return first, last


def _insert(
    conn: Connection,
    window: Window,
    *,
    error: str = "",
    attempts: int = 0,
    statement: str = "",
    claimed_by: str = "",
    claimed_until: float = 0,
) -> None:
    first, last = window
    conn.run(
        "insert_window",
        first=first,
        last=last,
        error=error,
        attempts=attempts,
        statement=statement,
        claimed_by=claimed_by,
        claimed_until=claimed_until,
    )


def _reclaim(
    conn: Connection, claimant: str, window: Window, *, lease_s: float, size: int | None
) -> Window | None:
    first, last = window
    row = conn.run("pending_window", first=first, last=last).fetchone()
    if row is None:
        return None
    error, attempts, _, claimed_by, claimed_until = row
    if _is_held(claimed_by, claimed_until):
        return None

    new_last = last
    ids = conn.run(
        "turn_ids_between", first=first, last=last, most=last if size is None else size + 1
    ).fetchall()
    if size is not None and len(ids) > size:
        _insert(conn, (ids[size][0], last), error=error, attempts=attempts)
        new_last = ids[size - 1][0]
    conn.run(
        "claim_window",
        first=first,
        last=last,
        new_last=new_last,
        claimed_by=claimant,
        claimed_until=time.time() + lease_s,
    )
    return first, new_last


def wait_again(conn: Connection, undone: Change) -> str:
    """Let the window of a digest that was just undone wait for the next digest; returns a note.

    The note says so, or why the window does not wait. Undoing that undo ends the wait. "" for
    another change.
    """
    if undone.window is None or not undone.cause.startswith(DIGEST):
        return _wait_no_more(conn, undone)
    if not _digests(conn, undone.window) and _has_turns(conn, undone.window):
        _insert(conn, undone.window, error=f"change {undone.id} was undone")
    return waiting_note(conn, undone.window)


def waiting_note(conn: Connection, window: Window) -> str:
    """Whether a window whose digest was undone waits for the next one, or why it does not."""
    first, last = window
    if not _has_turns(conn, window):
        return f"turns {first}-{last} do not wait to be digested again: they were forgotten"
    for change_id, *digested in _digests(conn, window):
        if change_id:
            return (
                f"turns {first}-{last} do not wait to be digested again: change {change_id} has"
                f" digested turns {digested[0]}-{digested[1]} since"
            )
    return f"turns {first}-{last} wait to be digested again"


def _digests(conn: Connection, window: Window) -> list[tuple[int, int, int]]:
    """The changes that digested turns of a window, and pending windows with some of them (0)."""
    first, last = window
    return conn.run("digests_of_turns", first=first, last=last).fetchall()


def _has_turns(conn: Connection, window: Window) -> bool:
    first, last = window
    return conn.run("turn_bounds", first=first, last=last).fetchone()[0] is not None


def _wait_no_more(conn: Connection, undone: Change) -> str:
    """End the wait of a window whose digest is back, where no digest works on it."""
    window = conn.run("window_of_undone", change_id=undone.id).fetchone()
    row = window and conn.run("pending_window", first=window[0], last=window[1]).fetchone()
    if not row or row[2] or _is_held(row[3], row[4]):
        return ""
    first, last = window
    conn.run("delete_window", first=first, last=last)
    return f"turns {first}-{last} count as digested again"


def pending(conn: Connection) -> list[Pending]:
    """The windows that no model has stored yet, oldest first."""
    return [
        Pending(first, last, error, attempts, statement, stored=bool(stored))
        for first, last, error, attempts, statement, stored in conn.run("pending_windows")
    ]


def hold(conn: Connection, window: Window, reason: str, statement: str) -> None:
    """Let a part of a window, a statement, wait for a person; the other part is stored."""
    error = f"stored, except for what is held for a person: {reason}"
    _insert(conn, window, error=error[:LONGEST_ERROR], attempts=1, statement=statement)


def held_statement(conn: Connection, window: Window) -> str:
    """What is held of a window. Raises InputError when nothing is, or a digest works on it."""
    first, last = window
    row = conn.run("pending_window", first=first, last=last).fetchone()
    if row is None or not row[2]:
        raise InputError(f"nothing is held of turns {first}-{last}; `digest` lists what is")
    _, _, statement, claimed_by, claimed_until = row
    if _is_held(claimed_by, claimed_until):
        raise InputError(f"a digest is at work on turns {first}-{last}; try again when it is done")
    return str(statement)


def refuse_lost_claim(conn: Connection, claims: Claims, window: Window | None) -> None:
    """Raises ClaimLostError when another process took over a window that this one had claimed.

    Its facts must not be stored twice. Windows that were never claimed (a person's write) pass.
    """
    if window is None or window not in claims.windows:
        return
    first, last = window
    row = conn.run("pending_window", first=first, last=last).fetchone()
    if row is None or row[3] != claims.claimant:
        raise ClaimLostError(
            f"turns {first}-{last}: another process took them over, or forgot some"
        )


def _is_held(claimed_by: str, claimed_until: float) -> bool:
    """Whether a claim is valid: its lease runs, and its process may be alive."""
    now = time.time()
    return credible(claimed_until, now) > now and may_be_at_work(claimed_by)


def may_be_at_work(claimant: str) -> bool:
    """Whether the process behind a claim may be alive; on another machine this is unknown."""
    match = _CLAIMANT.fullmatch(claimant)
    if match is None:  # another program wrote it
        return False
    host, pid, number = match.groups()
    if host != socket.gethostname():
        return True
    if int(pid) == os.getpid():  # in a container that was started again it was another process
        return number.startswith(_process_number(int(pid)))
    return is_running(int(pid))


def is_running(pid: int) -> bool:
    """Whether there may be a process with this number, whoever owns it."""
    if os.name == "nt":
        # There, os.kill ends the process whatever the signal. A claim of a dead one ends with its
        # lease.
        return True
    try:
        os.kill(pid, 0)  # signal 0 is not delivered: it only asks whether the process exists
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's process, but a process
    return True
