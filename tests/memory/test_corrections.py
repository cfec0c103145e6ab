"""A chat puts right what somebody takes back of its last answer: in the facts it rested on."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, Store, Turn
from memory.facts import newest_id, supersede
from memory.recall.corrections import Correction
from memory.records import Answer
from tests.conftest import MOVED
from tests.support.scripted import scripted_model, scripted_packaged_model

BOTH_STORES = True
ANSWER = Answer("Oslo", (1,), (), (), tokens=0, calls=1, shown=(1,))
SHOWN = ["id 1: Anna | lives_in | Oslo", "[[ ## answer ## ]]\nOslo", "Anna: No"]


@pytest.fixture
def told(store: Store) -> Store:
    """A memory whose first turn tells fact 1: Anna lives in Oslo."""
    store.write(MOVED, cause="digest by test", window=(1, 5))
    return store


def corrected(store: Store, edits: str, seen: int | None = None) -> list[str]:
    """The lines of what a message corrects, where the model reads these edits in it."""
    model = scripted_model([(SHOWN, f"[[ ## edits ## ]]\n{edits}\n\n[[ ## completed ## ]]")])
    message = Turn("Anna", "No, it is Bergen.", said_at="2026-11-25")
    return [correction.line for correction in Memory(store, model).correct(message, ANSWER, seen)]


def values(store: Store) -> list[tuple[str, str]]:
    return [(fact.value, fact.ended_on) for fact in store.facts()]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("edits", "new", "facts"),
    [
        ("1 | was wrong | Bergen |", "Bergen", [("Bergen", "")]),
        ("id 1 | is over | | 2018-03", "no longer", [("Oslo", "2018-03")]),
        ("1 | changed | Bergen | 2018-03", "Bergen", [("Oslo", "2018-03"), ("Bergen", "")]),
    ],
)
def test_what_a_message_takes_back_is_edited_and_said_with_what_is_true_instead(
    told: Store, edits: str, new: str, facts: list[tuple[str, str]]
) -> None:
    [line] = corrected(told, edits)
    assert line.startswith(f"Corrected: Anna lives in Oslo -> {new} (fact 1), change ")
    assert values(told) == facts
    told.undo(newest_id(told))
    assert values(told) == [("Oslo", "")]


@pytest.mark.parametrize("edits", ["none", "2 | was wrong | Bergen |", "1 | maybe | Bergen |"])
def test_what_takes_nothing_back_edits_nothing(told: Store, edits: str) -> None:
    assert corrected(told, edits) == []
    assert values(told) == [("Oslo", "")]


def test_a_chat_does_not_overrule_what_somebody_else_has_written(told: Store) -> None:
    seen = newest_id(told)
    supersede(told, 1, "Rome", since="2018", by="Ben")
    [line] = corrected(told, "1 | was wrong | Bergen |", seen)
    assert line.startswith("Not corrected: Anna lives in Oslo (fact 1): ")
    assert "edit by Ben" in line
    assert values(told) == [("Oslo", "2018"), ("Rome", "")]


def test_no_model_is_asked_where_nothing_can_be_corrected(told: Store) -> None:
    def correct(message: str, answer: Answer = ANSWER, packaged: bool = False) -> list[Correction]:
        model = scripted_packaged_model([]) if packaged else scripted_model([])
        return list(Memory(told, model).correct(Turn("Anna", message), answer))

    assert correct("Is that so?") == []
    assert correct("No, Bergen.", replace(ANSWER, turns=(2,))) == []  # it tells no fact
    assert correct("No, Bergen.", packaged=True) == []


@pytest.mark.parametrize(
    ("before", "said", "value"),
    [
        ("I live in Oslo.", "I live in Rome, not Oslo.", "Rome"),
        ("I live in Oslo.", "Correction: I live in Rome, not in Oslo.", "Rome"),
        ("I work at Acme.", "I work at Globex, not Acme.", "Globex"),
        ("I work at Acme.", "I work at Globex again.", "Globex"),
    ],
)
def test_what_is_not_so_behind_a_comma_and_again_are_no_part_of_a_value(
    before: str, said: str, value: str, path: Path
) -> None:
    with Memory(path) as memory:
        memory.add(before)
        memory.add(said)
        assert [fact.value for fact in memory.facts()] == [value]


@pytest.mark.parametrize("back", ["I moved back to Oslo.", "I live in Oslo again."])
def test_a_value_that_comes_back_is_current_and_what_was_between_has_ended(
    back: str, path: Path
) -> None:
    with Memory(path) as memory:
        for day, text in (("2010", "I live in Oslo."), ("2012", "I moved to Rome.")):
            memory.add(Turn("Anna", text, said_at=f"{day}-03-01"))
        memory.add(Turn("Anna", back, said_at="2020-06-01"))
        assert [fact.value for fact in memory.facts()] == ["Oslo"]
        assert memory.ask("Where do I live?", asker="Anna").text == "Oslo; before that Rome"
        assert "Rome" in memory.ask("Where did I live in 2013?", asker="Anna").text


def test_again_still_ends_what_it_ends(path: Path) -> None:
    with Memory(path) as memory:
        memory.add("I don't eat gluten.")
        memory.add("I eat gluten again.")
        assert memory.facts() == []
