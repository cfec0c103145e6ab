"""What the rows of a small model's choice say, in words that code writes.

A model of up to eight billion parameters chooses the rows that are meant, and their shape; code
counts, orders and dates them. So an answer says what is stored, with its turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memory.program.lookup import spoken
from memory.records import Rows
from memory.text.dates import is_iso_date
from memory.text.words import words
from memory.vocabulary.templates.date_phrases import days_of

MOST_LISTED = 12  # values: a longer list is no answer


@dataclass(frozen=True)
class StoredRow:
    """A fact as a SELECT returned it."""

    turn_id: int
    subject: str
    attribute: str
    value: str
    happened_on: str
    ended_on: str

    @property
    def key(self) -> tuple[str, ...]:
        """Its value's words: the same for equal things."""
        return (self.subject.casefold(), *words(self.value))

    @property
    def period(self) -> str:
        """Its value and when: `Oslo, from 8 May 2017 to June 2018`; as far as known."""
        if self.ended_on:
            begun = f"from {spoken(self.happened_on)} " if self.happened_on else ""
            return f"{self.value}, {begun}until {spoken(self.ended_on)}"
        return f"{self.value}, {spoken(self.happened_on)}" if self.happened_on else self.value


def stored_rows(rows: Rows) -> list[StoredRow]:
    """The facts of a SELECT that has the columns of a `StoredRow`."""
    at = [rows.columns.index(name) for name in StoredRow.__annotations__]
    return [
        StoredRow(int(row[at[0]]), *(str(row[place] or "") for place in at[1:]))
        for row in rows.rows
    ]


def said_of(
    rows: Rows, shape: str, *, today: str = "", with_names: bool = False
) -> tuple[str, tuple[int, ...]] | None:
    """The answer that rows give in a shape, and its turns; None if they give none.

    Arguments:
        shape: now, at, list, count, first, last or span (`memory.models.brief_prompts.SHAPES`).
        today: the day (ISO) until which a state lasts that has not ended.
        with_names: whether the rows are about several subjects, who are named.
    """
    facts = stored_rows(rows)
    if rows.truncated or not facts:
        return None
    if shape == "span":
        return _span(facts, today)
    if shape in ("first", "last"):
        return _first_or_last(facts)
    if shape == "count":
        distinct = {(*fact.key, fact.happened_on): fact for fact in facts}
        listed = _listed([*distinct.values()], with_names)
        if listed is None:
            return str(len(distinct)), _turns(facts)
        return f"{len(distinct)} ({listed[0]})", _turns(facts)
    return _listed(facts, with_names, is_dated=shape != "now")


def _listed(
    facts: Sequence[StoredRow], with_names: bool, is_dated: bool = False
) -> tuple[str, tuple[int, ...]] | None:
    """Each value once; None if there are too many for an answer."""
    distinct = [*{fact.key: fact for fact in reversed(facts)}.values()][::-1]
    if len(distinct) > MOST_LISTED:
        return None
    texts = [
        f"{fact.subject}: {fact.period if is_dated else fact.value}"
        if with_names
        else (fact.period if is_dated else fact.value)
        for fact in distinct
    ]
    separator = "; " if any("," in text for text in texts) else ", "
    return separator.join(texts), _turns(facts)


def _first_or_last(facts: Sequence[StoredRow]) -> tuple[str, tuple[int, ...]] | None:
    """The value of the first row, unless another is of the same day, or may be."""
    first, *later_facts = facts
    day = first.happened_on
    if not day:
        return None
    same = [
        later
        for later in later_facts
        if later.key != first.key
        and (later.happened_on.startswith(day) or day.startswith(later.happened_on))
    ]
    if same:
        texts = dict.fromkeys(fact.value for fact in (first, *same))
        return f"{' and '.join(texts)}, {spoken(day)}", _turns([first, *same])
    return f"{first.value}, {spoken(day)}", (first.turn_id,)


def _span(facts: Sequence[StoredRow], today: str) -> tuple[str, tuple[int, ...]] | None:
    """How long each state has lasted: `83 days, from 2 April to 24 June 2011`."""
    texts = {}
    for fact in facts:
        begin, _, last = fact.happened_on.partition("/")
        end = fact.ended_on or last or today[:10]
        if not begin or not end or end < begin:
            continue
        length = _length(begin, end)
        until = f"to {spoken(end)}" if fact.ended_on or last else "until now"
        named = f"{fact.value}: " if len(facts) > 1 else ""
        texts[fact.key] = f"{named}{length}, from {spoken(begin)} {until}"
    if not texts:
        return None
    return "; ".join(texts.values()), _turns(facts)


def _length(begin: str, end: str) -> str:
    """The time between two dates, as exact as both are."""
    if is_iso_date(begin) and is_iso_date(end) and len(begin) == len(end) == 10:
        days = (date.fromisoformat(end) - date.fromisoformat(begin)).days
        years, months = days // 365, days // 30
        about = f"about {years} years, " if years > 1 else f"about {months} months, "
        return f"{about if months > 1 else ''}{days} days"
    first, last = days_of(begin)[0], days_of(end)[0]
    months = (int(last[:4]) - int(first[:4])) * 12 + int(last[5:7]) - int(first[5:7])
    if len(begin) == 4 or len(end) == 4:
        return f"about {max(round(months / 12), 1)} years"
    return f"about {months} months" if months else "less than a month"


def _turns(facts: Sequence[StoredRow]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(fact.turn_id for fact in facts))
