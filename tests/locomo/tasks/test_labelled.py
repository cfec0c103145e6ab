"""Storing turns whose statements are known: what is stored of each, and which prompts are raced."""

from pathlib import Path
from typing import Any

import dspy
import pytest

from locomo.dataset.rows import GoldRows, load_gold_rows
from locomo.harness import Setup
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, Race, StoreLabelled, labelled_examples, task
from locomo.tasks.rewards import ABSTENTION, STATEMENTS, rows_metric
from memory.program import plain_program
from tests.support.locomo_records import DATE, record, turn, write
from tests.support.scripted import scripted_model

TURNS = [
    turn("D1:1", "My sister Nina moved to Leith."),
    turn("D1:2", "Do you miss her?", speaker="Bo"),
    turn("D1:3", "She rings me on Sundays."),
    turn("D1:4", "I love the quiet in winter.", speaker="Bo"),
]
MOVED = {"row": "my sister Nina | moved to | Leith", "words": ["Leith"], "subjects": ["Nina"]}
RINGS = {"row": "Nina | rings | me on Sundays", "words": ["Sundays"], "subjects": ["Nina"]}


@pytest.fixture
def gold(tmp_path: Path) -> GoldRows:
    raw = record("sisters", session_1=TURNS, session_1_date_time=DATE)
    rows = {"D1:1": {"facts": [MOVED], "other": ["sister"]}, "D1:3": {"facts": [RINGS]}}
    [gold] = load_gold_rows(write(tmp_path / "rows.json", {**raw, "rows": rows}))
    return gold


def storing(gold: GoldRows, *answers: str, race: Race | None = None) -> StoreLabelled:
    model = scripted_model([([], answer) for answer in answers], window=1, size="small")
    setup = Setup(model, plain_program(model), 300)
    id_ = gold.conversation.id
    bench = Bench(setup, {id_: gold.conversation}, {}, 0, rows={id_: gold}, race=race)
    student = task(setup.program, "store", bench)
    assert isinstance(student, StoreLabelled)
    return student


def test_a_turn_is_stored_after_those_that_say_whom_it_is_about(gold: GoldRows) -> None:
    student = storing(gold, "my sister Nina | rings | me on Sundays")
    stored = student(conversation="sisters", first=3, last=3)
    [[fact]] = stored.facts
    assert (fact.subject, fact.attribute, fact.value) == ("Nina", "rings", "me on Sundays")
    assert stored.calls == 1
    [prompt] = student.bench.setup.model.lm.script.prompts
    assert prompt == "Ann: My sister Nina rings me on Sundays."


def test_a_window_has_the_facts_of_each_turn(gold: GoldRows) -> None:
    student = storing(gold, "my sister Nina | moved to | Leith", "none", "none")
    stored = student(conversation="sisters", first=1, last=4)
    assert [len(facts) for facts in stored.facts] == [2, 0, 0, 0]


def test_the_reward_is_dense_and_in_words(gold: GoldRows) -> None:
    student = storing(gold, "my sister Nina | moved to | Leith", "none", "Bo | love | the quiet")
    [example] = labelled_examples([gold], window=4)
    judged = rows_metric(example, student(**example.inputs()))
    assert judged.score == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert "missed: Nina | rings | me on Sundays" in judged.feedback


def test_turns_are_scored_as_questions_are_so_that_gains_are_paired(
    gold: GoldRows, tmp_path: Path
) -> None:
    examples = labelled_examples([gold], window=1)
    student = storing(gold, "none", "none", "none")
    scores, _ = measure(
        student, examples, threads=1, log=tmp_path / "log", reward="rows", target="store"
    )
    by_key = {s.key: s for of_example in scores.values() for s in of_example}
    assert {key: (s.category, s.reward) for key, s in by_key.items()} == {
        "sisters/1": (STATEMENTS, 0.0),
        "sisters/2": (ABSTENTION, 1.0),
        "sisters/3": (STATEMENTS, 0.0),
        "sisters/4": (ABSTENTION, 1.0),
    }


def test_only_turns_that_the_model_is_asked_about_are_learned_from(gold: GoldRows) -> None:
    asked = labelled_examples([gold], window=1, only_asked=True)
    assert [example.first for example in asked] == [1, 3, 4]
    assert len(labelled_examples([gold], window=3)) == 2


def test_a_turn_that_the_prompt_shows_with_its_rows_is_known_as_copied(gold: GoldRows) -> None:
    student = storing(gold, "my sister Nina | moved to | Leith")
    shown = dspy.Example(turn="Ann: My sister Nina moved to Leith.", rows="none")
    student.program.store.predict.demos = [shown]
    [example] = labelled_examples([gold], window=1)[:1]
    assert student(**example.inputs()).copied


def test_a_prompt_that_changes_nothing_is_dropped_after_ten_turns() -> None:
    race = Race("plain")
    facts = {f"turn {n}": [n] for n in range(20)}
    for turn_, stored in facts.items():
        race.add("plain", turn_, stored)
    for n, (turn_, stored) in enumerate(facts.items()):
        known: Any = race.known("same", turn_)
        assert known == (stored if n >= 10 else None)
        if not known:
            race.add("same", turn_, stored)
            race.add("other", turn_, stored if n else ["more"])
    assert race.known("other", "turn 15") is None
    assert race.known("plain", "turn 3") is None
