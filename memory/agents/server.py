"""The warm server behind the hooks: it keeps memories open, so a hook waits only for a search.

One for each user and folder of memories, on a Unix socket that no one else can reach. A hook starts
it, and it ends after some time without requests. Turns to be stored wait in a queue: a killed
server loses nothing, because the transcript still exists and the session's cursor has not moved.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from memory.agents.hook import Silence, ask, log
from memory.system.home import AGENTS_FOLDER, home

_IDLE_S = 1_800.0
_STOP_S = 10.0
_PRELOAD_AFTER_S = 0.5  # the hook that started the server asks at once, or it has given up
_LONGEST_REQUEST = 64_000_000  # bytes
_SHARE_FOR_STORING = 0.6  # at a session's start: the last session is to be stored first
_START, _PROMPT = "SessionStart", "UserPromptSubmit"
_STORING = ("Stop", "SubagentStop", "PreCompact", "SessionEnd")


def serve(path: str, idle_s: float = _IDLE_S) -> None:
    """Answer hooks on a socket until no one asks for `idle_s` seconds.

    If another server is already running, this one ends at once.
    """
    with _alone(path) as is_alone:
        if not is_alone:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(64)
            try:
                _Server(listener, idle_s).run()
            finally:
                os.unlink(path)


@contextlib.contextmanager
def _alone(path: str) -> Iterator[bool]:
    """Whether no other server answers on this socket. The lock ends with its process."""
    with open(f"{path}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


class _Server:
    """Two threads with separate stores: one answers, one stores."""

    def __init__(self, listener: socket.socket, idle_s: float) -> None:
        self._listener = listener
        self._listener.settimeout(idle_s)
        self._answering = ThreadPoolExecutor(1)
        self._storing = ThreadPoolExecutor(1)
        self._is_over = threading.Event()
        self._has_request = threading.Event()
        # Sessions that have got the block of their start, and that know of a damaged memory.
        self._begun: set[str] = set()
        self._warned: set[str] = set()

    def run(self) -> None:
        """Accept connections until the time is up or a request says so."""
        threading.Thread(target=self._preload, daemon=True).start()
        while not self._is_over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                break
            threading.Thread(target=self._converse, args=[connection], daemon=True).start()
        # What was accepted is stored; a session that is at work finds a new server.
        self._storing.shutdown(wait=True)
        self._answering.shutdown(wait=True, cancel_futures=True)

    def _preload(self) -> None:
        """Load what answers need if the first hook was too slow to ask: the next finds it."""
        if not self._has_request.wait(_PRELOAD_AFTER_S):
            from memory.agents.sessions import load

            self._answering.submit(load)

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            state = ""
            try:
                connection.settimeout(10)
                request = {}
                request = json.loads(_received(connection))
                self._has_request.set()
                state = str(request.get("options", {}).get("state", ""))
                answer = self._answer(request)
            except Exception as error:  # noqa: BLE001 - the boundary: a hook gets an answer, the log the reason
                log(state, f"server: {type(error).__name__}: {error}"[:300])
                answer = {"outcome": "error", "context": self._warning(request, error)}
            begun = answer.pop("begun", None)
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps(answer).encode())
                if begun:  # a hook that gave up has closed the connection
                    begun()

    def _warning(self, request: dict[str, Any], error: Exception) -> str:
        """What a session hears, once, of a memory that cannot be read; "" for other faults."""
        from memory.errors import StoreError

        session = str(request.get("payload", {}).get("session_id", ""))
        if not isinstance(error, StoreError) or session in self._warned:
            return ""
        self._warned.add(session)
        return f"Nothing is remembered in this session, because its memory cannot be read: {error}"

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("stop"):
            self._is_over.set()
            # Wakes `accept`.
            with socket.socket(socket.AF_UNIX) as waker, contextlib.suppress(OSError):
                waker.connect(self._listener.getsockname())
            return {"outcome": "stopping"}
        if request.get("drain"):
            self._storing.submit(lambda: None).result()
            return {"outcome": "stored"}
        from memory.agents.sessions import (
            HookCall,
            capture,
            catch_up,
            has_begun,
            note_begun,
            prompt_context,
            start_context,
            warm_up,
        )
        from memory.exchange.claude_code import is_observers

        call = HookCall.of(request)
        if is_observers(call.folder):
            return {"outcome": "a program that watches sessions: nothing is stored or told"}
        seconds = float(request.get("seconds", 1.0))
        if call.event in _STORING:
            self._store(call, capture)
            return {"outcome": "queued"}
        if call.event == _START:
            waiting = self._store(call, catch_up)
            with contextlib.suppress(TimeoutError):
                waiting.result(seconds * _SHARE_FOR_STORING)
            answer = self._answering.submit(start_context, call)
            self._answering.submit(warm_up, call)  # the first prompt is not to wait for a model
            context = answer.result(seconds)
        elif call.event == _PROMPT:
            # What no hook has told of the session's start comes with its first prompt.
            is_first = call.session not in self._begun and not has_begun(call)
            start = self._answering.submit(start_context, call) if is_first else None
            context = self._answering.submit(prompt_context, call).result(seconds)
            if start:  # the same thread made it, before this one
                context = "\n\n".join(filter(None, (start.result(), context)))
        else:
            return {"outcome": "nothing to do"}

        def begun() -> None:
            self._begun.add(call.session)
            note_begun(call)

        return {"context": context, "outcome": f"{len(context)} characters", "begun": begun}

    def _store(self, call: Any, work: Callable[[Any], str]) -> "Future[None]":
        def stored() -> None:
            try:
                outcome = work(call)
            except Exception as error:  # noqa: BLE001 - the boundary: the next hook tries again
                outcome = f"{type(error).__name__}: {error}"[:300]
            if outcome:
                log(call.state, f"{call.agent} {call.event} {outcome}")

        return self._storing.submit(stored)


def _received(connection: socket.socket) -> bytes:
    parts = []
    size = 0
    while part := connection.recv(1 << 20):
        parts.append(part)
        size += len(part)
        if size > _LONGEST_REQUEST:
            raise ValueError("the request is too long")
    return b"".join(parts)


def stop_server() -> None:
    """Let the server of these memories end, if there is one, after what it has to store."""
    request: dict[str, object] = {"stop": True}
    with contextlib.suppress(OSError, Silence, ValueError):
        ask(
            str(home().absolute() / AGENTS_FOLDER),
            request,
            time.monotonic() + _STOP_S,
            starts=False,
        )
