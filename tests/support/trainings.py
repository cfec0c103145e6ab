"""A short training of a tiny model: its plan, and an adapter to start from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import torch

from locomo.tasks.modules import Bench, task_examples
from locomo.weights.adapters import add_lora, describe_adapter, save_adapter
from locomo.weights.grpo import GrpoSettings
from locomo.weights.record import TrainingPlan
from locomo.weights.student import load_student
from memory import MemoryProgram
from tests.support.tiny_llama import shake

SETTINGS = GrpoSettings(
    steps=12,
    rollouts=8,
    batch_per_device=4,
    accumulation=2,
    learning_rate=0.005,
    warmup_steps=0,
    beta=0.001,
    completion_tokens=6,
    prompt_tokens=4096,
)


def plan(bench: Bench, folder: Path, **changes: Any) -> TrainingPlan:
    red, *_ = bench.conversations.values()
    usual = TrainingPlan(
        settings=SETTINGS,
        model="local",
        adapter=dspy.ChatAdapter(use_json_adapter_fallback=False),
        program=MemoryProgram(),
        bench=bench,
        train={"answer": task_examples([red], "answer", 4)},
        validation=[],
        reward="memory",
        threads=2,
        seed=0,
        folder=folder,
        fingerprint="this",
        checkpoint_steps=2,
    )
    return replace(usual, **changes)


def adapter_of(tiny: str, folder: Path) -> Path:
    """An adapter of the tiny model that changes something, in this folder."""
    student = load_student(tiny, device="cpu")
    torch.manual_seed(0)
    add_lora(student, rank=4, alpha=8)
    shake(student, 0.05)
    card = describe_adapter(
        student, targets=["answer"], conversations=["conv-1"], made_by="sft", data="d"
    )
    save_adapter(student, folder, card)
    return folder
