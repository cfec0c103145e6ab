"""Dates as people say them: "last Friday", said on a day, is a day. Computed, never guessed."""

import re
from calendar import monthrange
from datetime import date

WORD = re.compile("[a-z]+")
MONTHS: list[str] = WORD.findall(
    "january february march april may june july august september october november december"
)
WEEKDAYS: list[str] = WORD.findall("monday tuesday wednesday thursday friday saturday sunday")
SEASONS = {"winter": 12, "spring": 3, "summer": 6, "autumn": 9, "fall": 9}
_COUNTS = WORD.findall("zero one two three four five six seven eight nine ten eleven twelve")
COUNT = {**{word: n for n, word in enumerate(_COUNTS)}, "a": 1, "an": 1, "a couple of": 2}
UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_NUMBER = rf"\d{{1,3}}|{'|'.join(sorted(COUNT, key=len, reverse=True))}"
_UNIT = "(?:day|week|month|year)s?"
_RELATIVE = re.compile(
    r"\b(?:(?P<day>the day before yesterday|the day after tomorrow|yesterday|last night|today"
    r"|tonight|this (?:morning|afternoon|evening)|tomorrow)"
    rf"|(?P<ago>{_NUMBER}) (?P<ago_unit>{_UNIT}) ago"
    rf"|in (?P<ahead>{_NUMBER}) (?P<ahead_unit>{_UNIT})(?: time)?(?!['\w])"
    r"|(?P<which>last|past|this|next|coming) (?P<period>week|weekend|month|year"
    rf"|{'|'.join(SEASONS)}|{'|'.join(WEEKDAYS)}))\b(?! (?:before|after|of|from)\b)",
    re.IGNORECASE | re.ASCII,
)
_DAYS = {
    "the day before yesterday": -2,
    "yesterday": -1,
    "last night": -1,
    "tomorrow": 1,
    "the day after tomorrow": 2,
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def dated(text: str, said_at: str, iso: bool = False) -> str:
    """A text with its relative dates resolved, in brackets behind them.

    `I moved yesterday` said on 2023-05-08 becomes `I moved yesterday (7 May 2023)`, with `iso`
    `yesterday (2023-05-07)`; as exact as the words are: `last month (April 2023)`. Unchanged where
    `said_at` (ISO) names no day.
    """
    if not _DAY.match(said_at):
        return text
    try:
        today = date.fromisoformat(said_at[:10])
    except ValueError:
        return text

    def resolve(found: re.Match[str]) -> str:
        told = _told(found, today, iso)
        return f"{found[0]} ({told})" if told else found[0]

    return _RELATIVE.sub(resolve, text)


def _told(found: re.Match[str], today: date, iso: bool) -> str:
    if found["day"]:
        return _day(moved(today, _DAYS.get(found["day"].lower(), 0)), iso)
    if found["period"]:
        return _in_period(found["period"].lower(), found["which"].lower(), today, iso)
    words, unit = found["ago"] or found["ahead"], found["ago_unit"] or found["ahead_unit"]
    count, unit = COUNT.get(words.lower()) or int(words), unit.lower().removesuffix("s")
    count = -count if found["ago"] else count
    if unit == "day":
        return _day(moved(today, count), iso)
    if unit == "week":
        middle = moved(today, 7 * count)
        return _month(middle, iso) if iso else f"the week of {_day(middle, iso)}"
    if unit == "year":
        return str(min(max(today.year + count, 1), 9999))
    return _month(_months_on(today, count), iso)


def _in_period(period: str, which: str, today: date, iso: bool) -> str:
    way = {"this": 0, "last": -1, "past": -1}.get(which, 1)
    if period in WEEKDAYS:
        behind = _days_since(period, today)
        return _day(moved(today, -behind if way < 0 else 7 - behind % 7), iso)
    if period == "month":
        return _month(_months_on(today, way), iso)
    if period == "year":
        return str(min(max(today.year + way, 1), 9999))
    if period in SEASONS:
        year = _season(period, way, today).year  # "this summer" may be before or ahead
        return (str(year) if iso else f"{period} {year}") if way else ""
    if iso:
        return _month(moved(today, 7 * way), iso)
    return f"the {period} {('before', 'of', 'after')[way + 1]} {_day(today, iso)}"


def _season(name: str, way: int, today: date) -> date:
    """First day of the latest that has begun (0), of the next (1), of the last (-1): it is over, or
    a winter that began last year."""
    first = SEASONS[name]
    year = today.year + (way > 0) - (today.month < first + 3 * (way < 0))
    return date(min(max(year, 1), 9999), first, 1)


def _days_since(weekday: str, today: date) -> int:
    """1 to 7: on a Tuesday, last Tuesday is a week ago."""
    return (today.weekday() - WEEKDAYS.index(weekday) - 1) % 7 + 1


def _day(day: date, iso: bool) -> str:
    return day.isoformat() if iso else f"{day.day} {_name(day)} {day.year}"


def _month(day: date, iso: bool) -> str:
    return day.isoformat()[:7] if iso else f"{_name(day)} {day.year}"


def _name(day: date) -> str:
    return MONTHS[day.month - 1].capitalize()


def _months_on(day: date, months: int) -> date:
    number = min(max(12 * day.year + day.month - 1 + months, 12), 12 * 9999 + 11)
    return date(number // 12, number % 12 + 1, 1)


def moved(day: date, days: int) -> date:
    """A day some days later, or earlier; the calendar's first and last day are its ends."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def period(name: str, last: bool, today: date) -> tuple[date, int]:
    """First day and number of days of this or the last week, month, season, Tuesday ..."""
    if name in ("today", "tonight", "yesterday"):
        return moved(today, -(name == "yesterday")), 1
    if name in ("week", "weekend"):
        monday = moved(today, -today.weekday() - 7 * last)
        return (monday, 7) if name == "week" else (moved(monday, 5), 2)
    if name == "month":
        return _months(_months_on(today, -last), 1)
    if name == "year":
        return _months(date(max(today.year - last, 1), 1, 1), 12)
    if name in SEASONS:
        return _months(_season(name, -last, today), 3)
    return moved(today, -_days_since(name, today)), 1


def _months(first: date, count: int) -> tuple[date, int]:
    """The first day of a month, and the days of `count` months from it on."""
    numbers = range(first.month - 1, first.month - 1 + count)
    return first, sum(monthrange(first.year + n // 12, n % 12 + 1)[1] for n in numbers)
