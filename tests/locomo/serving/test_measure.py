"""How well a model serves: every figure against one worked out by hand, and who is asked what."""

import io
import json
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from locomo.harness import Result
from locomo.metrics import bootstrap
from locomo.serving import __main__ as serving
from locomo.serving import figures
from locomo.serving.answers import F1_TABLE, FACTS_ONLY_TABLE, READING_TABLE
from locomo.serving.facts import FACTS_TABLE
from locomo.serving.figures import Figure
from locomo.serving.first_attempts import VALID_SQL_TABLE, RecordingStore, accepted_windows
from locomo.serving.memories import StoredMemories
from locomo.serving.readers import rule_answer
from memory import InputError, Memory, MemoryProgram, Turn, open_store
from memory.program import Model
from memory.program.local import SmallModelAdapter
from tests.support.gguf_adapter import adapter
from tests.support.locomo_records import question
from tests.support.scripted import answer, sql, window
from tests.support.talk import QUESTIONS, Talker, talk, talker, talks

INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
GOLD = {
    "D1:1": f"{INSERT}('Ann', 'lives_in', 'Lyon', '2017-05-06', 1);",
    "D1:2": f"{INSERT}('Bo', 'has_pet', 'dog Rufus', '2017-05', 2);",
    "D1:3": "-- none",
    "D2:1": f"{INSERT}('Bo', 'learns', 'the violin', '2017-06', 4);",
    "D2:2": "-- none",
    "D2:3": "-- none",
}
STORED = {
    "[1]": f"{INSERT}('ann', 'moved_to', 'Lyon', '2017-05-06', 1);",
    "[2]": f"{INSERT}('Bo', 'has_pet', 'a dog called Rufus', '2022', 2);",
    "[3]": f"{INSERT}('Ann', 'has_pet', 'cat Miso', '', 3);",
    "[4]": f"{INSERT}('Bo', 'learns', 'violin', '', 4);",
}
BOTH = question(1, question="Ann's cat and job?", answer="Miso, library", evidence=["D1:3", "D2:2"])
REFUSED = "SELECT nothing FROM nowhere"


@pytest.mark.parametrize(
    ("question_text", "expected"),
    [
        ("Where did Ann move?", "I moved to Lyon."),  # by its stem
        ("When did Ann move?", "8 May 2017"),
        ("What is the cat of Ann called?", "My cat is called Miso!"),
        ("What did you do?", "No information available"),  # words that any turn has
    ],
)
def test_the_rule_answers_with_a_sentence_a_date_or_nothing(
    question_text: str, expected: str
) -> None:
    said_turn = Turn(
        "Ann", "I did it. I moved to Lyon. My cat is called Miso!", "", "2017-05-08T13:56"
    )
    assert rule_answer(question_text, said_turn) == expected
    assert (
        rule_answer("When did Ann move?", replace(said_turn, said_at="long ago"))
        == "I moved to Lyon."
    )


# --- end to end, with models that talk ----------------------------------------------------------


def store_facts(prompt: str) -> str:
    """What STORED says of the turn; that of turn 4 is refused at first."""
    turn = prompt.split("[[ ## turns ## ]]\n")[1].split(" ")[0]
    if turn == "[4]" and "Refused" not in prompt:
        return sql(REFUSED)
    return sql(STORED.get(turn, "-- none"))


def retrieve(prompt: str) -> str:
    first = "city" in prompt.split("[[ ## question ## ]]")[1] and "Refused" not in prompt
    return sql(REFUSED if first else "SELECT turn_id, value FROM facts")


def read(prompt: str) -> str:
    """Right answers; without turns a date is less exact."""
    memory, question_text = prompt.split("[[ ## memory ## ]]")[1].split("[[ ## question ## ]]")
    day = "6 " if "What was said:" in memory else ""
    for word, text in {"city": "Lyon", "When": f"{day}May 2017", "job": "Miso"}.items():
        if word in question_text:
            return answer(text, "1")
    return answer("No information available")


Figures = dict[tuple[str, str, str], Figure]
Run = Callable[..., Figures]


