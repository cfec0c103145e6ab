"""Supervised tuning: trains a LoRA on prompts with their right answers, by TRL's SFTTrainer."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from locomo.examples.jsonl import read_examples
from locomo.weights.adapters import (
    CHECKPOINT,
    Target,
    add_lora,
    check_adapter_output,
    check_disk_space,
    describe_adapter,
    save_adapter,
)
from locomo.weights.interruptible import StepControl
from locomo.weights.packs import Example, collate, packed_row, packs
from locomo.weights.student import Student, load_student, peak_memory
from memory.errors import InputError
from memory.models import AdapterCard, is_adapter, read_card
from memory.system import write_whole

# Tokens of one forward and backward pass: memory grows with them, speed hardly.
_PACK_TOKENS = 768
# A tenth of the steps: ten warm-up steps of twenty are too many (the log).
_LEAST_WARM_UP, _MOST_WARM_UP = 3, 10
_CHECKPOINT_SECONDS = 180.0
_SAVED = "tuning.json"  # next to the checkpoints


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
        batch: examples in a step, about: packs of them are not cut (see `locomo.weights.packs`).
        max_tokens: the longest example; longer ones are skipped.
        minutes: the longest tuning, including time before an interruption; then it is saved.
        resume: continue from the checkpoint in `output`, if there is one.
        about: more fields of the card: `command`, `examples`, `data` (default: of the file).
        progress: called after each step with (step, steps, loss).

    Writes a checkpoint every few minutes and on Ctrl-C, which also saves the current adapter.
    On the CPU a run that goes on ends with the same weights as one without an interruption.
    Raises InputError for a file, folder, base, adapter or checkpoint that cannot be used.
    """
    dialogues = read_examples(examples)
    _check_output(output, resume)
    student = load_student(base, start, device)
    fitting = _fitting_examples(student, dialogues, max_tokens=max_tokens, path=examples)
    torch.manual_seed(seed)
    if not student.tuned:
        add_lora(student, rank, alpha)
    check_disk_space(student, output)
    card = _card(student, examples, targets=targets, conversations=conversations, start=start)
    rows = [packed_row(pack) for pack in packs(fitting, _PACK_TOKENS)]
    made_of = _run_fingerprint(
        [card.data, base, start, start_share, card.rank, card.alpha, targets],
        [len(rows), learning_rate, batch, epochs, minutes, seed],
    )
    folder = output / CHECKPOINT
    checkpoint, seconds = _checkpoint_of(folder, made_of) if resume else (None, 0.0)
    if checkpoint is None:
        shutil.rmtree(folder, ignore_errors=True)
    started_from = [p.detach().clone() for p in student.model.parameters() if p.requires_grad]

    def after_step(state: Any, numbers: dict[str, float]) -> None:
        progress(state.global_step, state.max_steps, numbers["loss"])

    control = StepControl(after_step, minutes, seconds, _CHECKPOINT_SECONDS)
    trainer = _trainer(
        student,
        rows,
        folder=folder,
        packs_a_step=max(1, round(batch * len(rows) / len(fitting))),
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        control=control,
    )
    resumed = _last_step(checkpoint)
    trainer.add_callback(_KeepSeconds(folder / _SAVED, made_of, control))
    with control.watching(trainer):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    student.model.eval()
    if not control.interrupted:
        _mix(student, started_from, start_share)
    seconds, peak = round(control.seconds, 1), peak_memory(student.device)
    cost = {"seconds": seconds, "peak_memory": peak}
    save_adapter(student, output, card.model_copy(update={**(about or {}), **cost}))
    if control.interrupted:
        raise KeyboardInterrupt
    shutil.rmtree(folder, ignore_errors=True)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    ends = max(1, min(5, len(losses) // 2))
    return SftResult(
        folder=output,
        steps=len(losses),
        examples=len(fitting),
        skipped=len(dialogues) - len(fitting),
        first_loss=fmean(losses[:ends]),
        last_loss=fmean(losses[-ends:]),
        seconds=seconds,
        peak_memory=peak,
        resumed=resumed,
    )


def _last_step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _run_fingerprint(*options: object) -> str:
    """A hash of what a tuning is made of; a checkpoint must match it."""
    return hashlib.sha256(json.dumps(options, default=str).encode()).hexdigest()


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


def _check_output(output: Path, resume: bool) -> None:
    check_adapter_output(output)
    if resume and is_adapter(str(output)) and not (output / CHECKPOINT).exists():
        raise InputError(f"{output} was tuned to its end; leave --resume out to tune anew")


@dataclass(frozen=True)
class _Saved:
    """What a tuning that goes on must have been made of, and how long it took so far."""

    made_of: str
    seconds: float


def _checkpoint_of(folder: Path, made_of: str) -> tuple[Path | None, float]:
    """The last whole checkpoint of a tuning with the seconds it took; None if there is none.

    Raises InputError for the checkpoint of other examples or options.
    """
    try:
        newest = get_last_checkpoint(str(folder)) if folder.is_dir() else None
        if newest is None:
            return None, 0.0
        saved = _Saved(**json.loads((folder / _SAVED).read_bytes()))
        json.loads((Path(newest) / "trainer_state.json").read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder} is no checkpoint; delete it, or give another --checkpoints"
        ) from error
    if saved.made_of != made_of:
        raise InputError(
            f"{folder} is of other examples or options: give the same, or another --checkpoints"
        )
    return Path(newest), saved.seconds


class _KeepSeconds(TrainerCallback):
    """Writes next to each checkpoint what it is of, and how long it took."""

    def __init__(self, file: Path, made_of: str, control: StepControl) -> None:
        self._file, self._made_of, self._control = file, made_of, control

    def on_save(self, *_: Any, **__: Any) -> None:
        saved = _Saved(self._made_of, self._control.seconds)
        write_whole(self._file, json.dumps(asdict(saved)).encode())


def _trainer(
    student: Student,
    rows: Sequence[dict[str, list[int]]],
    *,
    folder: Path,
    packs_a_step: int,
    epochs: int,
    learning_rate: float,
    seed: int,
    control: StepControl,
) -> SFTTrainer:
    steps = epochs * -(-len(rows) // packs_a_step)
    parameters = [p for p in student.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)

    warm_up = min(max(steps // 10, _LEAST_WARM_UP), _MOST_WARM_UP)

    def rate(step: int) -> float:
        # It falls linearly to 0 with the steps or the minutes, whichever is further.
        decay = 1 - max(step / steps, control.share_of_minutes)
        return max(min(decay, (step + 1) / warm_up), 0.0)

    on_gpu = student.device.startswith("cuda")
    settings = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=packs_a_step,
        num_train_epochs=epochs,
        max_grad_norm=1.0,
        logging_steps=1,
        save_strategy="no",  # `control` says when
        save_total_limit=1,
        seed=seed,
        bf16=False,  # the weights have their type already
        gradient_checkpointing=on_gpu,
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        max_length=None,
        report_to="none",
        disable_tqdm=True,
    )
    return SFTTrainer(
        student.model,
        args=settings,
        train_dataset=Dataset.from_list(list(rows)),
        data_collator=collate,
        processing_class=student.tokenizer,
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
    )


def _mix(student: Student, start: Sequence[Any], share: float) -> None:
    """Move the adapter towards its start."""
    trained = [p for p in student.model.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter, before in zip(trained, start, strict=True):
            parameter.lerp_(before, share)


def _example(student: Student, messages: Sequence[dict[str, str]]) -> Example:
    *before, answer = messages
    end = student.tokenizer.eos_token_id
    return Example(student.encode(before), [*student.ids(answer["content"]), end])
