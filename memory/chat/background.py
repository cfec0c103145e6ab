"""Facts in the background: a thread in which the model stores what is said in a chat."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from memory.api import Digest, Memory
from memory.errors import Stop

if TYPE_CHECKING:
    from memory.program import Model

_PROGRESS_S = 0.2  # between two calls of `progress`
_ALL_WINDOWS = 2**31  # more than a memory can have
# How long an end waits for the call under way. The packaged model's ends soon; a hosted one's may
# take long, and the next start digests its window again.
_PATIENCE_PACKAGED_S = 15.0
_PATIENCE_HOSTED_S = 0.5


class _StopDigest(Exception):
    """Ends a digest after the window that it has just stored."""


class Background:
    """Digests one memory in a thread of its own, with a store handle of its own.

    Whatever ends it, nothing is lost: turns are durable, a window counts as stored with its facts
    only, and what an earlier chat left comes first. `error` is why the model could not be used the
    last time, empty when it could.
    """

    def __init__(self, path: Path, model: "Model") -> None:
        self.stored = 0  # windows
        self.error = ""
        self._path = path
        self._model = model
        self._undigested_turns = 0
        self._windows_to_store = _ALL_WINDOWS
        # (event to set when it is done, how many windows); None ends the thread.
        self._requests: SimpleQueue[tuple[threading.Event, int] | None] = SimpleQueue()
        self._memory_lock = threading.Lock()
        self._stop = threading.Event()
        # A daemon thread does not keep the process alive when a hosted model takes long to answer.
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)
        self._thread.start()

    def turns_added(self, count: int = 1) -> None:
        """New turns were stored; the model is asked when they fill a window."""
        turns = self._undigested_turns + count
        windows, self._undigested_turns = divmod(turns, self._model.window)
        if windows:
            self._request(windows)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the thread from writing to the memory, from the end of the window under way on."""
        self._stop.set()
        try:
            self._memory_lock.acquire()
        finally:
            self._stop.clear()  # also when Ctrl-C ends the wait
        try:
            yield
        finally:
            self._memory_lock.release()
            self._request(_ALL_WINDOWS)

    def drain(self, progress: Callable[[int], None]) -> None:
        """Wait until everything is stored; `progress` is told how many windows are."""
        done = self._request(_ALL_WINDOWS)
        while self._thread.is_alive() and not done.wait(_PROGRESS_S):
            progress(self.stored)
        progress(self.stored)

    def end(self) -> None:
        """Stop after the window under way; the next start goes on from there."""
        self._requests.put(None)
        self._stop.set()
        self._thread.join(_PATIENCE_PACKAGED_S if self._model.packaged else _PATIENCE_HOSTED_S)

    def _request(self, windows: int) -> threading.Event:
        """Have at most so many windows digested; the event is set when that is done."""
        done = threading.Event()
        self._requests.put((done, windows))
        return done

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            done, self._windows_to_store = request
            with self._memory_lock:
                try:
                    # A store belongs to one thread, so this one opens its own.
                    with Memory(self._path, model=self._model) as memory:
                        memory.digest(progress=self._count)
                    self.error = ""
                except _StopDigest:
                    pass  # the window is stored; the rest waits for the next request
                except Stop as error:
                    self.error = str(error)
            done.set()

    def _count(self, sums: Digest) -> None:
        self.stored += 1
        if self._stop.is_set() or sums.stored + sums.failed >= self._windows_to_store:
            raise _StopDigest
