"""Facts in the background: a thread where the model stores what people say in a chat."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from memory.api import Memory
from memory.digest.windows import Digest
from memory.errors import Stop
from memory.program.program import program_for

if TYPE_CHECKING:
    from memory.models import Model

_PROGRESS_S = 0.2  # between two calls of `progress`
_ALL_WINDOWS = 2**31  # more than a memory can have
# A digest of a chat waits for this many turns, or until no one has spoken for this long: with a
# digest after each correction, 15 replies cost 12 digests.
TURNS_A_DIGEST = 12
PAUSE_S = 120.0


@dataclass(frozen=True)
class _Request:
    """A digest to make: of how many windows, from which turn on; `done` is set afterwards."""

    windows: int
    since: int
    done: threading.Event = field(default_factory=threading.Event)


class _StopDigest(Exception):
    """Ends a digest after the window that it has just stored."""


class Background:
    """Digests one memory in its own thread, with its own store handle.

    It digests the turns that the session adds, from the id `since` on; earlier ones only if `drain`
    asks for that. Without `digests`, or if the model writes no facts, it digests nothing. Whatever
    ends it, nothing is lost: turns are durable, and a window counts as stored with its facts only.
    `error` is why the model's last call failed, "" if it did not.
    """

    def __init__(
        self,
        path: Path | str,
        model: "Model | None",
        since: int = 0,
        digests: bool = True,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.since = since
        self.digests = bool(digests and model and program_for(model).stores_facts)
        self.stored = 0  # windows
        self.seconds = 0.0  # that digesting them took
        self.error = ""
        self._path = path
        self._model = model
        self._pause_s = pause_s
        self._undigested_turns = 0
        self._left_over = 0  # windows of a digest that was stopped because someone is typing
        self._windows_to_store = _ALL_WINDOWS
        # None ends the thread.
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._memory_lock = threading.Lock()
        self._stop = threading.Event()
        # A daemon thread does not keep the process alive when a hosted model takes long to answer.
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)
        self._thread.start()

    @property
    def is_digesting(self) -> bool:
        """Whether a window is under way, for which `paused` waits."""
        return self._memory_lock.locked()

    def turns_added(self, count: int = 1) -> None:
        """Note new turns; calls the model once there are enough, or no one adds any."""
        turns = self._undigested_turns + count
        window = self._model.limits.window if self._model else TURNS_A_DIGEST
        size = min(window, TURNS_A_DIGEST)
        windows, self._undigested_turns = divmod(turns, size)
        if windows:
            self._request(windows)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the thread from writing to the memory, from the end of the window under way on.

        A digest of full windows that is stopped for this goes on afterwards.
        """
        self._stop.set()
        try:
            self._memory_lock.acquire()
        finally:
            self._stop.clear()  # even when Ctrl-C ends the wait
        try:
            yield
        finally:
            windows, self._left_over = self._left_over, 0
            self._memory_lock.release()
            if windows:
                self._request(windows)

    def drain(self, progress: Callable[[int], None], since: int) -> None:
        """Wait until all turns from an id on are stored; `progress` gets the number of windows."""
        before = self.stored
        done = self._request(_ALL_WINDOWS, since)
        while self._thread.is_alive() and not done.wait(_PROGRESS_S):
            progress(self.stored - before)
        progress(self.stored - before)

    def end(self) -> None:
        """Stop after the current window; the next start goes on from there."""
        self._requests.put(None)
        self._stop.set()
        self._thread.join(self._model.pace.stop_seconds if self._model else None)

    def _request(self, windows: int, since: int | None = None) -> threading.Event:
        """Have at most this many windows digested; the event is set when that is done."""
        request = _Request(windows, self.since if since is None else since)
        if self.digests:
            self._requests.put(request)
        else:
            request.done.set()
        return request.done

    def _next_request(self) -> _Request | None:
        """The next request; one for all waiting turns if no one has made any for a while."""
        while True:
            try:
                return self._requests.get(timeout=self._pause_s)
            except Empty:
                if self.digests and self._undigested_turns:
                    self._undigested_turns = 0
                    return _Request(_ALL_WINDOWS, self.since)

    def _work(self) -> None:
        while (request := self._next_request()) is not None:
            self._windows_to_store = request.windows
            with self._memory_lock:
                start = time.monotonic()
                try:
                    # A store belongs to one thread, so this one opens its own.
                    with Memory(self._path, model=self._model) as memory:
                        memory.digest(progress=self._count, since=request.since)
                    self.error = ""
                except _StopDigest:
                    pass  # the window is stored; the rest waits for the next request
                except Stop as error:
                    self.error = str(error)
                self.seconds += time.monotonic() - start
            request.done.set()

    def _count(self, sums: Digest) -> None:
        self.stored += 1
        windows_left = self._windows_to_store - sums.stored - sums.failed
        if self._stop.is_set() and self._windows_to_store != _ALL_WINDOWS:
            self._left_over = windows_left
        if self._stop.is_set() or windows_left <= 0:
            raise _StopDigest
