"""llama.cpp in this process: a server that runs a GGUF file, and the adapters that it applies."""

import ctypes
import json
import os
import signal
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from dspy.lm15 import ContextLengthError, InvalidRequestError, TokenLogprob, TopLogprob

from memory.errors import InputError, ModelError
from memory.models.gguf.header import file_sha256
from memory.text.characters import without_chat_markers

_LONGEST_PARENT = 72  # bytes: the address of a socket has 104 on macOS, 108 on Linux
# What llama.cpp says of an answer with bytes that make no letter, before all that was written.
_NO_LETTER = "Failed to parse input at pos 0: "
_starting = Lock()


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter of a model: its GGUF file, the sha256 of what is in it, and the modules that
    it was tuned for."""

    path: Path
    sha256: str
    targets: frozenset[str]


# A slot of a server, and the adapter that is applied there.
SlotAndLora = tuple[int, Lora | None]
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class ServerSettings:
    """What a server runs, and with how much of this machine.

    `context` is the tokens of one slot, or of all slots together where these share it (`shared`):
    a prompt that needs the room of another slot takes it. `threads` read a prompt, in pieces of
    `batch` tokens; `writing_threads` write.
    """

    model: Path
    context: int
    threads: int
    writing_threads: int
    slots: int = 1
    shared: bool = False
    batch: int = 2048
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True)
class Completion:
    """What the model wrote, and the tokens of the prompt and of that: 0 where they are unknown.

    `cached_tokens` of the prompt were kept from an earlier call, and were not read again.
    `logprobs` has its tokens with the next likely ones, where a call asked for `logprobs`.
    `is_cut` says that the answer ended at its limit of tokens.
    """

    text: str
    prompt_tokens: int
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
    is_cut: bool = False
    cached_tokens: int = 0


class ModelCopy:
    """One llama.cpp server: a copy of the model that does one thing at a time.

    What it computed for the beginning of a prompt is used again, and rounding depends on where
    that ends: so every call of a kind starts from the same beginning, read the same way.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._server = _start_server(settings)
        self._loras = settings.loras
        # By slot: the adapter and the beginning of a prompt that its cache holds.
        self._cached: dict[int, tuple[Lora | None, Messages]] = {}

    @property
    def address(self) -> str:
        """Where its server listens: a socket that no other process can reach."""
        return str(self._server.listening_address)

    def keep_only(self, beginning: Messages, slot_and_lora: SlotAndLora) -> None:
        """Forget all of the slot's last prompt but its beginning; read that if it is another."""
        slot, lora = slot_and_lora
        if self._cached.get(slot) != (lora, beginning):
            self._cached.pop(slot, None)
            self.say([{"role": "system", "content": ""}], slot_and_lora, max_tokens=0)
            self.say(beginning, slot_and_lora, max_tokens=0)
            self._cached[slot] = (lora, beginning)
        self.say(beginning, slot_and_lora, max_tokens=0)

    def say(
        self,
        messages: Messages,
        slot_and_lora: SlotAndLora,
        **settings: Any,
    ) -> Completion:
        """The answer to a chat.

        Arguments:
            messages: OpenAI's form; a last one by the assistant is what the answer begins with.
            slot_and_lora: the slot that reads it, and the adapter that is applied.
            settings: of llama.cpp's server: grammar, max_tokens, temperature, seed, logit_bias,
                logprobs, top_logprobs.

        Bytes that make no letter are left out.
        Raises dspy.lm15's ContextLengthError and InvalidRequestError.
        """
        body = self._body(messages, slot_and_lora, settings)
        try:
            answer = self._server.handle_chat_completions(body)
        except UnicodeDecodeError as refused:
            answer = {"error": {"message": refused.object.decode("utf-8", "ignore")}}
        if error := answer.get("error"):
            why = str(error.get("message", error))
            if why.startswith(_NO_LETTER):
                return Completion(why.removeprefix(_NO_LETTER), 0, 0)
            _refuse(error)
        [choice] = answer["choices"]
        usage = answer["usage"]
        text = choice["message"]["content"] or ""
        logprobs = _token_logprobs(choice.get("logprobs"))
        return Completion(text, usage["prompt_tokens"], usage["completion_tokens"], logprobs)

    def stream(
        self,
        messages: Messages,
        slot_and_lora: SlotAndLora,
        *,
        seconds: float,
        stopped: Event | None = None,
        **settings: Any,
    ) -> Generator[str, None, Completion]:
        """The answer to a chat in pieces while it is made; returns the whole.

        llama.cpp is called in its own thread, so that Ctrl-C and the end of the `seconds`
        reach the caller; the call ends then, when the generator is closed, and when another thread
        sets `stopped`, with the batch of tokens that is being computed.
        Raises as `say` does, TimeoutError, and KeyboardInterrupt where `stopped` was set.
        """
        body = self._body(messages, slot_and_lora, settings)
        body |= {"stream": True, "return_progress": True, "stream_options": {"include_usage": True}}
        chunks: SimpleQueue[bytes] = SimpleQueue()
        ended = Event()
        stopped = stopped or Event()

        def take(chunk: bytes) -> bool:
            chunks.put(chunk)
            return ended.is_set() or stopped.is_set()  # True ends the call

        def call() -> None:
            try:
                self._server.handle_chat_completions(json.dumps(body).encode(), take)
            finally:
                chunks.put(b"")  # no chunk is empty: the end

        caller = Thread(target=call, name="llama.cpp", daemon=True)
        caller.start()
        deadline = time.monotonic() + seconds
        answer = _Answer()
        try:
            while chunk := _next(chunks, deadline):
                if piece := answer.piece(chunk):
                    yield piece
            if stopped.is_set():
                raise KeyboardInterrupt
        finally:
            ended.set()
            caller.join()
        return answer.whole()

    def _body(
        self, messages: Messages, slot_and_lora: SlotAndLora, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        slot, applied = slot_and_lora
        # llama.cpp reads a chat template's marker as one, wherever it stands.
        messages = [
            {**message, "content": without_chat_markers(message["content"])} for message in messages
        ]
        body = {"messages": messages, "id_slot": slot, "cache_prompt": True, "seed": 0}
        if self._loras:
            # All adapters with their scales. Without this field llama.cpp would go on with those
            # that it read the beginning of the prompt with.
            scales = enumerate(float(lora == applied) for lora in self._loras)
            body["lora"] = [{"id": number, "scale": scale} for number, scale in scales]
        return {**body, **settings}


def _next(chunks: "SimpleQueue[bytes]", deadline: float) -> bytes:
    try:
        return chunks.get(timeout=max(deadline - time.monotonic(), 0))
    except Empty:
        raise TimeoutError from None


class _Answer:
    """An answer that comes in chunks of OpenAI's form."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._usage: Mapping[str, int] = {}
        self._finish_reason = ""
        self._cached_tokens = 0
        self._logprobs: tuple[TokenLogprob, ...] = ()

    def piece(self, chunk: bytes) -> str:
        """The text in a chunk, "" for none. Bytes that make no letter are left out."""
        content = json.loads(chunk.decode("utf-8", "ignore"), strict=False)
        if error := content.get("error"):
            if str(error.get("message", "")).startswith(_NO_LETTER):
                return ""  # all that was written came before
            _refuse(error)
        self._usage = content.get("usage") or self._usage
        self._cached_tokens = content.get("timings", {}).get("cache_n", self._cached_tokens)
        piece = ""
        for choice in content.get("choices") or ():
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            piece += choice["delta"].get("content") or ""
            self._logprobs += _token_logprobs(choice.get("logprobs"))
        self._pieces.append(piece)
        return piece

    def whole(self) -> Completion:
        return Completion(
            "".join(self._pieces),
            self._usage.get("prompt_tokens", 0),
            self._usage.get("completion_tokens", 0),
            self._logprobs,
            is_cut=self._finish_reason == "length",
            cached_tokens=self._cached_tokens,
        )


def _refuse(error: Mapping[str, Any]) -> None:
    too_long = error.get("type") == "exceed_context_size_error"
    why = str(error.get("message", error))
    raise (ContextLengthError if too_long else InvalidRequestError)(why)


def _token_logprobs(logprobs: Mapping[str, Any] | None) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            token["token"],
            token["logprob"],
            top=tuple(
                TopLogprob(other["token"], other["logprob"]) for other in token["top_logprobs"]
            ),
        )
        for token in (logprobs or {}).get("content", ())
    )


def _socket_parent() -> str | None:
    """Where the folder of a socket is made: /tmp, where that of temporary files has a long name."""
    is_long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_PARENT
    return "/tmp" if is_long and os.path.isdir("/tmp") else None  # noqa: S108 - in a private folder


def _start_server(settings: ServerSettings) -> Any:
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise ModelError(
            "models in this process need llama.cpp: pip install '.[local]' in the clone, or name a"
            " hosted model (--model)"
        ) from None
    for lora in settings.loras:
        # A file that was replaced could end the process, or answer with other weights.
        if file_sha256(lora.path) != lora.sha256:
            raise InputError(f"the adapter {lora.path} changed while it was in use; start again")
    params = xllamacpp.CommonParams()
    params.model.path = str(settings.model)
    params.n_parallel = settings.slots
    params.n_ctx = settings.context * (1 if settings.shared else settings.slots)
    params.kv_unified = settings.shared
    params.n_batch = settings.batch
    params.cache_ram_mib = 0  # a shared cache of prompts would change answers by their order
    params.cpuparams_batch.n_threads = settings.threads
    params.cpuparams.n_threads = settings.writing_threads
    # All adapters start at scale 0; each call says which one it applies.
    params.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(str(lora.path), 0.0) for lora in settings.loras
    ]
    params.verbosity = 0
    params.webui = params.endpoint_slots = False
    # llama.cpp insists on listening. A socket in a private folder that is gone before anyone can
    # knock is the nearest thing to not listening.
    with tempfile.TemporaryDirectory(prefix="memory-", dir=_socket_parent()) as folder:
        params.hostname = str(Path(folder) / "closed.sock")
        with _signals_kept():
            try:
                return xllamacpp.Server(params)
            except RuntimeError as error:
                raise ModelError(
                    f"llama.cpp cannot run {settings.model}: its architecture is newer than the"
                    " package xllamacpp, or this machine has too little memory for it"
                ) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Give Ctrl-C and SIGTERM back to Python: llama.cpp's own handlers would stop nothing.

    They are saved and restored through libc, because Python sets signals in its main thread only.
    One server starts at a time: a second start would save the handlers that the first one set.
    """
    if os.name != "posix":
        yield
        return
    libc = ctypes.CDLL(None)
    with _starting:
        # A struct sigaction is smaller: 152 bytes with glibc on x86-64.
        actions = {
            number: ctypes.create_string_buffer(256) for number in (signal.SIGINT, signal.SIGTERM)
        }
        for number, action in actions.items():
            libc.sigaction(number, None, action)
        try:
            yield
        finally:
            for number, action in actions.items():
                libc.sigaction(number, action, None)
