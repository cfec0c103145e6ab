"""Whether the dates of a file have the day first or the month, told by all of them together."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Literal

from memory.exchange.reading_errors import DateOrderError
from memory.text.written_dates import written_date

DateOrder = Literal["", "day-first", "month-first"]
# Three numbers with one separator, and a time that may follow them.
_NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{4}|\d{2})\.?(?:,?\s*(.*))?", re.DOTALL)
_TIME = re.compile(r"(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)
_MONTHS = 12


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """The order of the numbers in a file's dates; None if both are possible.

    A number above twelve decides it, or else the order of the messages: if only one reading never
    goes back in time, that is the one. "" if no date depends on it.
    """
    before: tuple[int, int, int] | None = None
    has_second_above = depends = False
    by_day = by_month = True  # whether they never go back in time, read that way
    for first, second, year in filter(None, map(_ambiguous_numbers, texts)):
        if first > _MONTHS:
            return "day-first"
        has_second_above |= second > _MONTHS
        depends |= first != second
        if before:
            by_day &= (before[2], before[1], before[0]) <= (year, second, first)
            by_month &= (before[2], before[0], before[1]) <= (year, first, second)
        before = (first, second, year)
    if has_second_above:
        return "month-first"
    if not depends:
        return ""
    if by_day == by_month:
        return None
    return "day-first" if by_day else "month-first"


def refuse_doubt(name: str, example: str) -> DateOrderError:
    """The error for a file whose dates can be read in two ways."""
    return DateOrderError(
        f"{name}: {example!r} has the day first or the month, and nothing in the file tells which",
        "; give --dates day-first or --dates month-first",
    )


def ordered_date(text: str, order: DateOrder) -> str:
    """ISO text for a date of numbers in this order; what `written_date` reads in any other form."""
    numbers = _NUMBERS.fullmatch(text.strip())
    if not numbers:
        return written_date(text)
    first, separator, second, third, clock = numbers.groups()
    if len(first) == 4:
        year, month, day = first, second, third
    elif order == "month-first" and separator != ".":
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    try:
        written = date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return ""
    time = _TIME.match(clock or "")
    if not time:
        return written.isoformat()
    hour = int(time[1])
    if time[4]:  # of twelve
        hour = hour % 12 + (12 if time[4].casefold() == "p" else 0)
    seconds = f":{time[3]}" if time[3] else ""
    return f"{written.isoformat()}T{hour:02}:{time[2]}{seconds}"


def _ambiguous_numbers(text: str) -> tuple[int, int, int] | None:
    """First, second number and year of a date that some write with the month first."""
    numbers = _NUMBERS.fullmatch(text.strip())
    if not numbers or numbers[2] == "." or len(numbers[1]) == 4:
        return None
    return int(numbers[1]), int(numbers[3]), int(numbers[4])
