"""Reads dates that people and programs write, as ISO text: as exact as written, never guessed."""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_MONTHS = 12
_LONGEST = 64  # characters of a date with its time, weekday and zone
# ISO text, or text that looks like it, is not changed.
_LIKE_ISO = re.compile(r"\d{4}(?:-|$)")
_SINCE_1970 = re.compile(r"-?\d{9,16}(\.\d+)?")
_NUMBERS = re.compile(r"(?<![\d.])(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})(?![\d./-])")
_YEAR_OR_MONTH = re.compile(r"(?!0000)\d{4}(-(0[1-9]|1[0-2]))?")
_SECONDS = re.compile(r"[T ]\d\d:?\d\d:?\d\d")
_YEAR_FIRST = re.compile(r"\d{4}[./]\d{1,2}[./]\d{1,2}\b")
_MONTH = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?!\d)")
# The year must begin as {is_dated} in memory/store/sqlite/sqlite.sql asks for it.
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
    may have two digits only after numbers. Keeps an offset from UTC, which since 1970 is Z. Ignores
    the name of any zone but UTC: such a time is like one without a zone.
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


def clean_date(said_at: object) -> str:
    """A date as ISO text, with its given exactness (to the second); "" if it is not a date.

    Takes ISO text and the forms that `written_date` reads. A time keeps its offset from UTC, which
    for UTC itself is Z; one without an offset gets none. A number counts like its digits: 2023 is a
    year, and few digits (0, -5) are not a time.
    """
    if isinstance(said_at, float):
        said_at = f"{said_at:.6f}"
    text = str(said_at).strip() if isinstance(said_at, (str, int)) else ""
    text = written_date(text) or text
    if _YEAR_OR_MONTH.fullmatch(text):
        return text
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        pass  # a date with a time, or not a date
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment.astimezone(UTC)  # moments before the first year of UTC cannot be compared
    except (ValueError, OverflowError):
        return ""
    return _iso_text(moment, "seconds" if _SECONDS.search(text) else "minutes")


def in_zone(said_at: str, zone: tzinfo) -> str:
    """A date as the clocks of a zone show it, with their distance from UTC.

    A time in UTC is converted to the zone, because programs write UTC for users who live elsewhere.
    A time without an offset is already in the zone. Another offset is kept, and so is a text
    without a time or a date.
    """
    text = clean_date(said_at)
    if len(text) <= len("2017-05-08"):
        return said_at
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    elif not moment.utcoffset():
        moment = moment.astimezone(zone)
    return _iso_text(moment, "seconds" if _SECONDS.search(text) else "minutes")


def zone_called(name: object) -> ZoneInfo | None:
    """The zone of a name such as Europe/Berlin; None for an unknown name."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ValueError, LookupError, OSError):  # names of folders and of nothing
        return None


def _iso_text(moment: datetime, timespec: str) -> str:
    text = moment.isoformat(timespec=timespec)
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


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
        return _iso_text(
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds)), "seconds"
        )
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
    return utc.isoformat(timespec="microseconds")[: len(date)]  # with the same exactness


def dates_agree(first: str, second: str) -> bool:
    """Whether two ISO dates are the same, as far as the less exact tells; "" agrees with any."""
    shared = min(len(first), len(second))
    return first[:shared] == second[:shared]


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
