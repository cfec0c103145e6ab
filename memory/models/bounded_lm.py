"""A hosted LM whose calls end in time and size, and which learns what its server refuses."""

import asyncio
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import dspy
from dspy.utils import exceptions as lm_errors

from memory.models.costs import Usage, counting
from memory.models.model_errors import (
    CallTimeoutError,
    EndlessAnswerError,
    MissingKeyError,
    ServerDownError,
    retry_after,
)
from memory.models.server_refusals import accepted_instead, is_context_size, lacks_path
from memory.system.counting_loop import AnswerTooLongError
from memory.system.logs import clean_logger
from memory.system.provider_calls import run, too_long, too_slow, within
from memory.system.providers import missing_keys
from memory.text.characters import sound_text
from memory.text.tokens import count_tokens

# A wait longer than this for an answer is reported, at most once a minute.
_NOTICE_SECONDS, _NOTICE_EVERY = 10.0, 60.0
# A call that has not ended by then asks whether anything listens at all; a restarting server has
# until the last.
_DOWN_SECONDS = (0.5, 1.0, 1.0)
# Our count of tokens is of Llama 2; no known tokenizer makes a prompt longer by a tenth.
_LEAST_SENT = 0.9
# Of a prompt this much longer than what a server read, a part was surely left out. Of a shorter one
# the same count may be its own: then a second prompt of the same count tells.
_SURELY_CUT = 1.5
_NOT_FOUND = 404
_log = clean_logger("memory.models")
_calling_thread = ContextVar[threading.Thread | None]("calling_thread", default=None)


def _without_advice(record: logging.LogRecord) -> bool:
    """DSPy advises changing its own setting, which no command has; the fact stays."""
    if "was truncated" in str(record.msg):
        record.msg = "an answer was cut off at its limit of tokens"
    return True


logging.getLogger("dspy.clients.lm").addFilter(_without_advice)


def calling_thread() -> threading.Thread:
    """The thread that waits for the current call: hosted models are called in another thread."""
    return _calling_thread.get() or threading.current_thread()


