"""Dates as whole phrases: "last month", "since March 2021", "am 3. Mai 2020", "el año pasado"."""

import re
import tomllib
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from memory.text.dates import (
    MONTHS,
    add_days,
    is_iso_date,
    named_day,
    relative_date,
)
from memory.text.written_dates import written_date

_LONGEST_PHRASE = 6  # words
_EDGES = " ,.!-()"
_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+(?:[./-]\d+)*")
_RELATIVE_WORDS = (
    "ago",
    "yesterday",
    "today",
    "tonight",
    "tomorrow",
    "last",
    "past",
    "this",
    "next",
)
_YEARS = range(1900, 2100)
_RECENT = 183  # days: of what is longer ago, "on 1 May" may as well mean an earlier year


@dataclass(frozen=True)
class _Words:
    """What `date_words.toml` says; its head explains each."""

    before: frozenset[str]
    onward: tuple[str, ...]
    without: frozenset[str]
    months: Mapping[str, int]
    phrases: Mapping[str, str]

    @cached_property
    def all(self) -> frozenset[str]:
        """A date has one of these words, unless it has a number."""
        relative = {word for phrase in self.phrases for word in phrase.split()}
        return frozenset({*self.months, *relative, *_RELATIVE_WORDS})


def date_of(phrase: str, said_at: str) -> str | None:
    """What a phrase means as ISO text: a day, a month, a year or a span of days.

    "" for a date that cannot be known: a relative one said on no known day, a month without a year.
    None for anything else. A year or a month alone is a date after "in", "since" and the like.
    """
    text = " ".join(phrase.casefold().split())
    bare = _without_preposition(text)
    for form in dict.fromkeys((text, bare)):
        relative = date_words().phrases.get(form, form)
        if (resolved := relative_date(relative, said_at)) is not None:
            return resolved
    parts = _parts(bare)
    if parts is None or (bare == text and len(parts) == 1 and text.isalnum()):
        return None
    return "-".join((parts["year"], *_day(parts))) if "year" in parts else ""


def recent_date(phrase: str, said_at: str) -> str:
    """The last day or month that a phrase without a year means, in half a year before a turn.

    "" if there is none: only for sentences about the past, "I moved on 1 May".
    """
    today = named_day(said_at)
    parts = _parts(_without_preposition(" ".join(phrase.casefold().split())))
    if today is None or parts is None or "month" not in parts or "year" in parts:
        return ""
    earliest = add_days(today, -_RECENT).isoformat()
    for year in (today.year, today.year - 1):
        date = "-".join((f"{year:04}", *_day(parts)))
        if is_iso_date(date) and earliest[: len(date)] <= date <= today.isoformat()[: len(date)]:
            return date
    return ""


def may_lie_ahead(phrase: str) -> bool:
    """Whether a phrase may name a day to come, where its year is not known: "from June"."""
    return phrase.casefold().startswith(date_words().onward)


def names_day(phrase: str) -> bool:
    """Whether a phrase names a day of the year, with the year or without, or a year."""
    parts = _parts(_without_preposition(" ".join(phrase.casefold().split())))
    return parts is not None and (parts.keys() >= {"month", "day"} or parts.keys() == {"year"})


def dates_at_ends(text: str) -> Iterator[tuple[str, str]]:
    """The rest of a text and the date at its end, or its beginning; the longest date first."""
    words = text.split(" ")
    of_dates = date_words().all
    if not any(word[:1].isdecimal() or word in of_dates for word in text.casefold().split()):
        return
    for count in range(min(_LONGEST_PHRASE, len(words) - 1), 0, -1):
        for phrase, rest in ((words[-count:], words[:-count]), (words[:count], words[count:])):
            date = " ".join(phrase).strip(_EDGES)
            if date_of(date, "") is not None:
                yield " ".join(rest), date


def days_of(iso: str) -> tuple[str, str]:
    """The first and the last day of an ISO date or span of dates."""
    first, _, last = iso.partition("/")
    last = last or first
    if len(last) == len("2017"):
        last += "-12"
    if len(last) == len("2017-12"):
        last += f"-{monthrange(int(last[:4]), int(last[5:]))[1]}"
    return (first + "-01-01")[: len("2017-01-01")], last


def _without_preposition(text: str) -> str:
    words = text.split(" ")
    for count in range(min(4, len(words) - 1), 0, -1):
        if " ".join(words[:count]) in date_words().before:
            return " ".join(words[count:])
    return text


def _parts(text: str) -> dict[str, str] | None:
    """The year, month and day that an absolute date names; None for any other text."""
    parts: dict[str, str] = {}
    if iso := text if is_iso_date(text) else written_date(text)[:10]:
        return dict(zip(("year", "month", "day"), iso.split("-"), strict=False))
    for token in _TOKEN.findall(text):
        if token in date_words().without:
            continue
        month = date_words().months.get(token)
        if month:
            name, value = "month", f"{month:02}"
        elif token.isdecimal() and int(token) in _YEARS:
            name, value = "year", token
        elif token.isdecimal() and 1 <= int(token) <= 31:
            name, value = "day", f"{int(token):02}"
        else:
            return None
        if name in parts:
            return None
        parts[name] = value
    is_day_of_no_month = "day" in parts and "month" not in parts
    if not parts or is_day_of_no_month or _TOKEN.sub("", text).strip(" .,"):
        return None
    return parts if is_iso_date("-".join((parts.get("year", "2020"), *_day(parts)))) else None


def _day(parts: Mapping[str, str]) -> list[str]:
    return [parts[name] for name in ("month", "day") if name in parts]


@cache
def date_words() -> _Words:
    """The words of dates, of all languages."""
    file = tomllib.loads(Path(__file__).with_name("date_words.toml").read_text("utf-8"))
    months = {name: number for number, name in enumerate(MONTHS, 1)}
    others = {
        word: months[english] for english, words in file["months"].items() for word in words.split()
    }
    phrases = {
        phrase: english for english, phrases in file["phrases"].items() for phrase in phrases
    }
    return _Words(
        frozenset(file["before"]),
        tuple(f"{words} " for words in file["onward"]),
        frozenset(file["without"]),
        {**others, **months},
        phrases,
    )
