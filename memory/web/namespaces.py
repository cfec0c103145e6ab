"""The first pages: all memories, and how one of them begins."""

import asyncio

from memory import namespaces
from memory.errors import InputError
from memory.facts import read_facts
from memory.store import Store
from memory.web.journal import difference_by
from memory.web.visits import Entry, Page, Redirect, Reply, Visit, address_of

_NEWEST_CHANGES = 5
_NEWEST_FACTS = 8


async def memories(visit: Visit) -> Reply:
    """All namespaces: what is in each, and how to make, rename, copy and delete them."""

    def summaries() -> list[namespaces.Summary]:
        return [namespaces.summary(name) for name in visit.handles.names()]

    values = {"summaries": await asyncio.to_thread(summaries)}
    return Page("memories.html", values | {"read_only": visit.handles.read_only})


async def create(visit: Visit) -> Reply:
    """Make an empty namespace, and go there."""
    _refuse_read_only(visit)
    name = visit.inputs.text("name")
    await visit.handles.create(name)
    return Redirect(address_of(name))


async def rename(visit: Visit) -> Reply:
    """Give a namespace another name."""
    _refuse_read_only(visit)
    new = visit.inputs.text("new")
    await visit.handles.rename(visit.namespace, new)
    return Redirect("/")


async def copy(visit: Visit) -> Reply:
    """Copy a namespace under a new name."""
    _refuse_read_only(visit)
    await visit.handles.copy(visit.namespace, visit.inputs.text("new"))
    return Redirect("/")


async def delete(visit: Visit) -> Reply:
    """Delete a namespace for good, when somebody typed its name."""
    _refuse_read_only(visit)
    if visit.inputs.text("typed") != visit.namespace.strip():
        raise InputError(
            f"nothing was deleted: type the memory's name, {visit.namespace}, to delete it"
        )
    await visit.handles.delete(visit.namespace)
    return Redirect("/")


def overview(visit: Visit, store: Store) -> Reply:
    """How much one memory holds, and what is newest in it."""
    [(turns, facts)] = store.read(
        "SELECT (SELECT COUNT(*) FROM turns) AS turns, (SELECT COUNT(*) FROM facts) AS facts"
    ).rows
    ends = "SELECT said_at FROM turns WHERE said_at <> '' ORDER BY id {} LIMIT 1"
    days = [row[0] for way in ("", "DESC") for row in store.read(ends.format(way)).rows]
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
        "tasks": [task for task in visit.tasks.of(visit.namespace) if task.is_running],
    }
    return Page("overview.html", values)


def _refuse_read_only(visit: Visit) -> None:
    if visit.handles.read_only:
        raise InputError("this server was started with --read-only: nothing can be changed here")


PAGES: list[Entry] = [("GET", "/", memories), ("POST", "/create", create)]
PAGES_OF_A_NAMESPACE: list[Entry] = [
    ("GET", "", overview),
    ("POST", "/rename", rename),
    ("POST", "/copy", copy),
    ("POST", "/delete", delete),
]
