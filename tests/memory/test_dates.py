"""Relative dates, resolved where a model reads them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.evidence.layout import lay_out
from memory.evidence.lines import dated_line, turn_lines
from memory.records import Turn
from memory.text.dates import dated_question, is_iso_date, is_iso_span, relative_date, resolve_dates

SAID = "2017-06-09T13:00"  # a Friday


@pytest.mark.parametrize(
    ("text", "spoken", "iso"),
    [
        ("yesterday", "8 June 2017", "2017-06-08"),
        ("Last night", "8 June 2017", "2017-06-08"),
        ("this morning", "9 June 2017", "2017-06-09"),
        ("the day after tomorrow", "11 June 2017", "2017-06-11"),
        ("last Friday", "2 June 2017", "2017-06-02"),
        ("last Thursday", "8 June 2017", "2017-06-08"),
        ("next Monday", "12 June 2017", "2017-06-12"),
        ("three days ago", "6 June 2017", "2017-06-06"),
        ("a couple of days ago", "7 June 2017", "2017-06-07"),
        ("two weeks ago", "the week of 26 May 2017", "2017-05"),
        ("a week ago yesterday", "1 June 2017", "2017-06-01"),
        ("two weeks ago today", "26 May 2017", "2017-05-26"),
        ("6 months ago", "December 2016", "2016-12"),
        ("in two years", "2019", "2019"),
        ("last week", "the week before 9 June 2017", "2017-06"),
        ("last weekend", "the weekend before 9 June 2017", "2017-06"),
        ("next month", "July 2017", "2017-07"),
        ("last year", "2016", "2016"),
        ("last summer", "summer 2016", "2016"),
        ("last spring", "spring 2017", "2017"),
        ("next winter", "winter 2017", "2017"),
    ],
)
def test_words_become_dates_as_exact_as_they_are(text: str, spoken: str, iso: str) -> None:
    assert resolve_dates(f"I moved {text}.", SAID) == f"I moved {text} ({spoken})."
    assert resolve_dates(f"I moved {text}.", SAID, iso=True) == f"I moved {text} ({iso})."


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("this weekend", "2017-06-10/2017-06-11"),
        ("last weekend", "2017-06-03/2017-06-04"),
        ("two weeks ago", "2017-05-23/2017-05-29"),
        ("yesterday", "2017-06-08"),
        ("next month", "2017-07"),
        ("last summer", "2016-06-01/2016-08-31"),
        ("6 months ago", "2016-12"),
    ],
)
def test_a_span_of_days_is_one_that_a_fact_can_have(text: str, days: str) -> None:
    resolved = resolve_dates(f"I move {text}.", SAID, iso=True, spans=True)
    assert resolved == f"I move {text} ({days})."
    assert is_iso_date(days) or is_iso_span(days)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("last weekend", "3 to 4 June 2017"),
        ("last week", "29 May to 4 June 2017"),
        ("two weeks ago", "23 to 29 May 2017"),
        ("exactly two weeks ago", "26 May 2017"),
        ("a week ago yesterday", "1 June 2017"),
        ("in two weeks time", "19 to 25 June 2017"),
        ("yesterday", "8 June 2017"),
        ("next month", "July 2017"),
        ("last summer", "June to August 2016"),
        ("last winter", "December 2016 to February 2017"),
        ("2 years ago", "2015"),
    ],
)
def test_who_answers_is_shown_the_same_days_as_who_stores(text: str, days: str) -> None:
    resolved = resolve_dates(f"I was there {text}.", SAID, spans=True)
    assert resolved == f"I was there {text} ({days})."


@pytest.mark.parametrize(
    "text",
    [
        "I finished it in 12 days",
        "He has not written in six years",
        "My exam is in 3 days",  # no program can tell these from lengths
        "The world we live in today",
        "See you this Friday",
        "I have been ill for the last month",
        "Stop spending until the next month",
        "It was the best of his last years",
        "the best thing in his last year",
        "It feels like just yesterday",
        "It closed more than 20 years ago",
    ],
)
def test_words_that_often_mean_another_date_stay_alone(text: str) -> None:
    assert resolve_dates(text, "2024-01-20", spans=True) == text


@pytest.mark.parametrize(
    "text",
    [
        "Imagine we had moved last week.",
        "Let's say I left yesterday.",
        "What if she comes next week?",
        "In my novel she dies last week.",
        "You should see her next month.",
        "You could see her next month.",
        "If she had left yesterday, we would know.",
    ],
)
def test_what_is_supposed_or_advised_has_no_computed_date(text: str) -> None:
    turn = Turn("Anna", text, said_at="2024-01-20")
    assert dated_line(turn, dates=False, spans=True).endswith(f"Anna: {text}")


@pytest.mark.parametrize(
    "turn",
    [
        Turn("assistant", "Rest until next week.", said_at="2024-01-20"),
        Turn("Anna", "We moved last week.", said_at="2024-01-20", kind="document"),
        Turn("Anna", "See:\n```\n# deleted last week\n```", said_at="2024-01-20"),
        Turn("Anna", "> We moved last week.", said_at="2024-01-20"),
    ],
)
def test_dates_are_computed_in_peoples_own_messages_alone(turn: Turn) -> None:
    assert "January" not in dated_line(turn, dates=False, spans=True)


@pytest.mark.parametrize(
    ("phrase", "said_at", "meant"),
    [
        ("in 2 weeks", "2024-05-13", "2024-05-27/2024-06-02"),
        ("yesterday", "2024-05-13", "2024-05-12"),
        ("yesterday", "", ""),
        ("this summer", "2024-05-13", ""),
        ("yesterday evening", "2024-05-13", None),
    ],
)
def test_a_phrase_that_is_a_relative_date_has_one(
    phrase: str, said_at: str, meant: str | None
) -> None:
    assert relative_date(phrase, said_at) == meant


@pytest.mark.parametrize(
    ("text", "said_at", "day"),
    [
        ("yesterday", "2017-06-10T01:30", "8 or 9 June 2017"),
        ("yesterday", "2017-06-02T01:30", "31 May or 1 June 2017"),
        ("last night", "2017-06-10 00:05:00", "8 or 9 June 2017"),
        ("tonight", "2017-06-10T03:59:00+02:00", "9 or 10 June 2017"),
        ("tomorrow", "2017-06-10T01:30", "10 or 11 June 2017"),
        ("2 days ago", "2017-06-10T01:30", "7 or 8 June 2017"),
        ("last month", "2017-06-10T01:30", "May 2017"),
        ("yesterday", "2017-06-10T04:00", "9 June 2017"),
        ("yesterday", "2017-06-10T00:00:00", "9 June 2017"),  # a day without a time
        ("yesterday", "2017-06-10T01:30:00Z", "9 June 2017"),  # it may be noon there
        ("yesterday", "2017-06-10", "9 June 2017"),
    ],
)
def test_after_midnight_a_day_is_counted_from_either(text: str, said_at: str, day: str) -> None:
    assert resolve_dates(text, said_at, spans=True) == f"{text} ({day})"


def test_after_midnight_a_fact_has_both_days() -> None:
    assert relative_date("yesterday", "2017-06-10T01:30") == "2017-06-08/2017-06-09"
    resolved = resolve_dates("yesterday", "2017-06-10T01:30", iso=True, spans=True)
    assert resolved == "yesterday (2017-06-08/2017-06-09)"


def test_after_midnight_weeks_that_differ_are_left_out() -> None:
    said_at = "2017-06-12T01:30"
    assert resolve_dates("We met last weekend", said_at, spans=True) == "We met last weekend"
    assert relative_date("last weekend", said_at) == ""


@pytest.mark.parametrize(
    "text",
    [
        "We planted two apple trees this weekend.",
        "I slept badly this weekend, and I'm tired",
        "This weekend we drove to the coast.",
        "What a storm we had this weekend!",
    ],
)
def test_a_weekend_that_is_told_in_the_past_is_not_the_one_ahead(text: str) -> None:
    assert resolve_dates(text, "2024-01-10", spans=True) == text
    weekend = resolve_dates(text, "2024-01-13", spans=True)  # on a Saturday there is one
    assert "this weekend (13 to 14 January 2024)" in weekend.replace("This", "this")


@pytest.mark.parametrize(
    "text",
    [
        "I flew back last month on May 15th",
        "What did I pay last month (June 2023)?",
        "On 7 May, yesterday, the boiler broke",
        "It broke yesterday, May 7th",
    ],
)
def test_a_date_beside_the_words_is_enough(text: str) -> None:
    assert resolve_dates(text, "2023-07-08", spans=True) == text
    assert dated_question(text, "2023-07-08") == text


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("What did I spend in the past month", "2023-04-30 to 2023-05-30"),
        ("What did I spend during the last month", "2023-04-30 to 2023-05-30"),
        ("How often did I run this past week", "2023-05-23 to 2023-05-30"),
        ("Which books in the last year", "2022-05-30 to 2023-05-30"),
        ("What did I spend last month", "2023-04"),
        ("Where was I the past weekend", "2023-05-27 to 2023-05-28"),
    ],
)
def test_the_past_month_of_a_question_ends_today(question: str, days: str) -> None:
    assert dated_question(question, "2023-05-30") == f"{question} ({days})"


@pytest.mark.parametrize(
    "text",
    ["the week before", "last year of school", "in 5 minutes", "Friday", "this summer", "a day"],
)
def test_what_names_no_day_is_left_alone(text: str) -> None:
    assert resolve_dates(text, SAID) == text
    assert resolve_dates(text, SAID, spans=True) == text


@pytest.mark.parametrize("said_at", ["", "2017", "2017-06", "2017-99-99", "yesterday"])
def test_nothing_is_guessed_where_the_day_is_not_known(said_at: str) -> None:
    assert resolve_dates("yesterday", said_at) == "yesterday"


@given(st.dates(), st.sampled_from(["yesterday", "in 999 years", "999 weeks ago", "next winter"]))
def test_the_ends_of_the_calendar_do_no_harm(day: date, text: str) -> None:
    assert resolve_dates(text, day.isoformat(), spans=True).startswith(text)
    for iso in (False, True):
        assert resolve_dates(text, day.isoformat(), iso).startswith(f"{text} (")


@pytest.mark.parametrize(
    ("words", "span"),
    [
        ("yesterday", "2017-06-08"),
        ("the day after tomorrow", "2017-06-11"),
        ("3 days ago", "2017-06-06"),
        ("two weeks ago", "2017-05-23 to 2017-05-29"),
        ("a month ago", "2017-05"),
        ("in two years", "2019"),
        ("this week", "2017-06-05 to 2017-06-11"),
        ("last week", "2017-05-29 to 2017-06-04"),
        ("next weekend", "2017-06-17 to 2017-06-18"),
        ("last Friday", "2017-06-02"),
        ("next Monday", "2017-06-12"),
        ("last month", "2017-05"),
        ("this year", "2017"),
        ("this spring", "2017-03-01 to 2017-05-31"),
        ("last winter", "2016-12-01 to 2017-02-28"),
    ],
)
def test_words_of_a_question_become_days_that_can_be_searched_for(words: str, span: str) -> None:
    assert dated_question(f"What was {words}?", SAID) == f"What was {words} ({span})?"


def test_models_are_shown_them_and_people_are_not() -> None:
    turn = Turn("Anna", "I moved yesterday.", said_at=SAID, id=4)
    assert dated_line(turn) == "[4] (Fri 09 Jun 2017) Anna: I moved yesterday (8 June 2017)."
    assert "yesterday (8 June 2017)" in lay_out([], [turn], 100).text
    assert turn_lines([turn], 100, dates=False, iso=True) == (
        "[4] Anna: I moved yesterday (2017-06-08)."
    )
