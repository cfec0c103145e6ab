"""One run of GRPO in a rehearsal: a policy that answers, learns and is saved, one at a time."""

import logging
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, Field

from memory.errors import Stop
from memory.program.adapter_card import AdapterCard
from memory.tune.adapters import Target, describe_adapter
from memory.tune.grpo import TRAINER_STATE, Sample
from memory.tune.student import peak_memory

# Checkpoints of a run that keep the trainer's state, several times as large as an adapter. A client
# goes on from the last that it has; the newest may never have reached it.
_STATES = 2
PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # cannot lead out of the folder of the checkpoints
# For the card of a checkpoint: without an adapter to start from, the server does not know which
# modules a run trains.
_TARGETS: tuple[Target, ...] = ("answer", "retrieve", "store")
_log = logging.getLogger(__name__)


class SamplingRequest(BaseModel):
    """The fields in use of a request for chat completions.

    Refuses sampling that excludes tokens (top_p, top_k) or changes their probabilities.
    """

    model: str
    messages: list[dict[str, str]] = Field(min_length=1)
    n: int = Field(1, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0)
    stop: str | list[str] | None = None
    stream: bool | None = Field(None, le=False)
    top_p: float | None = Field(None, ge=1, le=1)
    top_k: int | None = Field(None, ge=-1, le=0)
    repetition_penalty: float | None = Field(None, ge=1, le=1)
    logit_bias: dict[int, float] | None = None  # by token id


