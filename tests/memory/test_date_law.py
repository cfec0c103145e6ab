"""No year is shown that follows from no turn and no computation, however a question is asked."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from memory import Memory, Turn, open_store
from memory.facts.additions import add_turns
from memory.program.quotations import answer_lines
from memory.program.support import supported_part
from memory.vocabulary.templates.date_phrases import recent_date
from tests.support.scripted import answer, scripted_packaged_model

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_NO_DAY, _MAY, _NOVEMBER = "", "2023-05-15", "2022-11-25"
_NOW = "2026-06-20"

# What is said, the days it is said on, what is asked, what a model makes of it, and what may be
# shown beside the year of the turn's date: the years that the words of the turn give.
SAID: list[tuple[str, str, str, Sequence[str]]] = [
    ("I moved to Hull on 1 May.", "Where does Anna live?", "1 May 2027", ()),
    ("I moved to Hull in March.", "When did Anna move to Hull?", "March 2027", ()),
    ("I moved to Hull last spring.", "When did Anna move to Hull?", "spring 2027", ("2022",)),
    ("I moved to Hull in 2019.", "When did Anna move to Hull?", "2019", ("2019",)),
    ("I have lived in Hull since last year.", "Where does Anna live?", "2027", ("2022", "2021")),
    ("My wedding is in June.", "When is Anna's wedding?", "June 2026", ()),
    ("I'm getting married next June.", "When does Anna get married?", "June 2027", ()),
    ("My birthday is on 3 March.", "When is Anna's birthday?", "3 March 2023", ()),
    ("I was born in Oslo on 3 March.", "Where was Anna born?", "3 March 2027", ()),
    ("I left Acme on 2 February.", "When did Anna leave Acme?", "2 February 2027", ()),
    ("I started at Acme in April.", "When did Anna start at Acme?", "April of 2024", ()),
    ("We adopted a dog on the 4th of July.", "When did Anna get a dog?", "4 July, 2024", ()),
    ("The exam is on 9 October.", "When is the exam?", "October 9, 2021", ()),
    ("I flew to Rome last winter.", "When did Anna fly to Rome?", "winter 2027", ("2021", "2022")),
    ("School ends next summer.", "When does school end?", "summer 2027", ("2023", "2024")),
]
CASES = [
    (*said, said_at, now)
    for said, said_at, now in product(SAID, (_NO_DAY, _MAY, _NOVEMBER), ("", _NOW))
]


@pytest.mark.few(12)
@pytest.mark.parametrize(("text", "question", "made_up", "given", "said_at", "now"), CASES)
def test_no_year_is_shown_that_follows_from_nothing(
    text: str, question: str, made_up: str, given: Sequence[str], said_at: str, now: str, path: Path
) -> None:
    model = replace(scripted_packaged_model([([], answer(made_up))]), name="local")
    with Memory(path, model=model) as memory:
        memory.store.add([Turn("Ben", "Nice to hear from you.")])
        add_turns(memory.store, [Turn("Anna", text, said_at=said_at)])
        asked = memory.ask(question, now=now or None)
        facts = [(fact.value, fact.happened_on, fact.ended_on) for fact in memory.facts()]
    shown = {*_YEAR.findall(" ".join([*answer_lines(asked), *map(str, facts)]))}
    known = {said_at[:4], *_YEAR.findall(text), *(given if said_at else ())}
    assert shown <= known, (asked.text, facts)


@pytest.mark.parametrize(
    ("text", "said_at", "said", "part"),
    [
        ("My wedding is in June.", "", "June 2026", ""),
        ("I'm getting married next June.", "2025-08-02", "June 2025", "June 2025"),
        ("We married in June.", "2024-09-01", "in June 2024", "in June 2024"),
        ("We married in June.", "2024-09-01", "in June 2023", ""),
        ("I moved to Hull on 1 May.", "2023-05-15", "1 May 2023", "1 May 2023"),
        ("I moved to Hull on 1 May.", "2023-05-15", "May 1, 2022", "May 1"),
        ("I moved yesterday.", "2023-05-15", "14 May 2023", "14 May 2023"),
        ("I moved last year.", "2023-05-15", "in 2022", "in 2022"),
        ("I moved last spring.", "2023-05-15", "spring 2022", "spring 2022"),
        ("Hull, in 2019.", "", "2019", "2019"),
    ],
)
def test_an_answer_whose_year_no_turn_gives_is_not_supported(
    text: str, said_at: str, said: str, part: str
) -> None:
    assert supported_part(said, [Turn("Anna", text, said_at=said_at)])[0] == part


@pytest.mark.parametrize(
    ("phrase", "said_at", "day"),
    [
        ("on 1 May", "2023-05-15", "2023-05-01"),
        ("on 15 May", "2023-05-15", "2023-05-15"),
        ("on 16 May", "2023-05-15", ""),  # ahead, or a year ago
        ("on 20 December", "2023-05-15", "2022-12-20"),
        ("on 20 October", "2023-05-15", ""),  # long ago: who knows of which year
        ("in May", "2023-05-15", "2023-05"),
        ("on 29 February", "2023-05-15", ""),
        ("on 1 May 2021", "2023-05-15", ""),
        ("on 1 May", "", ""),
        ("on Monday", "2023-05-15", ""),
    ],
)
def test_a_day_without_a_year_is_the_last_one_not_long_ago(
    phrase: str, said_at: str, day: str
) -> None:
    assert recent_date(phrase, said_at) == day


@pytest.mark.parametrize(
    ("text", "said_at", "dates"),
    [
        ("I moved to Hull on 1 May.", "2023-05-15", [("Hull", "2023-05-01")]),
        ("On 1 May I moved to Hull.", "2023-05-15", [("Hull", "2023-05-01")]),
        ("I moved to Hull on 1 May.", "", [("Hull", "")]),
        ("I moved to Hull on 1 May.", "2023-04-15", [("Hull", "")]),
        ("I live in Hull since 1 May.", "2023-05-15", [("Hull", "")]),  # the tense says nothing
        ("My birthday is on 3 March.", "2023-05-15", [("3 March", "")]),
    ],
)
def test_a_fact_has_the_year_that_its_turn_gives(
    text: str, said_at: str, dates: list[tuple[str, str]], path: Path
) -> None:
    with open_store(path) as store:
        add_turns(store, [Turn("Anna", text, said_at=said_at)])
        assert [(fact.value, fact.happened_on or "") for fact in store.facts()] == dates
