"""DSPy's GRPO on Arbor, supervised: waits have limits, answers are checked, nothing is printed."""

import logging
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType
from typing import Any, Protocol

import dspy
from dspy.teleprompt import bootstrap_trace
from pydantic import BaseModel, Field, StrictInt

from locomo.weights.arbor_client import (
    AnswerLost,
    CheckpointLost,
    Server,
    ServerError,
    Timeouts,
    WaitMonitor,
)
from locomo.weights.grpo import GrpoSettings
from memory import InputError

FINAL = "checkpoint_final"  # Arbor's name for what it saves when it ends a job
# A setting of the trainer, by Hugging Face's name: the server's folder that a run goes on from.
CHECKPOINT_KEY = "resume_from_checkpoint"
# Examples in a row without one answer to learn from, after which a run would only look busy.
_UNUSABLE = 20
_POLL_S = 0.2  # between questions whether the trainer is ready for an episode's next group


def install_client() -> None:
    """Make Arbor's client importable without its server's requirements (vllm, torch, trl).

    Raises InputError when arbor-ai is not installed.
    """
    try:
        package = distribution("arbor-ai").locate_file("arbor")
    except PackageNotFoundError as error:
        raise InputError(
            "training needs Arbor's client: pip install --no-deps arbor-ai==0.2.17"
        ) from error
    if "arbor" not in sys.modules:
        # Without Arbor's own __init__, which imports vllm, torch, trl and deepspeed.
        bare = ModuleType("arbor")
        bare.__path__ = [str(package)]
        sys.modules["arbor"] = bare


install_client()
from arbor.integrations.dspy import ArborGRPO, ArborProvider, arbor_provider  # noqa: E402


class EpisodeGroups(list[dict[str, Any]]):
    """The group of an episode's first call; `others` are the groups of its later calls."""

    others: Sequence[list[dict[str, Any]]] = ()


class WholeEpisodes(random.Random):
    """Keeps the groups of an episode together when ArborGRPO draws from them.

    It would send one a step, and throw away the rollouts of each step that begins before all are
    sent. An episode is a trajectory: its calls share the reward and are learned from together.
    """

    def sample(self, population: Any, k: int, *, counts: Any = None) -> list[Any]:
        """The whole population as one element."""
        episode = EpisodeGroups(population[0])
        episode.others = population[1:]
        return [episode]


class JobState(BaseModel):
    """The state of a training job."""

    job_id: str
    current_model: str
    status: str | None = None
    checkpoints: dict[str, dict[str, Any]] = {}
    last_checkpoint: str | None = None
    pending_batch_ids: list[StrictInt] = Field(default_factory=list)


class Observer(Protocol):
    """Watches a training; an exception that it raises ends the training."""

    def job_started(self, job: "WatchedJob") -> None:
        """The server has the model ready."""

    def batch_requested(self) -> None:
        """The trainer asks for a batch."""

    def group_accepted(self, batch_id: int, group: list[dict[str, Any]]) -> None:
        """The server took a group: {"messages", "completion": {"role", "content"}, "reward"}."""


