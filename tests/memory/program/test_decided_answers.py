"""Which of what facts and turns say without a model is the answer."""

from dataclasses import replace

import pytest

from memory import Memory, Store, Turn
from memory.facts import end
from memory.program.decided_answers import decided_answer
from tests.support.scripted import scripted_packaged_model

BOTH_STORES = True
_SHELVES = "I've put up the shelves in the pantry, and hooks in the hall."
_QUESTION = "What did Joel put up in December 2025?"


def told(store: Store) -> Memory:
    """A memory whose facts rules have noted; no model is asked."""
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Joel", _SHELVES, said_at="2025-12-07")])
    return memory


def test_a_whole_list_of_turns_goes_before_a_part_that_was_noted(store: Store) -> None:
    memory = told(store)
    assert "hooks" not in [fact.value for fact in store.facts()]
    answer = memory.ask(_QUESTION)
    assert answer.text == "shelves; hooks; perhaps more"
    assert "search(" in answer.sql[0]


def test_a_newer_home_goes_before_one_that_was_noted(store: Store) -> None:
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Joel", "My sister Elin moved to Bergen.", said_at="2025-03-02")])
    memory.add([Turn("Joel", "Elin is back in Molde since Sunday.", said_at="2025-04-10")])
    assert "Bergen" in [fact.value for fact in store.facts() if fact.attribute == "lives_in"]
    answer = memory.ask("Where does Elin live?")
    assert answer.text.startswith("Molde, since 6 April 2025; before that Bergen (Joel")


def test_a_home_that_facts_tell_from_the_same_turns_is_told_by_facts(store: Store) -> None:
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Vera", "I live in Oslo now.", said_at="2017-05-08")])
    memory.add([Turn("Vera", "We moved to Bergen in February!", said_at="2024-03-02")])
    answer = memory.ask("Where does Vera live?")
    assert answer.text == "Bergen, since February 2024; before that Oslo"
    assert "FROM facts" in answer.sql[0]


def test_what_a_person_has_changed_goes_before_a_list_of_turns(store: Store) -> None:
    memory = told(store)
    [noted] = [fact for fact in store.facts() if fact.attribute == "put_up"]
    end(store, noted.id, "2026-02-01", by="Joel")
    answer = memory.ask(_QUESTION)
    assert answer.text == "shelves in the pantry"
    assert "FROM facts" in answer.sql[0]


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("I bought a record to feel better.", "What was the first record Joel bought?", None),
        ("I bought a red bike.", "Which bike did Joel buy?", "red bike"),
        ("I bought the hut for my boy.", "What was the price Joel paid for the hut?", None),
        ("I got a red bike.", "What does Joel earn?", None),
        ("I read a poem about the hut.", "What is the poem Joel read called?", None),
    ],
)
def test_what_is_asked_for_is_no_answer(
    store: Store, text: str, question: str, answer: str | None
) -> None:
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Joel", text, said_at="2025-05-01")])
    decided = decided_answer(question, "2025-06-01", reader=memory._reader, asker="Joel")
    assert (decided.text if decided else None) == answer


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("I take the bus to work.", "Does Joel take medicine?"),
        ("I lost my keys again.", "Did Joel lose his job?"),
        ("My kids play football.", "Does Joel play football?"),
        ("I finished the report yesterday.", "Did Joel finish his degree?"),
        ("Nils and I are going to Oman together.", "Who is Joel flying to Oman for?"),
    ],
)
def test_facts_of_another_deed_decide_nothing(store: Store, text: str, question: str) -> None:
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Joel", text, said_at="2025-05-01")])
    assert store.facts()
    assert decided_answer(question, "2025-06-01", reader=memory._reader, asker="Joel") is None


@pytest.mark.parametrize(
    ("text", "question", "name"),
    [
        ("I am going to marry Stefan in Cork.", "Who will Joel marry?", "Stefan"),
        ("Sara and I got engaged.", "Who is Joel engaged to?", "Sara"),
    ],
)
def test_whoever_is_asked_for_is_told_by_a_name(
    store: Store, text: str, question: str, name: str
) -> None:
    memory = Memory(store, model=replace(scripted_packaged_model([]), writes_facts=False))
    memory.add([Turn("Joel", text, said_at="2025-05-01")])
    answer = decided_answer(question, "2025-06-01", reader=memory._reader, asker="Joel")
    assert answer is not None
    assert answer.text == name
