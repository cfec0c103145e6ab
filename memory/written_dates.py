"""Reads dates that people and programs write, as ISO text: as exact as written, never guessed."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_MONTHS = 12
_LONGEST = 64  # characters of a date with its time, weekday and zone
# ISO text, or text that looks like it, stays as it is.
_LIKE_ISO = re.compile(r"\d{4}(?:-|$)")
_SINCE_1970 = re.compile(r"-?\d{9,16}(\.\d+)?")
_NUMBERS = re.compile(r"(?<![\d.])(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})(?![\d./-])")
_YEAR_FIRST = re.compile(r"\d{4}[./]\d{1,2}[./]\d{1,2}\b")
_MONTH = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?!\d)")
# The year must begin as `moments_of_changes` in memory/store/sqlite.sql asks for it.
ISO_MOMENT = re.compile(
    r"([12][0-9]{3}(?![0-9])"
    r"(?:-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)?)?)?)"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


def written_date(text: str) -> str:
    """ISO text for a date in another form; empty for any other text, and for ISO text.

    Reads English months (`1:56 pm on 8 May, 2023`, `May 2023`), RFC 2822, seconds, milli- or
    microseconds since 1970, and numbers. With dots the day is the first number (`08.05.2023`), as
    in every country that writes dots; with slashes and hyphens it is the number above twelve.
    Otherwise (`05/08/2023`) the date is ambiguous, and the result is empty. A date needs a year; it
    may have two digits only after numbers. Keeps an offset from UTC. Ignores the name of any zone
    but UTC: such a time counts as UTC, like a time without a zone.
    """
    text = text.strip()
    if _SINCE_1970.fullmatch(text):
        return _since_1970(float(text))
    if len(text) > _LONGEST or _LIKE_ISO.match(text):
        return ""
    numbers = _NUMBERS.search(text)
    is_year_first = _YEAR_FIRST.match(text) is not None
    if not (numbers or is_year_first or (_MONTH.search(text) and _YEAR.search(text))):
        return ""
    if numbers and _is_ambiguous(*numbers.groups()):
        return ""
    return _read(text, day_first=bool(numbers), year_first=is_year_first)


def _is_ambiguous(number: str, separator: str, second: str) -> bool:
    """Whether Americans and Europeans read different days in a date."""
    return separator != "." and number != second and max(int(number), int(second)) <= _MONTHS


def _read(text: str, day_first: bool, year_first: bool) -> str:
    from dateutil.parser import parse  # most turns have ISO dates and need no parser

    def moment(default: datetime) -> datetime:
        parsed: datetime = parse(
            text, default=default, dayfirst=day_first, yearfirst=year_first, tzinfos=_distance
        )
        return parsed

    try:
        # The text does not name a part that changes with the default.
        first = moment(datetime(2000, 1, 1))
        second = moment(datetime(2001, 2, 2, 1, 1, 1))
        if first.year != second.year or first.month != second.month:
            return ""
        if first.day != second.day:
            return f"{first.year:04}-{first.month:02}"
        if first.hour != second.hour:
            return first.date().isoformat()
        return first.isoformat(timespec="seconds" if first.second == second.second else "minutes")
    except (ValueError, OverflowError, TypeError):
        return ""


def _distance(name: str | None, seconds: int | None) -> tzinfo | None:
    """The written offset from UTC; not that of a name, which differs from machine to machine."""
    if seconds is None:
        return None
    return timezone(timedelta(seconds=seconds)) if seconds else UTC


def _since_1970(seconds: float) -> str:
    while abs(seconds) >= 1e11:  # milli- or microseconds
        seconds /= 1000
    try:
        return (datetime(1970, 1, 1) + timedelta(seconds=int(seconds))).isoformat()
    except OverflowError:
        return ""


def date_key(said_at: str) -> str:
    """The date at the beginning of a text, in UTC, as text that can be compared; "" for none."""
    match = ISO_MOMENT.match(said_at)
    if not match:
        return ""
    date = match[1].replace(" ", "T")
    zone = match[2]
    has_time = len(date) > len("2017-06-01")  # a day without a time is the same in any zone
    if not has_time or zone in (None, "Z"):
        return date
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:].strip(":") or 0))
    if zone[0] == "-":
        offset = -offset
    try:
        utc = datetime.fromisoformat(date) - offset
    except ValueError:
        return date
    return utc.isoformat(timespec="microseconds")[: len(date)]  # as exact as it was


def is_later(moment: str, said_at: str) -> bool:
    """Whether a moment is after something was said; what is undated is said now.

    A person who acts on the day of a turn has it before them; within a minute the turn may as well
    be what was said next.
    """
    said, at = date_key(said_at), date_key(moment)
    if not said or not at:
        return False
    length = min(len(said), len(at))
    return at[:length] > said[:length] or (at.startswith(said) and len(said) <= len("2017-05-08"))
