"""The server's socket, and its limits for slow clients."""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from memory.errors import InputError, MemoryFault
from memory.server.connections import STATE, Connection, Connections
from memory.system.files import allow_more_files
from memory.system.logs import clean_logger

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# For the headers of each request, from the end of the one before it, or of the connecting.
HEAD_SECONDS = 10.0
_LARGEST_HEAD = 32_000  # bytes
_END_SECONDS = 5  # for running requests at shutdown


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 picks a free port.

    Raises InputError when the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"cannot listen on {host} port {port}: {error}; choose another with `--port`"
        ) from error
    return listener


def serve(app: ASGIApp, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C; calls `ready` once the server accepts requests."""

    async def announce(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def send_and_announce(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                asyncio.get_running_loop().call_soon(ready)

        await app(scope, receive, send_and_announce)

    connections = Connections()

    class Protocol(_LimitedProtocol):
        open_connections = connections

    config = _config(announce, Protocol)
    # Uvicorn shuts down and raises KeyboardInterrupt again; Ctrl-C is how this server is stopped.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def serve_workers(
    make_app: Callable[[], ASGIApp],
    listener: socket.socket,
    workers: int,
    ready: Callable[[], None],
) -> None:
    """Serve with several processes until Ctrl-C; a process that ends is replaced.

    Each calls `make_app`, which can be pickled. The limits of connections and requests are per
    process.
    """
    listener.listen(2048)  # clients wait until a process accepts them
    ready()
    config = _config(
        _WorkerApplication(make_app), _WorkerProtocol, is_factory=True, workers=workers
    )
    with suppress(KeyboardInterrupt):
        _Workers(config, sockets=[listener]).run()


class _Workers(Multiprocess):
    """Uvicorn's processes, without its pings: waiting for an answer, it would not see a Ctrl-C."""

    def keep_subprocess_alive(self) -> None:
        for number, process in enumerate(self.processes):
            if process.process.is_alive() or self.should_exit.is_set():
                continue
            if process.exitcode == STARTUP_FAILURE:  # so would the next one
                self.should_exit.set()
                return
            self.processes[number] = Process(self.config, self.sockets)
            self.processes[number].start()


@dataclass(frozen=True)
class _WorkerApplication:
    """Makes the application in a worker, which ends when the process that started it is gone."""

    make_app: Callable[[], ASGIApp]

    def __call__(self) -> ASGIApp:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        try:
            return self.make_app()
        except MemoryFault as fault:
            clean_logger("memory.server").warning("%s", fault)
            sys.exit(STARTUP_FAILURE)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _config(
    app: Any, protocol: "type[_LimitedProtocol]", is_factory: bool = False, workers: int = 1
) -> uvicorn.Config:
    allow_more_files()  # a warm memory takes six
    return uvicorn.Config(
        app,
        factory=is_factory,
        workers=workers,
        http=protocol,
        ws="none",
        lifespan="on",
        # An access log would contain the token of the sign-in link.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # anyone can send these headers
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=_END_SECONDS,
    )


class _LimitedProtocol(H11Protocol):
    """Uvicorn's protocol with a deadline for the head of each request, and a limit of connections.

    Uvicorn itself waits forever for a first head, and for a later one once its first byte has
    arrived.
    """

    open_connections: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self._connection = Connection(address, close=transport.abort)
        self._head_deadline = self._new_deadline()
        # The guard says whose it is.
        self.app_state = {**self.app_state, STATE: self._connection}
        if not self.open_connections.admit(self._connection):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_deadline.cancel()
        self.open_connections.remove(self._connection)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        cycle = self.cycle
        super().handle_events()
        if self.cycle is not cycle:  # a head is complete
            self._head_deadline.cancel()
            self._connection.is_waiting = False

    def on_response_complete(self) -> None:
        # Before the next request is taken up, which may be here already.
        self._connection.is_waiting = True
        self._head_deadline.cancel()
        self._head_deadline = self._new_deadline()
        super().on_response_complete()

    def _new_deadline(self) -> asyncio.TimerHandle:
        # Not ended by bytes that arrive, but by a whole head.
        return self.loop.call_later(HEAD_SECONDS, self.transport.abort)


class _WorkerProtocol(_LimitedProtocol):
    """The protocol of one of several processes, which can be pickled by its name."""

    open_connections = Connections()
