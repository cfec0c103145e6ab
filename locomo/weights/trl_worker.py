"""A process of TRL: GRPO on one GPU, or on the CPU. `trl_run.py` starts one for each GPU.

It knows a model and prompts. It asks train.py for rewards, and whether to go on.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from locomo.weights.adapters import add_lora, describe_adapter, save_adapter
from locomo.weights.rehearsal import ResumableTrainer, SharedPromptTrainer
from locomo.weights.student import Student, load_student
from locomo.weights.trl_job import Asker, TrlJob
from memory.models import read_card


def train(job: TrlJob, asker: Asker) -> None:
    """Train until train.py says that it is enough, or the steps are done."""
    torch.manual_seed(job.seed)
    start = Path(job.start) if job.start else None
    student = load_student(job.base, start, device=_device(job))
    if not student.tuned:
        add_lora(student, job.lora_rank, job.lora_alpha)

    def rewards(completions: Sequence[Any], example: Sequence[int], **_: Any) -> list[float]:
        answers: list[float] = asker.ask("rewards", list(completions), list(example))
        return answers

    kind = ResumableTrainer if job.served else SharedPromptTrainer
    trainer = kind(
        student.model,
        reward_funcs=rewards,
        args=GRPOConfig(**job.arguments),
        train_dataset=Dataset.from_list(_rows(Path(job.prompts))),
        processing_class=student.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Reports(job, student, trainer, asker))
    trainer.train(resume_from_checkpoint=job.resume)
    if job.served:
        trainer.vllm_generation.sync_weights()
    if trainer.accelerator.is_main_process:
        asker.ask("finished", trainer.state.global_step)


class _Reports(TrainerCallback):
    """Tells train.py of steps and checkpoints, and stops where it says so."""

    def __init__(self, job: TrlJob, student: Student, trainer: Any, asker: Asker) -> None:
        self._job, self._student, self._trainer, self._asker = job, student, trainer, asker
        self._is_first = trainer.accelerator.is_main_process

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._job.served and not self._job.resume:
            self._trainer.vllm_generation.sync_weights()
            if self._is_first:
                self._asker.ask("began")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        if "loss" not in logs:  # the summary at the end of a run
            return
        numbers: Mapping[str, float] = {
            name: float(value) for name, value in logs.items() if isinstance(value, int | float)
        }
        once = (state.global_step, self._is_first)
        if self._asker.ask("step_done", dict(numbers), once=once):
            control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step, job = state.global_step, self._job
        if job.served:
            self._trainer.vllm_generation.sync_weights()
        if not self._is_first:
            return
        card = describe_adapter(
            self._student,
            targets=job.targets,  # type: ignore[arg-type]
            made_by="grpo",
            data=hashlib.sha256(job.fingerprint.encode()).hexdigest(),
            conversations=job.conversations,
            start=read_card(Path(job.start)) if job.start else None,
        )
        folder = Path(job.folder) / f"step-{step}"
        save_adapter(self._student, folder, card)
        self._asker.ask("saved", step, str(folder))


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _device(job: TrlJob) -> str:
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if job.served else "cpu"


if __name__ == "__main__":
    the_job = TrlJob.read(Path(sys.argv[1]))
    train(the_job, Asker(the_job.address))
