"""What waits in all memories of a database, and claims of workers on one of them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from memory.records import Task, WaitingWork
from memory.store.postgres.address import Address
from memory.store.postgres.connection import postgres_errors
from memory.store.postgres.store import looked_at
from memory.store.statement_file import for_owner, read_statements
from memory.store.waiting import leases, work

_FOLDER = Path(__file__).parent
STATEMENTS = read_statements(
    _FOLDER / "all_memories.sql", _FOLDER.parent / "leases.sql", render=for_owner
)


def waiting_of_all(
    address: Address, attempts: int, every: bool
) -> tuple[dict[int, WaitingWork], dict[int, dict[str, Task]]]:
    """What waits in each memory, and the tasks of each, by the memory's number.

    Memories without anything waiting are left out, unless `every` one is wanted.
    """
    values = {**leases.bounds(time.time()), "attempts": attempts, "every": every}
    with _connection(address) as conn:
        rows = conn.execute(STATEMENTS["waiting_work_of_all"], values).fetchall()
        task_rows = conn.execute(STATEMENTS["work_of_all"]).fetchall()
    tasks: dict[int, dict[str, Task]] = {}
    for number, *columns in task_rows:
        task = work.read_task(columns)
        tasks.setdefault(number, {})[task.name] = task
    waiting = {number: work.waiting_work(row, name) for number, name, *row in rows}
    return waiting, tasks


def claim_of_any(
    address: Address,
    numbers: Sequence[int],
    task: str,
    *,
    claimant: str,
    seen_at: float,
    tasks: Mapping[int, Mapping[str, Task]],
) -> int | None:
    """Claim a task of one of these memories, the one served the longest ago; its number.

    A memory that another worker has served since `seen_at` is passed over. One round trip, unless a
    memory never had the task.
    """
    now = time.time()
    known = [tasks[number][task] for number in numbers if task in tasks.get(number, ())]
    with _connection(address) as conn:
        if len(known) < len(numbers):
            new = [number for number in numbers if task not in tasks.get(number, ())]
            conn.execute(STATEMENTS["add_tasks"], {"task": task, "namespaces": new})
        row = conn.execute(
            STATEMENTS["claim_task_of_any"],
            {
                "namespaces": [*numbers],
                "task": task,
                **leases.bounds(now),
                "seen_at": seen_at,
                "held_by": claimant,
                "held_until": now + work.LEASE_SECONDS,
                "dead": work.dead_claimants(held.held_by for held in known),
            },
        ).fetchone()
    return int(row[0]) if row else None


@contextmanager
def _connection(address: Address) -> Iterator[psycopg.Connection]:
    with postgres_errors(address.location, address.conninfo):
        database = looked_at(address, may_set_up=True)
        with database.own.connection() as conn:
            yield conn
