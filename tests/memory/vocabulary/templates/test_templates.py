"""Turns matched with the default vocabulary's templates: what is stated, and what only looks so."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from memory.vocabulary.templates.clauses import Clause
from memory.vocabulary.templates.matching import Templates
from tests.support.written_facts import SENTENCES, asserted, fact_line, outcomes

CASES = tomllib.loads(Path(__file__).with_name("statements.toml").read_text("utf-8"))
LEAST_PLAIN = 0.9
LEAST_RIGHT = 38  # facts of the everyday sentences; 39 are found
MOST_MISSED = 2  # of these, 1 is


def test_plain_statements_are_facts_and_no_others() -> None:
    missed = []
    for text, expected in CASES["plain"].items():
        found = [fact_line(assertion) for assertion in asserted(text)]
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
    ],
)
def test_a_pet_s_value_is_its_name_or_what_it_is_and_no_clause(text: str, value: str) -> None:
    assert [(fact.attribute, fact.value) for fact in asserted(text)] == [("has_pet", value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I work as a teacher now.", "teacher"),
        ("I work as a nurse these days, by the way.", "nurse"),
    ],
)
def test_what_is_added_behind_a_statement_is_no_part_of_its_value(text: str, value: str) -> None:
    assert [fact.value for fact in asserted(text)] == [value]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("I live in Ghent and work at the port.", ["Ghent"]),
        ("I know that, I'm a nurse.", ["nurse"]),
        ("That is kind, but I'm allergic to nuts.", ["nuts"]),
        ("My name is Bo, I live in Ghent and I'm a nurse.", ["Bo", "Ghent", "nurse"]),
        ("Don't pass the coffee and walnut, because I'm allergic to walnuts.", ["walnuts"]),
        ("I'm allergic to nuts and sesame, known since school.", []),  # a part of a list
        ("I was like, I'm a nurse.", []),
        ("His badge says it all, I'm a nurse.", []),
        ("I'm a nurse, not!", []),
        ("I live in Ghent. Just kidding!", []),
    ],
)
def test_a_sentence_is_read_up_to_a_clause_that_is_not_its_speaker_s(
    text: str, values: list[str]
) -> None:
    assert [fact.value for fact in asserted(text)] == values


@pytest.mark.parametrize("kind", CASES["nothing"])
def test_what_only_looks_like_a_statement_is_no_fact(kind: str) -> None:
    found = {
        text: list(map(fact_line, of)) for text in CASES["nothing"][kind] if (of := asserted(text))
    }
    assert found == {}


def test_requests_to_treat_a_text_or_to_play_somebody_state_nothing() -> None:
    assert len(CASES["requests"]["texts"]) >= 24
    found = {
        text: list(map(fact_line, of))
        for text in CASES["requests"]["texts"]
        if (of := asserted(text))
    }
    assert found == {}


@pytest.mark.parametrize("path", sorted(SENTENCES.glob("*.toml")), ids=lambda path: path.stem)
def test_no_fact_of_written_sentences_is_false(path: Path) -> None:
    read = [outcome for of_kind in outcomes(path).values() for outcome in of_kind]
    assert {outcome.text: outcome.false for outcome in read if outcome.false} == {}


def test_everyday_sentences_make_the_facts_that_they_state() -> None:
    by_kind = outcomes(SENTENCES / "everyday.toml").values()
    read = [outcome for of_kind in by_kind for outcome in of_kind]
    assert sum(len(outcome.right) for outcome in read) >= LEAST_RIGHT
    assert sum(len(outcome.missed) for outcome in read) <= MOST_MISSED


def test_each_template_is_tried_once_on_a_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter[tuple[str, int, str]] = Counter()
    match = Templates._match

    def counted(self: Templates, entry: Any, clause: Clause, *rest: Any) -> Any:
        tried[entry.template, id(entry.value), clause.text] += 1
        return match(self, entry, clause, *rest)

    monkeypatch.setattr(Templates, "_match", counted)
    asserted("I never do that with my friends, always at home in the garden for you.")
    assert set(tried.values()) == {1}
