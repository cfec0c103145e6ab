"""Runs GRPO on Arbor: trains, watches, saves checkpoints, and shuts down cleanly."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import dspy

from locomo.tasks.rewards import metric_of
from locomo.weights.arbor_client import CheckpointLost, Server, ServerError, WaitMonitor
from locomo.weights.arbor_job import FINAL, QuietGRPO, WatchedJob, arbor_grpo, trainee_lm
from locomo.weights.record import RunRecord, Scores, TrainingResult, mean_numbers
from locomo.weights.steps import StepRecord, reason_to_stop
from locomo.weights.trainee import MultiTaskProgram, with_target, with_trainee
from memory.errors import ModelError
from memory.models import read_card
from memory.system import write_whole


class TrainingStopped(Exception):
    """The run should stop; the message says why."""


class TrainingRun:
    """A running training on a server, which observes its job; `record` has its plan."""

    def __init__(self, record: RunRecord, server: Server) -> None:
        self.record, self.server = record, server
        self.plan, self.begin = record.plan, record.begin
        self.step = self.begin.step if self.begin else 0
        self.job: WatchedJob | None = None
        self.before: Scores = {}
        self._saved_step = self.step
        # Of each rollout since the last step: the metric's prediction, and how much SQL ran.
        self._rollouts: list[tuple[Any, float]] = []
        self._failures: list[str] = []  # of the rollouts in a row that could not be run
        self._step_began = time.monotonic()
        self._trainer_step = 0  # the newest whose trainer's numbers were read

    def run(self) -> TrainingResult:
        """Train until the steps are done, a stop, or Ctrl-C; then free the server.

        Raises KeyboardInterrupt, and errors of the server or the model, after saving the last state
        if the server still answers.
        """
        optimizer, program, examples = self._prepared()
        stopped = ""
        after: Scores = {}
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
        return self.record.result(self.step, stopped, self.before, after)

    def _prepared(self) -> tuple[QuietGRPO, MultiTaskProgram, list[dspy.Example]]:
        """The optimizer, the program that it trains, and the examples."""
        plan, server = self.plan, self.server
        settings = replace(plan.settings, steps=plan.settings.steps - self.step)
        self.lm = trainee_lm(
            plan.model,
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
            checkpoint=self.begin.server_folder if self.begin else None,
        )
        examples = [
            example for target in targets for example in with_target(plan.train[target], target)
        ]
        return optimizer, program, examples

    def _report_wait(self, purpose: str, seconds: float) -> None:
        self.record.say(f"waiting for {purpose}: {seconds:.0f} s")

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
        self.record.add_step(row)

        plan = self.plan
        # The last one is saved by the server.
        if self.step % plan.checkpoint_steps == 0 and self.step < plan.settings.steps:
            self._save_checkpoint()
        if reason := reason_to_stop(self.record.rows, plan.settings.groups_an_update):
            raise TrainingStopped(reason)
        if plan.measures_at(self.step):
            try:
                self._validation_scores(f"after step {self.step}")
            except ModelError as error:  # the curve lacks a point, the run goes on
                self.record.say(f"not measured: {error}")
            self._step_began = time.monotonic()

    # --- the server's side ------------------------------------------------------------------

    def _check_split(self) -> None:
        """Check on which GPUs the processes run. Raises ServerError if it is not as requested."""
        info, settings = self.server.describe(), self.plan.settings
        requested = {"inference": settings.inference_gpus, "training": settings.training_gpus}
        for role in requested.keys() - {process.role for process in info.processes}:
            self.record.say(f"no process of the server tells on which GPUs its {role} runs")
        for process in info.processes:
            gpus = ", ".join(map(str, process.gpus)) or "none"
            self.record.say(f"process {process.pid}: {process.role} on GPU {gpus}")
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
            self.record.say(f"{error}; the earlier ones are kept, training goes on")

    def _fetch_checkpoint(self, name: str) -> None:
        """Download a checkpoint, then record it as the one to resume."""
        assert self.job is not None
        folder = self.plan.folder / (f"step-{self.step}" if name == FINAL else name)
        self.server.download(self.job.provider_job_id, name, folder)
        self._saved_step = self.step
        self._complete_card(folder)
        server_folder = self.job.checkpoints.get(name, {}).get("checkpoint_dir")
        self.record.add_checkpoint(self.step, folder, server_folder)

    def _complete_card(self, folder: Path) -> None:
        """Name targets and conversations in the card: Arbor's protocol does not tell the server."""
        if not (folder / "adapter.json").exists():
            return
        card = read_card(folder)
        trained_on = dict.fromkeys([*card.conversations, *self.plan.conversations])
        completed = card.model_copy(
            update={"targets": list(self.plan.train), "conversations": list(trained_on)}
        )
        write_whole(folder / "adapter.json", completed.model_dump_json(indent=1).encode())

    def _save_last_state(self) -> None:
        """Save the last state before the server is freed, if it still answers."""
        if self.job is None or self.step == self._saved_step:
            return
        self.record.say("saving a last checkpoint")
        name = f"step-{self.step}"
        try:
            self.job.save_checkpoint(name)
            self._fetch_checkpoint(name)
        except ModelError as error:
            self.record.say(f"no last checkpoint: {error}")

    def _free_server(self) -> None:
        if self.job is not None and self.job.provider_job_id:
            try:
                self.server.close_job(self.job.provider_job_id)
            except ModelError as error:
                self.record.say(
                    f"the server may still be busy with {self.job.provider_job_id}: {error}"
                )

    def _validation_scores(self, when: str) -> Scores:
        """The validation examples' scores with the current policy, at temperature 0."""
        plan = self.plan
        if not plan.validation or self.job is None:
            return {}
        student = MultiTaskProgram(
            plan.program,
            targets=(plan.measured,),
            trained=tuple(plan.train),
            bench=self.bench,
            lm=self.lm.copy(temperature=0.0),
        )
        examples = with_target(plan.validation, plan.measured)
        return self.record.measure(student, examples, step=self.step, when=when)
