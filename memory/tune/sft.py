"""The supervised start: a LoRA tuned on prompts and the answers they should get."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from memory.errors import InputError
from memory.program.adapter_card import read_card
from memory.tune.adapters import (
    Target,
    add_lora,
    check_folder,
    check_room,
    describe_adapter,
    save_adapter,
)
from memory.tune.student import Student, load_student, peak_memory

# Tokens of one pass forward and back: memory grows with them, speed hardly.
_AT_ONCE = 1024
_ROUND = 32  # lengths are padded to a multiple of it: memory is used again only by equal sizes
_ROLES = {"system", "user", "assistant"}


@dataclass(frozen=True)
class Tuned:
    """What a run did. Losses are nats an answer token, over the first and the last steps;
    `seconds` of tuning, `peak_memory` in bytes."""

    folder: Path
    steps: int
    examples: int
    skipped: int
    first_loss: float
    last_loss: float
    seconds: float
    peak_memory: int


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt and of the answer, which ends with the token that ends a turn."""

    prompt: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer)


def sft(
    examples: Path,
    output: Path,
    *,
    targets: Sequence[Target],
    conversations: Sequence[str],
    base: str = "local",
    start: Path | None = None,
    epochs: int = 1,
    rank: int = 16,
    alpha: float = 32,
    learning_rate: float = 2e-4,
    batch: int = 8,
    max_tokens: int = 1024,
    minutes: float | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Tuned:
    """Tune a LoRA on the answers of a file of conversations and save it in the folder `output`.

    Arguments:
        examples: JSONL, `{"messages": [...]}` a line, the last one the assistant's.
        targets, conversations: for the card: the modules tuned, those seen (beside `start`'s).
        base, start, device: as of `load_student`; an adapter to start from keeps its own rank.
        learning_rate: of AdamW; it falls linearly to 0 with the steps, or the minutes.
        batch, max_tokens: examples a step; longer ones are skipped.
        minutes: tuning ends, saved, before it takes longer.
        progress: called after each step with (step, steps, loss).

    On Ctrl-C what is tuned so far is saved before KeyboardInterrupt goes on. Raises InputError
    for a file, a folder, a base or an adapter that cannot be used.
    """
    read = _read(examples)
    check_folder(output)
    student = load_student(base, start, device)
    torch.manual_seed(seed)
    fitting = [one for one in (_example(student, m) for m in read) if one.length <= max_tokens]
    if not fitting:
        raise InputError(f"no example of {examples} fits {max_tokens} tokens: give more")
    if not student.tuned:
        add_lora(student, rank, alpha)
    check_room(student, output)
    digest, seen = hashlib.sha256(examples.read_bytes()).hexdigest(), _seen(start, conversations)
    of = {"made_by": "sft", "data": digest}
    card = describe_adapter(student, targets=targets, conversations=seen, **of)
    batches = list(_batches(fitting, batch, epochs, Random(seed)))  # noqa: S311
    losses: list[float] = []
    began = time.monotonic()
    try:
        for loss in _train(student, batches, learning_rate, minutes):
            losses.append(loss)
            progress(len(losses), len(batches), loss)
    finally:
        # Also on Ctrl-C: minutes of work are kept.
        if losses:
            save_adapter(student, output, card)
    counts = len(losses), len(fitting), len(read) - len(fitting)
    seconds = time.monotonic() - began
    return Tuned(output, *counts, *_ends(losses), seconds, peak_memory(student.device))


def _seen(start: Path | None, conversations: Sequence[str]) -> list[str]:
    """The conversations of the start, then those of the examples, each once."""
    return list(dict.fromkeys([*(read_card(start).conversations if start else ()), *conversations]))


def _ends(losses: Sequence[float]) -> tuple[float, float]:
    some = max(1, min(5, len(losses) // 2))
    return fmean(losses[:some]), fmean(losses[-some:])


def answer_loss(student: Student, examples: Sequence[Example]) -> Any:
    """Summed cross-entropy in nats of the answers' tokens, each given all tokens before it."""
    longest = max(example.length for example in examples)
    width = -(-longest // _ROUND) * _ROUND
    # Padding stands behind, where a causal model does not look: no mask is needed.
    ids = torch.zeros((len(examples), width), dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    for row, example in enumerate(examples):
        ids[row, : example.length] = torch.tensor(example.prompt + example.answer)
        rows += [row] * len(example.answer)
        columns += range(len(example.prompt) - 1, example.length - 1)
    ids = ids.to(student.device)
    # The vocabulary is the widest layer: it is computed for the answers only.
    hidden = student.hidden_batch(ids, use_cache=False)[rows, columns]
    wanted = ids[rows, [column + 1 for column in columns]]
    return cross_entropy(student.logits(hidden), wanted, reduction="sum")


def _train(
    student: Student, batches: Sequence[list[Example]], learning_rate: float, minutes: float | None
) -> Iterator[float]:
    """Each step's loss, in nats an answer token."""
    parameters = [p for p in student.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    began = time.monotonic()
    for step, examples in enumerate(batches):
        elapsed = time.monotonic() - began
        used = elapsed / (minutes * 60) if minutes else 0.0
        if step and used * (step + 1) / step > 1:  # one more would take too long
            return
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - max(step / len(batches), used))
        tokens = sum(len(example.answer) for example in examples)
        loss = 0.0
        for piece in _pieces(examples):
            part = answer_loss(student, piece) / tokens
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield loss


def _batches(
    examples: Sequence[Example], size: int, epochs: int, random: Random
) -> Iterator[list[Example]]:
    """Batches of examples about as long as one another, in random order, anew each epoch."""
    for _ in range(epochs):
        # Shuffled first, so that equally long ones meet others in the next epoch.
        mixed = sorted(random.sample(examples, len(examples)), key=lambda e: e.length)
        batches = [mixed[i : i + size] for i in range(0, len(mixed), size)]
        yield from random.sample(batches, len(batches))


def _pieces(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    size = max(1, _AT_ONCE // max(example.length for example in examples))
    for first in range(0, len(examples), size):
        yield examples[first : first + size]


def _example(student: Student, messages: Sequence[dict[str, str]]) -> Example:
    *before, answer = messages
    end = student.tokenizer.eos_token_id
    return Example(student.encode(before), [*student.ids(answer["content"]), end])


def _read(path: Path) -> list[list[dict[str, str]]]:
    """The conversations of a JSONL file. Raises InputError that names the line."""
    try:
        lines = path.read_text("utf-8").split("\n")  # a text may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    conversations = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            messages = json.loads(line)["messages"]
            told = [(message["role"], message["content"]) for message in messages]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f'{path}, line {number}: not {{"messages": [{{"role", "content"}}, ...]}}'
            ) from error
        if not all(role in _ROLES and isinstance(text, str) for role, text in told):
            raise InputError(f"{path}, line {number}: roles are {_ROLES}, contents are text")
        if len(told) < 2 or told[-1][0] != "assistant":
            raise InputError(f"{path}, line {number}: must end with the assistant's answer")
        conversations.append([{"role": role, "content": text} for role, text in told])
    if not conversations:
        raise InputError(f"{path} holds no examples")
    return conversations
