"""Runs GRPO on Arbor: trains, watches, saves checkpoints, and shuts down cleanly."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import dspy
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from locomo.tasks.gains import Gain, card_scores, gains, verdict
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, Target, measured_target
from locomo.tasks.rewards import (
    WEIGHTS,
    QuestionScore,
    Reward,
    card_metric,
    metric_of,
)
from locomo.weights.arbor_client import CheckpointLost, Server, ServerError, WaitMonitor
from locomo.weights.arbor_job import FINAL, QuietGRPO, WatchedJob, arbor_grpo, trainee_lm
from locomo.weights.grpo import GrpoSettings
from locomo.weights.steps import (
    HeldOutLog,
    HeldOutRecord,
    StepLog,
    StepRecord,
    reason_to_stop,
    reward_summary,
    step_table,
)
from locomo.weights.trainee import MultiTaskProgram, with_target, with_trainee
from memory import MemoryProgram
from memory.errors import ModelError
from memory.program import Card, read_card
from memory.system.files import write_whole

CHECKPOINT_STEPS = 50  # steps between checkpoints
RUN_FILE, STEPS_FILE, LOG_FILE = "run.json", "steps.jsonl", "training.log"
HELD_OUT_FILE = "held_out.jsonl"


class TrainingStopped(Exception):
    """The run should stop; the message says why."""


class RunFile(BaseModel):
    """The state of a run, for resuming it. `server_folder` is on the server.

    With `trainer_state` that folder holds the trainer's state, too: its optimizer's moments, its
    place in the schedule and the start that KL counts from.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    made_of: str  # the fingerprint of settings and data, under the name that older files have
    step: int
    checkpoint: str
    server_folder: str | None
    trainer_state: bool = False


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

    def own_part(self, components: Mapping[str, float]) -> float | None:
        """The part of the reward that the trained modules can change; None where it is all."""
        if self.reward != "memory" or tuple(self.train) != ("answer",) or not components:
            return None
        return WEIGHTS["answer"] * components["answer"]


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


