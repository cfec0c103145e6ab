"""A compile of a model of up to 3 billion parameters: templates store, no instruction is asked for,
and what its minutes hold is done."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.teleprompt.gepa.instruction_proposal import ProposeInstruction
from dspy.teleprompt.simba_utils import OfferFeedback

import optimize
from locomo.prompts.compile import CompileResult
from locomo.prompts.instructions import OwnInstructions
from locomo.prompts.job import CompileJob, prepare_job
from locomo.prompts.optimizers import Proposals
from locomo.prompts.plan import Extent, fitting, planned
from locomo.scripts import optimize as compiling
from memory import InputError, load_program, open_store
from tests.support.obedient import THINGS, houses_to_hold_out
from tests.support.scripted import UnexpectedPrompt, model_over
from tests.support.tracking import track

PLAIN = "in a few of its words"  # of the plain instruction, and of none of our own


class Householder:
    """An engine that says where things are kept; the floor, too, under our own instructions.

    `stop` is called with the number of each call before its answer.
    """

    def __init__(self, stop: Callable[[int], None] = lambda calls: None) -> None:
        self.asked: list[str] = []
        self.stop = stop

    def complete(self, request: Request) -> Response:
        prompt, system = request.messages[-1].text or "", str(request.system or "")
        self.asked.append(f"{system}\n{prompt}")
        self.stop(len(self.asked))
        text = self._text(prompt, system)
        return Response(
            id=None,
            model="householder",
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=70, output_tokens=5, total_tokens=75),
        )

    def _text(self, prompt: str, system: str) -> str:
        if "Say yes." in prompt:
            return "yes"
        if "shape | attributes" in system:
            return "none"
        thing = re.search(r"Question: Where does Ann keep the (\w+)", prompt)
        if not thing or "fields" in system:
            raise UnexpectedPrompt(f"{system}\n{prompt}")
        place = re.search(rf"the {thing[1]} in the (\w+)", prompt)
        if not place:
            return "No information available"
        return place[1] + ("" if PLAIN in system else " on the ground floor")


@pytest.fixture
def run(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CompileResult]:
    """optimize.optimize for a model's file over an engine, on four houses."""
    monkeypatch.chdir(tmp_path)
    track(compiling, request, monkeypatch)
    # A little model's answer has no word that nobody said.
    for file in houses_to_hold_out(Path("houses")).rglob("*.json"):
        whole = re.sub(r"(I keep the \w+ in the \w+)", r"\1 on the ground floor", file.read_text())
        file.write_text(whole)

    def compiled(engine: Householder, **flags: Any) -> CompileResult:
        model = model_over(engine, "gguf:small.gguf", size="small", budget=400)
        monkeypatch.setattr(compiling, "load_model", lambda name, **settings: model)
        plain = {"data": Path("houses"), "num_examples": 8, "num_validation": 12, "rounds": 2}
        return optimize.optimize(**{**plain, "yes": True, **flags})

    return compiled


def test_every_optimizer_gets_an_instruction_of_our_own_and_asks_no_model() -> None:
    adapter = Proposals(OwnInstructions("answer"))
    lm = dspy.LM("local/none", engine=Householder(lambda calls: pytest.fail("it was asked")))
    with dspy.context(lm=lm, adapter=adapter):
        mipro = dspy.Predict("basic_instruction -> proposed_instruction")
        first = mipro(basic_instruction="Answer.").proposed_instruction
        gepa = dspy.Predict(ProposeInstruction)
        second = gepa(current_instruction="Answer.", examples_with_feedback=[]).new_instruction
        inputs = dict.fromkeys(OfferFeedback.input_fields, "")
        inputs["module_names"] = json.dumps(["program.answer.predict"])
        advice = dspy.Predict(OfferFeedback)(**inputs).module_advice
    assert first != second
    assert [*advice] == ["program.answer.predict"]
    assert advice["program.answer.predict"]
    assert adapter.failed == []


def test_templates_store_unless_storing_is_compiled(run: Callable[..., CompileResult]) -> None:
    engine = Householder()
    with pytest.raises(UnexpectedPrompt, match="Ann: I keep the"):
        run(engine, facts="model", optimizer="gepa")
    engine = Householder()
    with pytest.raises(UnexpectedPrompt, match="Ann: I keep the"):
        run(engine, target="store", optimizer="gepa")


def with_gold(folder: Path) -> None:
    """Give each conversation of these houses the facts that its turns tell, as gold SQL."""
    for file in folder.rglob("*.json"):
        records = json.loads(file.read_text("utf-8"))
        for record in records:
            of = re.compile(r"I keep the (\w+) in the (\w+)")
            matches = [of.search(said["text"]) for said in record["conversation"]["session_1"]]
            record["store"] = {
                f"D1:{n}": "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
                f" ('Ann', 'keeps_{thing[1]}', 'in the {thing[2]}', {n});"
                for n, thing in enumerate(filter(None, matches), 1)
            }
        file.write_text(json.dumps(records), "utf-8")


