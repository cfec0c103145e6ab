"""An event loop that knows how much its connections receive, so that no answer is without end."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

MOST_BYTES = 64 * 2**20  # of an answer; one of 50,000 tokens has a quarter of a million
# Each byte of a packed answer may become this many: the most that deflate can do.
_MOST_UNPACKED = 1_032
_PACKED = re.compile(rb"\ncontent-encoding\s*:\s*(?!identity)", re.IGNORECASE)
_LONGEST_HEADER = 64  # bytes of what is searched for, over two pieces


class AnswerTooLongError(Exception):
    """An answer exceeded MOST_BYTES, unpacked if it came packed."""


@dataclass
class _Call:
    task: asyncio.Task[Any]
    received_before: int
    at_work: int  # the calls that were at work since this one began, with it
    is_too_long: bool = False


class CountingLoop(asyncio.SelectorEventLoop):
    """Ends the calls within `bounded` when together they receive more than MOST_BYTES for each.

    Calls share connections, and no client tells how much of an answer it has read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._received = 0
        self._calls: list[_Call] = []

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Raises AnswerTooLongError in place of a call that received too much."""
        for other in self._calls:
            other.at_work += 1
        task = cast(asyncio.Task[Any], asyncio.current_task())
        call = _Call(task, self._received, at_work=len(self._calls) + 1)
        self._calls.append(call)
        try:
            yield
        except asyncio.CancelledError:
            if not call.is_too_long:
                raise
            call.task.uncancel()
            raise AnswerTooLongError from None
        finally:
            self._calls.remove(call)

    def count(self, received: int) -> None:
        """Count bytes that a connection received."""
        self._received += received
        for call in self._calls:
            most = MOST_BYTES * call.at_work
            if not call.is_too_long and self._received - call.received_before > most:
                call.is_too_long = True
                call.task.cancel()

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **options: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """A connection whose bytes are counted; its client gets the protocol that it made."""

        def counted() -> asyncio.BaseProtocol:
            protocol = protocol_factory()
            return _Counted(protocol, self) if isinstance(protocol, asyncio.Protocol) else protocol

        transport, protocol = await super().create_connection(counted, *args, **options)
        return transport, protocol.counted if isinstance(protocol, _Counted) else protocol


class _Counted(asyncio.Protocol):
    """Passes everything on to another protocol."""

    def __init__(self, counted: asyncio.Protocol, loop: CountingLoop) -> None:
        self.counted = counted
        self._loop = loop
        self._weight = 1
        self._last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.counted.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counted.connection_lost(exc)

    def pause_writing(self) -> None:
        self.counted.pause_writing()

    def resume_writing(self) -> None:
        self.counted.resume_writing()

    def eof_received(self) -> bool | None:
        return self.counted.eof_received()

    def data_received(self, data: bytes) -> None:
        # JSON has no line ends within its texts: only a head can have such a line.
        if self._weight == 1 and _PACKED.search(self._last + data):
            self._weight = _MOST_UNPACKED
        self._last = data[-_LONGEST_HEADER:]
        self._loop.count(len(data) * self._weight)
        self.counted.data_received(data)
