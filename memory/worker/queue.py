"""The waiting work in all memories of MEMORY_HOME, a folder or a database, and claims on it.

The work is read from the memories themselves, so that no second list could disagree with them. A
claim is a row of the memory's table `work`; windows have separate claims, which keep each from
being stored twice whatever happens to this one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from memory.digest.windows import WINDOW_ATTEMPTS
from memory.errors import MemoryFault, StoreError
from memory.records import Task, WaitingWork
from memory.store import open_store, postgres_module
from memory.store.namespaces import existing, location_of, names
from memory.store.waiting.work import (
    claim_task,
    count_waiting,
    counted_days,
    dead_claimants,
    worker_tasks,
)
from memory.system.home import home_address

_MOST_CANDIDATES = 500  # of one claim in a database: the rest waits for the next look


@dataclass(frozen=True)
class Sight:
    """What waited in the memories at a moment (Unix seconds), and their tasks, by name."""

    seen_at: float = 0.0
    waiting: Mapping[str, WaitingWork] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Task]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def task(self, name: str, task: str) -> Task:
        """A task of a memory, even if it was never claimed."""
        return self.tasks.get(name, {}).get(task, Task(task))

    def is_free(self, name: str, task: str) -> bool:
        """Whether a task was due, and no one at it."""
        held = self.task(name, task)
        if held.due_at > self.seen_at:
            return False
        return held.held_until <= self.seen_at or bool(dead_claimants([held.held_by]))

    def calls_of(self, day: str) -> int:
        """The calls of a day, of all memories."""
        tasks = [task for of_memory in self.tasks.values() for task in of_memory.values()]
        days = counted_days(day)
        return sum(task.calls for task in tasks if task.day in days)


class Queue(Protocol):
    """What waits in all memories."""

    def look(self, every: bool, is_over: Callable[[], bool] = lambda: False) -> Sight:
        """The waiting work; with `every` also memories without any.

        Once `is_over` says so, returns what it has seen so far: a first look at ten thousand files
        takes a minute.
        """

    def claim(self, names: Sequence[str], task: str, claimant: str, sight: Sight) -> str | None:
        """Claim a task of one of these memories, the first that is free; its name."""


def queue_of_home() -> Queue:
    """The memories of MEMORY_HOME."""
    return _Database(home_address()) if home_address() else _Folder()


class _Folder:
    """The memories of a folder. A file that has not changed is not opened again."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, WaitingWork, dict[str, Task]]] = {}

    def look(self, every: bool, is_over: Callable[[], bool] = lambda: False) -> Sight:
        now = time.time()
        waiting: dict[str, WaitingWork] = {}
        tasks: dict[str, dict[str, Task]] = {}
        errors: dict[str, str] = {}
        for name in names():
            if is_over():
                break
            try:
                work, of_memory = self._look_into(name)
            except StoreError as error:
                errors[name] = str(error)
                continue
            tasks[name] = of_memory
            if every or work.is_any:
                waiting[name] = work
        return Sight(now, waiting, tasks, errors)

    def _look_into(self, name: str) -> tuple[WaitingWork, dict[str, Task]]:
        location = location_of(name)
        # The state before the memory is read: later writes are seen next time.
        state = _state(Path(location))
        seen_state, work, tasks = self._seen.get(name, (None, WaitingWork(name), {}))
        # A worker on a window may die, which changes no file. Other work waits until the file
        # changes: opening one takes 6 ms of CPU, and there may be thousands.
        if state and (seen_state != state or work.claimed_windows or work.has_expired):
            with open_store(location) as store:
                work = replace(count_waiting(store, WINDOW_ATTEMPTS), name=name)
                tasks = {task.name: task for task in worker_tasks(store)}
            self._seen[name] = state, work, tasks
        return work, tasks

    def claim(self, names: Sequence[str], task: str, claimant: str, sight: Sight) -> str | None:
        for name in names:
            try:
                with open_store(existing(name)) as store:
                    served_at = {task.name: task.served_at for task in worker_tasks(store)}
                    if served_at.get(task, 0.0) > sight.seen_at:
                        continue  # by another worker, since the look
                    if claim_task(store, task, claimant):
                        return name
            except MemoryFault:  # or it was deleted
                continue  # the next look says so
        return None


def _state(path: Path) -> object:
    """What changes when a SQLite file is written: its log is in a second file until it is full.

    Empty without the file. Whoever closes the memory removes the log, also while this looks.
    """
    found = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            stat = file.stat()
            found.append((file.suffix, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


class _Database:
    """The memories of a Postgres database: one statement looks at all, one claims."""

    def __init__(self, text: str) -> None:
        address: Any = postgres_module("address").read_address(text, needs_namespace=False)
        # Any namespace will do: it is not opened.
        self._address = address.of("all")
        self._work: Any = postgres_module("work")
        self._numbers: dict[str, int] = {}
        self._tasks: dict[int, dict[str, Task]] = {}

    def look(self, every: bool, is_over: Callable[[], bool] = lambda: False) -> Sight:
        now = time.time()
        waiting, self._tasks = self._work.waiting_of_all(self._address, WINDOW_ATTEMPTS, every)
        self._numbers = {work.name: number for number, work in waiting.items()}
        names_of = {number: name for name, number in self._numbers.items()}
        return Sight(
            now,
            {work.name: work for work in waiting.values()},
            # For a memory without work the bill counts, whatever its name.
            {names_of.get(number, f"#{number}"): of for number, of in self._tasks.items()},
        )

    def claim(self, names: Sequence[str], task: str, claimant: str, sight: Sight) -> str | None:
        numbers = {self._numbers[name]: name for name in names[:_MOST_CANDIDATES]}
        number = self._work.claim_of_any(
            self._address,
            [*numbers],
            task,
            claimant=claimant,
            seen_at=sight.seen_at,
            tasks=self._tasks,
        )
        return None if number is None else numbers[number]
