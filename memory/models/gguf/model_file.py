"""A GGUF file as a model to run: what it is, and how much of this machine it takes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.models.gguf.header import Gguf, read_gguf

# Settings of the environment, for all models of this kind.
CONTEXT_NAME, THREADS_NAME, MEMORY_NAME = (
    "MEMORY_GGUF_CONTEXT",
    "MEMORY_GGUF_THREADS",
    "MEMORY_GGUF_GB",
)
# A digest's window, its prompt and its answer fit; a longer context costs memory that few use.
_USUAL_CONTEXT = 8_192
_LEAST_CONTEXT = 2_048
_SHARE = 0.8  # of the machine's memory, unless MEMORY_GGUF_GB is set
_WORKING_BYTES = 300_000_000  # of llama.cpp besides the weights and the cache
_CACHE_BYTES = 2  # of a number in the cache of keys and values
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class ModelFile:
    """A file that llama.cpp can run as a chat model.

    `context_length` is what it was trained for, in tokens; `parameters` are the numbers in its
    tensors; `token_bytes` is what a token takes in the cache of keys and values.
    """

    path: Path
    name: str
    context_length: int
    parameters: int
    bytes: int
    token_bytes: int


def read_model(path: Path) -> ModelFile:
    """A GGUF file as a chat model.

    Raises InputError in one line for a file that is missing, cut or no such model.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the .gguf file in it")
    header = read_gguf(path)
    wrong = _wrong_kind(header.keys) or _wrong_parts(header)
    if wrong:
        raise InputError(f"{path} cannot be run as a chat model: {wrong}")
    arch = header.keys["general.architecture"]
    return ModelFile(
        path.absolute(),
        str(header.keys.get("general.name") or path.stem),
        header.keys[f"{arch}.context_length"],
        header.numbers,
        path.stat().st_size,
        _token_bytes(header.keys, arch),
    )


def _wrong_kind(keys: dict[str, Any]) -> str:
    kind = keys.get("general.type", "model")
    arch = keys.get("general.architecture")
    if kind != "model" or not isinstance(arch, str):
        return f"it holds something else ({kind!r:.40}); an adapter is given with --adapter"
    if f"{arch}.pooling_type" in keys or "bert" in arch or "clip" in arch:
        return f"it makes vectors, not text ({arch:.40})"
    context = keys.get(f"{arch}.context_length")
    if not isinstance(context, int) or context < 1:
        return f"it does not say how long its context is ({arch:.40}.context_length)"
    if not keys.get("tokenizer.ggml.model"):
        return "it has no tokenizer"
    if not keys.get("tokenizer.chat_template"):
        return "it has no chat template; choose the variant of it that ends in Instruct or Chat"
    return ""


def _wrong_parts(header: Gguf) -> str:
    parts = header.keys.get("split.count", 1)
    if parts != 1:
        return f"it is one of {parts} parts; join them with llama-gguf-split --merge"
    if not header.tensors:
        return "it has no weights"
    return "it is cut; copy or download it again" if header.is_cut else ""


def _token_bytes(keys: dict[str, Any], arch: str) -> int:
    """What a token takes in the cache: a key and a value in each layer, for each head of those."""

    def number(name: str, default: int) -> int:
        value = keys.get(f"{arch}.{name}")
        return value if isinstance(value, int) and value > 0 else default

    heads = number("attention.head_count", 1)
    width = number("embedding_length", 1) // heads
    # Where layers differ the file has a list, which is not read: all heads are the most.
    cached_heads = number("attention.head_count_kv", heads)
    numbers = number("attention.key_length", width) + number("attention.value_length", width)
    return number("block_count", 1) * cached_heads * numbers * _CACHE_BYTES


def context_of(model: ModelFile) -> int:
    """How many tokens of context fit: the file's, MEMORY_GGUF_CONTEXT and the memory bound it.

    Raises InputError where the model does not fit into memory with a context that is of use.
    """
    context = min(_setting(CONTEXT_NAME, _USUAL_CONTEXT), model.context_length)
    room = _memory() - model.bytes - _WORKING_BYTES
    fitting = max(int(room / max(model.token_bytes, 1)), 0)
    if fitting < min(_LEAST_CONTEXT, context):
        needed = model.bytes + _WORKING_BYTES + _LEAST_CONTEXT * model.token_bytes
        raise InputError(
            f"{model.path} needs {needed / 1e9:.1f} GB of memory, and {_memory() / 1e9:.1f} GB may"
            f" be used here; choose a smaller model, or set {MEMORY_NAME}"
        )
    return min(context, fitting)


def threads() -> int:
    """How many threads compute: MEMORY_GGUF_THREADS, or half of the cores of this process.

    Most machines count each core twice. Threads wait for each other at every layer, so one whose
    core is taken holds up all: with two threads on two busy cores, 40 tokens took 40 seconds, with
    one 2.5.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return _setting(THREADS_NAME, max(cores // 2, 1))


def _setting(name: str, usual: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return usual
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{name} is {text!r:.40}; give a whole number of 1 or more")
    return int(text)


def _memory() -> float:
    """The bytes of memory that a model may take."""
    text = os.environ.get(MEMORY_NAME, "")
    if not text:
        return _SHARE * machine_memory()
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise InputError(f"{MEMORY_NAME} is {text!r:.40}; give gigabytes, as in 4")
    return gigabytes * 1e9


def machine_memory() -> float:
    """The bytes of memory of this machine, or of its container; infinite if unknown."""
    amounts = [float("inf")]
    if hasattr(os, "sysconf"):
        amounts.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    try:
        limit = _CGROUP.read_text().strip()
    except OSError:
        limit = ""
    if limit.isdecimal():
        amounts.append(float(limit))
    return min(amounts)
