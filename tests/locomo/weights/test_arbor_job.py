"""GRPO through Arbor: what reaches the trainer, and a server that misbehaves as it can."""

import dataclasses
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy
import pytest
from dspy.clients.utils_finetune import TrainDataFormat

import memory.program  # noqa: F401 - keeps litellm from looking for prices on the internet
from locomo.weights import arbor_job
from locomo.weights.arbor_client import Server, ServerError, Timeouts, WaitMonitor
from locomo.weights.arbor_job import FINAL, WatchedJob, arbor_grpo, install_client, trainee_lm
from locomo.weights.grpo import GrpoSettings
from memory import InputError
from tests.support.arbor_server import JOB, ArborServer, Fault, arbor_server

TOKEN = "sesame-open-1234"
MODEL = "Qwen/Qwen2.5-3B"
CALM = Timeouts(retries=2, retry_pause=0.01, list_lag=0.05)
IMPATIENT = dataclasses.replace(CALM, batch=0.7)
SETTINGS = GrpoSettings(steps=3, rollouts=2)
GROUP = [
    {
        "messages": [{"role": "user", "content": "When?"}],
        "completion": {"role": "assistant", "content": f"{day} May"},
        "reward": float(day),
    }
    for day in (0, 1)
]


def timeouts_for(fault: str, route: str) -> Timeouts:
    """Short ones where the fault needs them alone: elsewhere a busy machine would run into them."""
    if fault == "never":
        return IMPATIENT
    if fault != "silent":
        return CALM
    names = ("status", "checkpoint") if route == "download" else (route,)
    return dataclasses.replace(CALM, **dict.fromkeys(names, 0.5))


class Watcher:
    """Notes what it is told, as an observer and as one who waits."""

    def __init__(self, fault: str = "", route: str = "") -> None:
        self.timeouts = timeouts_for(fault, route)
        self.job: WatchedJob | None = None
        self.steps: list[tuple[int, int]] = []
        self.waits: list[str] = []
        self.wanted = 0

    def job_started(self, job: WatchedJob) -> None:
        self.job = job

    def batch_requested(self) -> None:
        self.wanted += 1

    def group_accepted(self, batch_id: int, group: list[dict[str, Any]]) -> None:
        self.steps.append((batch_id, len(group)))

    def waits_for(self, purpose: str, seconds: float) -> None:
        assert seconds > 0
        self.waits.append(purpose)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """ArborGRPO looks for the next batch more often than every second."""
    from arbor.integrations.dspy import grpo_optimizer

    calm = SimpleNamespace(sleep=lambda seconds: time.sleep(0.01))
    monkeypatch.setattr(grpo_optimizer, "time", calm)


def lm_of(server: ArborServer, watcher: Watcher, settings: GrpoSettings = SETTINGS) -> dspy.LM:
    monitor = WaitMonitor(watcher.waits_for, after=0.05, interval=0.05)
    arbor = Server(server.url, TOKEN)
    return trainee_lm(MODEL, arbor, settings, watcher.timeouts, monitor, watcher)


def train(server: ArborServer, folder: Path, watcher: Watcher, steps: int = 3) -> WatchedJob:
    """What ArborGRPO and the trainer do, without any model: a checkpoint after every step."""
    settings = dataclasses.replace(SETTINGS, steps=steps)
    kwargs = settings.train_kwargs() | {"num_generations": settings.rollouts}
    job = lm_of(server, watcher, settings).reinforce(kwargs)
    assert isinstance(job, WatchedJob)
    for step in range(1, steps + 1):
        while not (new := set(job.get_status()["pending_batch_ids"]) - set(job.fulfilled)):
            time.sleep(0.01)
        groups = [{"batch_id": batch, "group": GROUP, "metrics": {}} for batch in new]
        job.step(groups, TrainDataFormat.GRPO_CHAT)
        job.save_checkpoint(f"step-{step}")
        job.server.download(job.provider_job_id, f"step-{step}", folder / f"step-{step}")
    job.terminate()
    return job


