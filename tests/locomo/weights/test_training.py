"""A GRPO run from beginning to end, against a server that speaks Arbor's protocol."""

import json
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest

from locomo.choices import TARGETS, Target
from locomo.harness import Setup, build_memory
from locomo.tasks.modules import Bench, measured_target, task_examples
from locomo.weights import steps as training_steps
from locomo.weights.arbor_client import Server, ServerError, Timeouts
from locomo.weights.grpo import GrpoSettings
from locomo.weights.record import RunRecord, TrainingPlan, TrainingResult, last_checkpoint
from locomo.weights.training import TrainingRun
from memory import MemoryProgram
from memory.program import plain_program
from tests.support.arbor_server import ArborServer, Fault, arbor_server
from tests.support.obedient import Obedient, obedient
from tests.support.obedient_bench import bench_of
from tests.support.scripted import sql

pytestmark = pytest.mark.slow

SETTINGS = GrpoSettings(steps=4, rollouts=4)


def quick_timeouts(seconds: float) -> Timeouts:
    """The same limit for every route, and hardly a pause before the only retry."""
    return Timeouts(
        initialize=seconds,
        status=seconds,
        step=seconds,
        checkpoint=seconds,
        terminate=seconds,
        batch=seconds,
        chat=seconds,
        retries=1,
        retry_pause=0.01,
        list_lag=0.2,
    )


class Learner:
    """What the served model says: all it knows, but not every time in the right form."""

    def __init__(self, broken: bool = False, same: bool = False, late: bool = False) -> None:
        self.engine, self.broken, self.same = Obedient((), {}), broken, same
        self.late = late  # knows only what it was told after a mistake

    def __call__(self, messages: list[dict[str, Any]], number: int) -> str:
        prompt = messages[-1]["content"]
        kinds = (
            ("answer", "[[ ## evidence"),
            ("store", "[[ ## window"),
            ("retrieve", "[[ ## ques"),
        )
        kind = next(kind for kind, sign in kinds if sign in prompt)
        if self.broken and number % 2:
            return "I do not know this form."
        if self.late:
            return self.engine.reply(kind, prompt, knows="Because:" in prompt)
        return self.engine.reply(kind, prompt, knows=self.same or number % 2 == 0)


class Refiner:
    """What a served model that refines says: in each second episode it does nothing at all."""

    def __init__(self) -> None:
        self.engine = Obedient((), {})
        self.begun = 0  # episodes
        self._lock = threading.Lock()

    def __call__(self, messages: list[dict[str, Any]], number: int) -> str:
        prompt = messages[-1]["content"]
        with self._lock:
            begins = "search_memory(" not in prompt
            self.begun += begins
            knows = not begins or self.begun % 2 == 0
        return self.engine.reply("refine", prompt, knows=knows)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_of(tmp_path_factory.mktemp("bench"))


def plan(bench: Bench, folder: Path, *targets: Target, **changes: Any) -> TrainingPlan:
    red, blue = bench.conversations.values()
    wanted = targets or ("answer",)
    measured = measured_target(wanted)
    model, _ = obedient()  # its own helper, so that calls can be counted
    setup = Setup(model, plain_program(model), model.limits.budget, sql="always")
    usual = TrainingPlan(
        settings=SETTINGS,
        model="Qwen/Qwen2.5-3B",
        adapter=dspy.ChatAdapter(use_json_adapter_fallback=False),
        program=MemoryProgram(),
        bench=replace(bench, setup=setup),
        train={target: task_examples([red], target, 4) for target in wanted},
        validation=task_examples([blue], measured, 4)[:3],
        reward="memory",
        threads=4,
        seed=0,
        folder=folder / "grpo",
        fingerprint="this",
        checkpoint_steps=2,
    )
    return replace(usual, **changes)


class Ran:
    """A training against a server, and what it said."""

    def __init__(self, server: ArborServer, plan: TrainingPlan, **settings: Any) -> None:
        self.lines: list[str] = []
        self.shown: list[object] = []
        self.recorded: list[tuple[Mapping[str, float], int]] = []
        record = RunRecord(
            plan,
            show=self.shown.append,
            say=self.lines.append,
            log=lambda numbers, step: self.recorded.append((numbers, step)),
            **settings,
        )
        self.training = TrainingRun(record, Server(server.url, timeouts=quick_timeouts(8.0)))

    def run(self) -> TrainingResult:
        return self.training.run()


