"""A Memory for async programs: the same calls, each on a thread of asyncio's pool."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from memory.api import Memory
from memory.api.other_libraries import AnswersOthersNames, is_config, refuse_config
from memory.api.users import UserId
from memory.program.replies import Reply
from memory.records import Answer
from memory.store import Store

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


def _on_a_thread(
    method: Callable[Concatenate[Memory, _P], _Result],
) -> "Callable[Concatenate[AsyncMemory, _P], Coroutine[Any, Any, _Result]]":
    @wraps(method)
    async def call(self: "AsyncMemory", /, *args: _P.args, **kwargs: _P.kwargs) -> _Result:
        bound: Callable[_P, _Result] = getattr(self.memory, method.__name__)
        return await asyncio.to_thread(bound, *args, **kwargs)

    return call


class AsyncReply:
    """A character's reply, `async for` piece by piece; `answer` is the whole reply at the end."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def answer(self) -> Answer | None:
        return self._reply.answer

    async def __aiter__(self) -> AsyncIterator[str]:
        pieces = iter(self._reply)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece


def _in_pieces(
    method: Callable[Concatenate[Memory, _P], Reply],
) -> "Callable[Concatenate[AsyncMemory, _P], Coroutine[Any, Any, AsyncReply]]":
    reply = _on_a_thread(method)

    @wraps(method)
    async def call(self: "AsyncMemory", /, *args: _P.args, **kwargs: _P.kwargs) -> AsyncReply:
        return AsyncReply(await reply(self, *args, **kwargs))

    return call


class AsyncMemory(AnswersOthersNames):
    """A Memory whose calls are awaited, with the same arguments, results and errors.

    Arguments as for Memory, or a Memory, which the caller then closes. Opening one happens at once,
    and is for the start of a program.

    A cancelled call goes on to its end on its thread: it still stores everything. A task's calls
    happen in order, and several tasks' calls at the same time.
    """

    def __init__(self, memory: Memory | Store | str | Path | None = None, **options: Any) -> None:
        if is_config(memory):
            refuse_config("AsyncMemory")
        self._is_ours = not isinstance(memory, Memory)
        self.memory = memory if isinstance(memory, Memory) else Memory(memory, **options)

    add = _on_a_thread(Memory.add)
    expire = _on_a_thread(Memory.expire)
    expiring = _on_a_thread(Memory.expiring)
    pin = _on_a_thread(Memory.pin)
    unpin = _on_a_thread(Memory.unpin)
    pinned = _on_a_thread(Memory.pinned)
    keep_out = _on_a_thread(Memory.keep_out)
    kept_out = _on_a_thread(Memory.kept_out)
    upcoming = _on_a_thread(Memory.upcoming)
    trace = _on_a_thread(Memory.trace)
    forget = _on_a_thread(Memory.forget)
    changes = _on_a_thread(Memory.changes)
    undo = _on_a_thread(Memory.undo)
    delete = _on_a_thread(Memory.delete)
    delete_all = _on_a_thread(Memory.delete_all)
    digest = _on_a_thread(Memory.digest)
    ask = _on_a_thread(Memory.ask)
    correct = _on_a_thread(Memory.correct)
    context = _on_a_thread(Memory.context)
    search = _on_a_thread(Memory.search)
    facts = _on_a_thread(Memory.facts)
    get = _on_a_thread(Memory.get)
    get_all = _on_a_thread(Memory.get_all)
    users = _on_a_thread(Memory.users)
    read = _on_a_thread(Memory.read)
    reply = _in_pieces(Memory.reply)

    @property
    def store(self) -> Store:
        """The open namespace: see `Memory.store`."""
        return self.memory.store

    def of(self, user_id: UserId) -> "AsyncMemory":
        """The memory of a user, to await: see `Memory.of`, which its `memory` is."""
        return AsyncMemory(self.memory.of(user_id))

    def off_the_record(self) -> "AsyncMemory":
        """This memory to be asked without leaving anything in it: see `Memory.off_the_record`."""
        private = AsyncMemory(self.memory.off_the_record())
        private._is_ours = True
        return private

    async def close(self) -> None:
        """Close the stores that this memory opened."""
        if self._is_ours:
            await asyncio.to_thread(self.memory.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
