"""A GRPO run on Arbor from beginning to end: train, watch, checkpoint, stop in good order."""

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

from locomo.tasks.gains import Gain, gains, verdict
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, Target, measured_target
from locomo.tasks.rewards import QuestionScore, Reward, card_metric, metric_of
from locomo.weights.arbor_client import CheckpointLost, Server, ServerError, WaitMonitor
from locomo.weights.arbor_job import FINAL, WatchedJob, arbor_grpo, trainee_lm
from locomo.weights.grpo import GrpoSettings
from locomo.weights.steps import StepLog, StepRecord, reason_to_stop, reward_summary, step_table
from locomo.weights.trainee import MultiTaskProgram, with_target, with_trainee
from memory import Card, MemoryProgram, ModelError
from memory.files import write_whole
from memory.program import read_card

CHECKPOINT_STEPS = 50  # steps between checkpoints
RUN_FILE, STEPS_FILE, LOG_FILE = "run.json", "steps.jsonl", "training.log"


class TrainingStopped(Exception):
    """The run should not go on; the message says why."""


class RunFile(BaseModel):
    """Where a run stands: what a later one goes on from. `server_folder` is on the server."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    made_of: str
    step: int
    checkpoint: str
    server_folder: str | None


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained: examples by target, how the trainee is spoken to, where it is kept.

    `model` is the start, as the server knows it; `made_of` names the run's settings and data.
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
    made_of: str
    every: int = CHECKPOINT_STEPS

    @property
    def measured(self) -> Target:
        """What the validation examples are of."""
        return measured_target(tuple(self.train))


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: after which step, why before its time, and what it gained in validation."""

    step: int
    checkpoint: Path | None
    stopped: str
    rows: Sequence[StepRecord]
    gains: Sequence[Gain]
    reward_summary: str