@pytest.mark.parametrize(
    "targets",
    [TARGETS, *(pytest.param((name,), marks=pytest.mark.slow) for name in TARGETS)],
    ids=str,
)
def test_a_run_trains_its_targets_and_leaves_a_checkpoint(
    bench: Bench, tmp_path: Path, targets: tuple[Target, ...]
) -> None:
    with arbor_server(answer=Learner()) as server:
        ran = Ran(server, plan(bench, tmp_path, *targets))
        trained = ran.run()
    assert (trained.step, trained.stopped) == (4, "")
    assert [len(group) for _, group in server.groups] == [4] * 4
    assert trained.checkpoint == tmp_path / "grpo" / "step-4"
    assert (trained.checkpoint / "step.txt").read_text() == "4"
    assert (tmp_path / "grpo" / "step-2" / "step.txt").read_text() == "2"
    assert server.status == "cancelled"  # its GPUs are free
    steps = [step for numbers, step in ran.recorded if "reward_spread" in numbers]
    assert steps == [1, 2, 3, 4]
    assert len(ran.shown) == 4
    assert trained.gains


def test_a_group_holds_the_very_prompt_and_answers_with_their_rewards(
    bench: Bench, tmp_path: Path
) -> None:
    with arbor_server(answer=Learner()) as server:
        trained = Ran(server, plan(bench, tmp_path)).run()
        prompts = [body["messages"] for body in server.bodies("chat")]
    for _, group in server.groups:
        assert all(completion["messages"] in prompts for completion in group)
        for completion in group:
            right = "on the ground floor" in completion["completion"]["content"]
            assert (completion["reward"] > 0.9) == right
    row = trained.rows[0]
    rewards = [completion["reward"] for completion in server.groups[0][1]]
    assert row.reward == pytest.approx(sum(rewards) / 4)
    assert set(row.components) == {"answer", "evidence", "words", "sql", "budget"}
    assert (row.valid_sql, row.gpu, row.spread > 0) == (1.0, 0.5, True)
    assert trained.rows[-1].trainer["kl"] == 0.01


def test_the_operations_of_an_episode_share_its_reward_and_are_all_learned_from(
    bench: Bench, tmp_path: Path
) -> None:
    """An episode is a trajectory: each of its calls is a group of a trainer's batch."""
    forgetful, _ = obedient(store=lambda prompt: sql("-- none"))
    memories = {
        c.id: build_memory(c, Setup(forgetful, MemoryProgram(), 2_000), tmp_path).path
        for c in bench.conversations.values()
    }
    without_facts = replace(bench, memories=memories, operations=4)
    settings = replace(SETTINGS, steps=3, groups_a_step=4)
    completion = plan(without_facts, tmp_path, "refine", settings=settings, checkpoint_steps=2)
    with arbor_server(answer=Refiner()) as server:
        ran = Ran(server, completion)
        trained = ran.run()
    assert (trained.step, trained.stopped) == (3, "")
    sent = [group for _, group in server.groups]
    assert len(sent) == 3 * 3  # search, create and the end of the longest episodes
    assert len({batch_id for batch_id, _ in server.groups}) == len(sent)
    for step in range(3):
        of_step = sent[3 * step : 3 * step + 3]
        episodes = list(zip(*of_step, strict=True))
        assert len(episodes) == SETTINGS.rollouts
        for episode in episodes:
            [reward] = {completion["reward"] for completion in episode}
            said = [completion["completion"]["content"] for completion in episode]
            if reward:
                assert reward == pytest.approx(0.8)
                assert "search_memory" in said[0]
                assert "manage_memory" in said[1]
            else:  # it ended at once, and weighs as much as the others
                assert said == [said[0]] * 3
        assert {bool(episode[0]["reward"]) for episode in episodes} == {True, False}
    row = trained.rows[0]
    assert list(row.components)[:4] == ["gain", "efficiency", "operations", "changes"]
    assert row.components["search_memory"] == 0.5
    [numbers] = [n for n, step in ran.recorded if step == 1 and "reward_spread" in n]
    assert numbers["component/gain"] == 0.5
    assert 0 < trained.held_out[-1].means["refined"] < 0.8
    assert server.bodies("initialize")[0]["trainer_config"]["max_steps"] == 3 * 4 + 10


def test_an_answer_out_of_form_is_trained_on_as_a_failure(bench: Bench, tmp_path: Path) -> None:
    with arbor_server(answer=Learner(broken=True)) as server:
        Ran(server, plan(bench, tmp_path)).run()
    rewards = {
        completion["completion"]["content"]: completion["reward"]
        for _, group in server.groups
        for completion in group
    }
    assert rewards["I do not know this form."] == -1.0
    assert max(rewards.values()) > 0.9


