"""How long ago something was said, in words: "3 days ago", "1 year, 2 months ago"."""

import re
from datetime import UTC, datetime, timedelta

UNKNOWN = "at an unknown time"
_MONTH = re.compile(r"(\d{4})(?:-(\d\d))?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NOW_SECONDS = 60


def time_difference(said_at: str, now: datetime | None = None) -> str:
    """The time from `said_at` to `now`, as exact as `said_at`, rounded down.

    Args:
        said_at: ISO text. A moment counts by the clock; without an offset it is in UTC. A date
            counts by calendar days, a month by months, a year by years.
        now: the moment to count from, in the reader's time zone; without a zone, in this machine's.
    """
    now = now or datetime.now()
    text = said_at.strip()
    try:
        if month := _MONTH.fullmatch(text):
            first = datetime(int(month[1]), int(month[2] or 1), 1)
            return _by_calendar(first, now, "month" if month[2] else "year")
        then = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            return _by_calendar(then, now, "day")
        return _by_clock(then, now)
    except (ValueError, OverflowError):  # not a date, or outside this machine's clock
        return UNKNOWN


def _by_calendar(then: datetime, now: datetime, unit: str) -> str:
    # A date is less exact than a moment, so `now` is cut to the same unit.
    today = now.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    if unit != "day":
        today = today.replace(day=1)
    if unit == "year":
        today = today.replace(month=1)
    if then == today:
        return "today" if unit == "day" else f"this {unit}"
    return _worded(_calendar(min(then, today), max(then, today)), then > today)


def _by_clock(then: datetime, now: datetime) -> str:
    """Under a day, counts the time that passed; from a day on, the time on the wall clock.

    The two differ if the clocks changed in between.
    """
    zone = now.tzinfo  # None: this machine's, with its rules for that day
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    passed = now.timestamp() - then.timestamp()
    earlier, later = sorted(moment.astimezone(zone).replace(tzinfo=None) for moment in (then, now))
    if later - earlier >= timedelta(days=1):
        return _worded(_calendar(earlier, later), passed < 0)
    seconds = int(abs(passed))
    if seconds < _NOW_SECONDS:
        return "just now"
    if seconds < 3600:
        return _worded([(seconds // 60, "minute")], passed < 0)
    return _worded([(seconds // 3600, "hour")], passed < 0)


def _calendar(first: datetime, last: datetime) -> list[tuple[int, str]]:
    """Whole years and months between two moments; days if it is less than a month."""
    months = 12 * (last.year - first.year) + last.month - first.month
    if (last.day, last.time()) < (first.day, first.time()):
        months -= 1
    if not months:
        return [((last - first).days, "day")]
    return [(months // 12, "year"), (months % 12, "month")]


def _worded(amounts: list[tuple[int, str]], ahead: bool) -> str:
    words = ", ".join(
        f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"
        for amount, unit in amounts
        if amount
    )
    return f"in {words}" if ahead else f"{words} ago"