class WatchedJob(arbor_provider.ArborReinforceJob):
    """A GRPO job on Arbor, as ArborGRPO drives it.

    `checkpoints` has every checkpoint that the server confirmed, `last_checkpoint` the newest,
    `provider_job_id` the job. Every method raises ServerError when the server fails, is silent
    beyond its timeouts, or speaks of another job or of batches that cannot be.
    """

    def __init__(
        self, lm: dspy.LM, train_kwargs: dict[str, Any], server: Server, observer: Observer
    ) -> None:
        super().__init__(lm, train_kwargs)
        self.server, self.observer = server, observer
        self.fulfilled: list[int] = []
        self._retired: set[int] = set()  # fulfilled, and no longer on the server's list
        self._idle_since = time.monotonic()  # when the trainer had all batches it had asked for
        self._attempts = 0  # how often a batch was open since the last step

    def initialize(self) -> None:
        """Start the job: model, trainer and inference server are loaded, which takes minutes."""
        # Arbor's own method waits without end, prints, and swallows Ctrl-C. Here it writes the
        # request only, which is sent below.
        request = _CapturedRequest()
        requests = arbor_provider.requests
        arbor_provider.requests = request
        try:
            super().initialize()
        finally:
            arbor_provider.requests = requests

        # A job that starts after Ctrl-C would keep the GPUs of someone who is gone.
        close_late_job = replace(
            self.server.monitor, undo=lambda job: self.server.close_job(job.job_id)
        )
        server = replace(self.server, monitor=close_late_job)
        checkpoint = self.train_kwargs.get(CHECKPOINT_KEY)
        if checkpoint:
            request.body["trainer_config"][CHECKPOINT_KEY] = checkpoint
        try:
            state = server.post("initialize", JobState, request.body)
        except AnswerLost as error:
            raise ServerError(
                f"{error}; it may be starting the job all the same: restart it before another try"
            ) from error
        self.provider_job_id = state.job_id
        self._continue_with(self._checked(state))
        if checkpoint:
            # Arbor's vllm starts with the base; the trainer sends it the checkpoint's weights
            # before it asks for the first batch.
            self._next_batch()
        self.observer.job_started(self)
        self._idle_since = time.monotonic()

    def get_status(self) -> dict[str, Any]:
        """The job's state; ArborGRPO waits here until the trainer asks for the next batch."""
        state = self._post("status")
        if set(state.pending_batch_ids) <= set(self.fulfilled):
            batch = max(self.fulfilled, default=-1) + 1
            self.server.monitor.check(
                f"the trainer to ask for batch {batch}",
                since=self._idle_since,
                limit=self.server.timeouts.batch,
            )
            return state.model_dump()
        self.observer.batch_requested()
        self._attempts += 1
        if self._attempts > 2 + _UNUSABLE:
            raise ServerError(
                f"{_UNUSABLE} examples in a row gave no answer to learn from: see what "
                f"{self.lm.model} says to one"
            )
        # ArborGRPO does not know of the batches that an episode's later calls were sent as.
        wanted = [id_ for id_ in state.pending_batch_ids if id_ not in self.fulfilled]
        return {**state.model_dump(), "pending_batch_ids": wanted}

    def _run_grpo_step_one_group(
        self, train_group: dict[str, Any], train_data_format: object = None
    ) -> None:
        batch_id, group = train_group["batch_id"], train_group["group"]
        self._send_group(batch_id, group, train_group.get("metrics") or {})
        for later in getattr(group, "others", ()):
            batch_id = self._next_batch()
            self._send_group(batch_id, later, {})
        self._attempts = 0
        self.observer.group_accepted(batch_id, group)
        self._idle_since = time.monotonic()  # now: the observer may have measured for minutes

    def _next_batch(self) -> int:
        """The id of the next batch that the trainer asks for, once it does."""
        since = time.monotonic()
        while True:
            wanted = {*self._post("status").pending_batch_ids} - {*self.fulfilled}
            if wanted:
                return min(wanted)
            batch = max(self.fulfilled, default=-1) + 1
            limit = self.server.timeouts.batch
            self.server.monitor.check(
                f"the trainer to ask for batch {batch}", since=since, limit=limit
            )
            time.sleep(_POLL_S)

    def _send_group(
        self, batch_id: int, group: list[dict[str, Any]], metrics: dict[str, Any]
    ) -> None:
        """Send one group. Raises ServerError; one whose answer was lost is not sent twice."""
        body = {
            "model": ArborProvider._remove_provider_prefix(self.lm.model),
            "batch": group,
            "batch_id": batch_id,
            "metrics": metrics,
        }
        for attempt in range(self.server.timeouts.retries + 1):
            try:
                self._continue_with(self._post("step", **body))
                break
            except AnswerLost:
                # Sent again, a group that arrived would be trained on twice.
                if self._has_arrived(batch_id):
                    break
                if attempt == self.server.timeouts.retries:
                    raise
        self.fulfilled.append(batch_id)

    def save_checkpoint(
        self, checkpoint_name: str, score: float | None = None, metadata: Any = None
    ) -> None:
        """Save the weights. Raises CheckpointLost if the server does not list them afterwards."""
        timeouts = self.server.timeouts
        extra = {} if metadata is None else {"metadata": metadata}
        for attempt in range(timeouts.retries + 1):
            state = self._post("checkpoint", checkpoint_name=checkpoint_name, **extra)
            if checkpoint_name in state.checkpoints:
                record = {**state.checkpoints[checkpoint_name], **extra}
                self.checkpoints[checkpoint_name] = {**record, "score": score}
                self.last_checkpoint = checkpoint_name
                return
            time.sleep(timeouts.retry_pause * 2**attempt)
        raise CheckpointLost(
            f"the server says that it wrote checkpoint {checkpoint_name} but does not list it; "
            f"those before it stay: {', '.join(self.checkpoints) or 'none'}"
        )

    def terminate(self) -> None:
        """End the training; the server saves the weights a last time, as `FINAL`."""
        try:
            state = self._post("terminate")
        except AnswerLost:  # the weights may have been saved all the same
            state = self._post("status")
            if FINAL not in state.checkpoints:
                raise
        self._continue_with(state)
        if FINAL in state.checkpoints:
            self.checkpoints[FINAL] = state.checkpoints[FINAL]
            self.last_checkpoint = FINAL

    def cancel(self) -> None:
        """End the job and free its GPUs."""
        self.server.close_job(self.provider_job_id)

    def _post(self, route: str, **body: Any) -> JobState:
        body = {"job_id": self.provider_job_id, **body}
        return self._checked(self.server.post(route, JobState, body))

    def _continue_with(self, state: JobState) -> None:
        self.lm.model = ArborProvider._add_provider_prefix(state.current_model)

    def _checked(self, state: JobState) -> JobState:
        """The state, if it can be true of this job."""
        job = self.provider_job_id
        if state.job_id != job:
            raise ServerError(f"the server speaks of job {state.job_id}, not of ours, {job}")
        if (state.status or "").startswith(("failed", "cancelled")):
            last = self.last_checkpoint or "none"
            raise ServerError(
                f"job {job} {state.status} on the server after {len(self.fulfilled)} batches; its "
                f"log says why; last checkpoint: {last}"
            )
        ids = state.pending_batch_ids
        fulfilled, newest = set(self.fulfilled), max(self.fulfilled, default=0)
        # The server's list lags behind: a batch may stay on it for a while after it was fulfilled,
        # but a call that left it does not come back, and no older one turns up.
        impossible = {
            id_ for id_ in ids if id_ in self._retired or (id_ < newest and id_ not in fulfilled)
        }
        if impossible or len(set(ids)) < len(ids):
            raise ServerError(
                f"the server asks for batches {ids}, which cannot be after batch {newest}; it "
                "mixes up jobs, or its trainer started anew"
            )
        self._retired = fulfilled - set(ids)
        return state

    def _has_arrived(self, batch_id: int) -> bool:
        """Whether a batch whose answer was lost has arrived; the server's list lags behind."""
        timeouts = self.server.timeouts
        since = time.monotonic()
        while batch_id in self._post("status").pending_batch_ids:
            if time.monotonic() - since > timeouts.list_lag:
                return False
            time.sleep(timeouts.list_lag / 5)
        return True


