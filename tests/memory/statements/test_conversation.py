"""Turns in order: whom "she" means, and what a short answer answers."""

import pytest

from memory.records import Turn
from memory.statements import Conversation


def facts(*turns: str) -> list[tuple[str, str, str]]:
    """What the last of some turns states, read after the others."""
    conversation = Conversation(("Anna", "Ben"))
    news = []
    for turn in turns:
        speaker, _, text = turn.partition(": ")
        news = [
            (fact.subject, fact.attribute, fact.value)
            for fact in conversation.read(Turn(speaker, text, said_at="2025-03-12")).statements
        ]
    return news


@pytest.mark.parametrize(
    ("turns", "fact"),
    [
        (("Anna: What's your dog called?", "Ben: Biscuit."), ("Ben's dog", "name", "Biscuit")),
        (("Anna: How's your sister?", "Ben: She's moved to Leeds."), ("Ben's sister", "lives_in")),
        (("Anna: How old is your son now?", "Ben: Six."), ("Ben's son", "age", "6")),
        (("Anna: Where do you live?", "Ben: Leeds."), ("Ben", "lives_in", "Leeds")),
        (("Anna: Any allergies?", "Ben: Nuts and celery."), ("Ben", "allergic_to", "celery")),
        (("Anna: Are you vegetarian?", "Ben: Yes, since 2019."), ("Ben", "diet", "vegetarian")),
        (("Anna: When's the wedding?", "Ben: 14 June."), ("Ben", "appointment", "wedding")),
        (("Anna: How much is your rent?", "Ben: 780."), ("Ben", "rent", "780")),
        (
            ("Anna: What did you plant?", "Ben: Leeks, and two rows of chard."),
            ("Ben", "planted", "two rows of chard"),
        ),
        (
            ("Anna: Which tools have you lent to Tom?", "Ben: The saw and the plane."),
            ("Ben", "lent", "plane to Tom"),
        ),
        (("Anna: My sister Elena called.", "Anna: She's a vet."), ("Elena", "works_as", "vet")),
        (("Anna: We got a cat.", "Ben: Her name?", "Anna: She's called Pip."), ("Anna", "has_pet")),
    ],
)
def test_a_turn_is_read_with_those_before(turns: tuple[str, ...], fact: tuple[str, ...]) -> None:
    assert fact in [each[: len(fact)] for each in facts(*turns)]


@pytest.mark.parametrize(
    "turns",
    [
        ("Anna: Where do you live?", "Ben: Guess!"),
        ("Anna: Who's your dentist?", "Ben: Why do you ask?"),
        ("Anna: How old are you?", "Ben: Too old for this."),
        ("Anna: Do you like Rome?", "Ben: No."),
        ("Anna: Jon and Max came by.", "Ben: He's a vet."),
        ("Anna: Jon came by with my brother.", "Ben: He's a vet."),
        ("Anna: Are you a vet?", "Anna: Yes."),
        ("Anna: What did you plant?", "Ben: Nothing yet."),
        ("Anna: What did you plant?", "Ben: Too much!"),
        ("Anna: What did you plant?", "Ben: Leeks, if I ever do."),
        ("Anna: What will you plant?", "Ben: Leeks."),
        # The assistant is asked, and answers for itself.
        ("Anna: Where do you live?", "Assistant: Leeds."),
    ],
)
def test_what_is_not_plain_states_nothing(turns: tuple[str, str]) -> None:
    assert facts(*turns) == []