class BoundedLM(dspy.LM):
    """A hosted model: each call ends after `seconds`, including retries and the waits between.

    `memory.models` logs a slow call as information. Fields that a server refuses
    (`memory.models.server_refusals`) are not sent to it again, and your own address without a path
    is tried with `/v1`. Raises ContextWindowExceededError if your own server read only a part of a
    prompt, as Ollama does.
    """

    def __init__(self, model: str, *, seconds: float, **settings: Any) -> None:
        super().__init__(model, **settings)
        self.seconds = seconds
        self._noticed_at = -_NOTICE_EVERY
        self._refused: frozenset[str] = frozenset()
        self._instead: Mapping[str, Any] = {}
        self._sizes_read: dict[int, int] = {}  # a count that may be a context -> tokens sent then

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        token = _calling_thread.set(threading.current_thread())
        try:
            return run(self.acall(prompt, messages=messages, **kwargs))
        finally:
            _calling_thread.reset(token)

    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        self._check_key()
        delay = min(_NOTICE_SECONDS, self.seconds / 2)
        notice = asyncio.get_running_loop().call_later(delay, self._notice)
        usage: Usage = {}
        try:
            with counting(usage):
                call = self._accepted(prompt, messages, kwargs)
                outputs = _spoken(await within(self._unless_down(call), self.seconds))
        except AnswerTooLongError as error:
            raise EndlessAnswerError(too_long(self.model)) from error
        except TimeoutError as error:
            raise CallTimeoutError(
                too_slow(self.model, self.seconds), retry_after=retry_after(error)
            ) from error
        finally:
            notice.cancel()
        self._refuse_cut(prompt, messages, usage)
        return outputs

    async def _accepted(self, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> Any:
        """A call's result, from a second try without the settings that the server refuses."""
        while True:
            instead = self._instead
            try:
                return await super().acall(prompt, messages=messages, **{**kwargs, **instead})
            except lm_errors.LMInvalidRequestError as error:
                # Meanwhile another call may have found out.
                if instead is self._instead and not self._learn(error, {**self.kwargs, **kwargs}):
                    raise

    def _learn(self, error: lm_errors.LMInvalidRequestError, settings: Mapping[str, Any]) -> bool:
        """Note what a server takes instead of what it refused; False if there is nothing new."""
        settings = {**settings, **self._instead}
        address = str(settings.get("api_base") or "")
        if getattr(error, "status", None) == _NOT_FOUND and lacks_path(address):
            self.kwargs.pop("num_ctx", None)  # Ollama's own protocol is not spoken there
            self._engine_spec = "auto"
            self._instead = {**self._instead, "api_base": f"{address.rstrip('/')}/v1"}
            return True
        refused, instead = accepted_instead(error, settings)
        if not refused or refused in self._refused:
            return False
        self._refused |= {refused}
        self._instead = {**self._instead, **instead}
        if refused not in ("temperature", "room"):
            self._engine_spec = "litellm"  # DSPy's own client has one name for the limit
        return True

    def _refuse_cut(self, prompt: Any, messages: Any, usage: Usage) -> None:
        """Raise ContextWindowExceededError if a server read as much as its context holds.

        Ollama cuts a longer prompt without a word, and says in its usage how many tokens it read. A
        prompt may happen to have as many: one alone is no proof, unless it is far longer.
        """
        read = sum(entry["prompt_tokens"] for calls in usage.values() for entry in calls)
        if not is_context_size(read) or not self._own_address():
            return
        texts = [prompt, *(message.get("content") for message in messages or ())]
        sent = sum(count_tokens(text) for text in texts if isinstance(text, str))
        if sent <= read * _LEAST_SENT:
            return
        if self._sizes_read.setdefault(read, sent) != sent or sent > read * _SURELY_CUT:
            self._sizes_read[read] = 0  # known from now on
            raise lm_errors.ContextWindowExceededError(
                model=self.model,
                message=f"the server read only {read:,} tokens of some {sent:,}, its whole context",
            )

    async def _unless_down(self, call: Coroutine[Any, Any, Any]) -> Any:
        """A call's result; it does not keep trying if nothing listens at your own address."""
        task = asyncio.ensure_future(call)
        try:
            address = self._own_address()
            for seconds in _DOWN_SECONDS if address else ():
                await asyncio.wait({task}, timeout=seconds)
                if task.done() or await _listens(address):
                    break
            else:
                if address:
                    raise ServerDownError(f"nothing answers at {address}")
            return await task
        finally:
            task.cancel()

    def _own_address(self) -> str:
        provider = self.model.partition("/")[0].upper()
        names = (f"{provider}_BASE_URL", f"{provider}_API_BASE")
        addresses = (self.kwargs.get("api_base"), *map(os.environ.get, names))
        return str(next(filter(None, addresses), ""))

    def __getstate__(self) -> dict[str, Any]:
        """All but the key: another machine uses the key that is set there."""
        state = super().__getstate__()
        return {**state, "kwargs": {k: v for k, v in state["kwargs"].items() if k != "api_key"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "api_base" in self.kwargs:
            self.kwargs["api_key"] = own_key(self.model)

    def _check_key(self) -> None:
        """Raise MissingKeyError: litellm would ask a provider without one, and try five times."""
        provider = self.model.partition("/")[0].upper()
        if "api_base" in self.kwargs or f"{provider}_API_BASE" in os.environ:
            return
        if missing := missing_keys(self.model):
            raise MissingKeyError(missing)

    def _notice(self) -> None:
        now = time.monotonic()
        if now - self._noticed_at >= _NOTICE_EVERY:
            self._noticed_at = now
            base = urlsplit(self.kwargs.get("api_base") or "")
            host = f"{base.hostname}:{base.port or base.scheme}" if base.hostname else self.model
            _log.info("waiting for %s, %g seconds at most", host, self.seconds)


def _spoken(outputs: Any) -> Any:
    """What a model says, in whole characters; "" if it only thinks or calls a tool.

    DSPy gives an answer as a text, or as a dictionary with further fields.
    """
    if not isinstance(outputs, list):
        return outputs
    return [
        {**output, "text": sound_text(output["text"])}
        if isinstance(output, dict) and output.get("text")
        else sound_text(output if isinstance(output, str) else "")
        for output in outputs
    ]


def own_key(name: str) -> str:
    """The key for your own server: few check it, but the protocol needs one."""
    return os.environ.get(f"{name.partition('/')[0].upper()}_API_KEY") or "none"


async def _listens(address: str) -> bool:
    """Whether anything takes a connection at an address; True if there is a proxy in between."""
    parts = urlsplit(address)
    if not parts.hostname or urllib.request.getproxies():
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except ConnectionRefusedError:
        return False
    except OSError:  # a slow network does not mean a server that is down
        return True
    writer.close()
    return True
