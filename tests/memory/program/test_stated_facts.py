"""Facts held to their turns: what the packaged model may store of what somebody said."""

import pytest

from memory import Fact, Turn
from memory.program.stated_facts import dated, is_stated

SAID_AT = "2026-10-09"  # a Friday


def stated(text: str, subject: str, attribute: str, value: str, happened_on: str = "") -> bool:
    fact = Fact(subject, attribute, value, turn_id=1, happened_on=happened_on)
    return is_stated(fact, Turn("Anna Berg", text, said_at=SAID_AT, id=1))


@pytest.mark.parametrize(
    ("text", "subject", "attribute", "value"),
    [
        ("I moved to Oslo yesterday.", "Anna", "lives_in", "Oslo"),
        ("We've been married for twelve years.", "Anna", "married_for", "twelve years"),
        ("bought a carbon steel pan, 28 cm", "Anna", "bought", "a carbon steel pan"),
        ("I went to Ikea and bought a lamp.", "Anna", "bought", "a lamp"),
        ("My favourite food is Thai curry!", "Anna", "favourite_food", "Thai curry"),
        ("Hm. The engine's a Sabb diesel.", "Anna", "engine", "a Sabb diesel"),
        ("I don't eat meat.", "Anna", "does_not_eat", "meat"),
        ("Met Dr. Fiona MacLeod. She works on ice.", "Fiona MacLeod", "works_on", "ice"),
        ("My sister Ingrid lives in Rome. And you?", "Ingrid", "lives_in", "Rome"),
        ("I paid 3.5 million for it", "Anna", "paid", "3.5 million"),
    ],
)
def test_what_a_sentence_says_of_its_speaker_or_of_whom_it_names_is_stated(
    text: str, subject: str, attribute: str, value: str
) -> None:
    assert stated(text, subject, attribute, value)


@pytest.mark.parametrize(
    ("text", "subject", "attribute", "value"),
    [
        ("I moved to Oslo.", "Anna", "lives_in", "Bergen"),
        ("I moved to Oslo.", "Anna", "lives_in", "a"),
        ("I moved to Oslo.", "Miku", "something", "?"),
        ("I moved to Oslo.", "Ossol", "moved_to", "Oslo"),  # a name that nobody said
        ("I moved to Oslo.", "Anna", "?", "Oslo"),
        ("My sister is getting married to Ingrid.", "Anna", "married", "Ingrid"),
        ("Frida turns fourteen in July.", "Anna", "works_as", "frida turns fourteen"),
        ("best tomatoes are at the stall", "Anna", "best", "at the stall"),
        ("I think my sister lives in Rome.", "Anna", "lives_in", "Rome"),
        ("Ingrid came and bought a lamp.", "Anna", "bought", "a lamp"),
        ("I don't eat meat.", "Anna", "eats", "meat"),
        ("I love jazz. Do I live in Oslo?", "Anna", "lives_in", "Oslo"),
        ("Do I live in Oslo?", "Anna", "lives_in", "Oslo"),
        ("I find nothing about Oslo.", "Anna", "finds", "Oslo"),
        ("I bought a coat, yellow.", "Anna", "bought", "yellow"),
        ("I keep a boat. She is called Havfruen.", "Havfruen", "name", "Anna"),
    ],
)
def test_what_no_sentence_says_of_the_subject_is_not_stated(
    text: str, subject: str, attribute: str, value: str
) -> None:
    assert not stated(text, subject, attribute, value)


def test_a_date_must_stand_in_the_turn_or_be_computed_for_it() -> None:
    assert stated("I moved to Oslo last Monday.", "Anna", "moved_to", "Oslo", "2026-10-05")
    assert not stated("I moved to Oslo.", "Anna", "moved_to", "Oslo", "2026-10-05")


def test_a_computed_date_is_when_it_happened_and_no_part_of_the_value() -> None:
    turn = Turn("Anna", "I moved (2020) to Oslo yesterday, in the rain.", said_at=SAID_AT)
    fact = Fact("Anna", "moved_to", "Oslo yesterday (2026-10-08), in the rain", turn_id=1)
    tidy = dated(fact, turn)
    assert (tidy.value, tidy.happened_on) == ("Oslo yesterday, in the rain", "2026-10-08")
    assert is_stated(tidy, turn)
    said = Fact("Anna", "moved", "(2020) to Oslo", turn_id=1, happened_on="2020")
    assert dated(said, turn) == said, "what was said itself stays"
