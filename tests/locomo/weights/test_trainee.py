"""The model under training beside its helper: who is asked what, and what is learned from."""

import dspy
import pytest
from dspy.teleprompt.bootstrap_trace import FailedPrediction

from locomo.choices import TARGETS, Target
from locomo.tasks.modules import Bench, task_examples
from locomo.weights.arbor_client import Server, Timeouts, WaitMonitor
from locomo.weights.arbor_job import trainee_lm
from locomo.weights.grpo import GrpoSettings
from locomo.weights.trainee import FORMAT_FAILURE, MultiTaskProgram, with_target, with_trainee
from memory import MemoryProgram
from tests.locomo.weights.test_arbor_job import Watcher
from tests.locomo.weights.test_training import Learner
from tests.support.arbor_server import arbor_server
from tests.support.obedient import KINDS
from tests.support.obedient_bench import bench_of

TASKS = ("answer", "store", "retrieve")  # in which KINDS tells them apart
PLAIN = dspy.ChatAdapter(use_json_adapter_fallback=False)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return with_trainee(bench_of(tmp_path_factory.mktemp("bench")), PLAIN)


def team(bench: Bench, url: str, *trained: Target) -> MultiTaskProgram:
    settings = GrpoSettings()
    server = Server(url, "")
    lm = trainee_lm("Qwen", server, settings, Timeouts(retries=0), WaitMonitor(), Watcher())
    return MultiTaskProgram(MemoryProgram(), trained, trained, bench, lm)


@pytest.mark.few(1)
@pytest.mark.parametrize("trained", [*[(one,) for one in TARGETS], TARGETS], ids=str)
def test_the_trainee_does_what_is_tuned_and_the_helper_the_rest(
    bench: Bench, trained: tuple[Target, ...]
) -> None:
    for target in trained:
        [one, *_] = with_target(task_examples([*bench.conversations.values()], target, 4), target)
        with arbor_server(answer=Learner(same=True)) as server, dspy.context(trace=[]):
            prediction = team(bench, server.url, *trained)(**one.inputs())
            prompts = [body["messages"][-1]["content"] for body in server.bodies("chat")]
            trace = dspy.settings.trace
        kinds = {next(kind for kind in TASKS if KINDS[kind] in prompt) for prompt in prompts}
        assert kinds == (set(trained) if target == "store" else set(trained) - {"store"})
        assert prediction.failed == ""
        [step] = trace  # of the example's own target, and one for a group
        assert step[0].signature == getattr(MemoryProgram(), target).predict.signature


def test_an_answer_out_of_form_is_a_step_to_learn_from(bench: Bench) -> None:
    [one, *_] = with_target(task_examples([*bench.conversations.values()], "answer", 4), "answer")
    with arbor_server(answer=lambda *_: "So?") as server, dspy.context(trace=[]):
        prediction = team(bench, server.url, "answer")(**one.inputs())
        [(predict, inputs, said)] = dspy.settings.trace
    assert predict.signature == MemoryProgram().answer.predict.signature
    assert "[1] " in inputs["evidence"]
    assert isinstance(said, FailedPrediction)
    assert (said.completion_text, said.format_reward) == ("So?", FORMAT_FAILURE)
    assert prediction.outcomes[0].answer == "", "what says nothing of the memory is no answer"


def test_a_prompt_of_the_trainee_has_no_examples(bench: Bench) -> None:
    program = MemoryProgram()
    program.answer.predict.demos = [dspy.Example(evidence="m", question="q", answer="a", turns="")]
    lm = dspy.LM("openai/arbor:Qwen")
    made = MultiTaskProgram(program, ("answer",), ("answer",), bench, lm)
    [predictor] = made.predictors()
    assert (predictor.lm, predictor.demos) == (lm, [])
    assert program.answer.predict.demos
