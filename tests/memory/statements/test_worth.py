"""Clauses that no rule is for: which are worth a fact, by learnt weights."""

import json

import pytest

from memory.records import Turn
from memory.statements.extract import told
from memory.statements.worth import WEIGHTS_FILE

SPEAKERS = ("Anna", "Ben")
SAID_AT = "2026-03-18T09:00"  # a Wednesday


def facts(text: str) -> list[tuple[str, str, str, str]]:
    statements = told(Turn("Anna", text, said_at=SAID_AT), SPEAKERS).statements
    return [(each.subject, each.attribute, each.value, each.happened_on) for each in statements]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("My brother has the blue tent.", ("Anna's brother", "has", "blue tent", "")),
        (
            "My uncle wants to sell the orchard",
            ("Anna's uncle", "wants", "to sell the orchard", ""),
        ),
        (
            "I want a bigger kiln for the studio",
            ("Anna", "wants", "bigger kiln for the studio", ""),
        ),
        ("Ben is on a training ship till June", ("Ben", "is", "on a training ship", "")),
        (
            "Mr Adeyemi sold the shop to his nephew",
            ("Mr Adeyemi", "sold", "shop to his nephew", ""),
        ),
        ("Samuel from the office bought a boat", ("Samuel", "bought", "boat", "")),
        (
            "My mother arrives from Lima on Friday",
            ("Anna's mother", "arrives", "from Lima", "2026-03-20"),
        ),
        (
            "cycled to the reservoir on Saturday",
            ("Anna", "cycled", "to the reservoir", "2026-03-14"),
        ),
    ],
)
def test_a_clause_that_no_rule_is_for_is_stored_where_it_is_worth_a_fact(
    text: str, fact: tuple[str, str, str, str]
) -> None:
    assert fact in facts(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm on the verge of tears.",
        "I was thankful for the help.",
        "I want it back.",
        "Does my brother have the blue tent?",
        "If I win I want a bigger kiln.",
        "Ben, stand by the door.",
        "Eyes shut for ten minutes.",
        "Hiking opened up a new world for me.",
        "I have both my feet up on the chair.",
        "We had a great time at the lake.",
        "froze by the door",  # whoever did, and on no day
        "I do remember the boat.",
        "Rome in spring was lovely.",
        "Tom in the middle laughed.",
        "Left ear, on Monday.",
    ],
)
def test_what_tells_of_a_mood_or_of_nobody_is_not_stored(text: str) -> None:
    assert facts(text) == []


def test_a_long_message_is_left_to_rules() -> None:
    clause = "My brother has the blue tent. "
    assert facts(clause)
    assert not facts(clause + "So it goes. " * 100)


def test_weights_are_few() -> None:
    assert len(WEIGHTS_FILE.read_bytes()) < 50_000
    assert "always" in json.loads(WEIGHTS_FILE.read_text("utf-8"))["weights"]
