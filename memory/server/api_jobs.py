"""Jobs of the JSON API: work that goes on after its request."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from memory.errors import MemoryFault
from memory.server.fault_messages import fault_message
from memory.server.handles import Handles
from memory.store import Store
from memory.store.turns.turn_validation import local_now

_MOST_JOBS = 1_000  # that a server remembers; the oldest is forgotten first


JobResult = Mapping[str, float | list[str]]  # counts, and lines about what was left undone
JobWork = Callable[[Store], JobResult]


@dataclass(frozen=True)
class Job:
    """A job of one memory: its state, and what came of it."""

    id: int
    namespace: str
    kind: str
    state: str = "running"
    started_at: str = ""
    ended_at: str = ""
    result: JobResult = field(default_factory=dict)
    error: str = ""

    def record(self) -> dict[str, Any]:
        """The job as its memory's clients see it."""
        return {name: value for name, value in asdict(self).items() if name != "namespace"}


class Jobs:
    """The jobs since the server started. A restart ends them; what they stored stays."""

    def __init__(self, handles: Handles) -> None:
        self._handles = handles
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = 0

    def start(self, namespace: str, kind: str, work: JobWork) -> Job:
        """Begin a job on a memory, in its own thread; one at a time for each kind."""
        for job in self.of(namespace):
            if (job.kind, job.state) == (kind, "running"):
                return job
        self._last += 1
        job = Job(self._last, namespace, kind, started_at=local_now())
        self._jobs[job.id] = job
        if len(self._jobs) > _MOST_JOBS:
            self._jobs.popitem(last=False)
        task = asyncio.create_task(self._run(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def of(self, namespace: str) -> list[Job]:
        """The jobs of a memory, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.namespace == namespace]

    def get(self, namespace: str, number: int) -> Job | None:
        """A job of a memory."""
        job = self._jobs.get(number)
        return job if job and job.namespace == namespace else None

    async def _run(self, job: Job, work: JobWork) -> None:
        ended = replace(job, state="failed", error="the server ended it")
        try:
            result = await self._handles.run_slow_on_store(job.namespace, work)
            ended = replace(job, state="done", result=result)
        except MemoryFault as fault:
            ended = replace(job, state="failed", error=fault_message(fault))
        finally:
            if job.id in self._jobs:
                self._jobs[job.id] = replace(ended, ended_at=local_now())
