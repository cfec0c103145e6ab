"""An ablation: every figure against one worked out manually, and which model is asked what."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from locomo.ablation.ablation import Ablation
from locomo.ablation.facts import FACTS_TABLE, selected_gold
from locomo.ablation.first_attempts import VALID_SQL_TABLE, RecordingStore, accepted_windows
from locomo.ablation.report import FACTS_ONLY_TABLE, READING_TABLE, sql_figures
from locomo.ablation.systems import rule_answer
from locomo.dataset.format import load_conversations
from locomo.evaluation import Evaluation, EvaluationRun
from locomo.harness import Result, Setup, answer_log
from locomo.metrics import bootstrap
from locomo.results import figures
from locomo.results.figures import Figure
from locomo.results.report import ScoreLine, memory_difference, score_lines
from memory import InputError, Memory, MemoryProgram, Turn, open_store
from memory.program import Model
from memory.program.local import SmallModelAdapter
from memory.program.packaged import PackagedModel
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
    "[2]": f"{INSERT}('Bo', 'has_pet', 'a dog called Rufus', '2016', 2);",
    "[3]": f"{INSERT}('Ann', 'has_pet', 'cat Miso', '', 3);",
    "[4]": f"{INSERT}('Bo', 'learns', 'violin', '', 4);",
}
BOTH = question(1, question="Ann's cat and job?", answer="Miso, library", evidence=["D1:3", "D2:2"])
REFUSED = "SELECT nothing FROM nowhere"


@pytest.mark.slow
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


@dataclass(frozen=True)
class Ablated:
    """What a run gave: the figures by table, row and column, and every result."""

    figures: dict[tuple[str, str, str], Figure]
    evaluation: Evaluation

    def score(self, system: str, category: str) -> ScoreLine:
        """The score of a system in a category."""
        return next(
            line
            for line in score_lines(self.evaluation.results, "independent")
            if (line.system, line.categories) == (system, category)
        )


Run = Callable[..., Ablated]


def ablated(
    folder: Path,
    models: tuple[Model, Model],
    record: Any = None,
    turns_only: bool = False,
    resume: bool = False,
) -> Ablated:
    """An ablation of these models on a conversation with gold."""
    data = talks(folder / "a.json", record or {**talk("a", [*QUESTIONS, BOTH]), "store": GOLD})
    conversations = load_conversations(data)
    setup, untuned = (
        Setup(model, MemoryProgram(), model.budget, turns_only=turns_only) for model in models
    )
    golds = selected_gold(data, {conversation.id for conversation in conversations})
    memories = folder / "memories"
    ablation = Ablation(setup, untuned, golds, attempts=memories / "first-attempts.jsonl")
    run = EvaluationRun(
        questions=[(c, asked) for c in conversations for asked in c.questions],
        systems=ablation.systems(),
        embedder="wordllama",
        judging=None,
        memories=memories,
        log=answer_log(folder / "answers.jsonl", resume),
        threads=1,
        console=Console(quiet=True),
    )
    evaluation = run.run()
    by_cell = {
        (figure.table, figure.row, figure.column): figure
        for figure in ablation.figures(evaluation.results, run.built_by)
    }
    return Ablated(by_cell, evaluation)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`ablated` in a folder of its own, with cheap intervals: these tests do not read them."""
    monkeypatch.setattr(figures, "bootstrap", partial(bootstrap, n=2))
    monkeypatch.setattr(figures, "_RESAMPLES", 20)
    return partial(ablated, tmp_path)


@dataclass(frozen=True)
class Whole:
    """A run from end to end, and the engines of its models."""

    ablated: Ablated
    tuned: Talker
    untuned: Talker

    @property
    def figures(self) -> dict[tuple[str, str, str], Figure]:
        return self.ablated.figures


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    models, engines = pair()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "bootstrap", partial(bootstrap, n=200))
        return Whole(ablated(tmp_path_factory.mktemp("whole"), models), *engines)


def pair(**replies: Callable[[str], str]) -> tuple[tuple[Model, Model], tuple[Talker, Talker]]:
    """A tuned model, and an untuned one that stores nothing and answers "Lyon" to all."""
    all_replies = {"store": store_facts, "retrieve": retrieve, "answer": read, **replies}
    tuned, tuned_engine = talker(window=1, name="tuned", **all_replies)
    untuned, untuned_engine = talker(window=1, name="untuned", store=lambda prompt: sql("-- none"))
    return (tuned, untuned), (tuned_engine, untuned_engine)


@pytest.mark.slow
def test_systems_answer_the_same_questions_and_lack_one_module_each(whole: Whole) -> None:
    by_cell = whole.figures

    def row(system: str) -> list[float]:
        columns = ("1 multi-hop", "2 temporal", "4 single-hop", "1-4")
        lines = [whole.ablated.score(system, column) for column in columns]
        assert [line.questions for line in lines] == [1, 1, 1, 3]
        return [line.score for line in lines]

    assert row("memory") == row("without store") == row("without retrieve") == [0.5, 1, 1, 2.5 / 3]
    assert row("untuned") == row("without answer") == [0, 0, 1, pytest.approx(1 / 3)]
    assert row("facts only") == [0.5, 0.8, 1, pytest.approx(2.3 / 3)]
    # "8 May 2017" for "6 May 2017", and a sentence of six words for "Lyon".
    assert row("rule")[1:3] == [pytest.approx(2 / 3), pytest.approx(2 / 7)]
    lost = memory_difference(whole.ablated.evaluation.results, "independent", "without answer")
    assert lost is not None
    assert (lost.change, lost.low, lost.high) == (pytest.approx(0.5), 0, 1)  # of 0, .5 and 1
    for system, abstained in {"memory": 1, "facts only": 1, "without answer": 0}.items():
        assert by_cell[READING_TABLE, system, "abstained, 5"].value == abstained
    assert by_cell[READING_TABLE, "memory", "answered, 1-4"].value == 1
    assert by_cell[READING_TABLE, "memory", "evidence shown"].value == 1
    assert by_cell[READING_TABLE, "facts only", "evidence shown"].value == pytest.approx(2.5 / 3)
    # Four systems retrieve by the tuned model, each with a repair, and four answer by it.
    tuned_calls, untuned_calls = whole.tuned.calls(), whole.untuned.calls()
    assert tuned_calls == {"store": 6 + 1, "retrieve": 4 * (4 + 1), "answer": 4 * 4}
    assert untuned_calls == {"store": 6, "retrieve": 4, "answer": 2 * 4}


