"""The command line of train.py as a value, and what follows from it."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from locomo.commands import check_folder
from locomo.dataset.format import load_conversations
from locomo.split_data import split as split_ids
from locomo.tasks.modules import TARGETS, Target
from locomo.tasks.rewards import Reward
from locomo.weights.comparison import tuned_conversations
from locomo.weights.grpo import GrpoSettings, check_split, gpu_ids
from locomo.weights.training import RUN_FILE
from memory import InputError

MODEL = "Qwen/Qwen2.5-3B"
DAY = 24 * 60.0  # minutes
PACKAGED = "SmolLM2-135M-Instruct"  # as a rehearsal's server knows the packaged model
# Tokens of the longest right answers of the packaged model.
ANSWERS: dict[Target, int] = {"answer": 48, "retrieve": 256, "store": 160}
# What two cores do in twenty minutes: a small adapter, short prompts, larger steps.
REHEARSAL = GrpoSettings(
    steps=50,
    learning_rate=1e-4,
    warmup_steps=5,
    lora_rank=16,
    lora_alpha=32,
    prompt_tokens=768,
    bf16=False,
    training_gpus=(1,),
)
Mode = Literal["train", "evaluate", "check", "distill", "sft"]


@dataclass(frozen=True)
class TrainOptions:
    """The command line."""

    mode: Mode
    rehearse: bool
    target: Literal["answer", "retrieve", "store", "sql", "all"]
    data: Path
    split: str
    num_train: int
    num_val: int
    num_test: int
    num_train_steps: int | None
    model: str | None
    start: Path | None
    server: str
    inference_gpus: str
    training_gpus: str
    rollouts: int
    learning_rate: float | None
    reward: Reward
    helper: str
    helper_api_base: str | None
    examples: Path | None
    epochs: int
    minutes: float | None
    together: bool
    num_threads: int
    port: int
    seed: int
    resume: bool
    yes: bool
    output: Path
    output_dir: Path
    checkpoints: Path

    @property
    def targets(self) -> tuple[Target, ...]:
        """The modules to tune, in the order in which they work."""
        either = {"all": TARGETS, "sql": ("retrieve", "store")}.get(self.target, (self.target,))
        return tuple(one for one in TARGETS if one in either)

    @property
    def student(self) -> str:
        """The name of the model to tune."""
        local = self.rehearse or self.mode in ("distill", "sft")
        return self.model or ("local" if local else MODEL)

    @property
    def examples_file(self) -> Path:
        """Where distilled examples are, unless told otherwise."""
        return self.examples or Path("sft_examples.jsonl")

    @property
    def parts(self) -> dict[str, list[str]]:
        """The conversations' ids by part of the split."""
        return split_ids([one.id for one in load_conversations(self.data)], self.seed, self.split)

    def check(self) -> None:
        """Raise InputError for options at odds, or places that cannot be written to."""
        if self.reward == "gated" and self.target not in ("retrieve", "store"):
            raise InputError("--reward gated is for --target retrieve or --target store")
        if self.output.is_dir():
            raise InputError(f"--output {self.output} is a folder; give a file")
        check_folder(self.output.absolute().parent, "--output")
        check_folder(self.output_dir, "--output-dir")
        learned = tuned_conversations(self.start) if self.mode == "train" else set()
        if seen := learned and learned & set(self.parts["validation"]):
            raise InputError(
                f"--start was tuned on {', '.join(sorted(seen))}, which --seed {self.seed} "
                "measures on: give the --seed of its examples"
            )

    def check_unused(self, resuming: bool = False) -> None:
        """Raise InputError before the checkpoints of another run are written over."""
        if resuming == self.resume and (self.checkpoints / RUN_FILE).exists():
            raise InputError(
                f"{self.checkpoints} holds another run, or one with other options: give another "
                "--checkpoints, or --resume with that run's options"
            )

    def settings(self) -> GrpoSettings:
        """What the trainer is told. Raises InputError for GPUs that cannot be split so."""
        longest = max(ANSWERS[target] for target in self.targets)
        rehearsed = replace(REHEARSAL, completion_tokens=longest)
        usual = rehearsed if self.rehearse else GrpoSettings()
        inference, training = usual.inference_gpus, usual.training_gpus
        if not self.rehearse:
            inference, training = gpu_ids(self.inference_gpus), gpu_ids(self.training_gpus)
            check_split(inference, training)
        return replace(
            usual,
            steps=self.num_train_steps or usual.steps,
            rollouts=self.rollouts,
            learning_rate=self.learning_rate or usual.learning_rate,
            inference_gpus=inference,
            training_gpus=training,
        )

    def params(self, settings: GrpoSettings, data: str, start: str) -> dict[str, object]:
        """What a run is made of, for the record and to know it again."""
        return {
            **asdict(settings),
            "target": self.target,
            "reward": self.reward,
            "start": str(self.start or start),
            "data": data,
            "split": self.split,
            "num_train": self.num_train,
            "num_val": self.num_val,
            "helper": self.helper,
            "seed": self.seed,
        }


def command_line(words: Sequence[str]) -> str:
    """A command line to be shown: of absolute paths the name, of addresses scheme and host."""
    return shlex.join(_shown(word) for word in words)


def _shown(word: str) -> str:
    option, sign, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    if urlsplit(value).netloc:  # it may hold a password
        value = f"{urlsplit(value).scheme}://{urlsplit(value).hostname}"
    elif Path(value).is_absolute():
        value = Path(value).name
    return option + sign + value
