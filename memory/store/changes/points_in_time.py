"""Points in the life of a memory: changes and moments, read and compared; how two differ.

A moment is ISO text, as exact as you like, and means its end: "2017-06" is the end of that June. A
less exact date counts from its beginning. Times with a zone are converted to UTC, and times without
one count as UTC.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from memory.errors import InputError
from memory.records import Fact
from memory.text.written_dates import ISO_MOMENT, date_key


def now() -> str:
    """The moment, as ISO text in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_point(point: str | int) -> int | str:
    """The number of a change, or a moment as `date_key` writes it.

    A number is a change; so is text like "12" or "#12". Four digits from 1000 to 2999 are a year
    ("#2017" is the change), and other text is a moment.
    Raises InputError for what is neither, and for days that no calendar has.
    """
    text = str(point).strip()
    if isinstance(point, int) or text.startswith("#") or not re.fullmatch("[12][0-9]{3}", text):
        digits = text.removeprefix("#")
        if digits.isascii() and digits.isdigit() and len(digits) < 19:  # SQLite takes no more
            return int(digits)
    match = ISO_MOMENT.fullmatch(text)
    if match and _is_in_calendar(match[1]):
        return date_key(text)
    raise InputError(
        f"{str(point)!r} is no point: give the number of a change (12, #12), or a moment as exact"
        " as wanted (2017, 2017-06, 2017-06-01, 2017-06-01T14:30Z)"
    )


def read_moment(moment: str) -> str:
    """A moment as `date_key` writes it. Raises InputError for what is none, a change included."""
    point = read_point(moment)
    if isinstance(point, int):
        raise InputError(
            f"{moment!r} is a change, not a moment: give a date (2017, 2017-06, 2017-06-01)"
        )
    return point


def last_moment(moment: str) -> datetime:
    """The end of a moment: "2017-06" means all of that June. Raises as `read_moment` does."""
    text = read_moment(moment)
    first = datetime.fromisoformat(text + "2000-01-01"[len(text) :])
    if len(text) == len("2017"):
        return first.replace(month=12, day=31)
    if len(text) == len("2017-06"):
        return first.replace(day=monthrange(first.year, first.month)[1])
    return first


def time_of_question(as_of: str = "") -> datetime:
    """When a question about the memory as of a moment is asked: its end, but never after now.

    By this machine's clock, also where the moment names another zone; a day is the same day here.
    Raises as `read_moment` does.
    """
    now = datetime.now()
    if not as_of:
        return now
    end = last_moment(as_of)
    if len(read_moment(as_of)) > len("2017-06-01"):
        end = datetime.fromtimestamp(end.replace(tzinfo=UTC).timestamp())
    return min(end, now)


def _is_in_calendar(date: str) -> bool:
    """Whether there is such a day: not 30 February."""
    try:
        datetime.fromisoformat(date + "2000-01-01"[len(date) :])
    except ValueError:
        return False
    return True


def date_keys(dates: Iterable[str]) -> Iterator[str]:
    """The `date_key` of each turn in the order of their ids: an undated one has that of the last.

    `dates` are the turns' `said_at`.
    """
    last = ""
    for said_at in dates:
        last = date_key(said_at) or last
        yield last


def has_happened(key: str, moment: str) -> bool:
    """Whether an item with this date exists at a moment; both as `date_key` writes them.

    The date is compared only as exactly as the moment, so that "2017-06" means its end.
    """
    return key[: len(moment)] <= moment


@dataclass(frozen=True)
class Diff:
    """What became of facts between two points, each by id; `changed` holds (before, after)."""

    added: tuple[Fact, ...] = ()
    removed: tuple[Fact, ...] = ()
    changed: tuple[tuple[Fact, Fact], ...] = ()


def differences(before: Sequence[Fact], after: Sequence[Fact]) -> Diff:
    """What became of facts between two points. A fact is the same as long as it has its id."""
    old = {fact.id: fact for fact in before}
    new = {fact.id: fact for fact in after}
    return Diff(
        added=tuple(fact for fact in after if fact.id not in old),
        removed=tuple(fact for fact in before if fact.id not in new),
        changed=tuple((fact, new[fact.id]) for fact in before if new.get(fact.id, fact) != fact),
    )
