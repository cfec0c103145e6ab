"""Then and now: how the facts changed since a date, the facts then, and a form to revert."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from itertools import groupby

from memory.facts import find, matching
from memory.facts.queries import beginning_of
from memory.records import Fact
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.changes.history import revert_to
from memory.store.changes.points_in_time import (
    Diff,
    differences,
    has_happened,
    last_moment,
    read_moment,
)
from memory.store.facts.fact_reads import listed_facts
from memory.store.turns.turn_reads import ends_of_turns, size_of
from memory.store.turns.turn_validation import local_now
from memory.text.written_dates import date_key

_MOST_FACTS = 300  # on a page
_MOST_COMPARED = 5_000  # facts, unless a date was chosen


def past(request: PageRequest, store: Store) -> PageResponse:
    """The facts that were current on a date, by subject, and the difference to another date."""
    inputs = request.inputs
    today = date.fromisoformat(local_now()[:10])
    first, last = _ends(store, today)
    day = _chosen_day(request, first, today, _default_day(store, first, last))
    question, other_day = inputs.text("q"), inputs.text("other")
    is_now = day == today.isoformat() and not other_day
    if is_now and not question:  # fast, however many facts there are
        facts_then = listed_facts(store, "person", day=store.today, most=_MOST_FACTS + 1)
    else:
        facts_then = find(store, point=None if is_now else day)
    facts_on_day = matching(facts_then, question)
    facts = sorted(facts_on_day, key=lambda fact: (fact.subject, fact.attribute, fact.id))
    groups = [
        (subject, list(group))
        for subject, group in groupby(facts[:_MOST_FACTS], lambda fact: fact.subject)
    ]
    difference = Diff() if is_now else _difference(store, facts_then, other_day or None)
    is_forward = not other_day or last_moment(other_day) > last_moment(day)
    added = matching(difference.added, question)
    stored_later = _stored_later(store, added, day) if is_forward else []
    no_news = {fact.id for fact in stored_later}
    values = {
        "day": day,
        "first": first,
        "last": last,
        "days": (last - first).days,
        "slider": (min(max(last_moment(day).date(), first), last) - first).days,
        "groups": groups,
        "count_facts": len(facts),
        "is_cut": len(facts) > _MOST_FACTS,
        "q": question,
        "other": other_day,
        "is_now": is_now,
        "shortcuts": [
            (words, date.isoformat())
            for words, date in (
                ("the first day", first),
                ("a year before the last turn", last - timedelta(days=365)),
                ("a month before", last - timedelta(days=30)),
                ("a week before", last - timedelta(days=7)),
            )
            if date >= first
        ],
        "difference": Diff(
            added=tuple(fact for fact in added if fact.id not in no_news),
            removed=tuple(matching(difference.removed, question)),
            changed=tuple(pair for pair in difference.changed if matching(pair, question)),
        ),
        "stored_later": Diff(added=tuple(stored_later)),
    }
    return Page("past.html", values)


def _difference(store: Store, facts_then: Sequence[Fact], point: str | None) -> Diff:
    """What became of the facts that were current then, and which others are current at a point."""
    current = {fact.id for fact in find(store, point=point)}
    then = {fact.id: fact for fact in facts_then}
    return differences(
        facts_then,
        [
            fact
            for fact in store.facts(point)
            if fact.id in current or fact != then.get(fact.id, fact)
        ],
    )


def _stored_later(store: Store, added: Sequence[Fact], day: str) -> list[Fact]:
    """The facts that are no news since a day: they had begun or been said by then.

    A digest, a person or a later turn stored them after it.
    """
    known = {fact.id for fact in store.facts(day)} if added else set()
    turns = store.turns_by_id([fact.turn_id for fact in added], missing_ok=True)
    said_at = {turn.id: turn.said_at for turn in turns}

    def is_older(date: str) -> bool:
        return bool(key := date_key(date)) and has_happened(key, read_moment(day))

    return [
        fact
        for fact in added
        if fact.id not in known
        and (is_older(beginning_of(fact)) or is_older(said_at.get(fact.turn_id, "")))
    ]


def revert(request: PageRequest, store: Store) -> PageResponse:
    """Restore all facts to a date or a change."""
    change = revert_to(store, request.inputs.text("point"))
    return Redirect(request.address("journal", change.id, done=change.id))


def _ends(store: Store, today: date) -> tuple[date, date]:
    """The dates of the first and the last dated turn, at most today."""
    days = [today, today]
    for number, said_at in enumerate(ends_of_turns(store)):
        with suppress(ValueError):
            days[number] = min(date.fromisoformat(said_at[:10]), today)
    return min(days), max(days)


def _default_day(store: Store, first: date, last: date) -> date:
    """A month before the last turn, or the last turn's day if nothing was known a month before.

    Today in a large memory, where the past takes long to read, and if no facts were known on either
    day.
    """
    today = date.fromisoformat(local_now()[:10])
    if size_of(store).facts > _MOST_COMPARED:
        return today
    for day in (max(first, last - timedelta(days=30)), last):
        if find(store, point=day.isoformat()):
            return day
    return today


def _chosen_day(request: PageRequest, first: date, today: date, default: date) -> str:
    """The date of the slider if it was moved, else that of the field, else the default."""
    inputs = request.inputs
    days, days_before = inputs.optional_number("slider"), inputs.text("slider_before")
    if days is not None and days_before and str(days) != days_before:
        return min(first + timedelta(days=min(days, 400_000)), today).isoformat()
    day = inputs.text("day") or default.isoformat()
    last_moment(day)  # raises InputError if it is not a date
    return day


PAGES: list[PageRoute] = [("GET", "/past", past), ("POST", "/revert", revert)]
