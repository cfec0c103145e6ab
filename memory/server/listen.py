"""The server's socket, and its limits for slow clients."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from memory.errors import InputError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HEAD_SECONDS = 10.0  # for the headers of the first request of a connection
_LARGEST_HEAD = 32_000  # bytes
_MOST_CONNECTIONS = 500
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

    config = uvicorn.Config(
        announce,
        http=_PatientProtocol,
        ws="none",
        lifespan="on",
        # An access log would contain the token of the sign-in link.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # anyone can send these headers
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=_END_SECONDS,
    )
    # Uvicorn shuts down and raises KeyboardInterrupt again; Ctrl-C is how this server is stopped.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


class _PatientProtocol(H11Protocol):
    """Uvicorn's protocol with a timeout for the first request of a connection.

    Uvicorn itself waits forever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.loop.call_later(_HEAD_SECONDS, self._end_without_request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.cancel()
        super().connection_lost(exc)

    def _end_without_request(self) -> None:
        if self.cycle is None:
            self.transport.close()