def test_a_run_without_signal_stops_with_its_last_checkpoint(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_steps, "SIGNAL", 6)
    settings = replace(SETTINGS, steps=12)
    with arbor_server(answer=Learner(same=True)) as server:
        wanted = plan(bench, tmp_path, settings=settings, checkpoint_steps=1000)
        trained = Ran(server, wanted).run()
    assert trained.stopped.startswith("no signal")
    assert trained.checkpoint == tmp_path / "grpo" / "step-6"
    assert server.status == "cancelled"


def test_a_run_goes_on_from_its_last_checkpoint_with_the_trainers_state(
    bench: Bench, tmp_path: Path
) -> None:
    wanted = plan(bench, tmp_path)
    dies = {"step": Fault("die", after=3)}
    with arbor_server(answer=Learner(), misbehave=dies) as server:
        with pytest.raises(ServerError):
            Ran(server, wanted).run()
        first = server.bodies("initialize")[0]
    begin = last_checkpoint(wanted.folder, "this")
    assert begin is not None
    assert (begin.step, begin.checkpoint, begin.server_folder) == (2, "step-2", "/d/step-2")
    assert last_checkpoint(wanted.folder, "another") is None
    late = {"status": Fault("never", times=2)}
    with arbor_server(answer=Learner(), misbehave=late) as server:
        trained = Ran(server, wanted, begin=begin).run()
        routes = [request.route for request in server.requests]
    [body] = server.bodies("initialize")
    # The very request of the first start, so that its schedule and the start of KL are the same.
    with_state = {**first["trainer_config"], "resume_from_checkpoint": "/d/step-2"}
    assert body == {**first, "trainer_config": with_state}
    assert [row.step for row in trained.rows] == [1, 2, 3, 4]
    # Only when the trainer asks for a batch has vllm the checkpoint's weights: no answer before.
    assert routes[routes.index("initialize") :][:4] == ["initialize", *["status"] * 3]
    with arbor_server(answer=Learner()) as whole:
        Ran(whole, plan(bench, tmp_path / "another")).run()
    assert [ask(group) for group in server.groups] == [ask(group) for group in whole.groups[2:]]


def ask(group: tuple[int, list[dict[str, Any]]]) -> str:
    return str(group[1][0]["messages"][-1]["content"])


# Each route and each fault once; their other pairs differ in nothing new.
FAULTS = [("status", "silent"), ("step", "drop"), ("chat", "500")]
FAULTS += [
    pytest.param(route, fault, marks=pytest.mark.slow)
    for route in ("status", "step", "chat")
    for fault in ("silent", "drop", "500")
    if (route, fault) not in FAULTS
]


@pytest.mark.parametrize(("route", "fault"), FAULTS)
def test_no_failure_of_the_server_hangs_or_loses_a_finished_checkpoint(
    bench: Bench, tmp_path: Path, route: str, fault: str
) -> None:
    after = {"status": 12, "step": 3, "chat": 20}[route]
    wanted = plan(bench, tmp_path, settings=replace(SETTINGS, steps=12))
    timeouts = replace(quick_timeouts(0.5), list_lag=0.1)
    with arbor_server(answer=Learner(), misbehave={route: Fault(fault, after=after)}) as server:
        ran = Ran(server, wanted)
        ran.training.server = Server(server.url, timeouts=timeouts)
        with pytest.raises(ServerError):
            ran.run()
    begin = last_checkpoint(wanted.folder, "this")
    assert begin is not None
    assert (wanted.folder / begin.checkpoint / "adapter_config.json").exists()


def test_ctrl_c_saves_a_checkpoint_and_frees_the_server(bench: Bench, tmp_path: Path) -> None:
    wanted = plan(bench, tmp_path, settings=replace(SETTINGS, steps=50), checkpoint_steps=1000)
    with arbor_server(answer=Learner()) as server:
        ran = Ran(server, wanted)

        def after_three(table: object) -> None:
            ran.shown.append(table)
            if len(ran.shown) == 3:
                signal.raise_signal(signal.SIGINT)

        ran.training.record.show = after_three
        with pytest.raises(KeyboardInterrupt):
            ran.run()
        asked = len(server.requests)
        time.sleep(0.5)  # an example that a thread went on with would ask again by now
        assert len(server.requests) == asked
    assert last_checkpoint(wanted.folder, "this") is not None
    assert "step-3" in server.checkpoints
    assert server.status == "cancelled"
    assert json.loads((wanted.folder / "run.json").read_text())["step"] == 3
