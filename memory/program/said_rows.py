"""What the rows of a small model's choice say, in words that code writes.

A model of up to eight billion parameters chooses the rows that are meant, and their shape; code
counts, orders and dates them. So an answer says what is stored, with its turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memory.program.lookup import spoken
from memory.records import Rows
from memory.text.amounts import number
from memory.text.dates import MONTHS, is_iso_date
from memory.text.words import words

_ENDS = ".,;:!?"
_AMOUNT_WORDS = 12  # at most, of an amount: "one million two hundred thousand"
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
    def key_of_day(self) -> tuple[str, ...]:
        """The same for equal things on one day."""
        return (*self.key, self.happened_on)

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
    facts: Sequence[StoredRow], shape: str, *, today: str = "", with_names: bool = False
) -> tuple[str, tuple[int, ...]] | None:
    """The answer that facts give in a shape, and its turns; None if they give none.

    Arguments:
        shape: one of `memory.models.brief_prompts.SHAPES`.
        today: the day (ISO) until which a state lasts that has not ended.
        with_names: whether the rows are about several subjects, who are named.
    """
    if not facts:
        return None
    if shape == "span":
        return _span(facts, today)
    if shape in ("first", "last"):
        return _first_or_last(facts, shape)
    if shape == "sum":
        return _sum(facts, with_names)
    is_count = shape == "count"
    is_dated = shape != "now"
    distinct = [*{fact.key_of_day if is_dated else fact.key: fact for fact in facts[::-1]}.values()]
    listed = _listed(distinct[::-1], with_names, is_dated=is_dated and not is_count)
    # A model that takes "how often" for a list is right so, too.
    happened = len(distinct) > 1 and all(fact.happened_on for fact in distinct)
    if not (is_count or (is_dated and happened)):
        return (listed, _turns(facts)) if listed else None
    return f"{len(distinct)} ({listed})" if listed else str(len(distinct)), _turns(facts)


def _listed(facts: Sequence[StoredRow], with_names: bool, is_dated: bool = False) -> str:
    """The facts' values; "" if there are too many for an answer."""
    if len(facts) > MOST_LISTED:
        return ""
    texts = dict.fromkeys(
        f"{fact.subject}: {fact.period if is_dated else fact.value}"
        if with_names
        else (fact.period if is_dated else fact.value)
        for fact in facts
    )
    separator = "; " if any("," in text for text in texts) else ", "
    return separator.join(texts)


def _sum(facts: Sequence[StoredRow], with_names: bool) -> tuple[str, tuple[int, ...]] | None:
    """What the amounts of what happened come to; None unless each has one, in the same unit."""
    if any(fact.ended_on for fact in facts):
        return None
    distinct = [*{fact.key_of_day: fact for fact in facts}.values()]
    measured = [_measured(fact.value) for fact in distinct]
    amounts = [amount for amount, _ in filter(None, measured)]
    units = {unit for _, unit in filter(None, measured)}
    # "4 October" is no amount of Octobers.
    if len(amounts) < len(distinct) or len(units) > 1 or units & {*map(str.title, MONTHS)}:
        return None
    listed = _listed(distinct, with_names)
    total = " ".join(filter(None, (f"{sum(amounts):g}", *units)))
    return f"{total} ({listed})" if listed else total, _turns(facts)


def _measured(value: str) -> tuple[float, str] | None:
    """The first amount of a value, and its unit: what is written at the number, or behind it."""
    tokens = [token.strip(_ENDS) for token in value.split()]
    for at in range(len(tokens)):
        amount = number(" ".join(tokens[at : at + _AMOUNT_WORDS]))
        if amount is None:
            continue
        end = at
        while end < len(tokens) and number(tokens[end]) is not None:
            end += 1
        written = "".join(sign for sign in tokens[at] if not sign.isdecimal()).strip(_ENDS)
        has_unit = written != tokens[at] and written
        return amount, written if has_unit else "".join(tokens[end : end + 1])
    return None


def _first_or_last(facts: Sequence[StoredRow], shape: str) -> tuple[str, tuple[int, ...]] | None:
    """The value of the first row, unless another is of the same day, or may be.

    Rows come in their order, and one without a date has its turn's.
    """
    first, *later_facts = facts
    day = first.happened_on
    if not day:
        return f"{first.value} (told {shape})", (first.turn_id,)
    same = [
        later
        for later in later_facts
        if later.key != first.key and _may_be_of_one_day(day, later.happened_on)
    ]
    if same:
        texts = dict.fromkeys(fact.value for fact in (first, *same))
        return f"{' and '.join(texts)}, {spoken(day)}", _turns([first, *same])
    return f"{first.value}, {spoken(day)}", (first.turn_id,)


def _may_be_of_one_day(day: str, other: str) -> bool:
    """Whether two dates, or spans of days, have a day in common: a month is all its days."""
    (first, _, last), (other_first, _, other_last) = day.partition("/"), other.partition("/")
    last, other_last = last or first, other_last or other_first
    begins_first = first <= other_last or first.startswith(other_last)
    return begins_first and (other_first <= last or other_first.startswith(last))


def _span(facts: Sequence[StoredRow], today: str) -> tuple[str, tuple[int, ...]] | None:
    """How long each state has lasted: `83 days, from 2 April to 24 June 2011`."""
    texts = {}
    for fact in facts:
        begin, _, last = fact.happened_on.partition("/")
        end = fact.ended_on or last or today[:10]
        if not begin or not end or end <= begin:
            continue
        length = _length(begin, end)
        until = f"to {spoken(end)}" if fact.ended_on or last else "until now"
        named = f"{fact.value}: " if len(facts) > 1 else ""
        texts[fact.key] = f"{named}{length}, from {spoken(begin)} {until}"
    # Of states that began on different days there is no telling which one is meant.
    if not texts or len({fact.happened_on for fact in facts if fact.key in texts}) > 1:
        return None
    return "; ".join(texts.values()), _turns(facts)


def _length(begin: str, end: str) -> str:
    """The time between two dates, as exact as both are."""
    if is_iso_date(begin) and is_iso_date(end) and len(begin) == len(end) == 10:
        days = (date.fromisoformat(end) - date.fromisoformat(begin)).days
        years, months = days // 365, days // 30
        about = f"about {years} years, " if years > 1 else f"about {months} months, "
        return f"{about if months > 1 else ''}{days} days"
    months = _middle_month(end) - _middle_month(begin)
    if len(begin) == 4 or len(end) == 4:
        years = max(round(months / 12), 1)
        return f"about {years} year{'s' if years > 1 else ''}"
    return f"about {months} months" if months else "less than a month"


def _middle_month(date_text: str) -> int:
    """The month of a date, counted from year 0; a year is July, since it may be any month."""
    month = int(date_text[5:7]) if len(date_text) > 4 else 7
    return int(date_text[:4]) * 12 + month


def _turns(facts: Sequence[StoredRow]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(fact.turn_id for fact in facts))