def test_answers_from_facts_alone_are_compared_with_answers_from_turns_alone(whole: Whole) -> None:
    by_cell, tuned = whole.figures, whole.tuned
    alone = [
        by_cell[FACTS_ONLY_TABLE, "1-4", column] for column in ("facts only", "turns only", "ratio")
    ]
    assert [figure.value for figure in alone] == pytest.approx([2.3 / 3, 2.5 / 3, 0.92])
    assert by_cell[FACTS_ONLY_TABLE, "2 temporal", "ratio"].value == pytest.approx(0.8)
    facts = [prompt for prompt in tuned.prompts_for("answer") if "What was said:" not in prompt]
    turns = [prompt for prompt in tuned.prompts_for("answer") if "memory's facts say" not in prompt]
    # Two memories show turns as well: one has no facts, one has the turn of each fact shown.
    assert (len(facts), len(turns)) == (4, 3 * 4)
    assert all("ann | moved_to: Lyon (happened 2017-05-06) [1]" in prompt for prompt in facts)


def test_stored_facts_are_measured_beside_gold_ones(whole: Whole) -> None:
    tuned = {
        row: figure for (_, row, column), figure in whole.figures.items() if column == "memory"
    }
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
        ("store", "memory"): (pytest.approx(5 / 6), 6),
        ("retrieve", "memory"): (0.75, 4),
        ("store", "untuned"): (1, 6),
        ("retrieve", "untuned"): (1, 4),
    }


@pytest.mark.slow
def test_sql_that_no_repair_mends_counts_as_refused_and_stores_nothing(run: Run) -> None:
    models, _ = pair(store=lambda _: sql(REFUSED), retrieve=lambda _: sql(REFUSED))
    by_cell = run(models).figures
    assert (
        by_cell[VALID_SQL_TABLE, "store", "memory"].value
        == by_cell[VALID_SQL_TABLE, "retrieve", "memory"].value
        == 0
    )
    assert by_cell[FACTS_TABLE, "facts a turn", "memory"].value == 0


def test_modules_with_a_grammar_are_not_counted_as_writing_valid_sql(tmp_path: Path) -> None:
    result = Result("memory", "a", 0, 4, "Where?", "Oslo", "Oslo", 1.0, 1.0, 0.1, tokens=9, calls=2)
    for targets in ((), ("answer",), ("answer", "retrieve")):
        adapter = SmallModelAdapter(frozenset(targets))
        small = PackagedModel(**{**vars(talker()[0]), "adapter": adapter})
        figures_of_sql = sql_figures("memory", small, [], tmp_path / "none", [result])
        assert [figure.row for figure in figures_of_sql] == [
            name for name in targets if name == "retrieve"
        ]


def test_first_attempts_are_those_of_one_memory_whatever_else_was_noted(tmp_path: Path) -> None:
    file, paths = tmp_path / "notes.jsonl", [tmp_path / "a.db", tmp_path / "b.db"]
    noted = RecordingStore(MemoryProgram().store, file)
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


@pytest.mark.slow
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
    models, (tuned, untuned) = pair()
    assert run(models, resume=True).figures == done.figures
    assert tuned.prompts == untuned.prompts == []
    run(models)
    assert tuned.calls() == {"retrieve": 4 * (4 + 1), "answer": 4 * 4}


@pytest.mark.slow
def test_from_turns_alone_nobody_stores_or_retrieves(run: Run) -> None:
    models, (tuned, untuned) = pair()
    done = run(models, turns_only=True)
    systems = {"memory", "untuned", "rule"}
    assert {result.system for result in done.evaluation.results} == systems
    assert {table for table, *_ in done.figures} == {READING_TABLE}
    assert done.score("memory", "1-4").score == 2.5 / 3
    assert done.figures[READING_TABLE, "rule", "abstained, 5"].n == 1
    assert tuned.calls() == untuned.calls() == {"answer": 4}


@pytest.mark.slow
def test_a_file_without_gold_asks_its_questions_only(run: Run) -> None:
    done = run(pair()[0], record=talk())
    assert {row for table, row, _ in done.figures if table == FACTS_TABLE} == {"seconds a turn"}
    assert done.score("memory", "1-4").score == 1


@pytest.mark.parametrize(
    "store", [{**GOLD, "D1:2": GOLD["D1:1"]}, {"D1:1": "SELECT 1"}], ids=["turn", "select"]
)
def test_gold_that_the_database_refuses_is_named(tmp_path: Path, store: Any) -> None:
    data = talks(tmp_path / "bad.json", {**talk("a"), "store": store})
    with pytest.raises(InputError, match=r"a, field store\.D1:\d: the gold SQL is refused"):
        selected_gold(data, {"a"})
    assert selected_gold(data, {"b"}) == []
