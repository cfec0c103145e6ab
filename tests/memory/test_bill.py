"""What an answer took, step by step, and what its SELECTs brought."""

from memory import Memory, Store
from memory.records import Step
from tests.conftest import CAT, DOG
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"

PETS = "SELECT turn_id, subject, value FROM facts WHERE value LIKE '%dog%'"


def steps_by_name(steps: tuple[Step, ...]) -> dict[str, Step]:
    return {step.name: step for step in steps}


def test_an_answer_says_what_each_step_took_and_brought(store: Store) -> None:
    store.write(f"{CAT}; {DOG}", cause="test")
    model = scripted_model([([], sql(PETS)), ([], answer("Rufus", "4"))])
    told = Memory(store, model=model).ask("Which dog?")
    steps = steps_by_name(told.steps)
    assert list(steps) == ["search", "select", "answer"]
    assert [step.calls for step in told.steps] == [0, 1, 1]
    assert sum(step.calls for step in told.steps) == told.calls
    assert steps["select"].rows == 1
    assert steps["select"].turns + steps["search"].turns == len(told.shown)
    assert told.seconds >= steps["answer"].seconds
    assert told.seconds > 0


def test_turns_that_only_the_sql_brought_are_its_gain(store: Store) -> None:
    store.write(DOG, cause="test")  # of turn 4
    model = scripted_model([([], sql(PETS)), ([], answer("Rufus", "4"))], budget=110)
    told = Memory(store, model=model).ask("What did Anna say about moving to Oslo?")
    assert 4 in told.shown
    assert steps_by_name(told.steps)["select"].turns == 1
