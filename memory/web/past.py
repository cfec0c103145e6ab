"""Then and now: the facts as they were on a day, what became of them, and the way back."""

from datetime import date, timedelta
from itertools import groupby

from memory.facts import matching, read_facts
from memory.store import Store
from memory.store.points_in_time import Diff, differences, last_moment
from memory.store.turn_validation import local_now
from memory.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect

_MOST_FACTS = 300  # on a page
_MOST_READ = 200  # rows of a SELECT


def past(request: PageRequest, store: Store) -> PageResponse:
    """The facts that were current on a day, by subject, and how they differ from another day's."""
    inputs = request.inputs
    today = date.fromisoformat(local_now()[:10])
    first, last = _ends(store, today)
    day = _chosen_day(request, first, today)
    question, other = inputs.text("q"), inputs.text("other")
    is_now = day == today.isoformat() and not other
    if is_now and not question:  # this takes milliseconds also where there are many facts
        facts_then = read_facts(store, f"ORDER BY subject, attribute, id LIMIT {_MOST_READ}")
    else:
        facts_then = store.facts(None if is_now else day)
    held = matching(facts_then, question, ended=False, day=last_moment(day).date().isoformat())
    facts = sorted(held, key=lambda fact: (fact.subject, fact.attribute, fact.id))
    groups = [
        (subject, list(group))
        for subject, group in groupby(facts[:_MOST_FACTS], lambda fact: fact.subject)
    ]
    values = {
        "day": day,
        "first": first,
        "last": last,
        "days": (last - first).days,
        "place": (min(max(last_moment(day).date(), first), last) - first).days,
        "groups": groups,
        "count_facts": len(facts),
        "is_cut": len(facts) > _MOST_FACTS or len(facts_then) == _MOST_READ,
        "q": question,
        "other": other,
        "difference": Diff() if is_now else differences(facts_then, store.facts(other or None)),
    }
    return Page("past.html", values)


def revert(request: PageRequest, store: Store) -> PageResponse:
    """Make all facts as they were at a point."""
    change = store.revert(request.inputs.text("point"))
    return Redirect(request.address("journal", change.id, done=change.id))


def _ends(store: Store, today: date) -> tuple[date, date]:
    """The days of the first and of the last turn that has one, neither of them ahead of today."""
    days = []
    for way in ("", " DESC"):
        rows = store.read(
            f"SELECT said_at FROM turns WHERE said_at <> '' ORDER BY id{way} LIMIT 1"
        ).rows
        try:
            days.append(min(date.fromisoformat(rows[0][0][:10]), today))
        except (ValueError, IndexError):
            days.append(today)
    return min(days), max(days)


def _chosen_day(request: PageRequest, first: date, today: date) -> str:
    """The day of the slider where somebody moved it, else that of the field, else today."""
    inputs = request.inputs
    place, before = inputs.optional_number("place"), inputs.text("place_before")
    if place is not None and before and str(place) != before:
        return min(first + timedelta(days=min(place, 400_000)), today).isoformat()
    day = inputs.text("day") or today.isoformat()
    last_moment(day)  # raises InputError for what is no date
    return day


PAGES: list[PageRoute] = [("GET", "/past", past), ("POST", "/revert", revert)]
