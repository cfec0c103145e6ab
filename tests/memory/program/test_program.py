"""The program as a whole: called by itself, it answers and stores as a Memory does."""

from dataclasses import fields
from pathlib import Path

import dspy
import pytest

from memory import Answer, Memory, MemoryProgram, Store
from memory.errors import ModelError, UnusableAnswer
from memory.records import ABSTAIN
from tests.conftest import MOVED
from tests.support.scripted import (
    ScriptedLM,
    answer,
    scripted_model,
    sql,
)

WHERE = "How many cities did Anna live in?"
CITIES = "SELECT value, turn_id FROM facts WHERE attribute = 'lives_in'"


def test_a_question_passes_through_select_evidence_and_answer(store: Store) -> None:
    store.write(MOVED, cause="digest by test")
    lm = ScriptedLM([([WHERE], sql(CITIES)), (["Oslo", WHERE], answer("one", "1"))])
    with dspy.context(lm=lm):
        said = MemoryProgram()(WHERE, store)
    lm.assert_done()
    assert (said.answer, said.turns, said.basis) == ("one", (1,), "model")
    assert said.sql == (CITIES,)
    assert said.rows[0].rows == (("Oslo", 1),)
    assert [step.name for step in said.steps] == ["search", "select", "answer"]
    assert said.hits[0].turn_id in said.shown


def test_a_memory_asks_the_program(store: Store) -> None:
    store.write(MOVED, cause="digest by test")
    pairs = [([WHERE], sql(CITIES)), (["Oslo"], answer("one", "1"))]
    with dspy.context(lm=ScriptedLM(pairs)):
        said = MemoryProgram()(question=WHERE, memory=store)
    asked = Memory(store, model=scripted_model(pairs)).ask(WHERE)
    same = [field.name for field in fields(Answer) if field.name not in ("text", "steps")]
    same.remove("citations")  # a Memory says of each what brought it up
    same.remove("rows")
    assert said.rows == [*asked.rows]
    assert said.answer == asked.text
    assert [said[name] for name in same] == [getattr(asked, name) for name in same]


def test_an_empty_memory_asks_no_model_for_an_answer(address: str) -> None:
    from memory import open_store

    lm = ScriptedLM([([], sql("-- no"))])
    with open_store(address + "2") as store, dspy.context(lm=lm):
        said = MemoryProgram()(WHERE, store)
    assert (said.answer, said.basis, said.turns) == (ABSTAIN, "none", ())


def test_what_is_no_answer_is_raised_with_the_steps_so_far(store: Store) -> None:
    lm = ScriptedLM([([], sql("-- none")), ([], "<html>Bad gateway</html>")])
    with pytest.raises(UnusableAnswer) as caught, dspy.context(lm=lm):
        MemoryProgram()(WHERE, store)
    assert [step.name for step in caught.value.answer.steps] == ["search", "select", "answer"]


def test_without_a_model_it_says_what_to_set(store: Store, tmp_path: Path) -> None:
    with dspy.context(lm=None), pytest.raises(ModelError, match=r"dspy\.configure\(lm="):
        MemoryProgram()(WHERE, store)