def last_checkpoint(folder: Path, made_of: str) -> RunFile | None:
    """What a run of the same settings and data can go on from; None when there is nothing."""
    try:
        found = RunFile.model_validate_json((folder / RUN_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    there = (folder / found.checkpoint / "adapter_config.json").exists()
    return found if found.made_of == made_of and there else None


@dataclass
class TrainingRun:
    """One run under way: its job's observer.

    Arguments:
        plan: what is to be done.
        server: where.
        show: told of the table after each step.
        say: told of what is worth a line.
        record: told a step's numbers by name, for the experiment's record.
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
        self.rows = StepLog(self.plan.folder / STEPS_FILE, self.step)
        self.job: WatchedJob | None = None
        self.before: dict[str, list[QuestionScore]] = {}
        self.checkpoint: Path | None = None
        self._kept = self.step
        self._judged: list[Any] = []
        self._failures: list[str] = []
        self._since = time.monotonic()
        self._trainer_steps = 0

    def run(self) -> TrainingResult:
        """Train until the steps are done, a stop, or Ctrl-C; the server is free afterwards.

        Raises KeyboardInterrupt and what the server or the model failed with, after the last
        state was saved as far as the server still answers.
        """
        plan, start = self.plan, self.begin.server_folder if self.begin else None
        settings = replace(plan.settings, steps=plan.settings.steps - self.step)
        server = self.server
        monitor = WaitMonitor(self._waits)
        lm = trainee_lm(
            start or plan.model, server, settings, server.timeouts, monitor, observer=self
        )
        self.bench = with_trainee(plan.bench, plan.adapter)
        self.lm, targets = lm, tuple(plan.train)
        team = MultiTaskProgram(plan.program, targets, targets, self.bench, lm)
        examples = [one for t, some in plan.train.items() for one in with_target(some, t)]
        adapter = self.bench.setup.model.adapter
        optimizer = arbor_grpo(
            self.judge, lm, adapter, settings, plan.threads, plan.seed, begun=self.step
        )
        stopped, after = "", {}
        try:
            optimizer.compile(team, trainset=examples)
            self._keep(FINAL)
            after = self._validated("after")
        except TrainingStopped as reason:
            stopped = str(reason)
            self._rescue()
            after = self._validated("after")
        except BaseException:
            self._rescue()
            raise
        finally:
            self._free()
        both = [key for key in self.before if key in after]
        found = gains(*([s for key in both for s in side[key]] for side in (self.before, after)))
        rows = self.rows.rows
        return TrainingResult(
            self.step, self.checkpoint, stopped, rows, found, reward_summary(rows)
        )

    def _waits(self, what: str, seconds: float) -> None:
        self.say(f"waiting for {what}: {seconds:.0f} s")

    # --- what the job and the metric tell --------------------------------------------------

    def started(self, job: WatchedJob) -> None:
        """The server has the model ready: the start is measured."""
        self.job = job
        self._check_split()
        self.before = self._validated("before")
        self._since = time.monotonic()

    def asked(self) -> None:
        """The trainer asks for a batch. Raises ServerError when no rollout of one could be run."""
        if len(self._failures) >= self.plan.settings.rollouts:
            raise ServerError(f"no answer can be drawn any more: {self._failures[-1]}")

    def judge(self, gold: Any, pred: Any, trace: object = None) -> Any:
        """The metric; what it says is kept until the step is done."""
        judged = metric_of(self.plan.reward, self.plan.measured)(gold, pred)
        failed = str(getattr(pred, "failed", ""))
        self._failures = [*self._failures, failed] if failed else []
        ran = [bool(one.sql) for one in getattr(pred, "outcomes", ())]
        self._judged.append((judged, fmean(ran) if ran else 0.0))
        return judged

    def stepped(self, batch_id: int, group: Sequence[Mapping[str, Any]]) -> None:
        """One group was accepted: its row, a checkpoint when it is time, a stop when it must."""
        self.step += 1
        # Rollouts of examples that gave no group were judged before these.
        judged, self._judged = self._judged[-self.plan.settings.rollouts :], []
        rewards = [float(one["reward"]) for one in group]
        told = [one for one, _ in judged]
        names = [n for n in (told[0].keys() if told else ()) if n not in ("score", "feedback")]
        now = time.monotonic()
        trainer, gpu = self._trainer()
        row = StepRecord(
            step=self.step,
            reward=fmean(rewards),
            spread=pstdev(rewards),
            seconds=round(now - self._since, 2),
            components={name: fmean(float(one[name]) for one in told) for name in names},
            valid_sql=fmean(share for _, share in judged) if judged else 0.0,
            trainer=trainer,
            gpu=gpu,
        )
        self._since = now
        self.rows.add(row)
        self.record(row.numbers(), self.step)
        self.show(step_table(self.rows.rows, self.plan.settings.steps))
        if self.step % self.plan.every == 0 and self.step < self.plan.settings.steps:
            self._checkpoint()
        if reason := reason_to_stop(self.rows.rows):
            raise TrainingStopped(reason)

    # --- the server's side ------------------------------------------------------------------

    def _check_split(self) -> None:
        """Ask the processes themselves where they run. Raises ServerError when it is elsewhere."""
        info, settings = self.server.describe(), self.plan.settings
        wanted = {"inference": settings.inference_gpus, "training": settings.training_gpus}
        for role in wanted.keys() - {process.role for process in info.processes}:
            self.say(f"no process of the server tells on which GPUs its {role} runs")
        for process in info.processes:
            gpus = ", ".join(map(str, process.gpus)) or "none"
            self.say(f"process {process.pid}: {process.role} on GPU {gpus}")
            asked = wanted.get(process.role, ())
            if not info.rehearsal and not set(process.gpus) <= set(asked):
                raise ServerError(
                    f"{process.role} runs on GPU {gpus}, not on {', '.join(map(str, asked))} as "
                    "asked: correct arbor.yaml and start the server again"
                )

    def _trainer(self) -> tuple[dict[str, float], float | None]:
        """The trainer's newest numbers and the GPUs' use; what cannot be had is left out."""
        if self.job is None:
            return {}, None
        try:
            new = self.server.metrics(self.job.provider_job_id, self._trainer_steps)
            gpus = self.server.describe().gpus
        except ModelError:
            return {}, None
        if new:
            self._trainer_steps = int(new[-1]["step"])
        numbers = dict(new[-1]) if new else {}
        numbers.pop("step", None)
        return numbers, fmean(one.utilization for one in gpus) if gpus else None

    def _checkpoint(self) -> None:
        """Save where the run stands; one that is lost leaves the earlier ones as they are."""
        name = f"step-{self.step}"
        try:
            assert self.job is not None
            self.job.save_checkpoint(name)
            self._keep(name)
        except CheckpointLost as error:
            self.say(f"{error}; the earlier ones are kept, training goes on")

    def _keep(self, name: str) -> None:
        """Bring a checkpoint here, then name it as the one to go on from."""
        assert self.job is not None
        folder = self.plan.folder / (f"step-{self.step}" if name == FINAL else name)
        self.checkpoint = self.server.download(self.job.provider_job_id, name, folder)
        self._kept = self.step
        self._name_targets(self.checkpoint)
        there = self.job.checkpoints.get(name, {}).get("checkpoint_dir")
        state = RunFile(
            made_of=self.plan.made_of, step=self.step, checkpoint=folder.name, server_folder=there
        )
        write_whole(self.plan.folder / RUN_FILE, state.model_dump_json().encode())
        self.say(f"checkpoint of step {self.step}: {folder}; {reward_summary(self.rows.rows)}")

    def _name_targets(self, folder: Path) -> None:
        """Arbor's protocol does not tell a server what is trained for: its card learns it here."""
        if not (folder / "adapter.json").exists():
            return
        plan, card = self.plan, read_card(folder)
        learned = dict.fromkeys(e.conversation for some in plan.train.values() for e in some)
        told = {
            "targets": list(plan.train),
            "conversations": list(dict.fromkeys([*card.conversations, *learned])),
        }
        write_whole(
            folder / "adapter.json", card.model_copy(update=told).model_dump_json(indent=1).encode()
        )

    def _rescue(self) -> None:
        """Save what there is before the server is freed, as far as it answers."""
        if self.job is None or self.step == self._kept:
            return
        self.say("saving a last checkpoint")
        name = f"step-{self.step}"
        try:
            self.job.save_checkpoint(name)
            self._keep(name)
        except ModelError as error:
            self.say(f"no last checkpoint: {error}")

    def _free(self) -> None:
        if self.job is not None and self.job.provider_job_id:
            try:
                self.server.close_job(self.job.provider_job_id)
            except ModelError as error:
                self.say(f"the server may still be busy with {self.job.provider_job_id}: {error}")

    def _validated(self, when: str) -> dict[str, list[QuestionScore]]:
        """The validation examples' scores with the policy as it is, at temperature 0."""
        plan = self.plan
        if not plan.validation or self.job is None:
            return {}
        self.say(f"measuring {len(plan.validation)} validation examples {when} training")
        sober = self.lm.copy(temperature=0.0)
        student = MultiTaskProgram(
            plan.program, (plan.measured,), tuple(plan.train), self.bench, sober
        )
        examples = with_target(plan.validation, plan.measured)
        log = plan.folder / LOG_FILE
        scores, failed = measure(student, examples, plan.threads, log)
        if failed:
            self.say(f"{len(failed)} failed and are left out, the last: {failed[-1]}")
        return scores


def card_of(
    trained: TrainingResult,
    target: str,
    reward: Reward,
    data: str,
    parts: Mapping[str, Sequence[str]],
) -> Card:
    """What goes with the tuned weights; its `model` is the folder of their checkpoint."""
    return Card(
        model=str(trained.checkpoint),
        optimizer="grpo",
        target=target,
        metric=card_metric(reward),
        data=data,
        conversations={name: list(ids) for name, ids in parts.items()},
        scores={
            f"{one.component}, {one.categories}: {side}": round(getattr(one, side), 4)
            for one in trained.gains
            for side in ("before", "after", "low", "high")
        },
        verdict=verdict(trained.gains) if trained.gains else "not measured",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
