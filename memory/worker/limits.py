"""What may be spent in a day, and how long to wait after a failure."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from memory.records import Task
from memory.store.waiting.work import counted_days

_LEAST_WAIT, _LONGEST_WAIT = 1.0, 300.0  # seconds before a provider is asked again
_LEAST_DELAY, _LONGEST_DELAY = 30.0, 3_600.0  # seconds before a memory's task is tried again


@dataclass(frozen=True)
class Limits:
    """Model calls of a day (UTC); 0 for no limit.

    Work under way when a limit is reached is finished: one window for each memory in progress.
    """

    calls: int = 0  # of a memory
    all_calls: int = 0  # of all memories

    def allows(self, tasks: Iterable[Task], day: str) -> bool:
        """Whether a memory with these tasks may be worked on today."""
        days = counted_days(day)
        calls = sum(task.calls for task in tasks if task.day in days)
        return not self.calls or calls < self.calls

    def allows_in_all(self, calls: int) -> bool:
        """Whether any memory may be worked on today."""
        return not self.all_calls or calls < self.all_calls


def today() -> str:
    """The day that is counted, 2024-05-31 in UTC."""
    return datetime.now(UTC).date().isoformat()


def delay_after(failures: int) -> float:
    """Seconds before a task that failed this often in a row is tried again: 30, 60, ... an hour."""
    delay = _LEAST_DELAY * 2.0 ** min(failures - 1, 20)
    return min(delay, _LONGEST_DELAY)


class Backoff:
    """When a provider may be asked again; times are seconds of any clock that only goes on."""

    def __init__(self) -> None:
        self.until = 0.0
        self._failures = 0

    def failed(self, now: float, wanted: float) -> float:
        """Note a failure; returns how long to wait: what the provider wants, or twice as long."""
        if now >= self.until:  # several that fail together count once
            self._failures += 1
        wait = min(_LEAST_WAIT * 2.0 ** min(self._failures - 1, 20), _LONGEST_WAIT)
        # Not all workers at the same moment.
        seconds = max(wanted, wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        self.until = max(self.until, now + seconds)
        return seconds

    def worked(self) -> None:
        """Note an answer."""
        self._failures = 0
