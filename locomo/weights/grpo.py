"""The settings of a GRPO run, as the trainer gets them, and the checks of their arithmetic."""

import re
from dataclasses import dataclass
from typing import Any

from memory import InputError

# All seven linear kinds of a decoder layer, as Llama and Qwen name them.
LORA_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# The trainer must not end before the client does, which ends the job itself.
_EXTRA_STEPS = 10


@dataclass(frozen=True)
class GrpoSettings:
    """Group relative policy optimization (Shao et al. 2024, DeepSeekMath, section 4.1).

    The same settings go to Arbor (`train_kwargs`) and to TRL (`trl_arguments`).
    `rollouts` answers are drawn for each example, one group a step; of episodes with several calls
    at most `groups_a_step`. Each device reads `batch_per_device` answers at a time, and the weights
    change after `accumulation` of these. `beta` weighs the KL divergence from the start. Lengths
    are in tokens; GPU ids are as the server counts them.
    """

    steps: int = 500  # one example each on Arbor, one change of the weights by TRL
    rollouts: int = 8
    groups_a_step: int = 1
    batch_per_device: int = 2
    accumulation: int = 4
    learning_rate: float = 2e-5
    warmup_steps: int = 10
    beta: float = 0.04
    # Divided by a group's deviation, F1 of 0 and .03 would weigh like F1 of 0 and 1
    # (Liu et al. 2025, Dr. GRPO, section 3.1).
    scale_rewards: bool = False
    lora_rank: int = 64
    lora_alpha: int = 16
    lora_dropout: float = 0.0
    prompt_tokens: int = 4096
    completion_tokens: int = 512
    temperature: float = 1.0
    bf16: bool = True
    inference_gpus: tuple[int, ...] = (0,)
    training_gpus: tuple[int, ...] = (1, 2)

    @property
    def context(self) -> int:
        """Tokens of a prompt and its completion together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def batch(self) -> int:
        """The answers, on all devices together, after which the weights change."""
        return self.batch_per_device * max(1, len(self.training_gpus)) * self.accumulation

    @property
    def groups_an_update(self) -> int:
        """The groups of answers after which the weights change."""
        return max(1, self.batch // self.rollouts)

    @property
    def sampling(self) -> dict[str, float]:
        """Sampling parameters: from the policy's full distribution."""
        # The client samples with these and the trainer gets them: a cut distribution would not be
        # the policy whose probabilities the trainer computes.
        return {
            "temperature": self.temperature,
            "top_p": 1.0,
            "top_k": -1,
            "repetition_penalty": 1.0,
        }

    def train_kwargs(self) -> dict[str, Any]:
        """The settings by the names that ArborGRPO passes on to the trainer."""
        return {
            **self.sampling,
            "beta": self.beta,
            "scale_rewards": self.scale_rewards,
            "per_device_train_batch_size": self.batch_per_device,
            "gradient_accumulation_steps": self.accumulation,
            "learning_rate": self.learning_rate,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": self.warmup_steps,
            "gradient_checkpointing": True,
            "gradient_checkpointing_kwargs": {"use_reentrant": False},
            "bf16": self.bf16,
            "max_prompt_length": self.prompt_tokens,
            "max_completion_length": self.completion_tokens,
            # Arbor would cut prompt and answer together to the answer's length, from the left.
            "max_seq_len": self.context,
            "max_steps": self.steps * self.groups_a_step + _EXTRA_STEPS,
            "logging_steps": 1,
            "num_inference_gpus": len(self.inference_gpus),
            "num_training_gpus": len(self.training_gpus),
            # Arbor takes exactly these four.
            "lora_config": {
                "r": self.lora_rank,
                "lora_alpha": self.lora_alpha,
                "target_modules": list(LORA_MODULES),
                "lora_dropout": self.lora_dropout,
            },
        }

    def trl_arguments(self) -> dict[str, Any]:
        """The settings by the names of TRL's GRPOConfig.

        TRL no longer cuts prompts; those over `prompt_tokens` are left out before the run.
        """
        return {
            "num_generations": self.rollouts,
            "per_device_train_batch_size": self.batch_per_device,
            "gradient_accumulation_steps": self.accumulation,
            "max_completion_length": self.completion_tokens,
            "temperature": self.temperature,
            "top_p": 1.0,
            "top_k": 0,  # TRL's word for all tokens; -1 is vLLM's
            "repetition_penalty": 1.0,
            "learning_rate": self.learning_rate,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": self.warmup_steps,
            "weight_decay": 0.0,
            "beta": self.beta,
            "scale_rewards": "group" if self.scale_rewards else "none",
            "max_steps": self.steps,
            "logging_steps": 1,
        }


def check_split(inference: tuple[int, ...], training: tuple[int, ...]) -> None:
    """Raise InputError unless both sets of GPUs are given, disjoint and without repetition."""
    for flag, ids in (("--inference-gpus", inference), ("--training-gpus", training)):
        if not ids or min(ids) < 0 or len(set(ids)) < len(ids):
            raise InputError(f"{flag}: give each GPU's id once, as in 1,2")
    if shared := sorted(set(inference) & set(training)):
        both = ", ".join(map(str, shared))
        raise InputError(
            f"GPU {both} cannot serve answers and train at once: give --inference-gpus and "
            "--training-gpus different ids"
        )


def gpu_ids(text: str) -> tuple[int, ...]:
    """`1,2` as (1, 2). Raises InputError."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"{text!r} names no GPUs: write ids with commas, as in 1,2") from error


def batch_of(text: str) -> tuple[int, int]:
    """`2x4` as (2, 4): answers at a time on each GPU, and how often. Raises InputError."""
    match = re.fullmatch(r"\s*(\d+)\s*[xX\u00d7]\s*(\d+)\s*", text)
    if match is None or not all(map(int, match.groups())):
        raise InputError(
            f"--batch {text!r}: give the answers that a GPU reads at a time, and how often, as 2x4"
        )
    return int(match[1]), int(match[2])


def check_batch(settings: GrpoSettings) -> None:
    """Raise InputError unless a batch is whole groups and each device reads an equal part of them.

    The trainer needs per device x GPUs x accumulation to be a multiple of the rollouts, and splits
    each group evenly.
    """
    processes = max(1, len(settings.training_gpus))
    at_a_time = settings.batch_per_device * processes
    if settings.rollouts < 2:
        raise InputError("--rollouts: a group needs 2 or more answers to compare")
    if settings.rollouts % at_a_time:
        lower = settings.rollouts // at_a_time * at_a_time
        fit = [number for number in (lower, lower + at_a_time) if number]
        raise InputError(
            f"{processes} GPUs read {settings.batch_per_device} answers each at a time, and a group"
            f" of {settings.rollouts} is no whole number of such parts: give --rollouts"
            f" {' or '.join(map(str, fit))}"
        )
    if settings.batch % settings.rollouts:
        whole = settings.rollouts // at_a_time
        raise InputError(
            f"--batch: {settings.batch} answers are no whole number of groups of"
            f" {settings.rollouts}; give --batch {settings.batch_per_device}x{whole}"
        )
