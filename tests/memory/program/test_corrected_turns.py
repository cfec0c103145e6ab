"""What a person has taken from a fact is read from no turn: no list, no state, no sentence."""

from dataclasses import replace

import pytest

from memory import Memory, Store, Turn
from memory.facts import correct, end, remove
from memory.program.corrected_turns import CorrectedTurns
from tests.support.scripted import answer, scripted_packaged_model

BOTH_STORES = True
_TOLD = (
    ("2025-03-01", "I'm allergic to peanuts."),
    ("2025-04-01", "By the way, I am allergic to latex too."),
    ("2025-05-12", "Last week I read The Glass Orchard."),
    ("2025-06-12", "I have just read Salt Ledger. It rained."),
    ("2025-06-20", "I live in Porto now."),
    # What else is said of the same lets no noted facts decide a list.
    ("2025-07-01", "My allergies are really bad this spring."),
    ("2025-07-03", "I could read all day, just not about where I live."),
)
_BOOKS = "Which books has Anika read?"


def told(store: Store) -> Memory:
    """A memory whose facts rules have noted, with a model that says "peanuts" when it is asked."""
    replies = [("", answer("peanuts")) for _ in range(3)]
    model = replace(scripted_packaged_model(replies), writes_facts=False)
    memory = Memory(store, model=model)
    memory.add([Turn("Anika", text, said_at=day) for day, text in _TOLD])
    return memory


def fact_id(store: Store, value: str) -> int:
    [fact] = [fact for fact in store.facts() if fact.value == value]
    return fact.id


def test_lists_and_counts_hold_what_a_person_corrected(store: Store) -> None:
    memory = told(store)
    assert memory.ask(_BOOKS).text == "The Glass Orchard; Salt Ledger; perhaps more"
    correct(store, fact_id(store, "Salt Ledger"), value="Sea Ledger")
    assert memory.ask(_BOOKS).text == "Glass Orchard, Sea Ledger"
    assert memory.ask("How many books has Anika read?").text.startswith("2 (Glass Orchard")
    correct(store, fact_id(store, "peanuts"), value="walnuts")
    assert memory.ask("Which allergies does Anika have?").text == "walnuts, latex"


def test_what_a_person_deleted_is_in_no_list(store: Store) -> None:
    memory = told(store)
    change = remove(store, fact_id(store, "Salt Ledger"))
    assert "Salt" not in memory.ask(_BOOKS).text
    store.undo(change.id)
    assert memory.ask(_BOOKS).text == "Glass Orchard, Salt Ledger"


def test_what_a_person_ended_is_in_no_list(store: Store) -> None:
    memory = told(store)
    end(store, fact_id(store, "Salt Ledger"))
    assert memory.ask(_BOOKS).text == "Glass Orchard, 5 May 2025"


def test_what_a_person_took_away_is_no_sentence_to_quote(store: Store) -> None:
    memory = told(store)
    question = "Is Anika allergic to peanuts?"
    assert memory.ask(question).text == "Yes: I'm allergic to peanuts."
    remove(store, fact_id(store, "peanuts"))
    assert "peanuts" not in memory.ask(question).text  # though the model says so


def test_what_a_person_took_away_is_no_home(store: Store) -> None:
    memory = told(store)
    assert memory.ask("Where does Anika live?").text.startswith("Porto")
    remove(store, fact_id(store, "Porto"))
    assert "Porto" not in memory.ask("Where does Anika live?").text


@pytest.mark.parametrize(
    ("speaker", "text", "said_at", "kept"),
    [
        ("Anika", "I have just read Salt Ledger. It rained.", "2025-06-12", "It rained."),
        ("Bruno", "Anika liked Salt Ledger. It rained.", "", "It rained."),
        # Of another, said since, or in other words.
        ("Bruno", "I read Salt Ledger.", "2025-06-12", "I read Salt Ledger."),
        ("Anika", "I read Salt Ledger.", "2999-01-01", "I read Salt Ledger."),
        ("Anika", "I read the ledger.", "2025-06-12", "I read the ledger."),
    ],
)
def test_the_sentences_that_say_it_are_left_out(
    store: Store, speaker: str, text: str, said_at: str, kept: str
) -> None:
    memory = told(store)
    remove(store, fact_id(store, "Salt Ledger"))
    turn_id = 3 if said_at < "2999" else 99
    turn = Turn(speaker, text, said_at=said_at, id=turn_id)
    [corrected] = CorrectedTurns(memory._reader).of([turn])
    assert corrected.text == kept
