"""Coordinations: each thing of several is a fact of its own, and what is one thing is one fact."""

import pytest

from memory.records import Turn
from memory.statements import stated


def values(text: str) -> list[tuple[str, str]]:
    turn = Turn("Anna", text, said_at="2025-03-12T09:00")
    return [(fact.attribute, fact.value) for fact in stated(turn)]


@pytest.mark.parametrize(
    ("text", "attribute", "things"),
    [
        ("I mended the latch and the hinge.", "mended", "latch, hinge"),
        ("I scrubbed the sink, the hob and the oven.", "scrubbed", "sink, hob, oven"),
        ("I lost my hat and my gloves.", "lost", "hat, gloves"),
        ("I have a parrot and two cats.", "has_pet", "parrot, two cats"),
        ("I made a stool and a shelf for the shed.", "made", "stool, shelf for the shed"),
        ("I lent Ben the ladder and the drill.", "lent", "Ben the ladder, Ben the drill"),
        ("The roofer replaced the gutter and the flashing.", "replaced", "gutter, flashing"),
        ("I got a card from Ann and a book from Tom.", "got", "card from Ann, book from Tom"),
        ("I mended the latch, and two hinges.", "mended", "latch, two hinges"),
        ("I found a coin and some buttons.", "found", "coin, buttons"),
    ],
)
def test_each_thing_with_a_determiner_is_a_fact(text: str, attribute: str, things: str) -> None:
    assert values(text) == [(attribute, thing) for thing in things.split(", ")]


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("We run a bed and breakfast.", "bed and breakfast"),
        ("I cooked fish and chips.", "fish and chips"),
        ("I read The Cat and the Moon.", "Cat and the Moon"),
        ("I built a hut with a stove and a bunk.", "hut with a stove and a bunk"),
        ("I mixed the lime and the sand.", "lime and the sand"),
        ("I paid a hundred and ten for a coat.", "hundred and ten for a coat"),
        ("I wrote to the bank and the landlord.", "to the bank and the landlord"),
        ("I keep the shears and the red ones.", "shears"),
    ],
)
def test_what_is_one_thing_is_one_fact(text: str, thing: str) -> None:
    assert [value for _, value in values(text)] == [thing]


def test_what_was_got_for_somebody_unnamed_is_not_said_to_be_the_speakers() -> None:
    assert values("I got her a mug and some tea.") == []


def test_each_thing_has_the_day_behind_the_last() -> None:
    turn = Turn("Anna", "I painted the hall and the porch on Monday.", said_at="2025-03-12T09:00")

    days = {fact.value: fact.happened_on for fact in stated(turn)}

    assert days == {"hall": "2025-03-10", "porch": "2025-03-10"}


def test_selling_two_things_ends_both() -> None:
    turn = Turn("Anna", "I sold the piano and the van.", said_at="2025-03-12T09:00")

    ended = {end.value for fact in stated(turn) for end in fact.ends}

    assert ended == {"piano", "van"}


@pytest.mark.parametrize(
    "text",
    [
        "I walked the dog and the cat ran off.",
        "I walked the dog and the roof leaks.",
        "I walked the dog, and the boards look fine.",
        "I walked the dog and the postman still waits.",
        "I walked the dog, and two friends came along.",
        "I walked the dog, and some were left at home.",
    ],
)
def test_a_clause_behind_and_is_no_second_thing(text: str) -> None:
    assert ("walked", "dog") in values(text)
    assert len([name for name, _ in values(text) if name == "walked"]) == 1


def test_she_is_and_a_mood_are_no_second_thing() -> None:
    assert ("name", "Pip") in values("I got a puppy! Her name's Pip and she's adorable.")


def test_two_who_did_it_are_no_things() -> None:
    turn = Turn("Anna", "My mum and my dad came by train.", said_at="2025-03-12T09:00")

    assert {fact.subject for fact in stated(turn)} == {"Anna's mum", "Anna's dad"}
