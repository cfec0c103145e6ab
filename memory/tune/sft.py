"""The supervised start: a LoRA tuned on prompts and the answers they should get."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from random import Random
from statistics import fmean
from time import monotonic
from typing import Any

import torch

from memory.errors import InputError
from memory.files import write_whole
from memory.program.adapter_card import AdapterCard, is_adapter, read_card
from memory.tune.adapters import (
    CHECKPOINT,
    Target,
    add_lora,
    check_adapter_output,
    check_room,
    describe_adapter,
    save_adapter,
)
from memory.tune.merged_lora import merged
from memory.tune.packs import Example, Pack, batches, losses
from memory.tune.student import Student, load_student, peak_memory

# Tokens of one pass forward and back: memory grows with them, speed hardly.
_AT_ONCE = 768
_WARM_UP = 10  # steps
_EVERY = 180.0  # seconds between checkpoints
_UNREADABLE = OSError, RuntimeError, UnpicklingError, EOFError, ValueError, LookupError, TypeError
_ROLES = {"system", "user", "assistant"}


@dataclass(frozen=True)
class Tuned:
    """What a run did. Losses are nats an answer token, over the first and the last steps;
    `seconds` of tuning, `peak_memory` in bytes; `resumed` is the step that it went on from."""

    folder: Path
    steps: int
    examples: int
    skipped: int
    first_loss: float
    last_loss: float
    seconds: float
    peak_memory: int
    resumed: int = 0


def sft(
    examples: Path,
    output: Path,
    *,
    targets: Sequence[Target],
    conversations: Sequence[str],
    base: str = "local",
    start: Path | None = None,
    epochs: int = 1,
    rank: int = 8,
    alpha: float = 16,
    learning_rate: float = 3e-4,
    batch: int = 16,
    max_tokens: int = 1024,
    minutes: float | None = None,
    seed: int = 0,
    device: str | None = None,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Tuned:
    """Tune a LoRA on the answers of a file of conversations and save it in the folder `output`.

    Arguments:
        examples: JSONL, `{"messages": [...]}` a line, the last one the assistant's.
        targets, conversations: for the card: the modules tuned, those seen (beside `start`'s).
        base, start, device: as of `load_student`; an adapter to start from keeps its own rank.
        learning_rate: of AdamW; it falls linearly to 0 with the steps, or the minutes.
        batch, max_tokens: examples a step; longer ones are skipped.
        minutes: tuning ends, saved, before it takes longer, that before an interruption included.
        resume: go on from the checkpoint in `output`, if there is one.
        about: what else the card says: `command`, `examples`, `data` (that of the file otherwise).
        progress: called after each step with (step, steps, loss).

    Every few minutes and on Ctrl-C a checkpoint is written; on Ctrl-C what is tuned so far is
    saved, too, before KeyboardInterrupt goes on. Raises InputError for a file, a folder, a base,
    an adapter or a checkpoint that cannot be used.
    """
    read = _read(examples)
    _check_output(output, resume)
    student = load_student(base, start, device)
    fitting = [one for one in (_example(student, m) for m in read) if one.length <= max_tokens]
    if not fitting:
        raise InputError(f"no example of {examples} fits {max_tokens} tokens: give more")
    torch.manual_seed(seed)
    if not student.tuned:
        add_lora(student, rank, alpha)
    check_room(student, output)
    digest = hashlib.sha256(examples.read_bytes()).hexdigest()
    seen: Any = {"conversations": conversations, "start": read_card(start) if start else None}
    card = describe_adapter(student, targets=targets, made_by="sft", data=digest, **seen)
    steps = list(batches(fitting, batch, epochs, _AT_ONCE, Random(seed)))  # noqa: S311
    of_start = base, start, card.rank, card.alpha
    made_of = _made_of(steps, digest, *of_start, targets, learning_rate, minutes, seed)
    card = card.model_copy(update=about)
    run = _Run(student, output, card, made_of, learning_rate, minutes)
    resumed = run.go_on() if resume else 0
    run.train(steps, progress)
    counts = len(run.losses), len(fitting), len(read) - len(fitting)
    return Tuned(output, *counts, *_ends(run.losses), **run.cost, resumed=resumed)


def _check_output(output: Path, resume: bool) -> None:
    check_adapter_output(output)
    if resume and is_adapter(str(output)) and not (output / CHECKPOINT).exists():
        raise InputError(f"{output} was tuned to its end; leave --resume out to tune anew")


class _Run:
    """A tuning under way: a student's adapter, its optimizer, and the loss of each step done."""

    def __init__(
        self,
        student: Student,
        folder: Path,
        card: AdapterCard,
        made_of: str,
        learning_rate: float,
        minutes: float | None,
    ) -> None:
        self._student, self._folder, self._card, self._made_of = student, folder, card, made_of
        self._rate, self._minutes, self._checkpoint = learning_rate, minutes, folder / CHECKPOINT
        self._parameters = [p for p in student.model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=learning_rate, weight_decay=0.0)
        self.losses: list[float] = []
        self.cost: dict[str, Any] = {}  # seconds and the peak of memory, once it is saved
        self._before, self._began, self._saved = 0.0, monotonic(), 0.0

    @property
    def _seconds(self) -> float:
        return self._before + monotonic() - self._began

    def train(
        self, steps: Sequence[list[Pack]], progress: Callable[[int, int, float], None]
    ) -> None:
        """Do the steps that are left and save the adapter; with a checkpoint, where it breaks."""
        try:
            for loss in self._through(steps):
                progress(len(self.losses), len(steps), loss)
        except BaseException:
            if self.losses:  # also on Ctrl-C: minutes of work are kept
                self._save()
                self._save_adapter()
            raise
        self._save_adapter()
        self._checkpoint.unlink(missing_ok=True)

    def _save_adapter(self) -> None:
        peak = peak_memory(self._student.device)
        self.cost = {"seconds": round(self._seconds, 1), "peak_memory": peak}
        save_adapter(self._student, self._folder, self._card.model_copy(update=self.cost))

    def _save(self) -> None:
        """Write the checkpoint, whole. Raises InputError."""
        state = {
            "made_of": self._made_of,
            "losses": self.losses,
            "seconds": self._seconds,
            "adapter": [p.detach() for p in self._parameters],
            "optimizer": self._optimizer.state_dict(),
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self._checkpoint, content.getvalue())
        self._saved = self._seconds

    def go_on(self) -> int:
        """Be as the checkpoint says, if there is one; returns the steps done. Raises InputError."""
        if not self._checkpoint.exists():
            return 0
        try:
            state = torch.load(self._checkpoint, self._student.device, weights_only=True)
            made_of, self.losses, seconds = (state[k] for k in ("made_of", "losses", "seconds"))
        except _UNREADABLE as error:
            raise InputError(
                f"{self._checkpoint} is no checkpoint; delete it, or give another --checkpoints"
            ) from error
        if made_of != self._made_of:
            raise InputError(
                f"{self._checkpoint} is of other examples or options: give the same, or another "
                "--checkpoints"
            )
        with torch.no_grad():
            for own, kept in zip(self._parameters, state["adapter"], strict=True):
                own.copy_(kept)
        self._optimizer.load_state_dict(state["optimizer"])
        self._before, self._began, self._saved = seconds, monotonic(), seconds
        return len(self.losses)

    def _through(self, steps: Sequence[list[Pack]]) -> Iterator[float]:
        """Each step's loss, in nats an answer token."""
        # In a thread of its own: Ctrl-C waits for its end, and leaves no half of a step.
        with merged(self._student) as refresh, ThreadPoolExecutor(1) as thread:
            thread.submit(int).result()  # it runs
            for step in range(len(self.losses), len(steps)):
                used = self._seconds / (self._minutes * 60) if self._minutes else 0.0
                if step and used * (step + 1) / step > 1:  # one more would take too long
                    return
                rate = min(1 - max(step / len(steps), used), (step + 1) / _WARM_UP)
                for group in self._optimizer.param_groups:
                    group["lr"] = self._rate * rate
                loss = self._gradients(steps[step])
                thread.submit(self._update, loss, refresh).result()
                if self._seconds - self._saved >= _EVERY:
                    self._save()
                yield loss

    def _gradients(self, packs: Sequence[Pack]) -> float:
        tokens, loss = sum(len(example.answer) for pack in packs for example in pack), 0.0
        for pack in packs:
            part = losses(self._student, pack).sum() / tokens
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        return loss

    def _update(self, loss: float, refresh: Callable[[], None]) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad()
        refresh()
        self.losses.append(loss)


def _made_of(steps: Sequence[list[Pack]], *options: object) -> str:
    """A fingerprint of the order of the examples, and of these options."""
    order = [[one.length for pack in packs for one in pack] for packs in steps]
    return hashlib.sha256(json.dumps([order, *options], default=str).encode()).hexdigest()


def _ends(told: Sequence[float]) -> tuple[float, float]:
    some = max(1, min(5, len(told) // 2))
    return fmean(told[:some]), fmean(told[-some:])


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
