"""The options of train.py: their one declaration, and what follows from them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from typer import Option

from locomo.choices import MODULES, TARGETS, Reward, Target, check_reward
from locomo.commands import check_folder
from locomo.dataset.format import Conversation
from locomo.dataset.rows import GoldRows, rows_by_conversation
from locomo.split_data import SplitConversations, load_split, tuned_conversations
from locomo.weights.grpo import GrpoSettings, batch_of, check_split, gpu_ids
from memory import InputError
from memory.models import is_packaged

if TYPE_CHECKING:
    from locomo.tasks.training_data import Memories

RUN_FILE = "run.json"  # what a run is made of, among its checkpoints
ROOT = Path(__file__).parents[2]
SAMPLE_DATA = ROOT / "data" / "sample.json"
CHATS_DATA = ROOT / "data" / "chats.json"
GOLD_DATA = ROOT / "data" / "train"
ARBOR_YAML = ROOT / "arbor" / "arbor.yaml"
MODEL = "Qwen/Qwen2.5-3B"
VALIDATION, TEST = 100, 100  # examples, by default
# A rule that is easy to learn shows sooner than a memory's reward whether weights learn at all.
PLANTED_LEARNING_RATE = 2e-4
# Tokens of the longest right answers of the packaged model.
ANSWERS: dict[Target, int] = {"answer": 48, "retrieve": 256, "store": 160, "refine": 160}
ROW_TOKENS = 80  # of the rows of a turn: of data/rows the longest has 71
# What two cores do in fifteen minutes: short prompts, an adapter of the start's rank.
REHEARSAL = GrpoSettings(
    steps=60,
    learning_rate=2e-5,
    warmup_steps=5,
    lora_rank=16,
    lora_alpha=32,
    prompt_tokens=768,
    bf16=False,
    training_gpus=(1,),  # one device: this machine
)
# The options that --help lists; --help-all lists the others too.
LISTED = (
    *("mode", "rehearse", "engine", "target", "data", "model", "helper"),
    *("output", "resume"),
)
Mode = Literal["train", "evaluate", "check", "distill", "sft"]
Engine = Literal["arbor", "trl"]


@dataclass(frozen=True)
class TrainOptions:
    """The options of train.py, declared once: its command line is built from these fields.

    A field's name is its flag (`num_train` is `--num-train`), its annotation carries the help
    text. Defaults that depend on the mode are None here and properties below.
    """

    mode: Annotated[Mode, Option(help="what to do")] = "train"
    rehearse: Annotated[
        bool, Option("--rehearse", help="train the packaged model on this machine's CPU")
    ] = False
    engine: Annotated[
        Engine, Option(help="who trains: an Arbor server, or TRL and vLLM on this machine")
    ] = "arbor"
    target: Annotated[
        Literal["answer", "retrieve", "store", "sql", "refine", "all"],
        Option(help="the module to tune; sql: retrieve and store; all: every one but refine"),
    ] = "answer"
    data: Annotated[
        Path | None,
        Option(help="conversations, a file or a folder", show_default="data/train"),
    ] = None
    further_data: Annotated[
        Path | None, Option(help="a second folder for GRPO, measured on its validation part")
    ] = None
    split: Annotated[
        str, Option(help="how conversations are split: default, memory-r1, seven-three")
    ] = "default"
    num_train: Annotated[
        int | None, Option(help="training examples; 600, or all for sft; 0: all", min=0)
    ] = None
    num_val: Annotated[
        int | None,
        Option(help="held-out examples to measure on while training; 100; 0: none", min=0),
    ] = None
    measure_every: Annotated[
        int | None, Option(help="steps between these measurements; 50, a rehearsal 100", min=0)
    ] = None
    num_test: Annotated[int | None, Option(help="questions to compare on; 100; 0: all", min=0)] = (
        None
    )
    num_train_steps: Annotated[
        int | None, Option(help="training steps; 500, a rehearsal 60", min=1)
    ] = None
    model: Annotated[str | None, Option(help=f"the model to tune: {MODEL}, or local for sft")] = (
        None
    )
    start: Annotated[Path | None, Option(help="the adapter to start from, or to compare with")] = (
        None
    )
    start_share: Annotated[
        float,
        Option(help="sft: weight of the start in the saved adapter; 0.5: the mean", min=0, max=1),
    ] = 0.0
    server: Annotated[str, Option(help="address of the Arbor server")] = "http://127.0.0.1:7453/v1"
    inference_gpus: Annotated[str, Option(help="ids of the GPUs that answer")] = "0"
    training_gpus: Annotated[str, Option(help="ids of the GPUs that train")] = "1,2"
    rollouts: Annotated[int, Option(help="answers drawn for each example", min=2)] = 8
    batch: Annotated[
        str | None,
        Option(help="answers a GPU reads at a time x how often, for a change; 2x4, rehearsal 8x1"),
    ] = None
    learning_rate: Annotated[
        float | None, Option(help="step size; 2e-5 for GRPO, 3e-4 for sft")
    ] = None
    reward: Annotated[Reward, Option(help="the score to improve, see docs/optimizing.md")] = (
        "memory"
    )
    operations: Annotated[int, Option(help="tool calls of a refining episode at most", min=1)] = 30
    turns_only: Annotated[
        bool, Option("--turns-only", help="memories without facts: no model stores or retrieves")
    ] = False
    unanswerable: Annotated[
        float, Option(help="share of the questions of category 5 that GRPO uses", min=0, max=1)
    ] = 1.0
    helper: Annotated[str, Option(help="the model for the modules that are not tuned")] = "local"
    helper_api_base: Annotated[str | None, Option(help="address of the helper's server")] = None
    examples: Annotated[
        Path | None, Option(help="examples that distill writes and sft reads instead of --data")
    ] = None
    epochs: Annotated[int, Option(help="passes over the examples", min=1)] = 1
    minutes: Annotated[
        float | None, Option(help="end sft or a rehearsal after this many", min=0)
    ] = None
    num_threads: Annotated[int, Option(help="examples run at a time", min=1)] = 8
    seed: Annotated[int, Option(help="seed for drawing examples and the split", min=0)] = 0
    resume: Annotated[bool, Option("--resume", help="continue from the last checkpoint")] = False
    output: Annotated[Path, Option(help="file for the program and its card")] = Path(
        "grpo_optimized_memory_qa.json"
    )
    output_dir: Annotated[Path, Option(help="folder for memories")] = Path("results")
    checkpoints: Annotated[Path, Option(help="folder for adapters, steps and the log")] = Path(
        "grpo_checkpoints"
    )

    @property
    def data_path(self) -> Path:
        """The conversations to work on: a file or a folder."""
        return self.data or GOLD_DATA

    @property
    def training_examples(self) -> int:
        """How many training examples to draw in all; 0 for every one there is."""
        if self.num_train is not None:
            return self.num_train
        return 0 if self.mode == "sft" else 600

    @property
    def validation_examples(self) -> int:
        """How many held-out examples to draw; 0 for none."""
        return VALIDATION if self.num_val is None else self.num_val

    @property
    def test_questions(self) -> int:
        """How many questions to compare on; 0 for every one there is."""
        return TEST if self.num_test is None else self.num_test

    @property
    def targets(self) -> tuple[Target, ...]:
        """The modules to tune, in their order of work."""
        groups = {"all": TARGETS, "sql": ("retrieve", "store")}
        chosen = groups.get(self.target, (self.target,))
        return tuple(target for target in MODULES if target in chosen)

    @property
    def student(self) -> str:
        """The name of the model to tune."""
        local = self.rehearse or self.mode in ("distill", "sft")
        return self.model or ("local" if local else MODEL)

    @property
    def measuring_steps(self) -> int:
        """Steps between measurements on held-out examples; 0 for none but before and after."""
        if self.measure_every is not None:
            return self.measure_every
        return 100 if self.rehearse else 50

    @property
    def examples_file(self) -> Path:
        """The default path of distilled examples."""
        return self.examples or Path("sft_examples.jsonl")

    @cached_property
    def conversations(self) -> SplitConversations:
        """The conversations of the data, and the parts that they are in. Raises InputError."""
        return load_split(self.data_path, self.seed, self.split, self.further_data)

    @property
    def parts(self) -> Mapping[str, Sequence[str]]:
        """The conversations' ids by part of the split."""
        return self.conversations.parts

    @cached_property
    def rows(self) -> Mapping[str, GoldRows]:
        """Gold rows by conversation, if storing is trained by them. Raises InputError."""
        if self.reward != "rows":
            return {}
        rows = rows_by_conversation(self.data_path)
        if not rows:
            raise InputError(
                f"--reward rows: {self.data_path} has no gold rows (field `rows`, see"
                " data/README.md); give --data data/rows"
            )
        return rows

    def memories(self, conversations: Mapping[str, Conversation]) -> "Memories":
        """Where and how the memories of conversations are built."""
        from locomo.tasks.training_data import Memories  # with DSPy

        return Memories(
            conversations,
            folder=self.output_dir / "memories",
            threads=self.num_threads,
            turns_only=self.turns_only,
        )

    def check(self) -> None:
        """Raise InputError for options that exclude each other, or paths that are not writable."""
        check_reward(self.reward, self.target, rehearsal=self.rehearse)
        if self.turns_only and self.targets != ("answer",):
            raise InputError("--turns-only is for --target answer: the others work on facts")
        if self.further_data and self.mode in ("sft", "distill"):
            raise InputError("--further-data is for GRPO; tune on one folder after the other")
        if self.target == "refine" and (self.rehearse or self.mode in ("distill", "sft")):
            raise InputError(
                "--target refine is for GRPO on a server: the packaged model, which a rehearsal"
                " trains, is too small for tool calls, and there are no examples to imitate"
            )
        if self.engine == "trl":
            self._check_trl()
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise InputError(f"--learning-rate {self.learning_rate:g}: give one between 0 and 1")
        if self.output.is_dir():
            raise InputError(f"--output {self.output} is a folder; give a file")
        check_folder(self.output.absolute().parent, "--output")
        check_folder(self.output_dir, "--output-dir")
        if self.start_share and (self.mode != "sft" or not self.start):
            raise InputError("--start-share is for sft, with the adapter to --start from")
        # A gain on conversations that the start was tuned on would say nothing.
        learned = tuned_conversations(self.start) if self.mode == "train" else set()
        if seen := learned and learned & set(self.parts["validation"]):
            raise InputError(
                f"--start was tuned on {', '.join(sorted(seen))}, which --seed {self.seed} "
                "measures on: give the --seed of its examples"
            )

    def _check_trl(self) -> None:
        if self.target == "refine":
            raise InputError(
                "--engine trl trains modules that are asked once; an episode of --target refine"
                " has many calls: take --engine arbor, or verl (docs/tuning.md)"
            )
        if self.mode in ("train", "check") and not self.rehearse and is_packaged(self.student):
            raise InputError("--engine trl serves --model by vLLM; add --rehearse for local")

    def check_unused(self, resuming: bool = False) -> None:
        """Raise InputError before the checkpoints of another run are written over."""
        if resuming == self.resume and (self.checkpoints / RUN_FILE).exists():
            raise InputError(
                f"{self.checkpoints} holds another run, or one with other options: give another "
                "--checkpoints, or --resume with that run's options"
            )

    def settings(self) -> GrpoSettings:
        """The trainer's settings. Raises InputError for an invalid split of GPUs."""
        # A rehearsal draws answers no longer than the longest right one.
        longest = max(ANSWERS[target] for target in self.targets)
        if self.reward == "rows":
            longest = ROW_TOKENS
        rehearsed = replace(REHEARSAL, completion_tokens=longest)
        defaults = rehearsed if self.rehearse else GrpoSettings()
        inference, training = defaults.inference_gpus, defaults.training_gpus
        if not self.rehearse:
            inference, training = gpu_ids(self.inference_gpus), gpu_ids(self.training_gpus)
            check_split(inference, training)
        # Together the answers of a rehearsal share their prompt, which is then read once.
        batch = self.batch or ("8x1" if self.rehearse else "2x4")
        per_device, accumulation = batch_of(batch)
        return replace(
            defaults,
            batch_per_device=per_device,
            accumulation=accumulation,
            steps=self.num_train_steps or defaults.steps,
            rollouts=self.rollouts,
            learning_rate=self.learning_rate
            or (PLANTED_LEARNING_RATE if self.reward == "planted" else defaults.learning_rate),
            # Each call of an episode is its own group.
            groups_a_step=self.operations if self.target == "refine" else 1,
            inference_gpus=inference,
            training_gpus=training,
        )

    def params(self, settings: GrpoSettings, data: str, start: str) -> dict[str, object]:
        """The parameters of a run, for MLflow and its fingerprint."""
        return {
            **asdict(settings),
            "target": self.target,
            "reward": self.reward,
            "start": str(self.start or start),
            "data": data,
            "split": self.split,
            "num_train": self.training_examples,
            "num_val": self.validation_examples,
            "turns_only": self.turns_only,
            "unanswerable": self.unanswerable,
            "helper": self.helper,
            "seed": self.seed,
            **({"operations": self.operations} if self.target == "refine" else {}),
            **({"engine": self.engine} if self.engine != "arbor" else {}),
        }


def command_line(words: Sequence[str]) -> str:
    """A command line to show: absolute paths cut to their name, addresses to scheme and host."""
    return shlex.join(_without_secrets(word) for word in words)


def _without_secrets(word: str) -> str:
    option, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if urlsplit(value).netloc:  # it may hold a password
        value = f"{urlsplit(value).scheme}://{urlsplit(value).hostname}"
    elif Path(value).is_absolute():
        value = Path(value).name
    return option + sign + value
