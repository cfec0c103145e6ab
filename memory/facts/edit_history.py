"""What happened to a fact: its edits, the changes that made them, and conflicts between edits."""

from memory.errors import EditConflict, InputError, NotThereError
from memory.facts.queries import fact_of, in_short
from memory.records import Change, Edit, Fact
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.facts.fact_reads import facts_by_id
from memory.store.protocol import Facts
from memory.store.turns.turn_validation import local_now
from memory.text.characters import one_line
from memory.vocabulary.fact_lines import fact_line, has_ended

_LONGEST_CAUSE = 60  # characters of it in a message


def history(store: Facts, fact_id: int) -> list[Edit]:
    """The history of a fact, oldest first, even of a deleted one.

    Raises NotThereError when there never was such a fact.
    """
    edits = edits_of(store, fact_id=fact_id)
    if not edits:
        raise NotThereError(f"there never was a fact {fact_id}")
    return edits


def edits_since(store: Facts, fact_id: int, change_id: int) -> list[Edit]:
    """The history of a fact after a change, oldest first; empty when it is unchanged."""
    return [edit for edit in edits_of(store, fact_id=fact_id) if edit.change_id > change_id]


def change_of(store: Facts, change_id: int) -> Change | None:
    """The change with this id; None when there is none."""
    changes = store.changes(before=change_id + 1, limit=1)
    return changes[0] if changes and changes[0].id == change_id else None


def newest_id(store: Facts) -> int:
    """The id of the newest change, or 0: how far a reader has seen the facts by now."""
    newest = store.changes(limit=1)
    return newest[-1].id if newest else 0


def newest_change(store: Facts) -> Change:
    """The newest change to facts that is neither undone nor an undo.

    Raises InputError when there is none.
    """
    for change in reversed(store.changes()):
        # Only an undo and a revert have no statement; a person may have typed a cause like theirs.
        is_undo = not change.statement and change.cause.startswith("undo ")
        if (change.facts or change.rows) and not change.undone_at and not is_undo:
            return change
    raise InputError("there is no change to undo")


def conflict_over(store: Facts, fact_id: int) -> EditConflict:
    """The conflict with the last edit of a fact: the present fact, and how to continue."""
    fact = history(store, fact_id)[-1].after
    current = successor_of(store, fact) if fact else None
    change_id = max(
        history(store, number)[-1].change_id
        for number in {fact_id, current.id if current else fact_id}
    )
    change = change_of(store, change_id)
    assert change is not None  # the journal names no other
    cause = one_line(change.cause)[:_LONGEST_CAUSE]
    if fact is None or current is None:
        message = (
            f"fact {fact_id} was deleted by change {change_id} ({cause}); undo that change to have"
            " it back"
        )
    else:
        message = (
            f"another writer has just changed fact {fact_id}"
            if not has_ended(fact, local_now()[:10])
            else f"fact {fact_id} already ended on {fact.ended_on}: {in_short(fact)}"
        )
        message += (
            f"; now: {fact_line(current)}, by change {change_id} ({cause}). That stays unless you"
            f" put yours over it: the same edit with --seen {change_id} (seen={change_id})"
        )
    return EditConflict(message, current, change)


def seen_fact(store: Store, fact_id: int, seen: int | None) -> Fact:
    """The fact with this id, if it has not been edited after the change `seen`.

    Raises InputError when there never was one; EditConflict when it was deleted or edited since.
    """
    if seen is not None and edits_since(store, fact_id, seen):
        raise conflict_over(store, fact_id)
    facts = facts_by_id(store, [fact_id])
    if not facts and edits_of(store, fact_id=fact_id):
        raise conflict_over(store, fact_id)
    return facts[0] if facts else fact_of(store, fact_id)


def successor_of(store: Facts, fact: Fact) -> Fact:
    """The fact that replaced an ended fact; the fact itself if nothing did."""
    visited = {fact.id}
    while fact.ended_on:
        ends = [
            edit.change_id
            for edit in history(store, fact.id)
            if not edit.before or (edit.after and edit.before.ended_on != edit.after.ended_on)
        ]
        new = [
            edit.fact_id
            for edit in edits_of(store, ends[-1])
            if edit.after
            and not edit.before
            and edit.after.attribute == fact.attribute
            # One change may end the facts of several.
            and edit.after.subject == fact.subject
        ]
        facts = [after for number in new if (after := history(store, number)[-1].after)]
        if not facts or facts[-1].id in visited:
            break
        fact = facts[-1]
        visited.add(fact.id)
    return fact
