"""One supervised example: the student's own prompt, and an answer that is right."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from locomo.choices import TARGETS
from locomo.examples.distill import DistillationSummary
from memory import InputError, Memory, load_model, open_store
from memory.models import Model
from memory.vocabulary import attribute_lines, default_vocabulary
from tests.support.example_maker import ASKED, INSERT, ONE, example_maker, long_talk
from tests.support.locomo_records import DATE, question, record, turn
from tests.support.scripted import answer, rows_saying, sql, window, with_limits
from tests.support.talk import talk

# --- what an example is -------------------------------------------------------------------------

NO_ROWS = "SELECT turn_id FROM facts WHERE id = 0"
HERE = "SELECT turn_id, value FROM facts"


class Recorder:
    """A DSPy engine that keeps what it is shown and tells modules apart by a text of the prompt."""

    def __init__(self, says: Mapping[str, str]) -> None:
        self.says, self.shown = says, list[list[dict[str, str]]]()

    def complete(self, request: Request) -> Response:
        messages = [{"role": m.role, "content": m.text or ""} for m in request.messages]
        self.shown.append([{"role": "system", "content": str(request.system)}, *messages])
        reply = next(text for sign, text in self.says.items() if sign in str(self.shown[-1]))
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        message = Message.assistant([TextPart(reply)])
        return Response(id=None, model="r", message=message, finish_reason="stop", usage=usage)


NO_LOOK = "[[ ## look ## ]]\n\n\n"  # an answer that asks for no more of the memory


def at_work(model: Model, path: Path, says: Mapping[str, str]) -> list[list[dict[str, str]]]:
    """What a student is shown in its own memory: when it stores the first window, and is asked."""
    engine = Recorder(says)
    lm = dspy.LM("local/recorder", engine=engine, cache=False, num_retries=0)
    with open_store(path) as store:
        memory = Memory(store, replace(model, lm=lm))
        memory.digest(max_calls=1)
        memory.ask(ASKED)
    return engine.shown


def test_an_example_is_what_the_tuned_student_is_shown_at_work(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, talk(qa=ONE))
    student = maker.student
    no_fact, select, answer_text = sql("-- none"), sql(NO_ROWS), answer("Lyon", "1")
    signs = ["[[ ## window ## ]]\\n[1]", "Write the SELECTs", ""]
    with open_store(tmp_path / "own.db") as store:
        store.add(maker.conversations[0].turns)
        catalog = store.catalog(1_000)
    says = dict(zip(signs, [no_fact, select, answer_text], strict=True))
    store_prompt, retrieve_prompt, answer_prompt = at_work(student, tmp_path / "own.db", says)
    distillation = maker.distillation(*TARGETS)
    turns = store_prompt[-1]["content"].split("window ## ]]\n")[-1].split("\n\n[[")[0]
    said = "\n".join(f"{turn.speaker}: {turn.text}" for turn in maker.conversations[0].turns[:2])
    attributes = attribute_lines(default_vocabulary(), said)
    inputs = {"window": turns, "catalog": catalog, "attributes": attributes, "feedback": ""}
    example = distillation.render("store", inputs, {"sql": "-- none"})
    assert example == [*store_prompt, {"role": "assistant", "content": no_fact}]
    inputs = {"question": ASKED, "catalog": catalog, "feedback": ""}
    example = distillation.render("retrieve", inputs, {"sql": NO_ROWS})
    assert example == [*retrieve_prompt, {"role": "assistant", "content": select}]
    maker.distill("answer")
    written = f"{NO_LOOK}{answer_text}"
    assert maker.examples() == [[*answer_prompt, {"role": "assistant", "content": written}]]


# --- store --------------------------------------------------------------------------------------


def test_the_teacher_is_shown_one_speakers_lines_at_a_time(tmp_path: Path) -> None:
    prompts: list[str] = []

    def store(prompt: str) -> str:
        prompts.append(prompt)
        rows = ", ".join(rows_saying("said", window(prompt)))
        return sql(f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}")

    maker = example_maker(tmp_path, talk(qa=ONE), store=store)
    maker = replace(maker, student=with_limits(maker.student, window=6))
    summary = maker.distill("store")
    assert [("Ann:" in prompt, "Bo:" in prompt) for prompt in prompts] == [
        (True, False),
        (False, True),
    ]
    [messages] = maker.examples()
    assert "Ann:" in messages[1]["content"]
    assert "Bo:" in messages[1]["content"]
    insert = INSERT + "{};"
    both = "\n".join(
        insert.format(", ".join(rows_saying("said", window(prompt)))) for prompt in prompts
    )
    assert messages[-1]["content"] == sql(both)
    assert (summary.examples, summary.calls) == ({"store": 1}, 2)


def test_a_fact_of_a_turn_that_was_not_shown_is_refused_and_repaired(tmp_path: Path) -> None:
    moved = f"{INSERT}('Ann', 'moved', 'to Lyon', 1);"

    def store(prompt: str) -> str:
        if "[1] " in window(prompt) and "Refused:" not in prompt:
            return sql(f"{INSERT}('Ann', 'has', 'Rufus', 2);")  # Bo's
        return (
            sql(f"{INSERT}('Ann', 'moved', 'to Lyon', 1);")
            if "[1] " in window(prompt)
            else sql("-- none")
        )

    maker = example_maker(tmp_path, talk(qa=ONE), store=store)
    summary = maker.distill(
        "store",
    )
    assert sql(moved) in maker.answers()
    assert maker.answers().count(sql("-- none")) == summary.examples["store"] - 1 == 2
    assert not summary.dropped


@pytest.mark.slow
def test_sql_that_the_database_refuses_to_the_end_is_dropped_and_counted(tmp_path: Path) -> None:
    def store(prompt: str) -> str:
        good = sql(f"{INSERT}('Bo', 'learns', 'violin', 4);")
        return good if "window ## ]]\n[4] " in prompt else sql("DROP TABLE facts")

    maker = example_maker(tmp_path, talk(qa=ONE), store=store)
    student = with_limits(maker.student, window=1)
    summary = replace(maker, student=student).distill("store")
    assert summary.dropped == {"store: the database refused its SQL": 5}
    assert (summary.examples, summary.calls) == ({"store": 1}, 5 * 3 + 1)
    assert maker.answers() == [sql(f"{INSERT}('Bo', 'learns', 'violin', 4);")]


def test_a_student_that_quotes_rows_learns_no_sql(tmp_path: Path) -> None:
    maker = replace(example_maker(tmp_path, talk(qa=ONE)), student=load_model("local-base"))
    with pytest.raises(InputError, match="local-base quotes and chooses rows, and a teacher"):
        maker.distill("store")
    assert maker.distill("answer").examples == {"answer": 1}


# --- retrieve -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("select", "answer_text", "is_right"),
    [
        (HERE, "wrong", True),  # the rows name the evidence turn: nobody need answer
        ("SELECT turn_id FROM facts WHERE turn_id = 3", "Lyon", True),
        ("SELECT turn_id FROM facts WHERE turn_id = 3", "Oslo", False),
        (NO_ROWS, "Lyon", False),
        ("DROP TABLE facts", "Lyon", False),
    ],
)
def test_selects_are_kept_when_they_are_right(
    tmp_path: Path, select: str, answer_text: str, is_right: bool
) -> None:
    replies = {"retrieve": lambda p: sql(f"{select};"), "answer": lambda p: answer(answer_text)}
    maker = example_maker(tmp_path, talk(qa=ONE), **replies)
    if not is_right:
        with pytest.raises(InputError, match="1 tried for retrieve"):
            maker.distill("retrieve")
        assert not maker.file.exists()
        return
    assert maker.distill("retrieve").calls == (1 if select == HERE else 2)
    assert maker.answers() == [sql(f"{select};")]


def test_only_what_can_be_found_is_asked_of_retrieve(tmp_path: Path) -> None:
    questions = [*ONE, question(5, adversarial_answer="x"), question(4, evidence=[])]
    maker = example_maker(tmp_path, talk(qa=questions))
    assert maker.distill("retrieve").examples == {"retrieve": 1}


# --- answer -------------------------------------------------------------------------------------


def test_the_evidence_is_shown_in_place_of_the_worst_ranked_turn(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, long_talk())
    maker = replace(maker, student=with_limits(maker.student, budget=360))
    summary = maker.distill("answer")
    assert summary == DistillationSummary({"answer": 1}, {}, {}, 0)
    with open_store(tmp_path / "own.db") as store:
        store.add(maker.conversations[0].turns)
        plain = Memory(store, maker.student, budget=360).evidence("In which city did Ann move?")
    assert 41 not in plain.turn_ids  # the ranking alone does not bring it
    [[_, prompt, right_answer]] = maker.examples()
    assert right_answer["content"].endswith(answer("library", "41"))
    turn_ids = [int(n) for n in re.findall(r"^\[(\d+)\]", prompt["content"], re.MULTILINE)]
    assert turn_ids[-1] == 41
    assert turn_ids == sorted(turn_ids)  # as they were said
    assert abs(len(turn_ids) - len(plain.turn_ids)) <= 1


def test_evidence_that_does_not_fit_the_budget_makes_no_example(tmp_path: Path) -> None:
    qa = [*ONE, question(4, question="Both?", evidence=["D1:1", "D1:2"])]
    turns = [turn("D1:1", "I moved to Lyon. " * 20), turn("D1:2", "So did I. " * 20, speaker="Bo")]
    maker = example_maker(tmp_path, record("a", qa, session_1=turns, session_1_date_time=DATE))
    maker = replace(maker, student=with_limits(maker.student, budget=150))
    summary = maker.distill("answer")
    assert summary.dropped == {"answer: its evidence does not fit the budget": 1}
    assert summary.examples == {"answer": 1}


def test_an_answer_that_another_turn_gives_too_is_not_taken_for_absent(tmp_path: Path) -> None:
    qa = [question(4, question=f"Where, {n}?", evidence=["D1:1"]) for n in range(6)]
    maker = example_maker(tmp_path, talk(qa=qa, session_2=[turn("D2:1", "I like Lyon, you know.")]))
    summary = maker.distill("answer")
    assert summary.dropped == {"answer: another turn says it too": 1}
    assert summary.examples == {"answer": 6}