def served(folder: Path, models: tuple[Model, Model], **flags: Any) -> Figures:
    """serving() of these models on a conversation with gold; the figures by their place."""
    named = dict(zip(("tuned", "untuned"), models, strict=True))
    data = talks(folder / "a.json", {**talk("a", [*QUESTIONS, BOTH]), "store": GOLD})
    settings = {"data": data, "model": "tuned", "against": "untuned", "num_threads": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "load_model", lambda name: named.get(name, models[0]))
        result = serving.serving(**settings | {"output_dir": folder / "out"} | flags)
    return {(figure.table, figure.row, figure.column): figure for figure in result}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`served` in a folder of its own, with intervals that cost less, for nobody looks at them."""
    monkeypatch.setattr(figures, "bootstrap", partial(bootstrap, n=2))
    monkeypatch.setattr(figures, "_RESAMPLES", 20)
    return lambda models, **flags: served(tmp_path, models, **flags)


@dataclass(frozen=True)
class Whole:
    """A run from end to end: what it found, said and wrote, and whom it asked."""

    figures: Figures
    output: str
    out: Path
    tuned: Talker
    untuned: Talker


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder, output = tmp_path_factory.mktemp("whole"), io.StringIO()
    models, engines = pair()
    with redirect_stdout(output), pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "bootstrap", partial(bootstrap, n=200))
        result = served(folder, models)
    return Whole(result, output.getvalue(), folder / "out", *engines)


def pair(**replies: Callable[[str], str]) -> tuple[tuple[Model, Model], tuple[Talker, Talker]]:
    """A tuned model, and an untuned one that stores nothing and answers "Lyon" to all."""
    all_replies = {"store": store_facts, "retrieve": retrieve, "answer": read, **replies}
    tuned, tuned_engine = talker(window=1, name="tuned", **all_replies)
    untuned, untuned_engine = talker(window=1, name="untuned", store=lambda prompt: sql("-- none"))
    return (tuned, untuned), (tuned_engine, untuned_engine)


def test_readers_answer_the_same_questions_and_lack_one_module_each(whole: Whole) -> None:
    by_place = whole.figures

    def row(reader: str) -> list[float]:
        columns = ("1 multi-hop", "2 temporal", "4 single-hop", "1-4")
        scores = [by_place[F1_TABLE, reader, column] for column in columns]
        assert [score.n for score in scores] == [1, 1, 1, 3]
        return [score.value for score in scores]

    assert row("tuned") == row("without store") == row("without retrieve") == [0.5, 1, 1, 2.5 / 3]
    assert row("untuned") == row("without answer") == [0, 0, 1, pytest.approx(1 / 3)]
    assert row("facts only") == [0.5, 0.8, 1, pytest.approx(2.3 / 3)]
    # "8 May 2017" for "6 May 2017", and a sentence of six words for "Lyon".
    assert row("rule")[1:3] == [pytest.approx(2 / 3), pytest.approx(2 / 7)]
    lost = by_place[READING_TABLE, "without answer", "tuned minus it, F1 1-4"]
    assert (lost.value, lost.low, lost.high) == (pytest.approx(0.5), 0, 1)  # of 0, .5 and 1
    assert (READING_TABLE, "tuned", "tuned minus it, F1 1-4") not in by_place
    for reader, abstained in {"tuned": 1, "facts only": 1, "without answer": 0}.items():
        assert by_place[READING_TABLE, reader, "abstained, 5"].value == abstained
    assert by_place[READING_TABLE, "tuned", "answered, 1-4"].value == 1
    assert by_place[READING_TABLE, "tuned", "evidence shown"].value == 1
    assert by_place[READING_TABLE, "facts only", "evidence shown"].value == pytest.approx(2.5 / 3)
    # Four readers retrieve by the tuned model, each with a repair, and four answer by it.
    tuned_calls, untuned_calls = whole.tuned.calls(), whole.untuned.calls()
    assert tuned_calls == {"probe": 1, "store": 6 + 1, "retrieve": 4 * (4 + 1), "answer": 4 * 4}
    assert untuned_calls == {"probe": 1, "store": 6, "retrieve": 4, "answer": 2 * 4}


def test_answers_from_facts_alone_are_compared_with_answers_from_turns_alone(whole: Whole) -> None:
    by_place, tuned = whole.figures, whole.tuned
    alone = [
        by_place[FACTS_ONLY_TABLE, "1-4", column]
        for column in ("facts only", "turns only", "ratio")
    ]
    assert [figure.value for figure in alone] == pytest.approx([2.3 / 3, 2.5 / 3, 0.92])
    assert by_place[FACTS_ONLY_TABLE, "2 temporal", "ratio"].value == pytest.approx(0.8)
    facts = [prompt for prompt in tuned.prompts_for("answer") if "What was said:" not in prompt]
    turns = [prompt for prompt in tuned.prompts_for("answer") if "memory's facts say" not in prompt]
    # Two memories show turns as well: one has no facts, one has the turn of each fact shown.
    assert (len(facts), len(turns)) == (4, 3 * 4)
    assert all("[1] ann | moved_to | Lyon | happened 2017-05-06" in prompt for prompt in facts)


def test_stored_facts_are_measured_beside_gold_ones(whole: Whole) -> None:
    tuned = {row: figure for (_, row, column), figure in whole.figures.items() if column == "tuned"}
    seconds = tuned.pop("seconds a turn")
    assert seconds.n == 6
    assert {
        row: (figure.value, figure.n)
        for row, figure in tuned.items()
        if figure.table == FACTS_TABLE
    } == {
        "precision": (0.75, 4),
        "recall": (1, 3),
        "F1": (pytest.approx(6 / 7), 7),
        "facts a turn": (pytest.approx(4 / 6), 6),
        "-- none right": (pytest.approx(2 / 3), 3),
        "matches with the same attribute": (pytest.approx(2 / 3), 3),
        "gold dates that are equal": (pytest.approx(1 / 3), 3),
        "gold dates that are left empty": (pytest.approx(1 / 3), 3),
    }
    untuned = {
        row: figure.value
        for (_, row, column), figure in whole.figures.items()
        if column == "untuned"
    }
    assert (untuned["recall"], untuned["-- none right"], untuned["facts a turn"]) == (0, 1, 0)
    assert "precision" not in untuned


def test_sql_is_valid_when_it_needs_no_repair(whole: Whole) -> None:
    valid = {key[1:]: figure for key, figure in whole.figures.items() if key[0] == VALID_SQL_TABLE}
    assert {key: (figure.value, figure.n) for key, figure in valid.items()} == {
        ("store", "tuned"): (pytest.approx(5 / 6), 6),
        ("retrieve", "tuned"): (0.75, 4),
        ("store", "untuned"): (1, 6),
        ("retrieve", "untuned"): (1, 4),
    }


def test_sql_that_no_repair_mends_counts_as_refused_and_stores_nothing(run: Run) -> None:
    models, _ = pair(store=lambda _: sql(REFUSED), retrieve=lambda _: sql(REFUSED))
    by_place = run(models)
    assert (
        by_place[VALID_SQL_TABLE, "store", "tuned"].value
        == by_place[VALID_SQL_TABLE, "retrieve", "tuned"].value
        == 0
    )
    assert by_place[FACTS_TABLE, "facts a turn", "tuned"].value == 0


def test_modules_with_a_grammar_are_not_counted_as_writing_valid_sql(tmp_path: Path) -> None:
    result = Result("memory", "a", 0, 4, "Where?", "Oslo", "Oslo", 1.0, 1.0, 0.1, tokens=9, calls=2)
    for targets in ((), ("answer",), ("answer", "retrieve")):
        small = replace(talker()[0], adapter=SmallModelAdapter(frozenset(targets)))
        figures_of_sql = StoredMemories(small, {}, tmp_path / "none").figures("tuned", [], [result])
        assert [figure.row for figure in figures_of_sql] == [
            name for name in targets if name == "retrieve"
        ]


def test_first_attempts_are_those_of_one_memory_whatever_else_was_noted(tmp_path: Path) -> None:
    file, paths = tmp_path / "notes.jsonl", [tmp_path / "a.db", tmp_path / "b.db"]
    noted = RecordingStore(file)
    for path, refused in zip(paths, ("[2]", "[9]"), strict=True):
        stored = partial(lambda bad, p: sql(REFUSED if bad in window(p) else "-- none"), refused)
        model, _ = talker(window=1, store=stored)
        program: Any = MemoryProgram()
        program.store = noted
        with open_store(path) as store:
            memory = Memory(store, model, program)
            memory.add([Turn("Ann", f"Number {n}.") for n in (1, 2, 3)])
            memory.digest()
    file.write_bytes(file.read_bytes() + b"[{\n")
    assert sorted(accepted_windows(file, paths[0])) == [0, 1, 1]
    assert accepted_windows(file, paths[1]) == [1, 1, 1]
    assert accepted_windows(tmp_path / "none.jsonl", paths[0]) == []


def test_what_is_found_is_written_with_examples_as_they_were_answered(whole: Whole) -> None:
    content = json.loads((whole.out / "serving.json").read_bytes())
    assert content["figures"] == [asdict(figure) for figure in whole.figures.values()]
    assert Path(content["params"].pop("data")).name == "a.json"
    about = {"questions": 4, "model": "tuned", "against": "untuned", "budget": 2_000}
    assert content["params"] == {**about, "turns only": False, "num_threads": 1, "seed": 0}
    assert content["examples"][1] == {
        "question": "When did Ann move?",
        "gold": "6 May 2017",
        "answer": "6 May 2017",
        "cited": "D1:1 (2017-05-08) Ann: I moved to Lyon last Saturday.",
    }
    assert content["examples"][2]["gold"] == "(No information available)"
    assert content["examples"][2]["cited"] == "(no turn)"
    for report in (whole.output, (whole.out / "serving.md").read_text()):
        assert "cited: D1:1 (2017-05-08) Ann: I moved to Lyon last Saturday." in report
        assert ".857 (7)" in report  # F1 of stored facts


def test_questions_are_drawn_by_the_seed(run: Run) -> None:
    models, (tuned, _) = pair()
    by_place = run(models, num_test=2, seed=1)
    questions = {
        prompt.split("[[ ## question ## ]]")[1][:12] for prompt in tuned.prompts_for("answer")
    }
    assert len(questions) == 2
    assert by_place[READING_TABLE, "tuned", "seconds a question"].n == 2


def test_an_interrupted_run_goes_on_and_asks_nothing_twice(run: Run) -> None:
    prompts: list[str] = []

    def six_times(prompt: str) -> str:
        if len(prompts) == 6:
            raise KeyboardInterrupt
        prompts.append(prompt)
        return read(prompt)

    with pytest.raises(KeyboardInterrupt):
        run(pair(answer=six_times)[0])
    models, (tuned, untuned) = pair()
    done = run(models, resume=True)
    assert tuned.calls()["answer"] == 4 * 4 - 6
    assert "store" not in tuned.calls() | untuned.calls()
    models, (tuned, untuned) = pair()
    assert run(models, resume=True) == done
    assert tuned.prompts == untuned.prompts == []
    run(models)
    assert tuned.calls() == {"probe": 1, "retrieve": 4 * (4 + 1), "answer": 4 * 4}


def test_from_turns_alone_nobody_stores_or_retrieves(run: Run) -> None:
    models, (tuned, untuned) = pair()
    by_place = run(models, turns_only=True)
    assert {row for table, row, _ in by_place if table == F1_TABLE} == {"tuned", "untuned", "rule"}
    assert {table for table, *_ in by_place} == {F1_TABLE, READING_TABLE}
    assert by_place[F1_TABLE, "tuned", "1-4"].value == 2.5 / 3
    assert by_place[READING_TABLE, "rule", "abstained, 5"].n == 1
    assert tuned.calls() == untuned.calls() == {"probe": 1, "answer": 4}


def test_a_file_without_gold_asks_its_questions_only(run: Run, tmp_path: Path) -> None:
    by_place = run(pair()[0], data=talks(tmp_path / "plain.json"))
    assert {row for table, row, _ in by_place if table == FACTS_TABLE} == {"seconds a turn"}
    assert by_place[F1_TABLE, "tuned", "1-4"].value == 1


def test_conversations_that_the_model_was_tuned_on_are_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = adapter(tmp_path / "adapter", "answer", conversations=["a", "b"])
    run(pair()[0], model=str(folder))
    assert f"{folder} was tuned on a, which it is measured on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"store": {**GOLD, "D1:2": GOLD["D1:1"]}}, "a, field store.D1:2: the gold SQL is refused"),
        ({"store": {"D1:1": "SELECT 1"}}, "a, field store.D1:1: the gold SQL is refused"),
        ({"qa": []}, "asks no question"),
    ],
)
def test_what_cannot_be_used_is_said_before_a_model_is_asked(
    run: Run, tmp_path: Path, changed: Any, message: str
) -> None:
    models, (tuned, _) = pair()
    data = talks(tmp_path / "bad.json", {**talk("a"), **changed})
    with pytest.raises(InputError, match=message):
        run(models, data=data)
    assert tuned.prompts == []


def test_the_command_ends_with_one_line_and_code_2_for_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["serving", "--data", str(tmp_path / "none.json")])
    monkeypatch.delitem(sys.modules, "locomo.serving.__main__")  # or it warns of running twice
    with pytest.raises(SystemExit) as end:
        runpy.run_module("locomo.serving", run_name="__main__")
    out, error = capsys.readouterr()
    assert (end.value.code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"error: {tmp_path / 'none.json'} does not exist")
