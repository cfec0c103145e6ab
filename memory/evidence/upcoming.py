"""What is due on the next days: what was said for them, facts that happen then, and birthdays."""

from calendar import isleap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, date

from memory.errors import InputError
from memory.evidence.lines import marked
from memory.evidence.marks import recalled_facts
from memory.records import Fact, Record, Turn
from memory.store import Store
from memory.store.facts.fact_reads import facts_of_days
from memory.store.turns.tags import Days, days_of_turn, meets, turns_speaking_of
from memory.store.turns.turn_validation import HIDDEN
from memory.text.characters import one_line
from memory.text.dates import (
    add_days,
    around_relative_date,
    named_day,
    short_day,
    told_days,
)
from memory.text.tokens import trim

DAYS, MOST_DAYS = 7, 366
_YEARLY = ("birthday", "born_on")
_LEAP_YEAR = "2000-01-01"  # which has all days that a birthday may be on
_MOST, _LINE_TOKENS = 50, 80


@dataclass(frozen=True)
class Upcoming(Record):
    """What is due on a day (ISO), or until the day `last`: a turn that says so, or a fact.

    `mark` says what later words or edits changed of the turn, "" if nothing.
    """

    day: str
    last: str
    turn: Turn
    fact: Fact | None = None
    mark: str = ""

    @property
    def line(self) -> str:
        """`20 Nov 2026: Ada: Dentist tomorrow at 9. (said 19 Nov 2026)`."""
        days = short_day(self.day)
        if self.last != self.day:
            days += f" to {short_day(self.last)}"
        text = f"{self.turn.speaker}: {self.turn.text}"
        if self.fact:
            text = f"{self.fact.subject} {self.fact.attribute} {self.fact.value}"
        origin = f" (said {short_day(self.turn.said_at)})" if self.turn.said_at else ""
        return f"{days}: {marked(trim(one_line(text), _LINE_TOKENS) + origin, self.mark)}"


def upcoming(store: Store, days: int = DAYS, today: str = "") -> list[Upcoming]:
    """What is due from a day (ISO; by default today) until `days` later, by day; at most 50.

    A turn is given once for each day that it speaks of, without the fact that says the same. A
    turn or fact that a later turn changed is marked. Raises InputError for `days` below 0 or
    above MOST_DAYS.
    """
    if not 0 <= days <= MOST_DAYS:
        raise InputError(f"days must be from 0 to {MOST_DAYS}, not {days!r:.20}")
    first = named_day(today or store.today)
    if first is None or first.year in (MINYEAR, MAXYEAR):  # a year has days of the ones beside it
        raise InputError(f"{today!r:.40} is not a day; write 2026-11-20")
    span = first, add_days(first, days)
    facts = [*facts_of_days(store, *span, yearly=_YEARLY)]
    with store.reading() as conn:
        turn_ids = turns_speaking_of(conn, [span])
    wanted = dict.fromkeys([*turn_ids, *(fact.turn_id for fact in facts)])
    turns = {turn.id: turn for turn in store.turns_by_id([*wanted], missing_ok=True)}
    due = {
        (turn.speaker, turn.text, days_told): Upcoming(*_iso(days_told), turn)
        for turn_id in sorted(turn_ids)
        if (turn := turns.get(turn_id)) and HIDDEN not in turn.tags
        for days_told in days_of_turn(turn)
        if meets(days_told, [span])
    }
    told_by = {(item.turn.id, item.day) for item in due.values()}
    of_facts = [
        Upcoming(*_iso(days_of_fact), turns[fact.turn_id], fact)
        for fact in facts
        if fact.turn_id in turns
        for days_of_fact in _days_of(fact, turns[fact.turn_id], span)
        if (fact.turn_id, days_of_fact[0].isoformat()) not in told_by
    ]
    in_order = sorted([*due.values(), *of_facts], key=lambda item: (item.day, item.turn.id))[:_MOST]
    return [*_with_marks(store, in_order, first.isoformat())]


def _iso(days: Days) -> tuple[str, str]:
    return days[0].isoformat(), days[1].isoformat()


def _days_of(fact: Fact, turn: Turn, span: Days) -> Iterator[Days]:
    """The days of a fact among these: when it happens, or its anniversary."""
    if fact.attribute not in _YEARLY:
        begun, _, ended = (fact.happened_on or "").partition("/")
        days = named_day(begun), named_day(ended or begun)
        if days[0] and days[1]:
            yield days[0], days[1]
        return
    text = fact.value if fact.attribute == "birthday" else fact.happened_on or fact.value
    # "Tomorrow" counts from its turn.
    days_told = told_days(text, turn.said_at)
    if not days_told and around_relative_date(text) is None:
        days_told = told_days(text, _LEAP_YEAR)
    for year in range(span[0].year, span[1].year + 1):
        for day, _ in days_told[:1]:
            anniversary = _in_year(day, year)
            if span[0] <= anniversary <= span[1]:
                yield anniversary, anniversary


def _in_year(day: date, year: int) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return date(year, 2, 28) if is_leap_day and not isleap(year) else day.replace(year=year)


def _with_marks(store: Store, due: Sequence[Upcoming], today: str) -> Iterator[Upcoming]:
    turns = [*{item.turn.id: item.turn for item in due}.values()]
    marks = recalled_facts(store, turns, "", today).marks if turns else {}
    for item in due:
        yield replace(item, mark=marks.get(item.turn.id, ""))
