"""Supervised tuning: trains a LoRA on prompts with their right answers."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
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
    UNREADABLE,
    Target,
    add_lora,
    check_adapter_output,
    check_disk_space,
    describe_adapter,
    save_adapter,
)
from memory.tune.merged_lora import merged_layers
from memory.tune.packs import Example, Pack, batches, losses
from memory.tune.student import Student, load_student, peak_memory

# Tokens of one forward and backward pass: memory grows with them, speed hardly.
_PACK_TOKENS = 768
_WARM_UP_STEPS = 10
_CHECKPOINT_SECONDS = 180.0
_ROLES = {"system", "user", "assistant"}


@dataclass(frozen=True)
class SftResult:
    """The result of a run.

    Losses are in nats for each token of an answer, means over the first and the last steps.
    `seconds` counts the tuning, `peak_memory` is in bytes, `resumed` is the step it resumed from.
    """

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
    start_share: float = 0.0,
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
) -> SftResult:
    """Tune a LoRA on the answers of a file of conversations and save it in the folder `output`.

    Arguments:
        examples: JSONL, `{"messages": [...]}` a line, the last one the assistant's.
        targets, conversations: for the card, which adds the conversations of `start`.
        base, start, device: as for `load_student`; an adapter to start from keeps its own rank.
        start_share: 0 to 1, the weight of `start` in the mean that is saved (Wortsman et al. 2022).
        learning_rate: of AdamW; it falls linearly to 0 with the steps or the minutes.
        batch: examples in a step.
        max_tokens: the longest example; longer ones are skipped.
        minutes: the longest tuning, including time before an interruption; then it is saved.
        resume: continue from the checkpoint in `output`, if there is one.
        about: more fields of the card: `command`, `examples`, `data` (default: of the file).
        progress: called after each step with (step, steps, loss).

    Writes a checkpoint every few minutes and on Ctrl-C, which also saves the current adapter.
    Raises InputError for a file, folder, base, adapter or checkpoint that cannot be used.
    """
    dialogues = _read(examples)
    _check_output(output, resume)
    student = load_student(base, start, device)
    fitting = _fitting_examples(student, dialogues, max_tokens=max_tokens, path=examples)
    _prepare(student, rank=rank, alpha=alpha, seed=seed)
    check_disk_space(student, output)
    card = _card(student, examples, targets=targets, conversations=conversations, start=start)
    steps = _shuffled_steps(fitting, size=batch, epochs=epochs, seed=seed)
    made_of = [card.data, base, start, start_share, card.rank, card.alpha, targets]
    run = _Run(
        student,
        folder=output,
        card=card.model_copy(update=about),
        fingerprint=_run_fingerprint(steps, [*made_of, learning_rate, minutes, seed]),
        learning_rate=learning_rate,
        minutes=minutes,
        start_share=start_share,
    )
    resumed = run.restore() if resume else 0
    run.train(steps, progress)
    return run.result(examples=len(fitting), skipped=len(dialogues) - len(fitting), resumed=resumed)


def _prepare(student: Student, *, rank: int, alpha: float, seed: int) -> None:
    torch.manual_seed(seed)
    if not student.tuned:
        add_lora(student, rank, alpha)


def _fitting_examples(
    student: Student,
    dialogues: Sequence[Sequence[dict[str, str]]],
    *,
    max_tokens: int,
    path: Path,
) -> list[Example]:
    encoded = [_example(student, messages) for messages in dialogues]
    fitting = [example for example in encoded if example.length <= max_tokens]
    if not fitting:
        raise InputError(f"no example of {path} fits {max_tokens} tokens: give more")
    return fitting


def _card(
    student: Student,
    examples: Path,
    *,
    targets: Sequence[Target],
    conversations: Sequence[str],
    start: Path | None,
) -> AdapterCard:
    return describe_adapter(
        student,
        targets=targets,
        made_by="sft",
        data=hashlib.sha256(examples.read_bytes()).hexdigest(),
        conversations=conversations,
        start=read_card(start) if start else None,
    )


def _shuffled_steps(
    examples: Sequence[Example], *, size: int, epochs: int, seed: int
) -> list[list[Pack]]:
    random = Random(seed)  # noqa: S311
    return list(batches(examples, size=size, epochs=epochs, max_tokens=_PACK_TOKENS, random=random))


def _check_output(output: Path, resume: bool) -> None:
    check_adapter_output(output)
    if resume and is_adapter(str(output)) and not (output / CHECKPOINT).exists():
        raise InputError(f"{output} was tuned to its end; leave --resume out to tune anew")


class _Run:
    """A tuning in progress: a student's adapter, its optimizer, and the losses so far."""

    def __init__(
        self,
        student: Student,
        folder: Path,
        card: AdapterCard,
        fingerprint: str,
        learning_rate: float,
        minutes: float | None,
        start_share: float,
    ) -> None:
        self._student = student
        self._folder = folder
        self._card = card
        self._fingerprint = fingerprint
        self._learning_rate = learning_rate
        self._minutes = minutes
        self._checkpoint = folder / CHECKPOINT
        self._parameters = [p for p in student.model.parameters() if p.requires_grad]
        self._start_share = start_share
        self._start = [p.detach().clone() for p in self._parameters]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=learning_rate, weight_decay=0.0)
        self.losses: list[float] = []
        self.cost: dict[str, Any] = {}  # seconds and the peak of memory, once it is saved
        self._seconds_before = 0.0  # of tuning before the checkpoint to resume from
        self._began = monotonic()
        self._saved = 0.0  # seconds of tuning at the last checkpoint

    @property
    def _seconds(self) -> float:
        """Seconds of tuning, including those before an interruption."""
        return self._seconds_before + monotonic() - self._began

    def result(self, examples: int, skipped: int, resumed: int) -> SftResult:
        """The result of the run, after training and saving."""
        ends = max(1, min(5, len(self.losses) // 2))
        return SftResult(
            folder=self._folder,
            steps=len(self.losses),
            examples=examples,
            skipped=skipped,
            first_loss=fmean(self.losses[:ends]),
            last_loss=fmean(self.losses[-ends:]),
            seconds=self.cost["seconds"],
            peak_memory=self.cost["peak_memory"],
            resumed=resumed,
        )

    def train(
        self, steps: Sequence[list[Pack]], progress: Callable[[int, int, float], None]
    ) -> None:
        """Do the remaining steps and save the adapter; on an interruption, also a checkpoint."""
        try:
            for loss in self._remaining_losses(steps):
                progress(len(self.losses), len(steps), loss)
        except BaseException:
            if self.losses:  # also on Ctrl-C: keeps minutes of work
                self._save_checkpoint()
                self._save_adapter()
            raise
        self._mix_with_start()
        self._save_adapter()
        self._checkpoint.unlink(missing_ok=True)

    def _mix_with_start(self) -> None:
        with torch.no_grad():
            for parameter, start in zip(self._parameters, self._start, strict=True):
                parameter.lerp_(start, self._start_share)

    def _save_adapter(self) -> None:
        peak = peak_memory(self._student.device)
        self.cost = {"seconds": round(self._seconds, 1), "peak_memory": peak}
        save_adapter(self._student, self._folder, self._card.model_copy(update=self.cost))

    def _save_checkpoint(self) -> None:
        """Write the whole checkpoint or nothing. Raises InputError."""
        state = {
            "made_of": self._fingerprint,
            "losses": self.losses,
            "seconds": self._seconds,
            "adapter": [p.detach() for p in self._parameters],
            "optimizer": self._optimizer.state_dict(),
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self._checkpoint, content.getvalue())
        self._saved = self._seconds

    def restore(self) -> int:
        """Continue from the checkpoint, if any; returns the finished steps. Raises InputError."""
        if not self._checkpoint.exists():
            return 0
        try:
            state = torch.load(self._checkpoint, self._student.device, weights_only=True)
            fingerprint = state["made_of"]
            losses = state["losses"]
            seconds = state["seconds"]
        except UNREADABLE as error:
            raise InputError(
                f"{self._checkpoint} is no checkpoint; delete it, or give another --checkpoints"
            ) from error
        if fingerprint != self._fingerprint:
            raise InputError(
                f"{self._checkpoint} is of other examples or options: give the same, or another "
                "--checkpoints"
            )
        with torch.no_grad():
            for parameter, saved in zip(self._parameters, state["adapter"], strict=True):
                parameter.copy_(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        self.losses = losses
        self._seconds_before = seconds
        self._began = monotonic()
        self._saved = seconds
        return len(self.losses)

    def _remaining_losses(self, steps: Sequence[list[Pack]]) -> Iterator[float]:
        """Do the remaining steps; yields the loss of each, in nats for each token of an answer."""
        # A separate thread updates the weights: Ctrl-C waits for it, so no step stays half done.
        with merged_layers(self._student) as refresh, ThreadPoolExecutor(1) as thread:
            thread.submit(int).result()  # an empty call: it starts the thread
            for step in range(len(self.losses), len(steps)):
                used = self._seconds / (self._minutes * 60) if self._minutes else 0.0
                if step and used * (step + 1) / step > 1:  # another would take too long
                    return
                # The rate falls linearly to 0 with the steps or the minutes, whichever is further.
                decay = 1 - max(step / len(steps), used)
                warm_up = (step + 1) / _WARM_UP_STEPS
                for group in self._optimizer.param_groups:
                    group["lr"] = self._learning_rate * min(decay, warm_up)
                loss = self._gradients(steps[step])
                thread.submit(self._update, loss, refresh).result()
                if self._seconds - self._saved >= _CHECKPOINT_SECONDS:
                    self._save_checkpoint()
                yield loss

    def _gradients(self, packs: Sequence[Pack]) -> float:
        """Compute the gradients of one step; returns its loss."""
        tokens = sum(len(example.answer) for pack in packs for example in pack)
        loss = 0.0
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


def _run_fingerprint(steps: Sequence[list[Pack]], options: Sequence[object]) -> str:
    """A hash of the order of the examples and of these options; a checkpoint must match it."""
    order = [[example.length for pack in packs for example in pack] for packs in steps]
    return hashlib.sha256(json.dumps([order, *options], default=str).encode()).hexdigest()


def _example(student: Student, messages: Sequence[dict[str, str]]) -> Example:
    *before, answer = messages
    end = student.tokenizer.eos_token_id
    return Example(student.encode(before), [*student.ids(answer["content"]), end])


def _read(path: Path) -> list[list[dict[str, str]]]:
    """The conversations of a JSONL file. Raises InputError that names the line."""
    try:
        lines = path.read_text("utf-8").split("\n")  # a text may contain other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    conversations = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            messages = json.loads(line)["messages"]
            turns = [(message["role"], message["content"]) for message in messages]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f'{path}, line {number}: not {{"messages": [{{"role", "content"}}, ...]}}'
            ) from error
        if not all(role in _ROLES and isinstance(text, str) for role, text in turns):
            raise InputError(f"{path}, line {number}: roles are {_ROLES}, contents are text")
        if len(turns) < 2 or turns[-1][0] != "assistant":
            raise InputError(f"{path}, line {number}: must end with the assistant's answer")
        conversations.append([{"role": role, "content": text} for role, text in turns])
    if not conversations:
        raise InputError(f"{path} holds no examples")
    return conversations
