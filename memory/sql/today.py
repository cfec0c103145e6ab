"""Today in a SELECT: CURRENT_DATE and date('now', '-7 days') become the day that they mean.

The tree has a function `today` with the modifiers, all of them literals. Before a statement runs,
`select_on` puts the day in its place, so that the database's own clock decides nothing.
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlglot import exp

from memory.sql.checked import CheckedSelect
from memory.sql.tables import TODAY

# The value of a moment ("datetime('now')"): it is after everything said today.
END_OF_DAY = "end of day"
_STEP = re.compile(r"([+-]?[0-9]{1,5})(?:\.0+)? (day|week|month|year)s?")
_STARTS = ("start of day", "start of month", "start of year", END_OF_DAY)
_NO_CHANGE = ("localtime", "utc")


def today(*modifiers: str) -> Any:
    """The node of a day: today, changed by modifiers that `is_modifier` knows."""
    texts = [exp.Literal.string(modifier) for modifier in modifiers]
    return exp.Anonymous(this=TODAY, expressions=texts)


def is_today(node: Any) -> bool:
    """Whether a node is such a day."""
    return bool(node.key == "anonymous" and str(node.this).lower() == TODAY)


def modifiers_of(node: Any) -> list[str]:
    """The modifiers of a node of `today`."""
    return [str(modifier.this).lower() for modifier in node.expressions]


def is_modifier(text: str) -> bool:
    """Whether a text changes a day as SQLite's date() writes it: '-7 days', 'start of month'."""
    text = text.strip().lower()
    return text in (*_STARTS, *_NO_CHANGE) or _STEP.fullmatch(text) is not None


def reads_today(select: CheckedSelect) -> bool:
    """Whether a SELECT asks for today."""
    return any(map(is_today, select.tree.find_all(exp.Anonymous)))


def select_on(select: CheckedSelect, day: str) -> CheckedSelect:
    """The SELECT with a day (ISO) in place of today."""
    tree = select.tree.copy()
    for node in [*filter(is_today, tree.find_all(exp.Anonymous))]:
        node.replace(exp.Literal.string(_day(day, modifiers_of(node))))
    return replace(select, tree=tree)


def _day(today: str, modifiers: Sequence[str]) -> str:
    day = date.fromisoformat(today[:10])
    is_moment = False
    for modifier in map(str.strip, modifiers):
        is_moment = modifier == END_OF_DAY
        if modifier == "start of month":
            day = day.replace(day=1)
        elif modifier == "start of year":
            day = day.replace(month=1, day=1)
        elif step := _STEP.fullmatch(modifier):
            day = _stepped(day, int(step[1]), step[2])
    return f"{day.isoformat()}T23:59:59" if is_moment else day.isoformat()


def _stepped(day: date, count: int, unit: str) -> date:
    """The day some days, weeks, months or years later; the last of its month at most."""
    if unit in ("day", "week"):
        ordinal = day.toordinal() + count * (7 if unit == "week" else 1)
        return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))
    months = 12 * day.year + day.month - 1 + count * (12 if unit == "year" else 1)
    year = min(max(months // 12, date.min.year), date.max.year)
    month = months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