def test_gold_facts_are_in_the_memories_and_nobody_is_asked_to_store(
    run: Callable[..., CompileResult],
) -> None:
    with_gold(Path("houses"))
    flags: dict[str, Any] = {"facts": "gold", "target": "retrieve", "optimizer": "gepa"}
    engine = Householder()  # fails when it is asked to store
    run(engine, **flags, rounds=1)
    memories = [*Path("results", "memories").glob("*.db")]
    assert len(memories) == 4
    for path in memories:
        with open_store(path, read_only=True) as store:
            assert store.read("SELECT count(*) FROM facts").rows == ((16,),)
    choices = [prompt for prompt in engine.asked if "shape | attributes" in prompt]
    assert any("keeps_" in prompt for prompt in choices)
    before = [path.stat().st_mtime_ns for path in memories]
    run(Householder(), **flags, rounds=1, resume=True)
    assert [path.stat().st_mtime_ns for path in memories] == before


def test_gold_facts_must_be_there_and_are_for_what_does_not_store(
    run: Callable[..., CompileResult],
) -> None:
    with pytest.raises(InputError, match=r"blue-house has no gold facts|red-house has no gold"):
        run(Householder(), facts="gold", target="retrieve")
    with pytest.raises(InputError, match="its own facts"):
        run(Householder(), facts="gold", target="store")


def test_an_interruption_keeps_the_pairs_that_are_complete(
    run: Callable[..., CompileResult],
) -> None:
    """The second measurement is interrupted after some of its questions."""
    known = 0

    def stop(calls: int) -> None:
        nonlocal known
        prompt = engine.asked[-1]
        thing = re.search(r"Ann keep the (\w+)", prompt)
        # Questions that are held out, under another instruction: the second measurement.
        known += bool(thing and thing[1] in THINGS[1].split()) and PLAIN not in prompt
        if known == 3:
            raise KeyboardInterrupt

    engine = Householder(stop)
    with pytest.raises(KeyboardInterrupt):
        run(engine, optimizer="miprov2", rounds=8)
    card = load_program(Path("optimized_memory_qa.json")).card
    assert card
    assert (card.scores["answer, all: before"], card.scores["answer, all: after"]) == (0.4, 1.0)
    assert card.verdict == "no gain"  # of two pairs


REQUESTED = Extent(train=50, validation=100, rounds=4, candidates=6)


@pytest.mark.parametrize(
    ("minutes", "extent"),
    [
        (1_000, REQUESTED),
        (60, Extent(20, 43, 4, 6)),
        (20, Extent(8, 12, 4, 6)),
        (17, Extent(8, 12, 2, 6)),
        (10, Extent(8, 12, 1, 2)),
    ],
)
def test_fewer_questions_come_before_fewer_candidates(minutes: float, extent: Extent) -> None:
    def needs(extent: Extent) -> float:
        return 0.5 * extent.validation + extent.train * (extent.rounds + extent.candidates) / 6

    chosen = fitting(REQUESTED, "miprov2", minutes, needs)
    assert needs(chosen) <= minutes
    assert chosen == extent


def test_what_may_take_longer_is_begun_and_what_takes_far_longer_is_refused() -> None:
    least = Extent(8, 12, 1, 0)
    assert fitting(least, "gepa", 12, lambda extent: 20) == least
    printed = planned(least, REQUESTED, 12, 20)
    assert printed.startswith("12 minutes: 8 questions to learn from, 12 to measure on, 1 rounds")
    assert "asked for were 50 questions to learn from" in printed
    assert printed.endswith("All of it may take 20 minutes; what is found by then is measured")
    with pytest.raises(InputError, match="12 minutes are too few"):
        fitting(least, "gepa", 12, lambda extent: 40)


def test_a_run_that_goes_on_has_the_extent_that_was_planned(
    run: Callable[..., CompileResult],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the pace is then: other questions would be another compile."""
    prepared: list[object] = []

    def counted(*conversations: Any, **settings: Any) -> CompileJob:
        prepared.append(settings)
        return prepare_job(*conversations, **settings)

    monkeypatch.setattr(compiling, "prepare_job", counted)

    def stop(calls: int) -> None:
        if calls == 12:
            raise KeyboardInterrupt

    engine = Householder(stop)
    flags: dict[str, Any] = {"optimizer": "gepa", "budget_minutes": 30.0}
    with pytest.raises(KeyboardInterrupt):
        run(engine, **flags)
    first = [name.name for name in Path("results").glob("optimize-*/")]
    run(Householder(), **flags, resume=True)
    assert [name.name for name in Path("results").glob("optimize-*/")] == first
    printed = capsys.readouterr().out
    assert "on top of what was asked already" in printed
    assert len(prepared) == 2, "examples of gold rows take seconds, and a plan tries many extents"