class RehearsalJob:
    """One run: its policy, and the only thread that uses the policy, one task after another.

    Between steps it answers and saves. A step that raises sets the state to "failed"; the reason is
    in the log, and in the error of the next step or checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        student: Any,
        trainer: Any,
        settings: Mapping[str, Any],
        start: AdapterCard | None,
    ):
        """`folder` is named after the job and holds its checkpoints; `start` is the card of the
        adapter to continue from."""
        self.id = folder.name
        self._folder = folder
        self._start = start
        self._student = student
        self._trainer = trainer
        self.rollouts: int = settings["num_generations"]
        self._max_completion: int = settings.get("max_completion_length", sys.maxsize)
        self._context: int = settings.get("max_seq_len", context_length(student))
        self._thread = ThreadPoolExecutor(1)
        self._lock = Lock()
        self.state = "running"
        self._pending = [0]  # ids of the batches to be sent next
        self._failure = ""
        self.metrics: list[dict[str, float]] = []
        self.checkpoints: dict[str, dict[str, Any]] = {}
        self._last_checkpoint: str | None = None

    def status(self) -> dict[str, Any]:
        """The job as Arbor's GRPOStatus."""
        return {
            "job_id": self.id,
            "status": self.state,
            "current_model": self.id,
            "checkpoints": dict(self.checkpoints),
            "last_checkpoint": self._last_checkpoint,
            "pending_batch_ids": list(self._pending),
        }

    def step(self, batch_id: int, batch: list[Any]) -> None:
        """Start to train on a group; the next group is requested when it is done.

        Raises ValueError when the group is malformed or was not requested, RuntimeError when the
        job has stopped training.
        """
        self._check_running()
        group = checked_group(batch, self.rollouts)
        with self._lock:
            if batch_id not in self._pending:
                raise ValueError(f"batch {batch_id} was not asked for, but {self._pending or None}")
            self._pending = []
        trained = self._thread.submit(self._step, group)
        trained.add_done_callback(partial(self._stepped, batch_id))

    def _step(self, group: list[dict[str, Any]]) -> None:
        row = self._policy.step(group)
        row |= {"step": len(self.metrics) + 1, "peak_memory": peak_memory(self._student.device)}
        # Only finite numbers, as on GPUs (arbor/trainer.py): JSON has no others.
        self.metrics.append({key: value for key, value in row.items() if math.isfinite(value)})

    def _stepped(self, batch_id: int, step: "Future[None]") -> None:
        if self.state != "running":  # cancelled while the step ran
            return
        if error := step.exception():
            self._failure = f": step {len(self.metrics) + 1}, {type(error).__name__}: {error}"
            self.state = "failed"
            _log.error("%s failed%s", self.id, self._failure, exc_info=error)
        else:
            self._pending = [batch_id + 1]

    def answer(self, request: SamplingRequest, n: int) -> "Future[list[Sample]]":
        """`n` samples, when the thread is free. Raises ValueError after the job has ended."""
        if self._trainer is None:
            raise ValueError(f"{self.id} has ended and answers no more")
        return self._thread.submit(self._answer, request, n)

    def _answer(self, request: SamplingRequest, n: int) -> list[Sample]:
        policy = self._policy
        prompt_tokens = len(self._student.encode(request.messages))
        if prompt_tokens + (request.max_tokens or 1) > self._context:
            completion = ""
            if request.max_tokens:
                completion = f" and {request.max_tokens} in the completion"
            # The words of vLLM, which clients recognize.
            raise ValueError(
                f"This model's maximum context length is {self._context} tokens. However, you "
                f"requested {prompt_tokens} tokens in the messages{completion}. Please reduce "
                "their length."
            )
        with as_value_error():
            samples: list[Sample] = policy.generate(
                request.messages,
                n=n,
                max_tokens=request.max_tokens
                or min(self._max_completion, self._context - prompt_tokens),
                temperature=1.0 if request.temperature is None else request.temperature,
                stop=[request.stop] if isinstance(request.stop, str) else request.stop,
                logit_bias=request.logit_bias,
            )
        return samples

    def checkpoint(self, name: str, metadata: dict[str, Any] | None = None) -> None:
        """Save the policy between two steps. Raises ValueError, RuntimeError."""
        self._check_running()
        if not PLAIN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a checkpoint: use letters, digits, . _ -")
        self._thread.submit(self._save, name, metadata).result()

    def _save(self, name: str, metadata: dict[str, Any] | None) -> None:
        folder = self._folder / name
        start = self._start
        card = describe_adapter(
            self._student,
            targets=tuple(start.targets) if start else _TARGETS,
            made_by="grpo",
            data=start.data if start else "",
            conversations=[],
            start=start,
        )
        self._policy.save(folder, card)
        self.checkpoints.pop(name, None)  # one that is written again is the newest
        self.checkpoints[name] = {
            "checkpoint_name": name,
            "checkpoint_dir": str(folder),
            "global_step": len(self.metrics),
            "requested": True,
            "metadata": metadata,
            "timestamp": time.time(),
        }
        self._last_checkpoint = name
        for older in list(self.checkpoints)[:-_STATES]:
            (self._folder / older / TRAINER_STATE).unlink(missing_ok=True)

    def terminate(self) -> None:
        """Save `checkpoint_final` and stop training; the final weights continue to answer."""
        if self.state != "succeeded":
            self.checkpoint("checkpoint_final")
            # The step before the checkpoint may have failed in the meantime.
            self._check_running()
            self.state = "succeeded"
            self._pending = []

    def cancel(self) -> None:
        """Stop and free the policy after the current step. Raises ValueError the second time."""
        if self.state == "cancelled":
            raise ValueError(f"Cannot cancel job with status cancelled (job_id={self.id})")
        self.state = "cancelled"
        self._pending = []
        self.free()

    def free(self) -> None:
        """Free the policy's memory: the job answers no more requests."""
        self._trainer = None
        self._thread.shutdown()
        self._student = None

    @property
    def _policy(self) -> Any:
        if self._trainer is None:
            raise ValueError(f"{self.id} has ended")
        return self._trainer

    def _check_running(self) -> None:
        if self.state != "running":
            raise RuntimeError(f"{self.id} trains no more, it {self.state}{self._failure}")


def checked_group(batch: list[Any], rollouts: int) -> list[dict[str, Any]]:
    """A step's samples of one prompt, each with one completion. Raises ValueError, as Arbor does.

    Checks, unlike Arbor, that a group shares its prompt and that its rewards are numbers.
    """
    keys = {"messages", "completion", "reward"}
    if len(batch) != rollouts:
        raise ValueError(f"Expected {rollouts} samples in the group, received {len(batch)}")
    group = []
    for item in batch:
        if not isinstance(item, dict) or not keys <= item.keys():
            raise ValueError(f"Each item must be a dictionary with keys: {sorted(keys)}")
        if item["messages"] != batch[0]["messages"]:
            raise ValueError("The samples of a group must share their messages")
        completion = item["completion"]
        if isinstance(completion, list):
            completion = completion[0]
        if not math.isfinite(reward := float(item["reward"])):
            raise ValueError(f"A reward must be a number, not {reward}")
        group.append({**item, "completion": completion, "reward": reward})
    return group


@contextmanager
def as_value_error() -> Iterator[None]:
    """Turn a `Stop` into a ValueError, which Arbor's application answers with status 400."""
    try:
        yield
    except Stop as error:
        raise ValueError(str(error)) from error


def context_length(student: Any) -> int:
    """The most tokens that a student's model reads."""
    return int(student.model.config.max_position_embeddings)
