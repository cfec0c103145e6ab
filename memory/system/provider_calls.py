"""Calls of a provider's models: with a time limit for the whole call, and errors without keys.

A client's own timeouts limit only the wait for the next byte, so a slow server may never end. The
calls run as tasks of one event loop in a separate thread: a cancelled task closes its connection
and does not retry, and calls share connections.
"""

import asyncio
import os
import re
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import nullcontext
from functools import cache
from typing import Any, TypeVar

from memory.errors import InputError
from memory.system.counting_loop import MOST_BYTES, CountingLoop

# For one call: connecting, all reads, all attempts and the waits between them. An answer of 3,000
# tokens, the largest request, takes 100 seconds at 30 tokens a second.
CALL_SECONDS = 120.0
CALL_SECONDS_NAME = "MEMORY_CALL_SECONDS"
_LONGEST_LINE = 200
T = TypeVar("T")
_ended = threading.Event()


def call_seconds(usual: float = CALL_SECONDS) -> float:
    """The time limit of one call: MEMORY_CALL_SECONDS, or `usual`.

    Raises InputError for a setting that is not a positive number.
    """
    text = os.environ.get(CALL_SECONDS_NAME, "")
    try:
        seconds = float(text or usual)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"{CALL_SECONDS_NAME} is {text!r:.40}; give seconds, as in 300")
    return seconds


def too_slow(model: str, seconds: float) -> str:
    """The message for a call that exceeded its time limit."""
    return (
        f"{model} gave no whole answer in {seconds:g} seconds, all tries included; try again later,"
        f" or set {CALL_SECONDS_NAME} to wait longer"
    )


def too_long(model: str) -> str:
    """The message for a call that received too much."""
    return f"{model} sent more than {MOST_BYTES // 2**20} MB for one answer"


async def within(call: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of a call. Cancels the call and raises TimeoutError when it takes longer.

    In the loop of `run` it raises AnswerTooLongError when the call receives too much.
    """
    loop = asyncio.get_running_loop()
    room = loop.bounded() if isinstance(loop, CountingLoop) else nullcontext()
    with room:
        async with asyncio.timeout(seconds):
            return await call


class CallsEnded(BaseException):
    """A call was ended by `end_calls`. Not an Exception: no one is to try again."""


def run(call: Coroutine[Any, Any, T]) -> T:
    """Run a call to its result or its error, in the caller's context. An interrupt cancels it.

    Raises CallsEnded once `end_calls` was called.
    """
    if _ended.is_set():
        call.close()
        raise CallsEnded
    future = asyncio.run_coroutine_threadsafe(call, _loop(os.getpid()))
    try:
        return future.result()
    except BaseException as error:
        future.cancel()
        if _ended.is_set() and isinstance(error, CancelledError):
            raise CallsEnded from None
        raise


def end_calls() -> None:
    """End the calls of all threads, and those to come: this process is about to end."""
    _ended.set()
    loop = _loop(os.getpid())

    def cancel() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()

    loop.call_soon_threadsafe(cancel)


@cache
def _loop(pid: int) -> asyncio.AbstractEventLoop:
    """The event loop of this process. A forked process needs its own: it has no parent threads."""
    loop = CountingLoop()
    threading.Thread(target=loop.run_forever, name="model calls", daemon=True).start()
    return loop


def one_line(message: str) -> str:
    """The first line of a provider's message, without anything that may be a key."""
    quoted = re.search(r"'message': (['\"])(.*?)\1", message)
    lines = (quoted[2] if quoted else message).strip().splitlines()
    line = without_keys(lines[0]) if lines else "no reason given"
    # Cut last: the first half of a key across the cut would not look like a key.
    return line[:_LONGEST_LINE]


def without_keys(text: str) -> str:
    """A text without anything that may be a key."""
    for name, value in os.environ.items():
        if name.endswith(("_KEY", "_TOKEN")) and len(value) > 5:
            text = text.replace(value, "***")
    return re.sub(r"\b(sk|key|gsk|hf|xai)[-_][\w*.-]{6,}", "***", text)
