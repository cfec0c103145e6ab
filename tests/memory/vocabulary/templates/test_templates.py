"""Turns matched with the default vocabulary's templates: what is stated, and what only looks so."""

import tomllib
from pathlib import Path

import pytest

from memory.records import Assertion, Turn
from memory.vocabulary import default_vocabulary
from memory.vocabulary.templates import assertions_in

CASES = tomllib.loads(Path(__file__).with_name("statements.toml").read_text("utf-8"))
DAY = "2024-06-15T12:00"
LEAST_PLAIN = 0.9


def asserted(text: str) -> list[Assertion]:
    return assertions_in(Turn("Anna", text, said_at=DAY), default_vocabulary())


def line(assertion: Assertion) -> str:
    """An assertion as statements.toml writes it."""
    subject = "" if assertion.subject == "Anna" else f"{assertion.subject}: "
    ends = "ends " if assertion.is_end else ""
    date = f" | {assertion.happened_on}" if assertion.happened_on else ""
    return f"{subject}{ends}{assertion.attribute} | {assertion.value}{date}"


def test_plain_statements_are_facts_and_no_others() -> None:
    missed = []
    for text, expected in CASES["plain"].items():
        found = [line(assertion) for assertion in asserted(text)]
        assert set(found) <= set(expected), text
        if set(found) != set(expected):
            missed.append(text)
    assert len(missed) <= (1 - LEAST_PLAIN) * len(CASES["plain"]), missed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("My dog is called Rufus.", "Rufus"),
        ("My horse's name is Amber Sky.", "Amber Sky"),
        ("I have a dog called Rufus.", "a dog called Rufus"),
        ("Meine Katze heißt Minka.", "Minka"),
        ("Mon chien s'appelle Filou.", "Filou"),
        ("Mi perro se llama Toby.", "Toby"),
    ],
)
def test_a_pet_s_value_is_its_name_or_what_it_is_and_no_clause(text: str, value: str) -> None:
    assert [(fact.attribute, fact.value) for fact in asserted(text)] == [("has_pet", value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I work as a teacher now.", "teacher"),
        ("I'm studying law at the moment.", "law"),
        ("I work as a nurse these days, by the way.", "nurse"),
    ],
)
def test_what_is_added_behind_a_statement_is_no_part_of_its_value(text: str, value: str) -> None:
    assert [fact.value for fact in asserted(text)] == [value]


@pytest.mark.parametrize("kind", CASES["nothing"])
def test_what_only_looks_like_a_statement_is_no_fact(kind: str) -> None:
    found = {text: list(map(line, of)) for text in CASES["nothing"][kind] if (of := asserted(text))}
    assert found == {}


def test_requests_to_treat_a_text_or_to_play_somebody_state_nothing() -> None:
    assert len(CASES["requests"]["texts"]) >= 40
    found = {
        text: list(map(line, of)) for text in CASES["requests"]["texts"] if (of := asserted(text))
    }
    assert found == {}
