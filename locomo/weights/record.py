"""What a training is to do, what it writes and tells while it runs, and how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import dspy
from pydantic import BaseModel, ConfigDict, ValidationError

from locomo.choices import Reward, Target
from locomo.tasks.gains import Gain, gains
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, measured_target
from locomo.tasks.rewards import WEIGHTS, QuestionScore, mean_components
from locomo.weights.grpo import GrpoSettings
from locomo.weights.options import RUN_FILE
from locomo.weights.steps import (
    HeldOutRecord,
    StepRecord,
    lines_by_step,
    reward_summary,
)
from memory import MemoryProgram
from memory.system import write_whole

CHECKPOINT_STEPS = 50  # steps between checkpoints
STEPS_FILE, LOG_FILE = "steps.jsonl", "training.log"
HELD_OUT_FILE = "held_out.jsonl"
Scores = dict[str, list[QuestionScore]]  # of each example's questions, by its name


class RunFile(BaseModel):
    """The state of a run, for resuming it.

    `server_folder` is on the server, with the trainer's state: its optimizer's moments, its place
    in the schedule and the start that KL counts from. A rehearsal keeps its own in its folder.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    made_of: str  # the fingerprint of settings and data
    step: int
    checkpoint: str
    server_folder: str | None


@dataclass(frozen=True)
class TrainingPlan:
    """A training: examples by target, the trainee's prompt format, the folder of checkpoints.

    `model` is the start, as the server knows it; `fingerprint` names the run's settings and data.
    The validation examples are measured before and after, and each `measuring_steps` (0: not).
    """

    settings: GrpoSettings
    model: str
    adapter: dspy.Adapter
    program: MemoryProgram
    bench: Bench
    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]
    reward: Reward
    threads: int
    seed: int
    folder: Path
    fingerprint: str
    checkpoint_steps: int = CHECKPOINT_STEPS
    measuring_steps: int = 0

    @property
    def measured(self) -> Target:
        """The target of the validation examples."""
        return measured_target(tuple(self.train))

    @property
    def conversations(self) -> list[str]:
        """The ids of the conversations that the examples of training are from."""
        examples = [example for of_target in self.train.values() for example in of_target]
        return list(dict.fromkeys(example.conversation for example in examples))

    def own_part(self, components: Mapping[str, float]) -> float | None:
        """The part of the reward that the trained modules can change; None where it is all."""
        if self.reward != "memory" or tuple(self.train) != ("answer",) or not components:
            return None
        return WEIGHTS["answer"] * components["answer"]

    def measures_at(self, step: int) -> bool:
        """Whether the validation examples are measured after a step; the end has its own time."""
        period = self.measuring_steps
        return bool(period) and step % period == 0 and step < self.settings.steps


@dataclass(frozen=True)
class TrainingResult:
    """The end of a run: its last step, the reason of an early stop, its gain in validation."""

    step: int
    checkpoint: Path | None
    stopped: str
    rows: Sequence[StepRecord]
    held_out: Sequence[HeldOutRecord]
    gains: Sequence[Gain]
    reward_summary: str


