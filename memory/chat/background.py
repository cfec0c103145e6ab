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

_TELL_S = 0.2
_ALL = 2**31  # windows
# How long an end waits for the call under way: the packaged model's ends soon.
_PATIENCE_S = {True: 15.0, False: 0.5}


class _Enough(Exception):
    """Stops a digest after the window that it has just stored."""


class Background:
    """Digests one memory in a thread of its own, with a store handle of its own.

    Whatever ends it, nothing is lost: turns are durable, a window counts as stored with its facts
    only, and what an earlier chat left comes first. `error` is why the model could not be used the
    last time, empty when it could.
    """

    def __init__(self, place: Path, model: "Model") -> None:
        self.stored = 0  # windows
        self.error = ""
        self._place, self._model = place, model
        self._waiting, self._to_store = 0, _ALL
        self._asked: SimpleQueue[tuple[threading.Event, int] | None] = SimpleQueue()
        self._free, self._enough = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)
        self._thread.start()

    def said(self, turns: int = 1) -> None:
        """Tell of new turns; the model is asked when they fill a window."""
        windows, self._waiting = divmod(self._waiting + turns, self._model.window)
        if windows:
            self._ask(windows)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have the memory for oneself: after the window under way, nothing is written to it."""
        self._enough.set()
        try:
            self._free.acquire()
        finally:
            self._enough.clear()
        try:
            yield
        finally:
            self._free.release()
            self._ask(_ALL)

    def drain(self, progress: Callable[[int], None]) -> None:
        """Wait until everything is stored; `progress` is told how many windows are."""
        done = self._ask(_ALL)
        while self._thread.is_alive() and not done.wait(_TELL_S):
            progress(self.stored)
        progress(self.stored)

    def end(self) -> None:
        """Stop after the window under way; the next start goes on from there."""
        self._asked.put(None)
        self._enough.set()
        self._thread.join(_PATIENCE_S[self._model.packaged])

    def _ask(self, windows: int) -> threading.Event:
        done = threading.Event()
        self._asked.put((done, windows))
        return done

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            done, self._to_store = asked
            with self._free:
                try:
                    with Memory(self._place, model=self._model) as memory:
                        memory.digest(progress=self._count)
                    self.error = ""
                except _Enough:
                    pass
                except Stop as error:
                    self.error = str(error)
            done.set()

    def _count(self, so_far: Digest) -> None:
        self.stored += 1
        if self._enough.is_set() or so_far.stored + so_far.failed >= self._to_store:
            raise _Enough
