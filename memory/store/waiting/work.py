"""The tasks of a worker for a namespace: what waits, who is at it, what it has cost today.

Functions that take a connection run inside the caller's transaction.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from memory.records import Task, WaitingWork
from memory.store.database import Connection, HasConnections
from memory.store.waiting import leases
from memory.store.waiting.pending_windows import may_be_at_work

LEASE_SECONDS = 600.0
LONGEST_ERROR = 300  # characters, for a list of what failed


def count_waiting(store: HasConnections, attempts: int) -> WaitingWork:
    """What waits in a memory; a window waits for a person once it failed so often."""
    with store.reading() as conn:
        row = conn.run("waiting_work", **leases.bounds(time.time()), attempts=attempts).fetchone()
    return waiting_work(row)


def worker_tasks(store: HasConnections) -> list[Task]:
    """The tasks that workers have ever claimed, by name."""
    with store.reading() as conn:
        return _tasks(conn)


def claim_task(store: HasConnections, task: str, claimant: str) -> Task | None:
    """Claim a task, for ten minutes; None while it is not due or another worker is at it.

    A `claimant` is a name as `new_claimant` makes it. The task may be claimed again sooner where
    its process is known to have ended.
    """
    with store.transaction() as conn:
        now = time.time()
        conn.run("add_task", task=task)
        row = conn.run(
            "claim_task",
            task=task,
            **leases.bounds(now),
            held_by=claimant,
            held_until=now + LEASE_SECONDS,
            dead=dead_claimants(held.held_by for held in _tasks(conn)),
        ).fetchone()
    return read_task(row) if row else None


def end_task(
    store: HasConnections,
    task: str,
    claimant: str,
    due_at: float = 0.0,
    failures: int = 0,
    error: str = "",
) -> None:
    """Give a claimed task back; it is due again at `due_at`, in Unix seconds."""
    with store.transaction() as conn:
        conn.run(
            "end_task",
            task=task,
            held_by=claimant,
            now=time.time(),
            due_at=due_at,
            failures=failures,
            error=error[:LONGEST_ERROR],
        )


def move_task(store: HasConnections, task: str, claimant: str, position: int) -> None:
    """Note how far a claimed task has come in the journal."""
    with store.transaction() as conn:
        conn.run("move_task", task=task, held_by=claimant, position=position)


def spend_on_task(store: HasConnections, task: str, day: str, calls: int, tokens: int) -> None:
    """Add what a task has cost to the sums of a day (2024-05-31), see `counted_days`."""
    days = counted_days(day)
    with store.transaction() as conn:
        conn.run("spend_on_task", task=task, day=day, days=days, calls=calls, tokens=tokens)


def counted_days(day: str) -> list[str]:
    """The days whose sums count on a day: it, and the next.

    That has begun by the clock of another machine, or by this one before it was set right: its sums
    go on, so that no clock takes back what was spent.
    """
    return [day, (date.fromisoformat(day) + timedelta(days=1)).isoformat()]


def _tasks(conn: Connection) -> list[Task]:
    return [read_task(row) for row in conn.run("work")]


def read_task(row: Sequence[Any]) -> Task:
    """A task from its row; impossible times in it are ignored."""
    task, now = Task(*row), time.time()
    return replace(
        task,
        served_at=leases.credible(task.served_at, now),
        due_at=leases.credible(task.due_at, now),
        held_until=leases.credible(task.held_until, now),
    )


def dead_claimants(claimants: Iterable[str]) -> list[str]:
    """Those of these claimants whose processes have ended, as far as this machine can tell."""
    return sorted({name for name in claimants if name and not may_be_at_work(name)})


def waiting_work(row: Sequence[Any], name: str = "") -> WaitingWork:
    """What waits in a memory, from a row of `waiting_work`."""
    last_turn, last_taken, windows, dead, claimants, blanks, forgets, *settings = row
    retention_days, next_expiry = settings
    # The windows of a process that was killed can be claimed again.
    under_way = claimants.split(",") if claimants else []
    lost = dead_claimants(under_way)
    return WaitingWork(
        name,
        turns=max(last_turn - last_taken, 0),
        last_turn=last_turn,
        windows=windows + len(lost),
        claimed_windows=len(under_way) - len(lost),
        dead_windows=dead,
        blank_summaries=blanks,
        forgets=forgets,
        retention_days=retention_days,
        next_expiry=next_expiry,
    )