@dataclass
class TrainingRun:
    """A running training, which observes its job.

    Arguments:
        plan: what is to be done.
        server: where.
        show: called with the table after each step.
        say: called with each line that is worth printing.
        record: called with a step's numbers by name, for the experiment's record.
        begin: the checkpoint to go on from.
    """

    plan: TrainingPlan
    server: Server
    show: Callable[[Table], object]
    say: Callable[[str], object]
    record: Callable[[Mapping[str, float], int], object]
    begin: RunFile | None = None

    def __post_init__(self) -> None:
        self.step = self.begin.step if self.begin else 0
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        self.log = StepLog(self.plan.folder / STEPS_FILE, self.step)
        self.held_out = HeldOutLog(self.plan.folder / HELD_OUT_FILE, self.step)
        self.job: WatchedJob | None = None
        self.before: dict[str, list[QuestionScore]] = {}
        self.checkpoint: Path | None = None
        self._saved_step = self.step
        # Of each rollout since the last step: the metric's prediction, and how much SQL ran.
        self._rollouts: list[tuple[Any, float]] = []
        self._failures: list[str] = []  # of the rollouts in a row that could not be run
        self._step_began = time.monotonic()
        self._keeps_state = False  # whether the server's checkpoints have the trainer's state
        self._trainer_step = 0  # the newest of which the trainer's numbers were read

    def run(self) -> TrainingResult:
        """Train until the steps are done, a stop, or Ctrl-C; then free the server.

        Raises KeyboardInterrupt, and errors of the server or the model, after saving the last state
        if the server still answers.
        """
        optimizer, program, examples = self._prepared()
        stopped = ""
        after: dict[str, list[QuestionScore]] = {}
        try:
            optimizer.compile(program, trainset=examples)
            self._fetch_checkpoint(FINAL)
            after = self._validation_scores("after training")
        except TrainingStopped as reason:
            stopped = str(reason)
            self._save_last_state()
            after = self._validation_scores("after training")
        except BaseException:  # also Ctrl-C: what was trained is worth saving
            self._save_last_state()
            raise
        finally:
            self._free_server()
        self._name_best_checkpoint()
        rows = self.log.rows
        return TrainingResult(
            step=self.step,
            checkpoint=self.checkpoint,
            stopped=stopped,
            rows=rows,
            held_out=self.held_out.records,
            gains=paired_gains(self.before, after),
            reward_summary=reward_summary(rows),
        )

    def _prepared(self) -> tuple[QuietGRPO, MultiTaskProgram, list[dspy.Example]]:
        """The optimizer, the program that it trains, and the examples."""
        plan, server = self.plan, self.server
        folder = self.begin.server_folder if self.begin else None
        # A checkpoint without the trainer's state is the model of another job: the optimizer's
        # moments are lost, and KL counts from there (docs/decisions.md, 31).
        keeps_state = self.begin is not None and self.begin.trainer_state
        start = None if keeps_state else folder
        settings = replace(plan.settings, steps=plan.settings.steps - self.step)
        self.lm = trainee_lm(
            start or plan.model,
            server,
            settings,
            timeouts=server.timeouts,
            monitor=WaitMonitor(self._report_wait),
            observer=self,
        )
        self.bench = with_trainee(plan.bench, plan.adapter)
        targets = tuple(plan.train)
        program = MultiTaskProgram(
            plan.program, targets=targets, trained=targets, bench=self.bench, lm=self.lm
        )
        optimizer = arbor_grpo(
            self.judge,
            self.lm,
            adapter=self.bench.setup.model.adapter,
            settings=settings,
            num_threads=plan.threads,
            seed=plan.seed,
            steps_done=self.step,
            episodes="refine" in targets,
            checkpoint=folder if keeps_state else None,
        )
        examples = [
            example for target in targets for example in with_target(plan.train[target], target)
        ]
        return optimizer, program, examples

    def _report_wait(self, purpose: str, seconds: float) -> None:
        self.say(f"waiting for {purpose}: {seconds:.0f} s")

    # --- called by the job and by the optimizer -------------------------------------------------

    def job_started(self, job: WatchedJob) -> None:
        """The server has the model ready: the start is measured."""
        self.job = job
        self._check_split()
        self.before = self._validation_scores("before training")
        self._step_began = time.monotonic()

    def batch_requested(self) -> None:
        """The trainer asks for a batch. Raises ServerError when no rollout of one could be run."""
        if len(self._failures) >= self.plan.settings.rollouts:
            raise ServerError(f"no answer can be drawn any more: {self._failures[-1]}")

    def judge(self, gold: Any, pred: Any, trace: object = None) -> Any:
        """The metric; its prediction is kept until the step is done."""
        score = metric_of(self.plan.reward, self.plan.measured)(gold, pred)
        failure = str(getattr(pred, "failed", ""))
        # Counted in a row: one rollout that runs shows that answers can be drawn.
        self._failures = [*self._failures, failure] if failure else []
        sql_ran = [bool(outcome.sql) for outcome in getattr(pred, "outcomes", ())]
        self._rollouts.append((score, fmean(sql_ran) if sql_ran else 0.0))
        return score

    def group_accepted(self, batch_id: int, group: Sequence[Mapping[str, Any]]) -> None:
        """One group was accepted: its row, a checkpoint when it is time, a stop when it must."""
        self.step += 1
        # Rollouts of examples that gave no group were judged before these.
        rollouts = self._rollouts[-self.plan.settings.rollouts :]
        self._rollouts = []
        rewards = [float(completion["reward"]) for completion in group]
        now = time.monotonic()
        trainer, gpu = self._trainer_numbers()
        components = mean_numbers([score for score, _ in rollouts])
        row = StepRecord(
            step=self.step,
            reward=fmean(rewards),
            spread=pstdev(rewards),
            seconds=round(now - self._step_began, 2),
            components=components,
            valid_sql=fmean(share for _, share in rollouts) if rollouts else 0.0,
            trainer=trainer,
            gpu=gpu,
            own=self.plan.own_part(components),
        )
        self._step_began = now
        self.log.add(row)
        self.record(row.numbers(), self.step)
        self.show(step_table(self.log.rows, self.plan.settings.steps))

        plan = self.plan
        steps = plan.settings.steps
        if (
            self.step % plan.checkpoint_steps == 0 and self.step < steps
        ):  # the last one is saved by the server
            self._save_checkpoint()
        if reason := reason_to_stop(self.log.rows, plan.settings.groups_an_update):
            raise TrainingStopped(reason)
        if self.step < steps and plan.measuring_steps and self.step % plan.measuring_steps == 0:
            try:
                self._validation_scores(f"after step {self.step}")
            except ModelError as error:  # the curve lacks a point, the run goes on
                self.say(f"not measured: {error}")
            self._step_began = time.monotonic()

    # --- the server's side ------------------------------------------------------------------

    def _check_split(self) -> None:
        """Check on which GPUs the processes run. Raises ServerError if it is not as requested."""
        info, settings = self.server.describe(), self.plan.settings
        self._keeps_state = info.resumes
        requested = {"inference": settings.inference_gpus, "training": settings.training_gpus}
        for role in requested.keys() - {process.role for process in info.processes}:
            self.say(f"no process of the server tells on which GPUs its {role} runs")
        for process in info.processes:
            gpus = ", ".join(map(str, process.gpus)) or "none"
            self.say(f"process {process.pid}: {process.role} on GPU {gpus}")
            allowed = requested.get(process.role, ())
            # As it comes, Arbor takes the first free GPUs, whatever was asked for.
            if not set(process.gpus) <= set(allowed):
                raise ServerError(
                    f"{process.role} runs on GPU {gpus}, not on {', '.join(map(str, allowed))} as "
                    "asked: correct arbor.yaml and start the server again"
                )

    def _trainer_numbers(self) -> tuple[dict[str, float], float | None]:
        """The trainer's latest metrics and the use of GPUs; unavailable numbers are left out."""
        if self.job is None:
            return {}, None
        try:
            rows = self.server.metrics(self.job.provider_job_id, self._trainer_step)
            gpus = self.server.describe().gpus
        except ModelError:  # a step is not lost for want of numbers about it
            return {}, None
        numbers = dict(rows[-1]) if rows else {}
        if rows:
            self._trainer_step = int(numbers.pop("step"))
        return numbers, fmean(gpu.utilization for gpu in gpus) if gpus else None

    def _save_checkpoint(self) -> None:
        """Save a checkpoint; a lost one leaves the earlier ones unchanged."""
        name = f"step-{self.step}"
        try:
            assert self.job is not None
            self.job.save_checkpoint(name)
            self._fetch_checkpoint(name)
        except CheckpointLost as error:
            self.say(f"{error}; the earlier ones are kept, training goes on")

    def _fetch_checkpoint(self, name: str) -> None:
        """Download a checkpoint, then record it as the one to resume."""
        assert self.job is not None
        folder = self.plan.folder / (f"step-{self.step}" if name == FINAL else name)
        self.checkpoint = self.server.download(self.job.provider_job_id, name, folder)
        self._saved_step = self.step
        self._complete_card(self.checkpoint)
        server_folder = self.job.checkpoints.get(name, {}).get("checkpoint_dir")
        # The run's file comes last: it never names a checkpoint that is not here.
        state = RunFile(
            made_of=self.plan.fingerprint,
            step=self.step,
            checkpoint=folder.name,
            server_folder=server_folder,
            trainer_state=self._keeps_state and server_folder is not None,
        )
        write_whole(self.plan.folder / RUN_FILE, state.model_dump_json().encode())
        self.say(f"checkpoint of step {self.step}: {folder}; {reward_summary(self.log.rows)}")

    def _complete_card(self, folder: Path) -> None:
        """Name targets and conversations in the card: Arbor's protocol does not tell the server."""
        if not (folder / "adapter.json").exists():
            return
        card = read_card(folder)
        trained_on = [
            example.conversation for examples in self.plan.train.values() for example in examples
        ]
        completed = card.model_copy(
            update={
                "targets": list(self.plan.train),
                "conversations": list(dict.fromkeys([*card.conversations, *trained_on])),
            }
        )
        write_whole(folder / "adapter.json", completed.model_dump_json(indent=1).encode())

    def _save_last_state(self) -> None:
        """Save the last state before the server is freed, if it still answers."""
        if self.job is None or self.step == self._saved_step:
            return
        self.say("saving a last checkpoint")
        name = f"step-{self.step}"
        try:
            self.job.save_checkpoint(name)
            self._fetch_checkpoint(name)
        except ModelError as error:
            self.say(f"no last checkpoint: {error}")

    def _free_server(self) -> None:
        if self.job is not None and self.job.provider_job_id:
            try:
                self.server.close_job(self.job.provider_job_id)
            except ModelError as error:
                self.say(f"the server may still be busy with {self.job.provider_job_id}: {error}")

    def _name_best_checkpoint(self) -> None:
        """Print the checkpoint with the best held-out reward, which is often not the last."""
        folders = {
            self.plan.folder / f"step-{record.step}": record.means["reward"]
            for record in self.held_out.records
        }
        kept = [folder for folder in folders if (folder / "adapter_config.json").exists()]
        best = max(kept, key=folders.__getitem__, default=None)
        if best is not None and best != self.checkpoint:
            self.say(f"best held-out reward, {folders[best]:.3f}: {best}; compare it on others")

    def _validation_scores(self, when: str) -> dict[str, list[QuestionScore]]:
        """The validation examples' scores with the current policy, at temperature 0."""
        plan = self.plan
        if not plan.validation or self.job is None:
            return {}
        self.say(f"measuring {len(plan.validation)} validation examples {when}")
        student = MultiTaskProgram(
            plan.program,
            targets=(plan.measured,),
            trained=tuple(plan.train),
            bench=self.bench,
            lm=self.lm.copy(temperature=0.0),
        )
        examples = with_target(plan.validation, plan.measured)
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
        self._keep_held_out([score for of_example in scores.values() for score in of_example])
        return scores

    def _keep_held_out(self, scores: Sequence[QuestionScore]) -> None:
        means = self.held_out.add(self.step, scores)
        if means:
            self.record({f"held_out/{name}": mean for name, mean in means.items()}, self.step)


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


def card_of(
    result: TrainingResult,
    target: str,
    reward: Reward,
    data: str,
    parts: Mapping[str, Sequence[str]],
) -> Card:
    """The card of the tuned weights; its `model` is the folder of their checkpoint."""
    return Card(
        model=str(result.checkpoint),
        optimizer="grpo",
        target=target,
        metric=card_metric(reward, target),
        data=data,
        conversations={name: list(ids) for name, ids in parts.items()},
        scores=card_scores(result.gains),
        verdict=verdict(result.gains),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
