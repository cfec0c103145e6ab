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

from memory.errors import InputError, ModelError
from memory.system.counting_loop import MOST_BYTES, CountingLoop
from memory.system.providers import load_litellm, missing_keys

# For one call: connecting, all reads, all attempts and the waits between them. An answer of 3,000
# tokens, the largest request, takes 100 seconds at 30 tokens a second.
CALL_SECONDS = 120.0
CALL_SECONDS_NAME = "MEMORY_CALL_SECONDS"
_LONGEST_LINE = 200
# Headers of a call that may be answered with much: of a packed answer the limit allows far less.
UNPACKED = {"accept-encoding": "identity"}
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


def server_address(name: str) -> dict[str, str]:
    """The server's address and key, if the environment sets an address; else empty.

    Raises ModelError when a key is missing.
    """
    provider = name.partition("/")[0].upper()
    if base := os.environ.get(f"{provider}_API_BASE"):
        # Your own server seldom needs a key, but the protocol requires one.
        return {"api_base": base, "api_key": os.environ.get(f"{provider}_API_KEY") or "none"}
    if missing := missing_keys(name):
        raise ModelError(f"{name} needs a key: set {' or '.join(missing)}")
    return {}


# What litellm and OpenAI's client put before a provider's words.
_CLASSES = re.compile(r"litellm\.\w+: \w+Exception - Error code: \d+ - ")


def explain_failure(error: Any, name: str, answer: str) -> str:
    """Why a litellm model failed to give an answer and what to do, in one line without keys."""
    litellm = load_litellm()
    provider = name.partition("/")[0]
    key = f"{provider.upper()}_API_KEY"
    base = f"{provider.upper()}_API_BASE"
    reason = _CLASSES.sub("", one_line(str(error)))
    place = f" at {os.environ[base]}" if os.environ.get(base) else ""
    if "LLM Provider NOT provided" in reason:
        return f"no provider is called {provider!r}; write for example openai/MODEL"
    match error:
        case litellm.AuthenticationError() | litellm.PermissionDeniedError():
            return f"{name}{place} refused the key: check {key}"
        case litellm.RateLimitError():
            return f"{name}{place} still limits the rate after retries; wait, or check the quota"
        case litellm.Timeout() | litellm.APIConnectionError():
            return f"cannot reach {name}{place}: is it running, is {base} right? ({reason})"
        case litellm.NotFoundError():
            return f"{name} does not exist{place}; check the name ({reason})"
    return f"{name}{place} gave no {answer} ({reason})"
