"""What a worker reports about itself, and since when work has waited, as far as it has seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from memory.models.costs import Cost
from memory.records import WaitingWork

Outcome = Literal["done", "failed"]
_MOST_MARKS = 100  # of a memory; what comes later counts as come with the next mark


class Observer:
    """Hears what a worker sees and does; this one forgets it."""

    def saw(self, waiting: Mapping[str, WaitingWork]) -> None:
        """What waits in all memories."""

    def paid(self, cost: Cost) -> None:
        """What calls of models have cost."""

    def did(self, task: str, outcome: Outcome) -> None:
        """A task of a memory was done, or failed."""

    def digested(self, stored: int, failed: int) -> None:
        """Windows were stored, or failed."""


class LifeSign(Observer):
    """A file touched at each look at the waiting work: an old one means a worker that hangs.

    Raises OSError if the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def saw(self, waiting: Mapping[str, WaitingWork]) -> None:
        """See `Observer`."""
        self._path.touch()


class Observers(Observer):
    """Several in one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def saw(self, waiting: Mapping[str, WaitingWork]) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.saw(waiting)

    def paid(self, cost: Cost) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.paid(cost)

    def did(self, task: str, outcome: Outcome) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.did(task, outcome)

    def digested(self, stored: int, failed: int) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.digested(stored, failed)


class WaitingSince:
    """Since when the oldest turn or window has waited, in seconds of any monotonic clock.

    Turns do not record their arrival: a turn counts from the look that first saw it. Windows under
    way do not count, nor do windows that wait for a person.
    """

    def __init__(self) -> None:
        # By memory: when it was seen, and its last turn then; the oldest first.
        self._marks: dict[str, list[tuple[float, int]]] = {}
        self._windows: dict[str, float] = {}  # since when a failed window may be tried again

    def saw(self, waiting: Mapping[str, WaitingWork], now: float) -> None:
        """Note what waits."""
        marks: dict[str, list[tuple[float, int]]] = {}
        for name, work in waiting.items():
            last_taken = work.last_turn - work.turns
            left = [mark for mark in self._marks.get(name, ()) if mark[1] > last_taken]
            newest = left[-1][1] if left else last_taken
            if work.last_turn > newest and len(left) < _MOST_MARKS:
                left.append((now, work.last_turn))
            if left:
                marks[name] = left
        self._marks = marks
        self._windows = {
            name: self._windows.get(name, now) for name, work in waiting.items() if work.windows
        }

    def age(self, now: float) -> float:
        """For how many seconds the oldest of all has waited; 0 if nothing waits."""
        since = [of_memory[0][0] for of_memory in self._marks.values()]
        return now - min([*since, *self._windows.values()], default=now)
