"""Long work that a page started: it goes on beside the pages, which ask how far it is."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memory.errors import InputError, MemoryFault

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.server.handles import Handles

# Finished tasks whose pages can still be opened; those that began first are dropped.
_MOST_REMEMBERED = 200
_MOST_AT_WORK = 8  # of one namespace: whoever asks for more waits


@dataclass
class Task:
    """One piece of long work: `kind` says which page shows it.

    `done` of `total` steps are made; `text` is what there is to read so far. `result` is what it
    came to, `error` why it did not.
    """

    id: str
    namespace: str
    kind: str
    title: str
    done: int = 0
    total: int | None = None
    text: str = ""
    result: Any = None
    error: str = ""
    is_running: bool = True

    def advance(self, steps: int) -> None:
        """Note that some more steps are made."""
        self.done += steps


Work = Callable[["Memory", Task], Any]


class Tasks:
    """The long work of a server, newest last. It ends with the server; what it stored is kept."""

    def __init__(self, handles: "Handles") -> None:
        self._handles = handles
        self._tasks: dict[str, Task] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, namespace: str, kind: str, title: str, work: Work) -> Task:
        """Begin some work on a namespace, in a thread and with a Memory of its own.

        Raises InputError where too much is under way in this namespace. Called in the event loop.
        """
        if len(self.running(namespace)) >= _MOST_AT_WORK:
            raise InputError("too much is under way here already; wait until it is done")
        task = Task(secrets.token_urlsafe(9), namespace=namespace, kind=kind, title=title)
        self._tasks[task.id] = task
        for old in list(self._tasks.values())[:-_MOST_REMEMBERED]:
            if not old.is_running:
                del self._tasks[old.id]
        running = asyncio.get_running_loop().create_task(self._run(task, work))
        self._running.add(running)  # the loop itself holds tasks weakly
        running.add_done_callback(self._running.discard)
        return task

    def find(self, namespace: str, task_id: str) -> Task:
        """The task of this id. Raises InputError where this namespace has none."""
        task = self._tasks.get(task_id)
        if task is None or task.namespace != namespace:
            raise InputError("this is over: the server was started again, or it is long ago")
        return task

    def of(self, namespace: str) -> list[Task]:
        """The tasks of a namespace, newest last."""
        return [task for task in self._tasks.values() if task.namespace == namespace]

    def running(self, namespace: str) -> list[Task]:
        """The tasks of a namespace that are not done, newest last."""
        return [task for task in self.of(namespace) if task.is_running]

    async def _run(self, task: Task, work: Work) -> None:
        try:
            task.result = await self._handles.beside(
                task.namespace, lambda memory: work(memory, task)
            )
        except MemoryFault as error:
            task.error = str(error)
        finally:
            # Another error is a fault of the program: the loop's handler logs it.
            if task.result is None and not task.error:
                task.error = "this failed by a fault of the program; the server's log has more"
            task.is_running = False
