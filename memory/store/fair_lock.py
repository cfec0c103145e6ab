"""Places and a lock for threads, first come, first served."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class Places:
    """A number of places, given to waiting threads in the order they came.

    A semaphore gives a place to any thread that asks at the right moment: a thread that gives one
    back and takes one again is served before others, which on a busy machine waited without end.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self.waiting: deque[threading.Event] = deque()

    def take(self, seconds: float | None = None) -> bool:
        """Take a place; False if no place was free in time. None waits as long as it takes."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            if seconds == 0:
                return False
            has_place = threading.Event()
            self.waiting.append(has_place)
        try:
            if has_place.wait(seconds):
                return True
        except BaseException:  # an interruption: no one may wait for a thread that has left
            if not self._leave(has_place):
                self.give_back()
            raise
        return not self._leave(has_place)  # it may have come at the last moment

    def _leave(self, has_place: threading.Event) -> bool:
        """Stop waiting; False if the thread has a place by now."""
        with self._lock:
            if has_place.is_set():
                return False
            self.waiting.remove(has_place)
            return True

    def give_back(self) -> None:
        """Give a place to the thread that has waited longest."""
        with self._lock:
            if self.waiting:
                self.waiting.popleft().set()
            else:
                self._free += 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for the block."""
        self.take()
        try:
            yield
        finally:
            self.give_back()


class FairLock:
    """A lock for one thread at a time, which may take it again; the others have it in turn."""

    def __init__(self) -> None:
        self._places = Places(1)
        self._owner = 0
        self._depth = 0

    def take(self, seconds: float | None = None) -> bool:
        """Take it; False where it was not free in time. None waits as long as it takes."""
        me = threading.get_ident()
        if self._owner != me:
            if not self._places.take(seconds):
                return False
            self._owner = me
        self._depth += 1
        return True

    def give_back(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            self._places.give_back()

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *exc: object) -> None:
        self.give_back()
