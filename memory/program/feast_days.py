"""Feasts that name a day: "on Christmas Day", "on Easter Sunday", "at Halloween"."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

# Month and day, or the days after Easter Sunday.
_FIXED = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "boxing day": (12, 26),
    "st stephen's day": (12, 26),
    "new year's eve": (12, 31),
    "new year's day": (1, 1),
    "valentine's day": (2, 14),
    "valentine's": (2, 14),
    "st patrick's day": (3, 17),
    "halloween": (10, 31),
    "bonfire night": (11, 5),
}
_BY_EASTER = {"good friday": -2, "easter sunday": 0, "easter monday": 1}
_FEAST = re.compile(
    rf"\b(?:{'|'.join(sorted([*_FIXED, *_BY_EASTER], key=len, reverse=True))})\b", re.IGNORECASE
)


def feast_days(text: str, said_on: date) -> Iterator[date]:
    """The days of the feasts that a text names, each the last one by the day it was said."""
    for match in _FEAST.finditer(text.replace("\u2019", "'")):
        name = match[0].lower()
        day = _in_year(name, said_on.year)
        yield day if day <= said_on else _in_year(name, said_on.year - 1)


def _in_year(name: str, year: int) -> date:
    if name in _FIXED:
        return date(year, *_FIXED[name])
    return _easter(year) + timedelta(days=_BY_EASTER[name])


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8)."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leap_centuries - correction + 15) % 30
    leap_years, year_rest = divmod(of_century, 4)
    weekday = (32 + 2 * century_rest + 2 * leap_years - moon - year_rest) % 7
    shift = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)