class _CapturedRequest:
    """Replaces `requests` while Arbor's client writes the request that starts a job."""

    def post(self, url: str, headers: dict[str, str], json: dict[str, Any]) -> "_CapturedRequest":
        self.body = json
        return self

    def raise_for_status(self) -> None: ...

    def json(self) -> dict[str, str]:
        return {"current_model": self.body["model"]}


class WatchedProvider(ArborProvider):
    """Makes a WatchedJob of `lm.reinforce(...)` and keeps it as `job`."""

    def __init__(self, server: Server, observer: Observer) -> None:
        super().__init__()
        self.server, self.observer = server, observer
        self.job: WatchedJob | None = None
        self.ReinforceJob = self._start

    def _start(self, lm: dspy.LM, train_kwargs: dict[str, Any]) -> WatchedJob:
        self.job = WatchedJob(lm, train_kwargs, server=self.server, observer=self.observer)
        return self.job


def trainee_lm(
    model: str,
    server: Server,
    settings: GrpoSettings,
    timeouts: Timeouts,
    monitor: WaitMonitor,
    observer: Observer,
) -> dspy.LM:
    """The model to be trained, served by Arbor; `lm.provider.job` is its job once there is one.

    Answers are sampled as `settings.sampling` says and are never taken from a cache. While a job
    runs, `lm.model` names the job, so that calls go to its weights of that time.
    """
    watched_server = replace(server, timeouts=timeouts, monitor=monitor)
    return dspy.LM(
        f"openai/arbor:{model}",
        provider=WatchedProvider(watched_server, observer),
        api_base=server.url,
        api_key=server.token or "none",
        cache=False,  # a group of equal answers teaches nothing
        max_tokens=settings.completion_tokens,
        timeout=timeouts.chat,
        num_retries=timeouts.retries,
        **settings.sampling,
    )