def last_checkpoint(folder: Path, fingerprint: str) -> RunFile | None:
    """The checkpoint that a run of the same settings and data can resume; None without one."""
    try:
        state = RunFile.model_validate_json((folder / RUN_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    is_here = (folder / state.checkpoint / "adapter_config.json").exists()
    return state if state.made_of == fingerprint and is_here else None


class RunRecord:
    """The steps, measurements and checkpoints of a training: on disk as they come, and told.

    Arguments:
        plan: what is to be done; its `folder` gets the files.
        show: called with each step.
        say: called with each line that is worth printing.
        log: called with a step's numbers by name, for the experiment's record.
        begin: the checkpoint to go on from; what came after it was lost.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        show: Callable[[StepRecord], object],
        say: Callable[[str], object],
        log: Callable[[Mapping[str, float], int], object],
        begin: RunFile | None = None,
    ) -> None:
        self.plan, self.begin = plan, begin
        self.show, self.say, self._log = show, say, log
        step = begin.step if begin else 0
        plan.folder.mkdir(parents=True, exist_ok=True)
        self.steps = lines_by_step(plan.folder / STEPS_FILE, StepRecord, step)
        self._held_out = lines_by_step(plan.folder / HELD_OUT_FILE, HeldOutRecord, step)
        self.checkpoint: Path | None = None  # of this session

    @property
    def rows(self) -> list[StepRecord]:
        """The steps so far, in order."""
        return list(self.steps.records.values())

    def add_step(self, row: StepRecord) -> None:
        """Keep and show a step."""
        self.steps.add(row)
        self._log(row.numbers(), row.step)
        self.show(row)

    def add_checkpoint(self, step: int, folder: Path, server_folder: str | None = None) -> None:
        """Record a checkpoint that is here as the one to go on from."""
        self.checkpoint = folder
        state = RunFile(
            made_of=self.plan.fingerprint,
            step=step,
            checkpoint=folder.name,
            server_folder=server_folder,
        )
        # Last: the run's file never names a checkpoint that is not here.
        write_whole(self.plan.folder / RUN_FILE, state.model_dump_json().encode())
        self.say(f"checkpoint of step {step}: {folder}; {reward_summary(self.rows)}")

    def measure(
        self, student: dspy.Module, examples: Sequence[dspy.Example], *, step: int, when: str
    ) -> Scores:
        """The scores of validation examples; their means are kept. Raises ModelError."""
        plan = self.plan
        self.say(f"measuring {len(examples)} validation examples {when}")
        scores, failures = measure(
            student,
            examples,
            threads=plan.threads,
            log=plan.folder / LOG_FILE,
            reward=plan.reward,
            target=plan.measured,
        )
        if failures:
            self.say(f"{len(failures)} failed and are left out, the last: {failures[-1]}")
        self.add_measurement(
            step, [score for of_example in scores.values() for score in of_example]
        )
        return scores

    def add_measurement(self, step: int, scores: Sequence[QuestionScore]) -> None:
        """Keep the means of what was measured after a step."""
        if not scores:
            return
        means = mean_components(scores)
        self._held_out.add(HeldOutRecord(step, questions=len(scores), means=means))
        self._log({f"held_out/{name}": mean for name, mean in means.items()}, step)

    def result(self, step: int, stopped: str, before: Scores, after: Scores) -> TrainingResult:
        """How the run ended; names the best checkpoint where it is not the last."""
        self._name_best_checkpoint()
        return TrainingResult(
            step=step,
            checkpoint=self.checkpoint,
            stopped=stopped,
            rows=self.rows,
            held_out=list(self._held_out.records.values()),
            gains=paired_gains(before, after),
            reward_summary=reward_summary(self.rows),
        )

    def _name_best_checkpoint(self) -> None:
        """Print the checkpoint with the best held-out reward, which is often not the last."""
        rewards = {
            self.plan.folder / f"step-{record.step}": record.means["reward"]
            for record in self._held_out.records.values()
        }
        folders = [folder for folder in rewards if (folder / "adapter_config.json").exists()]
        best = max(folders, key=rewards.__getitem__, default=None)
        if best is not None and best != self.checkpoint:
            self.say(f"best held-out reward, {rewards[best]:.3f}: {best}; compare it on others")


def mean_numbers(scores: Sequence[Any]) -> dict[str, float]:
    """The means of the components of the metric's predictions, without score and feedback."""
    if not scores:
        return {}
    fields = scores[0].keys()
    return {
        name: fmean(float(score[name]) for score in scores)
        for name in fields
        if name not in ("score", "feedback")
    }


def paired_gains(
    before: Mapping[str, Sequence[QuestionScore]], after: Mapping[str, Sequence[QuestionScore]]
) -> list[Gain]:
    """The gains over the examples that were scored on both sides, by the examples' names."""
    names = [name for name in before if name in after]
    return gains(
        [score for name in names for score in before[name]],
        [score for name in names for score in after[name]],
    )