def compiled(server: ArborServer, watcher: Watcher, settings: GrpoSettings = SETTINGS) -> dspy.LM:
    lm = lm_of(server, watcher, settings)
    predict = dspy.Predict("question -> answer")
    predict.lm = lm
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)

    def metric(gold: Any, pred: Any, trace: object = None) -> float:
        return float(pred.answer[-1]) / 10

    days = [dspy.Example(question=f"{d}?", answer=f"{d}").with_inputs("question") for d in "abc"]
    with dspy.context(adapter=adapter):
        grpo = arbor_grpo(metric, lm, adapter, settings, num_threads=2, seed=0)
        grpo.compile(predict, trainset=days)
    return lm


@contextmanager
def no_hang() -> Iterator[None]:
    """Far above the deadlines given here, which a busy machine may overrun; below the product's."""
    since = time.monotonic()
    yield
    assert time.monotonic() - since < 60


# --- what reaches the trainer -----------------------------------------------------------------


def test_grpo_trains_through_this_client(capfd: pytest.CaptureFixture[str]) -> None:
    watcher, handlers = Watcher(), list(logging.getLogger().handlers)
    with arbor_server(token=TOKEN, step_seconds=0.1) as server:
        lm = compiled(server, watcher)
        lm("Are you there?")
    assert watcher.steps == [(0, 2), (1, 2), (2, 2)]
    assert [batch for batch, _ in server.groups] == [0, 1, 2]
    for _, group in server.groups:
        assert {item["completion"]["role"] for item in group} == {"assistant"}
        assert len({item["reward"] for item in group}) == 2
    assert watcher.job is lm.provider.job
    assert watcher.job
    assert watcher.job.last_checkpoint == FINAL
    assert watcher.wanted >= 3
    chats = server.bodies("chat")
    assert len(chats) == 3 * 2 + 1
    assert {chat["model"] for chat in chats} == {f"arbor:{JOB}"}
    assert chats[0].items() >= {**SETTINGS.sampling, "max_tokens": 512}.items()
    assert {"top_k": -1, "repetition_penalty": 1.0}.items() <= chats[0].items()
    assert {request.authorization for request in server.requests} == {f"Bearer {TOKEN}"}
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


def test_training_without_arbors_client_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(arbor_job, "distribution", missing)
    with pytest.raises(InputError, match=r"pip install --no-deps arbor-ai==0\.2\.17"):
        install_client()


# --- a server that misbehaves -----------------------------------------------------------------