_GROUPING_OF_EPISODES = {
    "variably_invoked_predictor_grouping_mode": "fill",
    "variably_invoked_predictor_fill_strategy": "randint",
}


class QuietGRPO(ArborGRPO):
    """ArborGRPO that leaves the terminal to others, and goes on after `steps_done` steps."""

    steps_done = 0

    def select_training_sample_and_update_shuffled_trainset(
        self, original_trainset: list[dspy.Example], train_step_idx: int
    ) -> list[dspy.Example]:
        """The examples of a step, in one order for a run and any run that resumes it."""
        step = self.steps_done + train_step_idx
        chosen: list[dspy.Example] = super().select_training_sample_and_update_shuffled_trainset(
            original_trainset, step
        )
        return chosen

    def compile(self, *args: Any, **kwargs: Any) -> dspy.Module:
        """As ArborGRPO's; its progress bars and log lines are left out."""
        with _quiet():
            return super().compile(*args, **kwargs)


def arbor_grpo(
    metric: Callable[..., Any],
    lm: dspy.LM,
    adapter: dspy.ChatAdapter,
    settings: GrpoSettings,
    num_threads: int,
    seed: int,
    steps_done: int = 0,
    episodes: bool = False,
    checkpoint: str | None = None,
) -> QuietGRPO:
    """DSPy's optimizer: one example a step, `settings.rollouts` answers to it, no validation.

    `steps_done` steps were done by an earlier run. With `episodes` a rollout has many calls, and
    all are learned from; a shorter episode repeats its calls, so that each weighs the same.
    Checkpoints are the caller's, through `lm.provider.job`; `checkpoint` is the server's folder of
    the one whose trainer goes on.
    """
    train_kwargs = settings.train_kwargs()
    if checkpoint is not None:
        # The trainer counts the steps from the first start.
        whole = replace(settings, steps=settings.steps + steps_done)
        train_kwargs = {**whole.train_kwargs(), CHECKPOINT_KEY: checkpoint}
    optimizer = QuietGRPO(
        metric=metric,
        train_kwargs={lm: train_kwargs},
        adapter={lm: adapter},
        exclude_demos=True,
        num_threads=num_threads,
        num_train_steps=settings.steps,
        seed=seed,
        # ArborGRPO sends one group a step and throws the rollouts of others away.
        num_dspy_examples_per_grpo_step=1,
        num_rollouts_per_grpo_step=settings.rollouts,
        # Beyond the last step: a run measures its validation examples itself, at temperature 0.
        num_steps_for_val=settings.steps + 1,
        report_train_scores=False,
        checkpoint="none",
        **_GROUPING_OF_EPISODES if episodes else {},
    )
    if episodes:
        optimizer.rng = WholeEpisodes(seed)
    optimizer.steps_done = steps_done
    return optimizer


@contextmanager
def _quiet() -> Iterator[None]:
    """No line of log and no progress bar from DSPy or Arbor."""
    loggers = [logging.getLogger(name) for name in ("dspy", "arbor")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    root, null_handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(null_handler)  # without one, `logging.warning` sets up its own handler

    evaluate = bootstrap_trace.Evaluate

    def evaluate_quietly(**arguments: Any) -> Any:
        return evaluate(**{**arguments, "display_progress": False})

    bootstrap_trace.Evaluate = evaluate_quietly
    try:
        yield
    finally:
        bootstrap_trace.Evaluate = evaluate
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        root.removeHandler(null_handler)


def served_lm(name: str, server: Server, settings: GrpoSettings) -> dspy.LM:
    """A model as Arbor serves it, without a job; what it served before is let go."""
    server.stop_serving()
    return dspy.LM(
        f"openai/arbor:{name}",
        api_base=server.url,
        api_key=server.token or "none",
        cache=False,
        max_tokens=settings.completion_tokens,
        timeout=server.timeouts.initialize,  # the first answer waits for the model to be loaded
        num_retries=0,
        temperature=0.0,
    )
