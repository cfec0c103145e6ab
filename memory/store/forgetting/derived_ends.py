"""Ends of facts that derive from turns: they are taken back when these turns are forgotten."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from memory.records import Change, Edit, Fact, Turn
from memory.sql import FACT_COLUMNS
from memory.store.changes.journal import written_image
from memory.store.database import Connection
from memory.store.facts.assertions import asserting_turn

_ENDED_ON = FACT_COLUMNS.index("ended_on")
DerivedEnds = dict[tuple[int, int], Fact]  # by change and fact: the fact as the change ended it


def ends_derived_from(
    turn_ids: Collection[int],
    edits: Iterable[Edit],
    changes: Iterable[Change],
    turns: Callable[[int, int], Sequence[Turn]],
) -> DerivedEnds:
    """The ends that changes gave to facts of other turns, derived from these turns alone.

    A change does not say which turn made it end a fact. We take it to be the turn of the change's
    new facts that have the same subject and attribute, or began on the day of the end. If there are
    none, it is all turns of its window. Templates match one turn a change. An end by a person
    derives from no turn.

    Arguments:
        turn_ids: the turns that are to go.
        edits: the journal, see `history.edits_of`.
        changes: all changes.
        turns: the turns from a first to a last id.
    """
    change_of = {change.id: change for change in changes}
    edits_of_change = defaultdict[int, list[Edit]](list)
    for edit in edits:
        edits_of_change[edit.change_id].append(edit)
    ends: DerivedEnds = {}
    for change_id, change_edits in edits_of_change.items():
        new_facts = [edit.after for edit in change_edits if edit.after and not edit.before]
        for edit in change_edits:
            fact = _ended(edit)
            if not fact or fact.turn_id in turn_ids:
                continue
            sources = {new.turn_id for new in new_facts if _replaces(new, fact)}
            change = change_of[change_id]
            asserting = asserting_turn(change.cause)
            if asserting is not None:
                sources = {asserting}
            elif not sources and change.window:
                sources = {turn.id for turn in turns(*change.window)}
            if sources and sources <= set(turn_ids):
                ends[change_id, fact.id] = fact
    return ends


def _ended(edit: Edit) -> Fact | None:
    """The fact as an edit ended it, None where it did not."""
    before, after = edit.before, edit.after
    if before and after and after.ended_on and after.ended_on != before.ended_on:
        return after
    return None


def _replaces(new: Fact, ended: Fact) -> bool:
    is_next_state = new.attribute == ended.attribute or new.happened_on == ended.ended_on
    return new.subject == ended.subject and is_next_state


def take_back_ends(conn: Connection, ends: DerivedEnds) -> None:
    """Let facts and journal be as if these ends had never been given, inside the transaction."""
    by_fact = defaultdict[int, dict[int, str]](dict)
    for (change_id, fact_id), fact in ends.items():
        by_fact[fact_id][change_id] = fact.ended_on
    for fact_id, end_of_change in by_fact.items():
        _take_back(conn, fact_id, end_of_change)


def _take_back(conn: Connection, fact_id: int, end_of_change: Mapping[int, str]) -> None:
    # A derived end is in all images from the change that set it to the change that removed it.
    derived, former = "", None
    conn.facts.log()
    entries = conn.run("entries_of_fact", fact_id=fact_id).fetchall()
    for entry_id, change_id, image_before, image_after in entries:
        before, after = _end(image_before), _end(image_after)
        if derived and before == derived:
            image = _with_end(image_before, former)
            conn.run("set_image_before", entry_id=entry_id, image=image)
        if after and end_of_change.get(change_id) == after:
            former = former if derived else before
            derived = after
        elif image_after and after != derived:
            derived = ""
        if derived and image_after:
            image = _with_end(image_after, former)
            conn.run("set_image_after", entry_id=entry_id, image=image)
    (last_entry,) = conn.run("last_entry").fetchone()
    if derived:
        conn.facts.end(fact_id, former)
    # The journal has that as a change, and entries that only ended the fact say nothing now.
    conn.facts.log()
    conn.run("delete_empty_entries", fact_id=fact_id, last_entry=last_entry)


def _end(image: str | None) -> str | None:
    """When the fact of an image ended."""
    end: str | None = json.loads(image)[_ENDED_ON] if image else None
    return end


def _with_end(image: str, ended_on: str | None) -> str:
    columns = json.loads(image)
    columns[_ENDED_ON] = ended_on
    return written_image(columns)
