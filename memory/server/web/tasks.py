"""Long work that a page starts: it runs in the background while pages poll its progress."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memory.errors import InputError, MemoryFault

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.server.handles import Handles

# Finished tasks whose pages can still be opened; the oldest are dropped.
_MOST_REMEMBERED = 200
_MOST_AT_WORK = 8  # of one namespace


@dataclass
class Task:
    """One piece of long work; `kind` says which page shows it.

    `done` of `total` steps are complete; `text` is its output so far, and `preview` what its page
    shows while it runs. When it is done, either
    `result` or `error` is set.
    """

    id: str
    namespace: str
    kind: str
    title: str
    done: int = 0
    total: int | None = None
    text: str = ""
    preview: Any = None
    result: Any = None
    error: str = ""
    is_running: bool = True

    def advance(self, steps: int) -> None:
        """Count more completed steps."""
        self.done += steps


Work = Callable[["Memory", Task], Any]


class Tasks:
    """The long work of a server, newest last. It ends with the server; stored results stay."""

    def __init__(self, handles: "Handles") -> None:
        self._handles = handles
        self._tasks: dict[str, Task] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, namespace: str, kind: str, title: str, work: Work) -> Task:
        """Start work on a namespace, in its own thread and with its own Memory.

        Raises InputError when too many tasks run in this namespace. Call it in the event loop.
        """

        def run(task: Task) -> Awaitable[Any]:
            return self._handles.run_slow(namespace, lambda memory: work(memory, task))

        if len(self.running(namespace)) >= _MOST_AT_WORK:
            raise InputError("too many tasks are running in this memory; wait until one is done")
        task = Task(secrets.token_urlsafe(9), namespace=namespace, kind=kind, title=title)
        self._tasks[task.id] = task
        for old in list(self._tasks.values())[:-_MOST_REMEMBERED]:
            if not old.is_running:
                del self._tasks[old.id]
        running = asyncio.get_running_loop().create_task(self._run(task, run))
        self._running.add(running)  # the loop itself holds tasks weakly
        running.add_done_callback(self._running.discard)
        return task

    def find(self, namespace: str, task_id: str) -> Task:
        """The task with this id. Raises InputError when this namespace has none."""
        task = self._tasks.get(task_id)
        if task is None or task.namespace != namespace:
            raise InputError("this task is gone: it is old, or the server was restarted")
        return task

    def of(self, namespace: str) -> list[Task]:
        """The tasks of a namespace, newest last."""
        return [task for task in self._tasks.values() if task.namespace == namespace]

    def running(self, namespace: str) -> list[Task]:
        """The tasks of a namespace that are not done, newest last."""
        return [task for task in self.of(namespace) if task.is_running]

    def drop(self, namespace: str, kind: str) -> None:
        """Let go of a namespace's tasks of a kind, with all that they hold."""
        for task in self.of(namespace):
            if task.kind == kind:
                del self._tasks[task.id]

    async def _run(self, task: Task, run: Callable[[Task], Awaitable[Any]]) -> None:
        try:
            task.result = await run(task)
        except MemoryFault as error:
            task.error = str(error)
        finally:
            # Any other error is a bug: the event loop's handler logs it.
            if task.result is None and not task.error:
                task.error = "this failed because of a bug; see the server's log"
            task.is_running = False
