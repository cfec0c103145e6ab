"""Facts at a point in the past, and what each change did to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from memory.errors import InputError
from memory.records import Change, Edit, Fact
from memory.store.changes import journal
from memory.store.changes.points_in_time import (
    has_happened,
    read_point,
)
from memory.store.database import Connection, HasConnections
from memory.store.facts import entities
from memory.text.written_dates import date_key

Images = dict[int, str]  # facts by id, each as the journal writes it: JSON of its columns


def facts(conn: Connection, point: str | int | None) -> list[Fact]:
    """The facts now, or at a point in the past, by id."""
    return [journal.to_fact(json.loads(image)) for image in images_at(conn, point).values()]


def edits_of(
    store: HasConnections, change_id: int | None = None, fact_id: int | None = None
) -> list[Edit]:
    """What each change did to each fact, oldest first; that of one change, or to one fact."""
    with store.reading() as conn:
        return edits(conn, change_id, fact_id)


def revert_to(store: HasConnections, point: str | int) -> Change:
    """Restore all facts to a point in the past, as one change that can be undone.

    A point is as for `Store.facts`. Raises InputError when they are so already.
    """
    with store.transaction() as conn:
        images = images_at(conn, point)
        if images == images_at(conn, None):
            raise InputError(f"these are the facts at {point}: there is nothing to revert")
        change_or_moment = read_point(point)
        name = f"#{change_or_moment}" if isinstance(change_or_moment, int) else point
        change_id = journal.begin(conn, f"revert to {name}", "")
        restore_facts(conn, images)
        entities.derive(conn, change_id)
        return journal.change(conn, change_id)


def edits(conn: Connection, change_id: int | None = None, fact_id: int | None = None) -> list[Edit]:
    """What each change did to each fact, oldest first; unchanged facts are left out.

    With a `change_id` what that change did, with a `fact_id` what was done to that fact.
    """
    if fact_id is not None:
        entries = conn.run("edits_of_fact", fact_id=fact_id)
    elif change_id is not None:
        entries = conn.run("edits_of_change", change_id=change_id)
    else:
        entries = conn.run("edits")
    # A change may touch a fact several times: the image before the first and after the last count.
    net: dict[tuple[int, int], tuple[str, str | None, str | None]] = {}
    for number, fact, before, after, at, said_at in entries:
        _, first_before, _ = net.get((number, fact), ("", before, ""))
        net[number, fact] = (_moment(at, said_at), first_before, after)
    return [
        Edit(
            change_id=number,
            moment=moment,
            fact_id=fact,
            before=None if before is None else journal.to_fact(json.loads(before)),
            after=None if after is None else journal.to_fact(json.loads(after)),
        )
        for (number, fact), (moment, before, after) in net.items()
        if before != after and change_id in (None, number)
    ]


@dataclass(frozen=True)
class Past:
    """What of the journal had happened at a point.

    `changes` are whole. A digest is dated by the last turn of its window, and each fact that it
    stored by the fact's own turn: `entries` are the entries of facts said by then in windows that
    end later, and `later_facts` were said after it in one of the changes.
    """

    changes: list[int]
    entries: list[int] = field(default_factory=list)
    changes_of_entries: list[int] = field(default_factory=list)
    later_facts: list[int] = field(default_factory=list)


def images_at(conn: Connection, point: str | int | None) -> Images:
    """The facts now (None), or at a point by the journal."""
    if point is None:
        return dict(conn.run("images_of_facts").fetchall())
    past = past_at(conn, point)
    rows = conn.run(
        "images_after_changes",
        change_ids=past.changes,
        entry_ids=past.entries,
        later_facts=past.later_facts,
    )
    return dict(rows.fetchall())


def past_at(conn: Connection, point: str | int) -> Past:
    """What had happened at a point. Raises InputError for an invalid one."""
    change_or_moment = read_point(point)
    changes = conn.run("moments_of_changes").fetchall()
    if isinstance(change_or_moment, int):
        newest = changes[-1][0] if changes else 0
        if not 0 <= change_or_moment <= newest:
            raise InputError(f"there is no change {change_or_moment}; the newest is {newest}")
        return Past([change_id for change_id, _, _ in changes if change_id <= change_or_moment])

    def happened(at: str, said_at: str | None) -> bool:
        return has_happened(date_key(_moment(at, said_at)), change_or_moment)

    whole = [change_id for change_id, at, said_at in changes if happened(at, said_at)]
    by_then = set(whole)
    early: list[tuple[int, int]] = []
    later: set[int] = set()
    for entry_id, change_id, fact_id, at, said_at in conn.run("entries_of_new_facts"):
        # A fact without a date is dated by the window.
        is_there = happened(at, said_at) if said_at else change_id in by_then
        if is_there and change_id not in by_then:
            early.append((entry_id, change_id))
        elif change_id in by_then and not is_there:
            later.add(fact_id)
    return Past(
        changes=whole,
        entries=[entry_id for entry_id, _ in early],
        changes_of_entries=sorted({change_id for _, change_id in early}),
        later_facts=sorted(later),
    )


def _moment(at: str, said_at: str | None) -> str:
    """The moment a change counts from: that of its turns if they were said before it (`Edit`)."""
    return said_at if said_at and date_key(said_at) <= date_key(at) else at


def restore_facts(conn: Connection, images: Mapping[int, str]) -> None:
    """Make the facts as the images show them, within the change that was begun."""
    current = images_at(conn, None)
    for fact_id in sorted(current.keys() | images.keys()):
        if current.get(fact_id) != images.get(fact_id):
            journal.restore_fact(conn, fact_id, images.get(fact_id))
