"""Facts that derive from turns other than the one they name.

A refinement puts a fact in place of others: it derives from the others' turns, too. And a digest
may give a fact to the wrong turn of its window. A fact names one turn. A merged fact derives from
the turns of all facts that it was made of, and the journal knows these: the change that added it
removed them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from memory.records import Change, Edit, Fact, Turn
from memory.store.changes import journal
from memory.store.database import Connection
from memory.text.words import forms_of, is_among, telling_words

# What the cause of a refinement begins with, see `memory.refine`; `forget` may have blanked it.
REFINEMENT = "refine "
_BLANKED_CAUSE = "forgotten"
Origins = Mapping[int, Sequence[Fact]]  # by a fact's id: the facts that it was put in place of


@dataclass(frozen=True)
class DerivedFacts:
    """Ids of facts that go with turns because they were made of theirs, and of those to restore."""

    ids: tuple[int, ...]
    restored: tuple[int, ...]


def origins(edits: Iterable[Edit], changes: Iterable[Change]) -> Origins:
    """The facts that each fact was put in place of, by refinements.

    Arguments:
        edits: the journal, see `history.edits_of`.
        changes: all changes.
    """
    refinements = {
        change.id
        for change in changes
        # An undo and a revert have no statement: what they restore is not made of anything.
        if change.window is None
        and change.statement
        and (change.cause.startswith(REFINEMENT) or change.cause == _BLANKED_CAUSE)
    }
    if not refinements:
        return {}
    edits_of_change = defaultdict[int, list[Edit]](list)
    for edit in edits:
        if edit.change_id in refinements:
            edits_of_change[edit.change_id].append(edit)
    facts_by_id: dict[int, Sequence[Fact]] = {}
    for change_edits in edits_of_change.values():
        removed = [edit.before for edit in change_edits if edit.before and not edit.after]
        added = [edit.fact_id for edit in change_edits if edit.after and not edit.before]
        if removed:
            facts_by_id.update(dict.fromkeys(added, removed))
    return facts_by_id


def turns_of(fact: Fact, of_facts: Origins) -> set[int]:
    """Every turn that a fact derives from: its own, and the turns of the facts merged into it."""
    turn_ids = {fact.turn_id}
    for origin in of_facts.get(fact.id, ()):
        turn_ids |= turns_of(origin, of_facts)
    return turn_ids


def derived_from(
    turn_ids: Collection[int],
    facts: Iterable[Fact],
    edits: Sequence[Edit],
    changes: Iterable[Change],
) -> DerivedFacts:
    """The facts that were made of facts of these turns, and the facts that replace them again.

    When a turn goes, what was merged of its facts and others goes too, and the others are restored.

    Arguments:
        turn_ids: the turns to remove.
        facts: the existing facts.
        edits: the journal, see `history.edits_of`.
        changes: all changes.
    """
    of_facts = origins(edits, changes)
    going = set(turn_ids)
    derived = {
        fact_id
        for fact_id, made_of in of_facts.items()
        if any(going & turns_of(origin, of_facts) for origin in made_of)
    }
    present = {fact.id for fact in facts}
    restored: set[int] = set()
    waiting = sorted(derived & present)
    while waiting:
        for origin in of_facts.get(waiting.pop(), ()):
            if origin.id in derived:
                waiting.append(origin.id)
            elif origin.turn_id not in going and origin.id not in present:
                restored.add(origin.id)
    return DerivedFacts(tuple(sorted(derived)), tuple(sorted(restored)))


def facts_of_other_turns(
    gone: Sequence[Turn],
    facts: Iterable[Fact],
    edits: Iterable[Edit],
    changes: Iterable[Change],
    turns_by_id: Callable[[Sequence[int]], Sequence[Turn]],
) -> set[int]:
    """The facts that a digest drew from `gone` but gave to another turn of the window.

    All telling words of such a fact's value are in one of these turns, and the fact's own turn
    lacks some.

    Arguments:
        gone: the turns that are to go.
        facts: the existing facts.
        edits: the journal, see `history.edits_of`.
        changes: all changes.
        turns_by_id: reads turns.
    """
    gone_ids = sorted(turn.id for turn in gone)
    digests = {
        change.id for change in changes if change.window and _holds_one(change.window, gone_ids)
    }
    written = {edit.fact_id: edit.after for edit in edits if edit.change_id in digests}
    drawn = [
        fact
        for fact in facts
        if fact.turn_id not in gone_ids
        and (image := written.get(fact.id))
        and image.value == fact.value  # else someone has edited it since
    ]
    texts = {turn.id: turn.text for turn in turns_by_id(sorted({fact.turn_id for fact in drawn}))}
    forms = [forms_of(telling_words(turn.text)) for turn in gone]
    return {
        fact.id
        for fact in drawn
        if (value := telling_words(fact.value))
        and any(all(is_among(word, words) for word in value) for words in forms)
        and not _says(texts.get(fact.turn_id, ""), value)
    }


def _says(text: str, value: Iterable[str]) -> bool:
    words = forms_of(telling_words(text))
    return all(is_among(word, words) for word in value)


def _holds_one(window: tuple[int, int], turn_ids: Sequence[int]) -> bool:
    position = bisect_left(turn_ids, window[0])
    return position < len(turn_ids) and turn_ids[position] <= window[1]


def restore_origins(conn: Connection, fact_ids: Iterable[int]) -> None:
    """Let facts and journal be as if these facts had not been removed, inside the transaction."""
    for fact_id in fact_ids:
        conn.facts.log()
        removal, image = conn.run("removal_of_fact", fact_id=fact_id).fetchone()
        (last_entry,) = conn.run("last_entry").fetchone()
        journal.restore_fact(conn, fact_id, image)
        # The journal has that as a change, and the removal did not happen any more.
        conn.facts.log()
        conn.run("delete_removal", fact_id=fact_id, last_entry=last_entry, removal=removal)
