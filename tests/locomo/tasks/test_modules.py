"""What an optimizer compiles: one module is seen, runs never raise, traces are what they say."""

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dspy
import pytest

from locomo.choices import TARGETS, Target
from locomo.dataset.format import Conversation, load_conversations
from locomo.harness import Setup, build_memory
from locomo.tasks.modules import (
    HIDDEN,
    AnswerTask,
    Bench,
    StoreWindow,
    candidate_of,
    task,
)
from locomo.tasks.rewards import components, single_speaker_metric
from memory import MemoryProgram
from memory.program import plain_program
from memory.records import SqlUse
from memory.store.sqlite.store import SqliteStore
from memory.text.tokens import count_tokens
from tests.support.locomo_records import turn
from tests.support.obedient import Obedient, houses, obedient
from tests.support.scripted import answer, sql, with_limits
from tests.support.talk import ANN, talk, talks

FACTS = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "


@dataclass(frozen=True)
class Place:
    """Conversations, and memories of the two houses."""

    conversations: dict[str, Conversation]
    memories: dict[str, Path]

    def with_talk(self, talk_record: dict[str, Any], folder: Path) -> "Place":
        """With a conversation of another record; `question` and `turn` make its parts."""
        [read] = load_conversations(talks(folder / "talk.json", talk_record))
        return replace(self, conversations={**self.conversations, read.id: read})

    def task(
        self,
        target: Target,
        *missing: str,
        speakers: bool = False,
        limits: dict[str, Any] | None = None,
        sql: SqlUse = "always",
        demos: int = 5,
        **replies: Any,
    ) -> tuple[AnswerTask | StoreWindow, Obedient]:
        model, engine = obedient(*missing, **replies)
        model = with_limits(model, **(limits or {}))
        setup = Setup(model, plain_program(model), model.limits.budget, sql=sql)
        bench = Bench(setup, self.conversations, self.memories, demos, speakers)
        return task(MemoryProgram(), target, bench), engine


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    built = load_conversations(houses(folder / "houses.json"))
    memories = {
        c.id: build_memory(c, Setup(obedient()[0], MemoryProgram(), 2_000), folder).path
        for c in built
    }
    [tiny] = load_conversations(talks(folder / "talk.json"))
    return Place({c.id: c for c in (*built, tiny)}, memories)


def run(target: Target, student: dspy.Module, thing: str = "lamp") -> Any:
    """A run of the student; the fourth window of a house is that of the first four things."""
    if target == "store":
        return student(conversation="red-house", first=1, last=4)
    return student(question=f"Where does Ann keep the {thing}?", conversation="red-house")


def memory_of(prompt: str) -> str:
    """What the answering model saw of the memory."""
    return prompt.split("[[ ## evidence ## ]]")[1].split("[[ ## question ## ]]")[0]


# --- one module, its prompt ---------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_an_optimizer_sees_one_module_and_changes_no_other(place: Place, target: Target) -> None:
    student = place.task(target)[0].deepcopy()
    seen = dict(student.named_predictors())
    name = "program.store.predict" if target == "store" else f"program.ask.{target}.predict"
    assert list(seen) == [name]
    seen[name].demos = [dspy.Example(window="", catalog="", evidence="", sql="-- none")]
    for other in set(TARGETS) - {target}:
        assert candidate_of(student.program, other) == candidate_of(MemoryProgram(), other)
    assert candidate_of(student.program, target) != candidate_of(MemoryProgram(), target)


# --- asking a memory ----------------------------------------------------------------------------


def test_an_outcome_says_what_was_answered_shown_and_run(place: Place) -> None:
    student, engine = place.task("answer")
    pred = run("answer", student)
    [outcome] = pred.outcomes
    assert (pred.failed, outcome.answer) == ("", "attic on the ground floor")
    ids = re.findall(r"^\[(\d+)\]", memory_of(engine.prompts_for("answer")[0]), re.MULTILINE)
    assert set(outcome.shown) == {f"D1:{n}" for n in ids} >= {"D1:1"}
    [select] = outcome.sql
    assert select.startswith("SELECT id, turn_id, subject, attribute, value FROM facts")
    assert (outcome.refusals, outcome.fits, outcome.fields) == ((), 1.0, 5)
    assert "I keep the lamp in the attic." in outcome.text  # the turn
    assert "Ann | keeps | the lamp in the attic" in outcome.text  # the row
    asked = place.conversations["red-house"].questions[0]  # attic on the ground floor
    assert components(asked, outcome)["words"] == 1
    assert components(asked, replace(outcome, answer="cellar"))["words"] == 1 / 4


