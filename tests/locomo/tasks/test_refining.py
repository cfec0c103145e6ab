"""The refining module at work: an episode on a draft, a question from facts alone, its trace."""

from dataclasses import replace
from pathlib import Path

import dspy
import pytest

from locomo.choices import MODULES, TARGETS
from locomo.dataset.format import load_conversations
from locomo.harness import Setup, build_memory
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, RefineForQuestion, candidate_of, task, task_examples
from locomo.tasks.rewards import REFINE_COMPONENTS, refine_metric
from memory import MemoryProgram
from memory.program import plain_program
from tests.support.obedient import houses, obedient
from tests.support.scripted import sql

LAMP = {"question": "Where does Ann keep the lamp?", "conversation": "red-house"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Memories of two houses that hold no fact, and a model that refines one."""
    folder = tmp_path_factory.mktemp("bench")
    conversations = {c.id: c for c in load_conversations(houses(folder / "houses.json"))}
    forgetful, _ = obedient(store=lambda prompt: sql("-- none"))
    memories = {
        c.id: build_memory(c, Setup(forgetful, MemoryProgram(), 2_000), folder).path
        for c in conversations.values()
    }
    model, _ = obedient()
    setup = Setup(model, plain_program(model), model.limits.budget)
    return Bench(setup, conversations, memories, max_demos=2, operations=5)


def student(bench: Bench, *missing: str) -> RefineForQuestion:
    model, _ = obedient(*missing)
    placed = replace(bench, setup=replace(bench.setup, model=model))
    made = task(MemoryProgram(), "refine", placed)
    assert isinstance(made, RefineForQuestion)
    return made


def test_an_episode_is_scored_by_what_the_answer_gained(bench: Bench) -> None:
    before = bench.memories["red-house"].read_bytes()
    pred = student(bench)(**LAMP)
    [outcome] = pred.outcomes
    assert (pred.failed, outcome.answer) == ("", "attic on the ground floor")
    assert outcome.shown == ("D1:1",)
    episode = outcome.episode
    assert episode.answer_before == ""
    assert (episode.before, episode.after) == ((), (len("Ann keeps the lamp in the attic"),))
    assert episode.tools == {"search_memory": 1, "manage_memory": 1}
    assert episode.operations == ("manage_memory create: missing",)
    [example, *_] = task_examples([bench.conversations["red-house"]], "refine", 4)
    scored = refine_metric(example, pred)
    assert (scored.gain, scored.operations) == (1.0, 2.0)
    assert scored.score == pytest.approx(0.8)  # a memory of no facts has one more now
    assert bench.memories["red-house"].read_bytes() == before, "the memory is not changed"


def test_an_episode_that_does_nothing_is_worth_nothing(bench: Bench) -> None:
    pred = student(bench, "refine")(**LAMP)
    [example, *_] = task_examples([bench.conversations["red-house"]], "refine", 4)
    scored = refine_metric(example, pred)
    assert (scored.score, scored.gain, scored.operations) == (0.0, 0.0, 0.0)
    assert "No operation changed a fact." in scored.feedback


def test_an_optimizer_sees_this_module_alone_and_examples_without_tools(bench: Bench) -> None:
    made = student(bench).deepcopy()
    assert list(dict(made.named_predictors())) == ["program.refine.predict"]
    with dspy.context(trace=[]):
        made(**LAMP)
        steps = list(dspy.settings.trace)
    assert len(steps) == 3  # search, create, and an end without a call
    predict, inputs, outputs = steps[1]
    assert predict is made.program.refine.predict
    assert "tools" not in inputs
    assert "search_memory(query='lamp'" in inputs["so_far"]
    assert '"name":"manage_memory"' in outputs["tool_calls"]
    shown = dspy.Example(**inputs, **outputs)
    predict.demos = [shown]
    assert candidate_of(made.program, "refine").demos[0]["tool_calls"] == outputs["tool_calls"]
    pred = made(**LAMP)
    assert (pred.copied, pred.outcomes[0].answer) == (True, "attic on the ground floor")


def test_weights_learn_from_the_whole_trajectory(bench: Bench) -> None:
    made = student(replace(bench, whole=True))
    with dspy.context(trace=[]):
        made(**LAMP)
        steps = list(dspy.settings.trace)
    assert [len(step[2].tool_calls.tool_calls) for step in steps] == [1, 1, 0]
    assert all("tools" in step[1] for step in steps)


def test_a_measurement_names_gain_efficiency_tools_and_length(bench: Bench, tmp_path: Path) -> None:
    examples = task_examples([bench.conversations["red-house"]], "refine", 4)[:2]
    scores, failed = measure(
        student(bench), examples, threads=1, log=tmp_path / "log", target="refine"
    )
    assert failed == []
    for [score] in scores.values():
        assert score.components["answer"] == 1.0
        assert score.components["refined"] == pytest.approx(0.8)
        assert {*REFINE_COMPONENTS} <= score.components.keys()


def test_all_is_of_the_three_modules_that_answer() -> None:
    assert set(MODULES) - set(TARGETS) == {"refine"}
