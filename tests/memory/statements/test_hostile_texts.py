"""Texts made to stall or to break what reads them: each is read in linear time, and stays text.

No test measures time: before they were mended, some of the long texts took minutes.
"""

import pytest

from memory import Store, Turn
from memory.entities import introductions
from memory.noting import note_turns
from memory.program.messages import asks_memory, is_refusal, question_of
from memory.program.turn_lists import answer_by_turns
from memory.program.turn_states import answer_by_states
from memory.search.asker import as_asked
from memory.statements import stated

pytestmark = pytest.mark.slow

BOTH_STORES = True
LENGTH = 100_000
UNITS = [
    *(".", "...", "\u2026", "... ", "!?", ",", "'", '"', "`", "``` ", "(", "-", "'s ", "a", "A "),
    *(" ", "\n", "\r\n", "\t", "    x\n", "> \n", "no. ", "1. ", "\u3042", "\u202e", "I ", "my "),
    *("I live in Oslo and ", "my sister Anna ", "my sister, ", "my cat Miso, my dog Rufus, "),
    *("my mother's brother's ", "name Anna", "and ", "? - ", "since 2017 ", "Mein ", "J'habite "),
    *("my bike is gone ", "no more a ", "switched from a to b "),
]


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_a_long_hostile_text_is_read_in_linear_time(unit: str) -> None:
    for beginning in ("", "My name is ", "J'habite "):
        text = (beginning + unit * LENGTH)[:LENGTH]
        turn = Turn("Zoë", text, said_at="2024-05-06")
        stated(turn, ("Anna", "Ben"))
        introductions(turn, ("Anna", "Ben"))
        asks_memory(text)
        is_refusal(text)
        as_asked(question_of(text), "Zoë", "2024-05-06")


@pytest.mark.parametrize("unit", ["bought ", "I bought a lamp and ", "5 lamps ", "I live in Oslo "])
def test_a_long_hostile_text_is_asked_in_linear_time(unit: str, store: Store) -> None:
    text = unit * (LENGTH // len(unit))
    store.add([Turn("Zoë", f"{text[:20_000]} in the end", "s1", "2024-05-06")])
    for question in (
        "What did Zoë buy?",
        "How many lamps did Zoë buy?",
        "Where does Zoë live now?",
    ):
        for answer_by in (answer_by_states, answer_by_turns):
            answer_by(question, "2024-06-01", read=store.read)


HOSTILE = [
    "My name is '); DROP TABLE facts; --.",
    "I live in Oslo'; DELETE FROM turns; --.",
    "My cat is called \\'; UPDATE facts SET value = 'owned'.",
    'I live in "Oslo" || (SELECT text FROM turns).',
    "I live in $1 and work at %s {value} :name ?.",
    "I live in Oslo\x07\x1b[31m and work at\u202e Acme.",
    "I am allergic to nuts\n); --\nand eggs.",
    *("I like " + "a, " * 2_000 + "b.", "My sister " * 500, "I have a dog called X. " * 300),
    "My name is " + "Anna-" * 2_000,
]


def test_hostile_statements_become_rows_and_nothing_else(store: Store) -> None:
    before = [turn.text for turn in store.turns()]
    store.add([Turn("Zoë'); --", text) for text in HOSTILE])
    note_turns(store)
    assert [turn.text for turn in store.turns()] == before + HOSTILE
    assert store.check() == []
    assert "owned" not in [fact.value for fact in store.facts()]
    # Each noted change can be taken back: nothing but facts and names was written.
    for change in reversed(store.changes()):
        store.undo(change.id)
    assert store.facts() == []
    assert store.check() == []


def test_a_turn_of_a_megabyte_is_read_at_its_beginning(store: Store) -> None:
    store.add([Turn("Zoë", "I live in Oslo. " + "My sister Anna lives in Rome. " * 35_000)])
    note_turns(store)
    assert ("Zoë", "Oslo") in [(fact.subject, fact.value) for fact in store.facts()]
