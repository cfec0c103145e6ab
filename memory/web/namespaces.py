"""The list of memories, and the overview of one."""

import asyncio

from memory import namespaces
from memory.errors import InputError
from memory.facts import read_facts
from memory.store import Store
from memory.web.journal import difference_by
from memory.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect, address_of

_NEWEST_CHANGES = 5
_NEWEST_FACTS = 8


async def memories(request: PageRequest) -> PageResponse:
    """All namespaces with their sizes, and forms to create, rename, copy and delete them."""

    def summaries() -> list[namespaces.Summary]:
        return [namespaces.summary(name) for name in request.handles.names()]

    values = {"summaries": await asyncio.to_thread(summaries)}
    return Page("memories.html", values | {"read_only": request.handles.read_only})


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


def overview(request: PageRequest, store: Store) -> PageResponse:
    """The size of one memory, and its newest facts and changes."""
    [(turns, facts)] = store.read(
        "SELECT (SELECT COUNT(*) FROM turns) AS turns, (SELECT COUNT(*) FROM facts) AS facts"
    ).rows
    ends = "SELECT said_at FROM turns WHERE said_at <> '' ORDER BY id {} LIMIT 1"
    days = [row[0] for order in ("", "DESC") for row in store.read(ends.format(order)).rows]
    values = {
        "turns": turns,
        "facts": facts,
        "days": days,
        "newest_facts": read_facts(store, f"ORDER BY id DESC LIMIT {_NEWEST_FACTS}"),
        "changes": [
            (change, difference_by(store, change.id))
            for change in reversed(store.changes(limit=4 * _NEWEST_CHANGES))
            if change.facts
        ][:_NEWEST_CHANGES],
        "tasks": request.tasks.running(request.namespace),
    }
    return Page("overview.html", values)


PAGES: list[PageRoute] = [("GET", "/", memories), ("POST", "/create", create)]
PAGES_OF_A_NAMESPACE: list[PageRoute] = [
    ("GET", "", overview),
    ("POST", "/rename", rename),
    ("POST", "/copy", copy),
    ("POST", "/delete", delete),
]
