"""A GGUF file as an engine of DSPy: llama.cpp answers in this process, one call at a time."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from threading import Event, Lock
from typing import Any

from dspy.lm15 import (
    InvalidRequestError,
    Message,
    Request,
    Response,
    StreamDeltaEvent,
    StreamEndEvent,
    StreamStartEvent,
    TextDelta,
    TextPart,
    Usage,
)
from dspy.lm15 import TimeoutError as CallTimedOut

from memory.models.gguf.model_file import ModelFile
from memory.models.gguf.server import Completion, Lora, Messages, ModelCopy, ServerSettings
from memory.system.machines import over_machines

# Tokens that are read at once: a call ends, and Ctrl-C is heard, between two of these batches. They
# take 1.5 s on a busy core with a model of 1.5 billion parameters, where 128 take six; a whole
# prompt takes as long with either.
_BATCH = 32
_under_way: set[Event] = set()


def end_calls() -> None:
    """End the calls of models in this process, also calls that wait for their turn.

    They raise KeyboardInterrupt in their threads, within the batch of tokens being computed.
    """
    for stopped in [*_under_way]:
        stopped.set()


@dataclass(frozen=True)
class GgufEngine:
    """Answers a request with a model's file, within `seconds` once it is its turn.

    `grammar` is GBNF that the answer must follow (empty: anything), and `stop` what ends it.
    Kinds of prompts that take turns have a `slot` each, one of `slots`, which keeps what they
    begin with. `seed` draws the answer where the temperature is above 0. `logit_bias` is added to
    the logits of tokens, by their texts. `applies_lora` says whether the server's
    adapter is applied. Engines with the same `model`, `context`, `threads`, `slots` and `lora`
    share one server. `over` says on which machines it runs (see `over_machines`), all with the
    file at the same place; empty for this process. With `is_repeatable` the same request has the
    same answer whatever was asked before: what comes before a prompt's last message is read apart.
    Raises dspy.lm15 errors: ContextLengthError, InvalidRequestError, TimeoutError.
    """

    model: ModelFile
    context: int
    threads: int
    seconds: float
    slots: int = 1
    lora: Lora | None = None
    grammar: str = ""
    stop: str = ""
    slot: int = 0
    seed: int = 0
    logit_bias: tuple[tuple[str, float], ...] = ()
    applies_lora: bool = True
    over: str = ""
    is_repeatable: bool = False

    def complete(self, request: Request) -> Response:
        if self.over:
            here = replace(self, over="")
            [(_, response)] = over_machines(_complete, [(here, request)], self.over)
            return response
        pieces = self._pieces(request)
        try:
            while True:
                next(pieces)
        except StopIteration as end:
            completion: Completion = end.value
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(completion.text)]),
            finish_reason=_finish_reason(completion),
            usage=_usage(completion),
            logprobs=completion.logprobs or None,
        )

    def stream(
        self, request: Request
    ) -> Iterator[StreamStartEvent | StreamDeltaEvent | StreamEndEvent]:
        yield StreamStartEvent(model=request.model)
        if self.over:
            response = self.complete(request)
            yield StreamDeltaEvent(TextDelta(response.text or ""))
            yield StreamEndEvent(response.finish_reason, response.usage)
            return
        pieces = self._pieces(request)
        try:
            while True:
                yield StreamDeltaEvent(TextDelta(next(pieces)))
        except StopIteration as end:
            yield StreamEndEvent(_finish_reason(end.value), _usage(end.value))
        finally:
            pieces.close()

    def close(self) -> None:
        """Nothing: the server stays for the next request."""

    def _pieces(self, request: Request) -> Generator[str, None, Completion]:
        temperature = request.config.temperature or 0.0
        settings: dict[str, Any] = {
            "temperature": temperature,
            "seed": self.seed if temperature else 0,
            "max_tokens": request.config.max_tokens or 1_000,
            # A grammar leaves no room for thoughts, and the seconds of a call little.
            "chat_template_kwargs": {"enable_thinking": False},
        }
        if self.grammar:
            settings["grammar"] = self.grammar
        if self.stop:
            settings["stop"] = [self.stop]
        if request.config.logprobs is not None:
            settings |= {"logprobs": True, "top_logprobs": 1}
        if self.logit_bias:
            settings["logit_bias"] = self.logit_bias
        messages = chat_messages(request)
        slot = (self.slot, self.lora if self.applies_lora else None)
        with _may_be_stopped() as stopped, self._server(stopped) as server:
            settings |= {"seconds": self.seconds, "stopped": stopped}
            if self.is_repeatable and len(messages) > 1:
                server.keep_only(messages[:-1], slot)
            try:
                return (yield from server.stream(messages, slot, **settings))
            except InvalidRequestError as error:
                if "system" not in str(error).lower() or messages[0]["role"] != "system":
                    raise
                # Some templates know no system message (Gemma 2's).
                messages = _without_system(messages)
                return (yield from server.stream(messages, slot, **settings))
            except TimeoutError as error:
                raise CallTimedOut(f"no whole answer in {self.seconds:g} seconds") from error

    @contextmanager
    def _server(self, stopped: Event) -> Iterator[ModelCopy]:
        """The server of this model, alone; started when it is first needed.

        Raises KeyboardInterrupt where the call was stopped while it waited for its turn.
        """
        settings = ServerSettings(
            self.model.path,
            context=self.context,
            threads=self.threads,
            writing_threads=self.threads,
            slots=self.slots,
            shared=True,
            batch=_BATCH,
            loras=(self.lora,) if self.lora else (),
        )
        shared = _shared(os.getpid(), settings)
        with shared.lock:
            if stopped.is_set():
                raise KeyboardInterrupt
            yield shared.server()


def _complete(call: tuple[GgufEngine, Request]) -> Response:
    """The answer of an engine on another machine."""
    engine, request = call
    return engine.complete(request)


@contextmanager
def _may_be_stopped() -> Iterator[Event]:
    """What `end_calls` sets while the block is under way."""
    stopped = Event()
    _under_way.add(stopped)
    try:
        yield stopped
    finally:
        _under_way.discard(stopped)


class _Shared:
    """A server, or none yet, and the lock of who uses it."""

    def __init__(self, settings: ServerSettings) -> None:
        self.lock = Lock()
        self._settings = settings
        self._server: ModelCopy | None = None

    def server(self) -> ModelCopy:
        self._server = self._server or ModelCopy(self._settings)
        return self._server


@cache
def _shared(process_id: int, settings: ServerSettings) -> _Shared:
    # A forked process lacks the threads of its parent's servers.
    return _Shared(settings)


def _finish_reason(completion: Completion) -> Any:
    return "length" if completion.is_cut else "stop"


def _usage(completion: Completion) -> Usage:
    return Usage(
        input_tokens=completion.prompt_tokens,
        output_tokens=completion.tokens,
        total_tokens=completion.prompt_tokens + completion.tokens,
        cache_read_tokens=completion.cached_tokens,
    )


def chat_messages(request: Request) -> Messages:
    """The messages of a request as a chat template takes them, the system's first."""
    system = request.system or ""
    if not isinstance(system, str):
        system = "".join(part.text for part in system)
    messages = [{"role": m.role, "content": m.text or ""} for m in request.messages]
    return [{"role": "system", "content": system}, *messages] if system else messages


def _without_system(messages: Messages) -> Messages:
    """The same chat, with what the system message says before the first question."""
    system, first, *others = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *others]
