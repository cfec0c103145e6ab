"""For which questions a model is asked for SELECTs that is too small to say so itself."""

from collections.abc import Iterator, Sequence

import pytest

from memory import AskMemory, Memory, Store, Turn, open_store
from memory.program import AnswerQuestion
from memory.program.signatures.full import AnswerFromMemory
from memory.program.sql_questions import sql_pays
from memory.records import Hit
from tests.support.scripted import Pairs, answer, scripted_model, sql

WHEN_IT_PAYS = True
AnswerInWords = AnswerFromMemory.delete("catalog").delete("look")
BOTH_STORES = "slow"


def hits(*scores: float) -> Sequence[Hit]:
    return [Hit(number, score) for number, score in enumerate(scores, start=1)]


def test_selects_pay_where_a_turn_that_is_left_out_is_about_as_near_as_the_best() -> None:
    assert sql_pays(hits(12.0, 11.5, 11.0, 10.5), fitting=2)
    assert not sql_pays(hits(12.0, 11.5, 7.0, 6.5), fitting=2)


def test_where_all_that_was_found_is_shown_rows_cannot_bring_more() -> None:
    assert not sql_pays(hits(12.0, 11.5), fitting=2)
    assert not sql_pays([], fitting=0)


@pytest.fixture
def runs(address: str) -> Iterator[Store]:
    """Sixty runs of Anna, told in passing, and one thing that is told once."""
    with open_store(address) as store:
        store.add(
            [
                Turn(
                    "Anna", f"This morning I went running, {n} km. Bin gelaufen.", said_at="2024-05"
                )
                for n in range(60)
            ]
        )
        store.add([Turn("Ben", "My passport lies in the drawer of the desk.", said_at="2024-05")])
        yield store


def memory_of(store: Store, budget: int, pairs: Pairs) -> Memory:
    program = AskMemory(answer=AnswerQuestion(AnswerInWords), sql="when it pays")
    return Memory(store, model=scripted_model(pairs), budget=budget, program=program)


SELECT = ([], sql("SELECT COUNT(*) AS runs FROM turns"))


@pytest.mark.parametrize(
    "question", ["How often did Anna go running?", "Wie oft ist Anna gelaufen?", "Anna running"]
)
def test_what_is_told_in_more_turns_than_are_shown_is_selected_in_any_language(
    runs: Store, question: str
) -> None:
    memory = memory_of(runs, 500, [SELECT, (["runs: 61"], answer("60"))])
    asked = memory.ask(question)
    assert (asked.calls, len(asked.sql)) == (2, 1)


@pytest.mark.parametrize(
    "question",
    [
        "Where is Ben's passport?",
        "Tell me where in the desk Ben's passport lies, please recommend.",
    ],
)
def test_a_single_thing_takes_one_call_however_it_is_asked_for(runs: Store, question: str) -> None:
    memory = memory_of(runs, 500, [(["drawer"], answer("in the drawer", "61"))])
    asked = memory.ask(question)
    assert (asked.calls, asked.sql) == (1, ())


def test_a_memory_asks_where_it_pays_and_the_module_itself_always(store: Store) -> None:
    store.add([Turn("Anna", "I moved to Oslo.")])
    model = scripted_model([([], answer("Oslo", "1"))])
    assert Memory(store, model=model).ask("Where did Anna move to?").calls == 1
    model = scripted_model([([], sql("-- none")), ([], answer("Oslo", "1"))])
    with model.active():
        asked = AskMemory()(question="Where did Anna move to?", memory=store)
    assert asked.calls == 2