ENDS = [
    ("initialize", "500", "CUDA out of memory"),
    ("initialize", "drop", "restart it before another try"),
    ("initialize", "drop after", "restart it before another try"),
    ("initialize", "silent", "silent for"),
    ("initialize", "garbage", "does not fit"),
    ("initialize", "die", "restart it"),
    ("status", "500", "CUDA out of memory"),
    ("status", "drop", "closed the connection"),
    ("status", "silent", "silent for"),
    ("status", "garbage", "does not fit"),
    ("status", "wrong job", "not of ours"),
    ("status", "failed", "failed on the server after 3 batches"),
    ("status", "cancelled", "cancelled on the server"),
    ("status", "never", "waited .* for the trainer to ask for batch 3"),
    ("status", "repeated", "which cannot be after batch 2"),
    ("status", "backwards", "which cannot be after batch 2"),
    ("status", "strings", "pending_batch_ids"),
    ("status", "negative", "which cannot be"),
    ("status", "die", "nothing listens"),
    ("step", "500", "CUDA out of memory"),
    ("step", "drop", "closed the connection"),
    ("step", "silent", "silent for"),
    ("step", "garbage", "does not fit"),
    ("step", "wrong job", "not of ours"),
    ("step", "die", "nothing listens"),
    ("checkpoint", "500", "CUDA out of memory"),
    ("checkpoint", "drop", "closed the connection"),
    ("checkpoint", "silent", "silent for"),
    ("checkpoint", "unlisted", "does not list it; those before it stay: step-1, step-2, step-3"),
    ("checkpoint", "wrong job", "not of ours"),
    ("download", "lost", "cannot be fetched"),
    ("download", "truncated", "cannot be fetched"),
    ("download", "broken", "arrived broken"),
    ("download", "silent", "cannot be fetched"),
    ("download", "die", "cannot be fetched"),
    ("terminate", "500", "CUDA out of memory"),
    ("terminate", "drop", "closed the connection"),
    ("terminate", "die", "nothing listens"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("route", "what", "words"), ENDS)
def test_a_misbehaving_server_ends_the_training_soon_and_costs_no_finished_checkpoint(
    route: str, what: str, words: str, tmp_path: Path
) -> None:
    once = route in ("initialize", "terminate")
    fault = Fault(what, after=0 if once else 3)
    watcher = Watcher(what, route)
    with arbor_server(token=TOKEN, misbehave={route: fault}) as server:
        with no_hang(), pytest.raises(ServerError, match=words) as caught:
            train(server, tmp_path, watcher, steps=5)
        assert TOKEN not in f"{caught.value!r} {caught.value}"
    if route != "initialize":
        kept = [(tmp_path / f"step-{step}/step.txt").read_text() for step in (1, 2, 3)]
        assert kept == ["1", "2", "3"]
        assert watcher.job
        assert {"step-1", "step-2", "step-3"} <= set(watcher.job.checkpoints)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


SURVIVED = [
    *[("status", what) for what in ("500", "drop", "drop after", "slow", "silent", "never")],
    *[("step", what) for what in ("500", "drop", "drop after", "slow", "silent")],
    *[("checkpoint", what) for what in ("500", "drop", "drop after", "unlisted", "slow")],
    *[("download", what) for what in ("500", "drop", "lost", "truncated", "slow")],
    *[("terminate", what) for what in ("drop after", "slow")],
    ("initialize", "slow"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("route", "fault"), SURVIVED)
def test_a_server_that_fails_once_is_asked_again_and_no_group_is_sent_twice(
    route: str, fault: str, tmp_path: Path
) -> None:
    once = Fault(fault, times=1, after=0 if route in ("initialize", "terminate") else 1)
    watcher = Watcher(fault, route)
    with arbor_server(token=TOKEN, misbehave={route: once}, slow=0.1) as server:
        job = train(server, tmp_path, watcher)
    assert [batch for batch, _ in server.groups] == [0, 1, 2]
    assert watcher.steps == [(0, 2), (1, 2), (2, 2)]
    assert list(job.checkpoints) == ["step-1", "step-2", "step-3", FINAL]
    assert (tmp_path / "step-3/step.txt").read_text() == "3"


def test_ctrl_c_while_the_model_is_loaded_is_not_swallowed(tmp_path: Path) -> None:
    class Leaving(Watcher):
        def waits_for(self, purpose: str, seconds: float) -> None:
            raise KeyboardInterrupt

    fault = {"initialize": "slow"}
    with arbor_server(misbehave=fault) as server, pytest.raises(KeyboardInterrupt):
        train(server, tmp_path, Leaving())


def test_a_job_that_starts_in_spite_of_ctrl_c_is_ended(tmp_path: Path) -> None:
    class Leaving(Watcher):
        def waits_for(self, purpose: str, seconds: float) -> None:
            super().waits_for(purpose, seconds)
            if len(self.waits) == 1:
                raise KeyboardInterrupt

    watcher, misbehave = Leaving(), {"initialize": "slow"}
    with arbor_server(misbehave=misbehave) as server:
        with pytest.raises(KeyboardInterrupt):
            train(server, tmp_path, watcher)
        assert server.status == "cancelled"
    assert watcher.waits[-1].endswith("to undo it (Ctrl-C leaves it)")


def test_a_job_is_closed_also_when_it_is_gone(tmp_path: Path) -> None:
    with arbor_server() as server:
        Server(server.url).close_job(JOB)
        job = train(server, tmp_path, Watcher())
        job.cancel()
    assert server.status == "cancelled"