def test_refused_sql_is_in_the_outcome_with_its_reason(place: Place) -> None:
    never, _ = place.task("retrieve", "retrieve")
    [outcome] = run("retrieve", never).outcomes
    assert (len(outcome.refusals), outcome.sql, outcome.fields) == (3, (), 0)
    assert all(re.match(r"Refused:\nSELECT .*\nBecause: ", said) for said in outcome.refusals)
    assert outcome.answer == "attic on the ground floor"

    def second(prompt: str) -> str:
        return engine.reply("retrieve", prompt, knows="Because:" in prompt)

    repaired, engine = place.task("retrieve", retrieve=second)
    [outcome] = run("retrieve", repaired).outcomes
    assert (len(outcome.refusals), len(outcome.sql), outcome.fields) == (1, 1, 5)


def test_rows_beyond_half_of_the_budget_do_not_fit(place: Place) -> None:
    every = sql("SELECT turn_id, subject, value, ended_on FROM facts ORDER BY turn_id")
    student, _ = place.task("retrieve", limits={"budget": 200}, retrieve=lambda prompt: every)
    [outcome] = run("retrieve", student).outcomes
    turns = place.conversations["red-house"].turns
    lines = [f"{n} | Ann | {t.text[7:-1]}\n" for n, t in enumerate(turns, 1)]
    left, fit = 100 - count_tokens("What the memory's facts say:\n"), 0
    while (left := left - count_tokens(lines[fit])) >= 0:
        fit += 1
    assert 0 < fit < 16
    assert (outcome.fits, outcome.fields) == (fit / 16, 16 * 3)


# --- where SELECTs are compiled -----------------------------------------------------------------


@pytest.mark.parametrize("sql_use", ["when it pays", "never"])
def test_a_hosted_model_writes_selects_for_every_question_where_they_are_compiled(
    place: Place, sql_use: SqlUse
) -> None:
    asked = {}
    for target in ("answer", "retrieve"):
        student, engine = place.task(target, sql=sql_use)
        [outcome] = run(target, student).outcomes
        asked[target] = (len(engine.prompts_for("retrieve")), outcome.sql_asked)
        # What nobody asked for is not missing.
        assert components(place.conversations["red-house"].questions[0], outcome)["sql"] == 1.0
    assert asked == {"answer": (0, False), "retrieve": (1, True)}


# --- models that fail ---------------------------------------------------------------------------


def dead(prompt: str) -> str:
    raise ConnectionError("the line is dead")


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("target", "kind"),
    [("answer", "answer"), ("retrieve", "retrieve")]
    + [("store", kind) for kind in ("store", "retrieve", "answer")],
)
def test_a_model_error_is_told_and_never_raised(place: Place, target: Target, kind: str) -> None:
    replies: dict[str, Any] = {kind: dead}
    pred = run(target, student := place.task(target, **replies)[0])
    assert pred.outcomes == []
    assert "the line is dead" in pred.failed
    assert pred.candidate == candidate_of(student.program, target).key


@pytest.mark.few(3)
@pytest.mark.parametrize("said", ["Blah.", "", "[[ ## sql ## ]]\n;;'\ud83d", "\x00"])
@pytest.mark.parametrize("target", ["retrieve", "store"])
def test_rubbish_is_an_outcome_with_refusals_and_never_raised(
    place: Place, target: Target, said: str
) -> None:
    kinds: dict[str, Any] = dict.fromkeys(("store", "retrieve", "answer"), lambda prompt: said)
    pred = run(target, place.task(target, **kinds)[0])
    assert pred.failed == ""
    assert len(pred.outcomes) == (4 if target == "store" else 1)
    assert all(outcome.sql == () and outcome.refusals for outcome in pred.outcomes)


# --- storing a window ---------------------------------------------------------------------------


