"""Every optimizer of DSPy compiles AskMemory as it is, and what it made is saved and loaded."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest

from memory import AskMemory, Memory, Turn, load_program
from memory.program import plain_program
from memory.store.namespaces import path_of
from tests.support.commands import run
from tests.support.obedient import RULES, THINGS, Obedient, obedient
from tests.support.scripted import patch_load_model

PLACES = ("attic", "cellar", "shed", "garage", "kitchen", "hall", "pantry", "loft")
KEPT = dict(zip(THINGS[0].split()[:8], PLACES, strict=True))
EXAMPLES = [
    dspy.Example(
        question=f"Where does Ann keep the {thing}?",
        memory="ann",
        answer=f"{place} on the ground floor",
    ).with_inputs("question", "memory")
    for thing, place in KEPT.items()
]


@pytest.fixture(scope="module", autouse=True)
def _memory_of_ann(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A memory by a name, with what Ann keeps where."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MEMORY_HOME", str(tmp_path_factory.mktemp("home")))
        with Memory("ann") as memory:
            memory.add(
                [
                    Turn("Ann", f"I keep the {thing} in the {place}.")
                    for thing, place in KEPT.items()
                ]
            )
        yield


@pytest.fixture
def engine() -> Iterator[Obedient]:
    """What answers right only where its instructions have a rule, or an example shows it."""
    model, engine = obedient("answer")
    with dspy.context(lm=model.lm, adapter=None):
        yield engine


def metric(
    gold: dspy.Example,
    pred: dspy.Prediction,
    trace: Any = None,
    pred_name: str | None = None,
    pred_trace: Any = None,
) -> Any:
    """1 for the right words, with feedback."""
    score = float(gold.answer == pred.answer)
    feedback = f"Right is: {gold.answer}."
    return dspy.Prediction(score=score, feedback=feedback) if pred_name else score


Compile = Callable[[AskMemory, dspy.BaseLM], dspy.Module]


def labeled(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.LabeledFewShot(k=2).compile(student, trainset=EXAMPLES)


def bootstrapped(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.BootstrapFewShot(max_bootstrapped_demos=2, max_labeled_demos=2).compile(
        student, trainset=EXAMPLES
    )


def searched(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.BootstrapFewShotWithRandomSearch(
        metric=metric,
        max_bootstrapped_demos=1,
        max_labeled_demos=1,
        num_candidate_programs=1,
        num_threads=1,
    ).compile(student, trainset=EXAMPLES[:4], valset=EXAMPLES[4:])


def coordinated(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.COPRO(metric=metric, breadth=2, depth=1, prompt_model=lm).compile(
        student, trainset=EXAMPLES, eval_kwargs={"num_threads": 1, "display_progress": False}
    )


def by_simba(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.SIMBA(
        metric=metric, bsize=4, num_candidates=3, max_steps=1, max_demos=2, num_threads=1
    ).compile(student, trainset=EXAMPLES)


def by_mipro(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    optimizer = dspy.MIPROv2(
        metric=metric,
        prompt_model=lm,
        task_model=lm,
        auto=None,
        num_candidates=2,
        max_bootstrapped_demos=1,
        max_labeled_demos=1,
        num_threads=1,
    )
    return optimizer.compile(
        student, trainset=EXAMPLES[:4], valset=EXAMPLES[4:], num_trials=2, minibatch=False
    )


def by_gepa(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    return dspy.GEPA(
        metric=metric, max_metric_calls=40, reflection_minibatch_size=2, reflection_lm=lm
    ).compile(student, trainset=EXAMPLES[:4], valset=EXAMPLES[4:])


def together(student: AskMemory, lm: dspy.BaseLM) -> dspy.Module:
    """The half that changes prompts; the other one tunes weights."""
    student.set_lm(lm)
    optimizer = dspy.BootstrapFewShot(max_bootstrapped_demos=1, max_labeled_demos=1)
    compiled = dspy.BetterTogether(metric=metric, p=optimizer).compile(
        student, trainset=EXAMPLES[:4], valset=EXAMPLES[4:], strategy="p"
    )
    compiled.set_lm(None)  # a scripted engine has no file
    return compiled


OPTIMIZERS = [
    labeled, bootstrapped, searched, coordinated, by_simba, by_mipro, by_gepa, together,
]  # fmt: skip


@pytest.mark.few(2)
@pytest.mark.parametrize("compile_", OPTIMIZERS, ids=lambda optimizer: optimizer.__name__)
def test_an_optimizer_compiles_the_module_which_is_saved_and_loaded(
    compile_: Compile, engine: Obedient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = dspy.settings.lm
    compiled = compile_(AskMemory(), lm)
    answers = answers_of(compiled)
    file = tmp_path / "compiled.json"
    compiled.save(file)
    assert json.loads(file.read_text("utf-8"))
    again = AskMemory()
    again.load(file)
    assert answers_of(again) == answers
    program = load_program(file)
    assert answers_of(program) == answers
    assert_same_prompts(program.ask, compiled)
    with Memory("ann", model=lm, program=program) as memory:
        asked = [memory.ask(example.question).text for example in EXAMPLES]
    assert asked == answers


# --- their own defaults, in one round where these take thousands of calls -------------------------

Optimize = Callable[[dspy.Module, list[dspy.Example], Any], dspy.Module]
BY_DEFAULT: dict[str, Optimize] = {
    "LabeledFewShot": lambda student, examples, metric: dspy.LabeledFewShot().compile(
        student, trainset=examples
    ),
    "BootstrapFewShot": lambda student, examples, metric: dspy.BootstrapFewShot(
        metric=metric
    ).compile(student, trainset=examples),
    "BootstrapFewShotWithRandomSearch": lambda student, examples, metric: (
        dspy.BootstrapFewShotWithRandomSearch(metric=metric).compile(student, trainset=examples)
    ),
    "KNNFewShot": lambda student, examples, metric: dspy.KNNFewShot(
        k=3, trainset=examples, vectorizer=dspy.Embedder(_lengths)
    ).compile(student),
    "COPRO": lambda student, examples, metric: dspy.COPRO(metric=metric, depth=1).compile(
        student, trainset=examples, eval_kwargs={"display_progress": False}
    ),
    "SIMBA": lambda student, examples, metric: dspy.SIMBA(metric=metric, max_steps=1).compile(
        student, trainset=examples * 4
    ),
    "MIPROv2": lambda student, examples, metric: dspy.MIPROv2(metric=metric).compile(
        student, trainset=examples, valset=examples
    ),
    "GEPA": lambda student, examples, metric: dspy.GEPA(
        metric=metric, auto="light", reflection_lm=dspy.settings.lm
    ).compile(student, trainset=examples, valset=examples),
}
SOON = ("LabeledFewShot", "BootstrapFewShot")
by_default = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in SOON else pytest.mark.slow) for n in BY_DEFAULT]
)


def _lengths(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


@by_default
@pytest.mark.filterwarnings("ignore:.*are left out of the prompt")
def test_examples_of_an_optimizer_are_what_the_answering_model_was_shown(
    name: str, engine: Obedient
) -> None:
    examples = [example.copy(memory=str(path_of("ann"))) for example in EXAMPLES]
    compiled = BY_DEFAULT[name](AskMemory(), examples, metric)
    compiled(**examples[0].inputs())
    shown = "".join(engine.prompts_for("answer"))
    for demo in _demos(compiled, AskMemory):
        assert demo["evidence"].splitlines()
        assert all(line in shown for line in demo["evidence"].splitlines())
    assert "ann.db" not in "".join(engine.seen(*RULES))


def _demos(compiled: dspy.Module, kind: type[dspy.Module]) -> list[Any]:
    module = compiled if isinstance(compiled, kind) else compiled.student  # of KNNFewShot
    predict = module.answer.predict if kind is AskMemory else module.predict
    return list(predict.demos)


def test_examples_without_evidence_are_left_out_with_a_warning(engine: Obedient) -> None:
    with pytest.warns(UserWarning, match=r"8 examples without evidence are left out .*Answer"):
        compiled = dspy.LabeledFewShot(k=8).compile(AskMemory(sql="never"), trainset=EXAMPLES)
    assert not compiled.answer.is_compiled
    compiled.answer.predict.demos = [
        dspy.Example(evidence="[1] Ann: I sail.", question="What does Ann do?", answer="sail")
    ]
    compiled(**EXAMPLES[0].inputs())
    assert "[1] Ann: I sail." in engine.seen("answer")[-1]


def answers_of(program: dspy.Module) -> list[str]:
    return [program(**example.inputs()).answer for example in EXAMPLES]


def assert_same_prompts(one: dspy.Module, other: dspy.Module) -> None:
    prompts = [
        {name: predictor.signature.instructions for name, predictor in module.named_predictors()}
        for module in (one, other)
    ]
    assert prompts[0] == prompts[1]


@pytest.mark.parametrize(
    "compile_", [by_simba, by_mipro, by_gepa], ids=lambda optimizer: optimizer.__name__
)
def test_an_optimizer_of_instructions_comes_upon_the_rule(
    compile_: Compile, engine: Obedient
) -> None:
    student = AskMemory(sql="never")
    before = answers_of(student)
    compiled = compile_(student, dspy.settings.lm)
    assert RULES["answer"] in compiled.answer.predict.signature.instructions
    assert sum(map(right, answers_of(compiled))) > sum(map(right, before))


def right(answer: str) -> bool:
    return answer.endswith("on the ground floor")


def test_a_module_owns_no_predictor_that_it_does_not_call(engine: Obedient) -> None:
    """An optimizer gives each predictor its turn, called or not."""
    for student in (AskMemory(), AskMemory(sql="never"), plain_program(obedient()[0]).ask):
        owned = {name for name, _ in student.named_predictors()}
        with dspy.context(trace=[]):
            student(**EXAMPLES[0].inputs())
            called = {id(predictor) for predictor, *_ in dspy.settings.trace}
        assert called == {id(predictor) for _, predictor in student.named_predictors()}, owned


def test_a_compiled_program_is_used_from_the_command_line(
    engine: Obedient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = AskMemory()
    predict = compiled.answer.predict
    predict.signature = predict.signature.with_instructions(f"Answer. {RULES['answer']}")
    compiled.save(tmp_path / "compiled.json")
    model, _ = obedient("answer")
    patch_load_model(monkeypatch, lambda *_, **__: model)
    question = EXAMPLES[0].question
    program = ["--program", str(tmp_path / "compiled.json"), "--namespace", "ann"]
    assert "ground floor" not in run("ask", question, "--namespace", "ann")
    assert EXAMPLES[0].answer in run("ask", question, *program)
