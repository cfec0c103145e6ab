"""The list of memories, the home of one, and the page of everything besides its rooms."""

import asyncio
from typing import Any

from memory.agents.projects import project_name
from memory.errors import InputError
from memory.evidence.upcoming import upcoming
from memory.records import Contradiction, Fact
from memory.server.web.ask import recent_questions
from memory.server.web.facts import each_once, newest_facts, newest_seen
from memory.server.web.journal import difference_by
from memory.server.web.page_request import (
    Page,
    PageRequest,
    PageResponse,
    PageRoute,
    Redirect,
    address_of,
)
from memory.store import Store, namespaces
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.settings import settings_of
from memory.store.facts.contradictions import open_contradictions
from memory.store.turns.turn_reads import (
    ends_of_turns,
    liveliest_days,
    size_of,
    speakers_by_messages,
    turns_by_period,
)

_NEWEST_CHANGES = 3
_NEWEST_FACTS = 8
_MOST_PEOPLE = 12
_MOST_PERIODS = 24
_MOST_DAYS = 5
_MOST_PAIRS = 5
_MOST_DUE = 8


async def memories(request: PageRequest) -> PageResponse:
    """All namespaces with their sizes, and forms to create, rename, copy and delete them."""

    def summaries() -> list[namespaces.Summary]:
        return [namespaces.summary(name) for name in request.handles.names()]

    listed = await asyncio.to_thread(summaries)
    projects = {summary.name: project_name(summary.name) for summary in listed if summary.has_work}
    values = {
        "summaries": listed,
        "projects": [(projects[s.name], s) for s in listed if projects.get(s.name)],
        "others": [s for s in listed if not projects.get(s.name)],
        "read_only": request.handles.read_only,
    }
    return Page("memories.html", values)


async def create(request: PageRequest) -> PageResponse:
    """Create an empty namespace, and open it."""
    request.refuse_read_only()
    name = request.inputs.text("name")
    await request.handles.create(name)
    return Redirect(address_of(name))


async def rename(request: PageRequest) -> PageResponse:
    """Rename a namespace."""
    request.refuse_read_only()
    new = request.inputs.text("new")
    await request.handles.rename(request.namespace, new)
    return Redirect("/")


async def copy(request: PageRequest) -> PageResponse:
    """Copy a namespace under a new name."""
    request.refuse_read_only()
    await request.handles.copy(request.namespace, request.inputs.text("new"))
    return Redirect("/")


async def delete(request: PageRequest) -> PageResponse:
    """Delete a namespace for good, once its name was typed to confirm."""
    request.refuse_read_only()
    if request.inputs.text("typed") != request.namespace.strip():
        raise InputError(f"nothing was deleted: type {request.namespace} to confirm")
    await request.handles.delete(request.namespace)
    return Redirect("/")


def _of_turns(store: Store) -> dict[str, Any]:
    """When the turns were said, for a memory without facts."""
    return {"periods": _periods(store), "days": liveliest_days(store, _MOST_DAYS)}


def _periods(store: Store) -> list[tuple[str, int]]:
    """The months of the turns, or the years of many months, each with its number of turns."""
    for characters in (len("2017-05"), len("2017")):
        periods = turns_by_period(store, characters, _MOST_PERIODS + 1)
        if len(periods) <= _MOST_PERIODS:
            break
    return periods


def overview(request: PageRequest, store: Store) -> PageResponse:
    """Home: a search, what waits for a person, and what is new; each fact appears once."""
    turns, facts = size_of(store)
    pairs: list[Contradiction] = []
    listed: list[Fact] = []
    for pair in open_contradictions(store):
        # A fact that contradicts several others is decided with one of them after the other.
        if len(pairs) < _MOST_PAIRS and not set(pair.facts) & set(listed):
            pairs.append(pair)
            listed += pair.facts
    values = {
        "turns": turns,
        "facts": facts,
        "days": ends_of_turns(store),
        "questions": recent_questions(request),
        "asker": str(Settings(store).get("user", "")),
        "newest_facts": each_once(newest_facts(store), listed)[:_NEWEST_FACTS],
        "changes": [
            (change, difference_by(store, change.id))
            for change in reversed(store.changes(limit=4 * _NEWEST_CHANGES))
            if change.facts
        ][:_NEWEST_CHANGES],
        "tasks": request.tasks.running(request.namespace),
        "pairs": pairs,
        "is_due": bool(settings_of(store, "forgetting")),
        "windows": [window for window in store.pending() if window.error],
        "seen": newest_seen(store),
        "project": project_name(request.namespace),
        "people": speakers_by_messages(store, _MOST_PEOPLE),
        "upcoming": upcoming(store)[:_MOST_DUE],
        "of_turns": _of_turns(store) if turns and not facts else None,
    }
    return Page("overview.html", values)


def more(request: PageRequest, store: Store) -> PageResponse:
    """What few people need every day, each with what it is for."""
    return Page("more.html")


PAGES: list[PageRoute] = [("GET", "/", memories), ("POST", "/create", create)]
PAGES_OF_A_NAMESPACE: list[PageRoute] = [
    ("GET", "", overview),
    ("GET", "/more", more),
    ("GET", "/charts", more),  # which were a page once
    ("POST", "/rename", rename),
    ("POST", "/copy", copy),
    ("POST", "/delete", delete),
]
