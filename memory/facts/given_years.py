"""The years that turns give: named in one, or following from one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from memory.records import Fact, Turn
from memory.sql import check_writes
from memory.sql.checked import CheckedChange
from memory.text.dates import named_day, resolve_dates
from memory.text.words import words
from memory.vocabulary.templates.words import language_words

_YEAR_IN_TURN = re.compile(r"(?<!\d)\d{4}(?!\d)")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")  # in a value, which may hold other numbers
_SHORT_YEAR = re.compile(r"(?:['\u2018\u2019]|\d[./-]\d{1,2}[./-])(\d\d)(?!\d)")  # '98, 1/5/98
_THOUSANDS = re.compile(r"(?<=\d)[,.\u00a0 ](?=\d{3}(?!\d))")
_DATE = re.compile(r"'(\d{4}(?:-\d\d){0,2})'")
_LONGEST_SPAN = 120  # years that a number of a turn may tell: an age, how long ago
_CENTURIES = (19, 20)


class GivenYears:
    """The years that the turns of a window give, for what a model makes of them.

    A turn in the window or just before it gives a year if it names it or if the year was computed
    from its words ("last year"); if the turn was said in that year, the one before or the one
    after; and if a number of the turn leads to it from one of these or from the year of a known
    fact: "when I was ten", "thirty years ago". An age is a year off in some months. An undated turn
    gives the years in its text, and what its numbers lead to from them.

    Arguments:
        turns: the window.
        before: the turns before it, as far as the model saw them.
        known: the lines of known facts that the model saw.
    """

    def __init__(self, turns: Sequence[Turn], before: Sequence[Turn] = (), known: str = "") -> None:
        standing = {year for turn in (*before, *turns) for year in _standing(turn)}
        known_years = set(map(int, _YEAR.findall(known)))
        self._turns = turns
        self._years = {turn.id: _given(turn, standing, known_years) for turn in turns}
        self._all = set[int]().union(*self._years.values())

    def of_fact(self, fact: Fact) -> Fact | None:
        """A fact of one of the turns without dates of unknown years; None if its value has one."""
        years = self._years[fact.turn_id]
        if {*_years(_YEAR, fact.value)} - years:
            return None
        unknown: dict[str, Any] = {
            name: ""
            for name in ("happened_on", "ended_on")
            if {*_years(_YEAR_IN_TURN, getattr(fact, name))} - years
        }
        return replace(fact, **unknown)

    def give(self, text: str) -> bool:
        """Whether the turns give all years of a text that is of no single one."""
        return {*_years(_YEAR, text)} <= self._all

    def of_change(self, write: CheckedChange) -> CheckedChange | None:
        """A change with known years: an unknown end is the day of the last turn, if it has one."""
        assigned, where, condition = write.text.partition(" WHERE ")
        if write.command != "update" or self.give(assigned):
            return write
        days = [day.isoformat() for turn in self._turns if (day := named_day(turn.said_at))]
        if not days or write.columns != ("ended_on",):
            return None
        [statement] = check_writes(_DATE.sub(f"'{days[-1]}'", assigned) + where + condition)
        return statement if isinstance(statement, CheckedChange) else None


def _given(turn: Turn, standing: set[int], known: set[int]) -> set[int]:
    """The years that a turn gives, with the years in the turns around it."""
    day = turn.said_at[:4]
    if not day.isdecimal():
        near, bases = set(), standing
    else:
        near = {int(day) + years for years in (-1, 0, 1)}
        bases = {*standing, *known, int(day)}
    steps = {sign * n + off for n in _spans(turn.text) for sign in (1, -1) for off in (-1, 0, 1)}
    return {*standing, *near, *(base + step for base in bases for step in steps)}


def _standing(turn: Turn) -> set[int]:
    """The years in a turn's text, or computed for the words in it."""
    text = resolve_dates(turn.text, turn.said_at, iso=True, spans=True)
    years = {*_years(_YEAR_IN_TURN, text), *_years(_YEAR_IN_TURN, _THOUSANDS.sub("", text))}
    short = _years(_SHORT_YEAR, text)
    whole = {100 * century + year for year in short for century in _CENTURIES}
    return {*years, *whole, *_named_numbers(text)}


def _spans(text: str) -> set[int]:
    """The numbers of a text that may be years of a life: "ten", "20", "thirty-five"."""
    digits = [int(word) for word in words(text) if word.isdecimal() and len(word) < 4]
    return {number for number in (*digits, *_named_numbers(text)) if number <= _LONGEST_SPAN}


def _named_numbers(text: str) -> list[int]:
    """The numbers that are words of a text, in order: "thirty-five" is one, "two decades" too."""
    numbers: list[int] = []
    follows = False
    for word in words(text):
        number = _numbers().get(word)
        if number is None:
            follows = False
            continue
        before = numbers[-1] if follows else 0
        if number < 10 and before >= 20 and not before % 10:
            numbers[-1] += number
        elif before in range(1, 10) and number in (10, 100):  # "two decades"
            numbers[-1] *= number
        elif before in _CENTURIES and number in range(10, 100):  # "nineteen ninety-eight"
            numbers[-1] = 100 * before + number
        else:
            numbers.append(number)
        follows = True
    return numbers


@cache
def _numbers() -> dict[str, int]:
    """Number words of all languages, as `words` writes them."""
    named = {**language_words().numbers, **language_words().greater_numbers}
    return {form: number for name, number in named.items() for form in words(name)[:1]}


def _years(pattern: re.Pattern[str], text: str) -> list[int]:
    return [int(year) for year in pattern.findall(text)]
