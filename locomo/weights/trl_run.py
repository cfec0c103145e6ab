"""GRPO by TRL for train.py: its processes and vLLM's are started, asked, watched and ended here.

This process knows the memory: it makes the prompts, judges the answers, measures, and keeps the
record. The processes of TRL know a model and prompts (`trl_worker.py`).
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from locomo.weights.memory_reward import Encoder, MemoryReward
from locomo.weights.processes import Program, running, watch
from locomo.weights.record import RunRecord, Scores, TrainingResult
from locomo.weights.serving import SERVER_LOG, vllm_lm, wait_for_server
from locomo.weights.steps import reason_to_stop
from locomo.weights.trainee import (
    MultiTaskProgram,
    tuned_task,
    with_target,
    with_trainee,
)
from locomo.weights.trl_commands import (
    KEY,
    POLICY,
    Command,
    free_ports,
    server_command,
    trainer_arguments,
    trainer_command,
)
from locomo.weights.trl_job import Questions, TrlJob
from memory.errors import ModelError
from memory.system import write_whole

TRAINER_LOG = "trainer.log"
JOB_FILE, PROMPTS_FILE = "job.json", "prompts.jsonl"
TRAINER_FOLDER = "trainer"  # of TRL's checkpoints, next to the adapters
_INTERRUPTED = "interrupted"


class TrlRun:
    """A training by TRL: on GPUs with vLLM, or of the packaged model on this machine's CPU.

    Arguments:
        record: has the plan, whose `folder` also gets the adapters, TRL's state and both logs.
        start: the adapter to start from; None for the model as it comes.
        base: the model; "local" for the packaged one.
        encoder: reads prompts as the model does, to leave out any that are too long.
        served: vLLM draws the answers, on GPUs; otherwise TRL does, on the CPU.
        minutes: the longest training.
        server, trainer: make the two commands.
    """

    def __init__(
        self,
        record: RunRecord,
        start: Path | None,
        *,
        base: str,
        encoder: Encoder,
        served: bool,
        minutes: float | None = None,
        processes: int = 1,
        server: Callable[..., Command] = server_command,
        trainer: Callable[..., Command] = trainer_command,
    ) -> None:
        self.record, self.plan, self.start, self.base = record, record.plan, start, base
        self.encoder, self.served, self.minutes = encoder, served, minutes
        self.processes = processes
        self._server_command, self._trainer_command = server, trainer
        self.reward = MemoryReward(record.plan)
        self.ports = free_ports()
        self.step = record.begin.step if record.begin else 0
        self.before: Scores = {}
        self.after: Scores = {}
        self.stopped = ""
        self._interrupted = False
        self._began = self._step_began = time.monotonic()

    def run(self) -> TrainingResult:
        """Train until the steps are done, a stop, or Ctrl-C, which raises KeyboardInterrupt.

        Raises ModelError when vLLM, TRL or the helper fails, InputError for a checkpoint that
        cannot be written.
        """
        plan, begin = self.plan, self.record.begin
        number = plan.settings.steps * plan.settings.groups_an_update
        self.record.say(f"asking the memory for {number} prompts")
        rows = self.reward.rows(self.encoder, number)
        if not self.served and self.start:
            self.before = self._measured(0, f"with {self.start.name}", self.start)
        with ExitStack() as stack:
            servers = [self._serve(stack)] if self.served else []
            if servers and self.start is None:  # what vLLM has loaded
                self.before = self._measured(begin.step if begin else 0, "before training")
            questions = stack.enter_context(Questions(self._handlers()))
            job = self._write_job(rows, questions.address)
            gpus = plan.settings.training_gpus if self.served else ()
            processes = len(gpus) or self.processes
            command = self._trainer_command(job, gpus, processes, self.ports.processes)
            self.record.say(f"training: {command}")
            log = plan.folder / TRAINER_LOG
            secrets = {KEY: questions.key.hex()}
            self._began = self._step_began = time.monotonic()
            trainer = stack.enter_context(running("TRL", command, log, secrets))
            self._watch(trainer, servers, questions)
        if not self.served and self.record.checkpoint:
            folder = self.record.checkpoint
            self.after = self._measured(self.step, f"with {folder.name}", folder)
        return self.record.result(self.step, self.stopped, self.before, self.after)

    def _serve(self, stack: ExitStack) -> Program:
        command = self._server_command(self.base, self.plan.settings, self.ports.server)
        self.record.say(f"serving: {command}")
        server = stack.enter_context(running("vLLM", command, self.plan.folder / SERVER_LOG))
        wait_for_server(server, self.ports.address, self.record.say)
        return server

    def _watch(self, trainer: Program, servers: Sequence[Program], questions: Questions) -> None:
        try:
            try:
                watch(trainer, servers)
            except KeyboardInterrupt:
                self._interrupted = True
                self.record.say("ending after this step; Ctrl-C again does not wait")
                watch(trainer, servers)
        except ModelError as error:
            raise questions.error or error from error
        if self._interrupted:
            raise KeyboardInterrupt

    def _write_job(self, rows: Sequence[dict[str, Any]], address: str) -> Path:
        plan, begin = self.plan, self.record.begin
        folder = plan.folder / TRAINER_FOLDER
        prompts = plan.folder / PROMPTS_FILE
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        write_whole(prompts, "".join(lines).encode())
        job = TrlJob(
            base=self.base,
            start=str(self.start) if self.start else None,
            lora_rank=plan.settings.lora_rank,
            lora_alpha=plan.settings.lora_alpha,
            targets=list(plan.train),
            conversations=plan.conversations,
            fingerprint=plan.fingerprint,
            folder=str(plan.folder),
            prompts=str(prompts),
            arguments=trainer_arguments(
                plan.settings,
                folder=folder,
                checkpoint_steps=plan.checkpoint_steps,
                seed=plan.seed,
                ports=self.ports if self.served else None,
            ),
            address=address,
            seed=plan.seed,
            served=self.served,
            resume=f"{folder}/checkpoint-{begin.step}" if begin else None,
        )
        job.write(plan.folder / JOB_FILE)
        return plan.folder / JOB_FILE

    # --- asked by the processes of TRL ---------------------------------------------------------

    def _handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            "rewards": self.reward.rewards,
            "began": self._training_began,
            "step_done": self._step_done,
            "saved": self._saved,
            "finished": self._finished,
        }

    def _training_began(self) -> None:
        """vLLM has the weights of the start: they are measured."""
        if self.start is not None:
            self.before = self._measured(0, "before training")
        self._step_began = time.monotonic()

    def _step_done(self, step: int, numbers: dict[str, float]) -> str:
        """Keep and show a step; returns a reason to stop, or ""."""
        now = time.monotonic()
        self.step = step
        self.record.add_step(self.reward.step_record(step, numbers, now - self._step_began))
        self._step_began = now
        self.stopped = reason_to_stop(self.record.rows) or ""
        return self.stopped or self._time_to_end(now, step)

    def _time_to_end(self, now: float, step: int) -> str:
        if self._interrupted:
            return _INTERRUPTED
        begin = self.record.begin
        a_step = (now - self._began) / max(step - (begin.step if begin else 0), 1)
        if self.minutes and now - self._began + a_step > self.minutes * 60:
            return f"{self.minutes:g} minutes are over"
        return ""

    def _saved(self, step: int, folder: str) -> None:
        """A checkpoint is here: it is the one to go on from."""
        self.record.add_checkpoint(step, Path(folder))
        if self.plan.measures_at(step) and not self._interrupted:
            self._measured(step, f"after step {step}", Path(folder))
        self._step_began = time.monotonic()

    def _finished(self, step: int) -> None:
        if self.served and not self._interrupted:
            self.after = self._measured(step, "after training")

    def _measured(self, step: int, when: str, adapter: Path | None = None) -> Scores:
        """The validation examples' scores: what vLLM has, or the packaged model and an adapter."""
        plan = self.plan
        if not plan.validation:
            return {}
        if self.served:
            program = MultiTaskProgram(
                plan.program,
                targets=(plan.measured,),
                trained=tuple(plan.train),
                bench=with_trainee(plan.bench, plan.adapter),
                lm=vllm_lm(POLICY, self.ports.address, plan.settings.completion_tokens),
            )
            examples = with_target(plan.validation, plan.measured)
            return self.record.measure(program, examples, step=step, when=when)
        student = tuned_task(plan, self.base, adapter)
        return self.record.measure(student, plan.validation, step=step, when=when)
