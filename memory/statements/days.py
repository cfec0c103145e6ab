"""The day, month or year that the words of a clause name, as ISO text."""

import re
from datetime import date, timedelta

from memory.dates import MONTHS, WEEKDAYS, resolve_dates

_MONTH = (
    rf"(?P<month>{'|'.join(MONTHS)}"
    r"|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b)\.?"
)
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ORDINAL = r"(?:st|nd|rd|th)"
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "tenth": 10}
_RESOLVED = re.compile(r"\((\d{4}(?:-\d\d){0,2}(?:/[\d-]+)?)\)")
_WRITTEN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<iso>\d{4}-\d\d-\d\d)\b",
        rf"\b(?P<day>\d{{1,2}}){_ORDINAL}?(?: of)? {_MONTH}\b(?:,? {_YEAR})?",
        rf"\b(?P<ordinal>first|second|third|fourth|fifth|tenth) of {_MONTH}\b(?:,? {_YEAR})?",
        rf"\b{_MONTH} (?:the )?(?P<day>\d{{1,2}}){_ORDINAL}?\b(?! ?(?:km|k\b|am|pm|:|%))(?:,?"
        rf" {_YEAR})?",
        rf"\b{_MONTH},? {_YEAR}\b",
        rf"\b(?:in|since|from|until|til|till|by|end of|early|mid|late|last|of|during|this"
        rf"|next)[ -]"
        rf"(?:early |mid |late )?{_MONTH}\b",
        r"\b(?:in|since|from|until|back in|of|summer|winter|spring|autumn|fall) "
        rf"(?:summer |winter |spring |autumn |fall )?{_YEAR}\b(?! (?:km|m|words|people|euros?"
        rf"|pages))",
        rf"\b(?:on |since |from |by |until |til |till )?the (?P<day>\d{{1,2}}){_ORDINAL}\b"
        r"(?=$|[,.!?;:)]| (?:of|and|at|in|to|for|with|but|so|then|this|or|by|now|btw|instead"
        r"|because"
        r"|from|until|til|we|i|he|she|it|they|my|already|too)\b)",
        r"(?<!black )(?<!cyber )(?<!before )(?<!after )"
        rf"\b(?P<weekday>{'|'.join(WEEKDAYS)})(?!s\b|\w)",
    )
)
_LAST_NEXT = re.compile(rf"\b(?P<which>last|next|this) {_MONTH}\b", re.IGNORECASE)


def named_days(text: str, said_at: str, *, ahead: bool) -> list[str]:
    """The dates that a text names, in order, each once.

    A day without a year is the latest one by the day it is said, and with `ahead` the next one.
    Nothing is guessed: without `said_at` (ISO), only dates with a year are named.
    """
    today = _day(said_at)
    days: dict[str, int] = {}
    if today:
        resolved = resolve_dates(text, said_at, iso=True, spans=True)
        for match in _RESOLVED.finditer(resolved):
            if match[0] not in text:
                days.setdefault(match[1], len(days))
        text = _without_resolved(text, said_at)
    taken: list[tuple[int, int]] = []
    for pattern in _WRITTEN:
        if days and pattern is _WRITTEN[-1]:
            break  # "on Thursday, the 11th" is one day
        for match in pattern.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            if day := _written(match, today, ahead=ahead):
                taken.append(match.span())
                days.setdefault(day, 100 + match.start())
    return sorted(days, key=lambda day: days[day])


def _without_resolved(text: str, said_at: str) -> str:
    """A text without its relative dates: "last Friday" is no "Friday"."""
    marked = resolve_dates(text, said_at, iso=True, spans=True)
    return re.sub(r"(?:\S+ ){1,3}\(\d{4}(?:-\d\d){0,2}(?:/[\d-]+)?\)", " ", marked)


def _day(said_at: str) -> date | None:
    try:
        return date.fromisoformat(said_at[:10])
    except ValueError:
        return None


def _written(match: re.Match[str], today: date | None, *, ahead: bool) -> str:
    groups = match.groupdict()
    if groups.get("iso"):
        return groups["iso"] if _day(groups["iso"]) else ""
    month = _month(groups.get("month") or "")
    number = int(groups.get("day") or 0) or _ORDINALS.get((groups.get("ordinal") or "").lower(), 0)
    if groups.get("year"):
        return _iso(int(groups["year"]), month, number)
    if today is None:
        return ""
    if weekday := groups.get("weekday"):
        return _weekday(weekday.lower(), today, ahead=ahead)
    if month:
        is_later = (month, number or 1) > (today.month, today.day if number else 1)
        is_earlier = (month, number or 31) < (today.month, today.day if number else 1)
        year = today.year + (ahead and is_earlier) - (not ahead and is_later)
        return _iso(year, month, number)
    if 1 <= number <= 31:
        return _day_of_month(number, today, ahead=ahead)
    return ""


def _month(name: str) -> int:
    key = name[:3].lower()
    return next((n for n, month in enumerate(MONTHS, 1) if key and month.startswith(key)), 0)


def _iso(year: int, month: int, number: int) -> str:
    if not month:
        return f"{year:04}"
    if not number:
        return f"{year:04}-{month:02}"
    try:
        return date(year, month, number).isoformat()
    except ValueError:
        return ""


def _weekday(name: str, today: date, *, ahead: bool) -> str:
    difference = (WEEKDAYS.index(name) - today.weekday()) % 7
    if ahead:
        return (today + timedelta(days=difference or 7)).isoformat()
    if difference == 0:
        return ""  # today, or a week ago
    return (today - timedelta(days=7 - difference)).isoformat()


def _day_of_month(number: int, today: date, *, ahead: bool) -> str:
    year, month = today.year, today.month
    if ahead and number < today.day:
        month += 1
    if not ahead and number > today.day:
        month -= 1
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return _iso(year, month, number)


def day_of_year(day: str) -> str:
    """ "20 February" for 2026-02-20."""
    return f"{int(day[8:10])} {MONTHS[int(day[5:7]) - 1].capitalize()}"