def test_facts_reach_the_answering_model_and_the_turns_text_does_not(place: Place) -> None:
    student, engine = place.task("store")
    pred = run("store", student)
    found = " ".join(outcome.answer.split()[0] for outcome in pred.outcomes)
    assert found == "attic cellar shed garage"
    assert all(outcome.shown == ("D1:1", "D1:2", "D1:3", "D1:4") for outcome in pred.outcomes)
    assert pred.facts[0] == ("Ann", "keeps", "the lamp in the attic", 1)
    seen = memory_of(engine.prompts_for("answer")[0])
    assert "the lamp in the attic" in seen
    assert "said 12 Jun 2017" in seen
    assert HIDDEN not in seen
    assert "I keep" not in seen


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("mended", "worth", "facts", "refused"), [(True, 0.5, 1, 1), (False, 0.0, 0, 2)]
)
def test_a_refused_insert_costs_the_sql_component(
    place: Place, mended: bool, worth: float, facts: int, refused: int
) -> None:
    def reply(prompt: str) -> str:
        whole = FACTS + "('Ann', 'keeps', 'the lamp in the attic', 1);"
        return sql(whole if mended and "Because:" in prompt else whole.replace("1)", "9)"))

    pred = run("store", place.task("store", store=reply)[0])
    [outcome, *_] = pred.outcomes
    assert components(place.conversations["red-house"].questions[0], outcome)["sql"] == worth
    assert len(pred.facts) == facts
    assert len(outcome.refusals) == refused
    assert "INSERT" in outcome.refusals[0]
    assert "turn 9" in outcome.refusals[-1]


# --- one speaker at a time ----------------------------------------------------------------------

ASKING: dict[str, Any] = {
    "retrieve": lambda prompt: sql("SELECT turn_id, value FROM facts"),
    "answer": lambda prompt: answer("Lyon", "1"),
}


def said_by(subject: Callable[[str, list[str]], str]) -> Callable[[str], str]:
    """A model that stores each line word for word, as of a subject: its speaker, all speakers."""

    def reply(prompt: str) -> str:
        lines = re.findall(r"^\[(\d+)\] \(.*?\) (\w+): (.*)$", prompt, re.MULTILINE)
        names = [name for _, name, _ in lines]
        rows = [f"('{subject(name, names)}', 'said', '{text}', {n})" for n, name, text in lines]
        return sql(FACTS + ", ".join(rows) + ";")

    return reply


@pytest.mark.slow
def test_speakers_who_are_confused_cost_the_reward(place: Place, tmp_path: Path) -> None:
    confused = said_by(lambda name, names: names[0])
    adopted = turn("D1:2", "How nice! There is a dog here now, Rufus.", speaker="Bo")
    place = place.with_talk(talk(session_1=[ANN[0], adopted, ANN[2]]), tmp_path)
    student, _ = place.task("store", speakers=True, store=confused, **ASKING)
    judged = single_speaker_metric(None, student(conversation="tiny", first=1, last=3))
    assert judged.score == pytest.approx(2 / 3)
    assert "Wrong subject, it is Bo" in judged.feedback


# --- the trace, of which examples are made ------------------------------------------------------


def traced(target: Target, student: dspy.Module, thing: str = "lamp") -> list[Any]:
    with dspy.context(trace=[]):
        run(target, student, thing)
        return list(dspy.settings.trace)


PACKAGED = {"context": 2048, "budget": 360}  # its limits


@pytest.mark.parametrize("cites", [True, False])
def test_an_examples_memory_is_cut_around_what_the_answer_rests_on(
    place: Place, cites: bool
) -> None:
    said = answer("somewhere", "16") if cites else answer("The loft")
    replies: dict[str, Any] = {"retrieve": lambda prompt: "", "answer": lambda prompt: said}
    student, engine = place.task("answer", limits=PACKAGED, **replies)
    [(_, inputs, outputs)] = traced("answer", student, "pen")
    whole, cut = memory_of(engine.prompts_for("answer")[0]), inputs["evidence"]
    assert bool(outputs["turns"]) is cites
    assert count_tokens(cut) <= student.bench.example_tokens < count_tokens(whole)
    assert "I keep the pen in the loft." in cut
    assert all(line in whole.splitlines() for line in cut.splitlines())


# --- copies and threads -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    ["answer", *(pytest.param(name, marks=pytest.mark.slow) for name in ("retrieve", "store"))],
)
def test_a_copy_shares_the_bench_and_no_run_leaves_a_handle(
    place: Place, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    def handles() -> list[SqliteStore]:
        gc.collect()
        return [instance for instance in gc.get_objects() if type(instance) is SqliteStore]

    student, _ = place.task(target)
    before = handles()
    run(target, student)
    copy = student.deepcopy()
    assert [store.path for store in handles() if store not in before] == []
    assert copy.bench is student.bench
    assert copy.program is not student.program
    assert caplog.records == []  # DSPy warns of what it could not copy
    assert run(target, copy).outcomes == run(target, student).outcomes
