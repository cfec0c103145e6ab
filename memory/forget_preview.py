"""What a `forget` would remove, reopen and leave, before somebody agrees to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from memory.errors import InputError
from memory.records import Change, Edit, Fact, Turn
from memory.store import Store


@dataclass(frozen=True)
class Preview:
    """What goes with some turns, what stays, and what is out of reach.

    `facts` rest on the turns, or were made of facts that do, and go with them; `removed` counts
    those that are in the journal alone and go as well. `restored` are facts of other turns that had
    been merged with some of them, and stand by themselves again. `reopened` have an end that was
    learnt from the turns, which is taken back. `staying` are the facts of other turns about the
    people who speak here. `backups` are searched, `copies` are memories of their own that hold the
    turns too.
    """

    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    removed: int
    restored: tuple[Fact, ...]
    reopened: tuple[Fact, ...]
    staying: tuple[Fact, ...]
    backups: tuple[str, ...]
    copies: tuple[str, ...]


def matching_turns(
    store: Store,
    *,
    speaker: str = "",
    session: str | None = None,
    ids: Collection[int] = (),
    matching: str = "",
) -> list[Turn]:
    """The turns for which all conditions that are given hold.

    Raises InputError for an id that is no turn's, and where no turn is like that.
    """
    for turn_id in ids:
        store.turn(turn_id)  # raises when there is no such turn
    turns = [
        turn
        for turn in store.turns()
        if (not speaker or turn.speaker == speaker)
        and (session is None or turn.session == session)
        and (not ids or turn.id in ids)
        and matching.casefold() in turn.text.casefold()
    ]
    if not turns:
        raise InputError("no turn is like that; nothing was removed")
    return turns


def preview(store: Store, turns: Collection[Turn]) -> Preview:
    """What a `forget` of these turns would do; nothing is changed."""
    from memory.store.derived_facts import derived_from
    from memory.store.forget import copies_with, marked

    ids = {turn.id for turn in turns}
    speakers = {turn.speaker for turn in turns}
    facts, edits, changes = store.facts(), store.journal(), store.changes()
    derived = derived_from(ids, facts=facts, edits=edits, changes=changes)
    going = {fact.id for fact in facts if fact.turn_id in ids} | {*derived.ids}
    noted = [setting.value for setting in store.settings("copied memory")]
    images = {edit.fact_id: edit.before for edit in edits if edit.before}
    return Preview(
        turns=tuple(turns),
        facts=tuple(fact for fact in facts if fact.id in going),
        removed=len(_of_turns(edits, ids).union(derived.ids) - {fact.id for fact in facts}),
        restored=tuple(fact for fact_id in derived.restored if (fact := images.get(fact_id))),
        reopened=_reopened_facts(store, facts, edits, changes=changes, turn_ids=ids),
        staying=tuple(fact for fact in facts if fact.subject in speakers and fact.id not in going),
        backups=tuple(dict.fromkeys(str(setting.value) for setting in store.settings("backup"))),
        copies=tuple(copies_with(store.location, noted, [marked(list(turns), salt="")])),
    )


def confirmation_of(gone: Preview) -> str:
    """The word for just these turns and facts: a preview of others confirms nothing."""
    return sha256(repr((gone.turns, gone.facts)).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _reopened_facts(
    store: Store,
    facts: Sequence[Fact],
    edits: Sequence[Edit],
    *,
    changes: Sequence[Change],
    turn_ids: set[int],
) -> tuple[Fact, ...]:
    """The facts of other turns that have an end which was learnt from these."""
    from memory.store.learnt_ends import ends_learnt_from

    ends = ends_learnt_from(turn_ids, edits=edits, changes=changes, turns=store.turns)
    learnt = {(fact.id, fact.ended_on) for fact in ends.values()}
    return tuple(fact for fact in facts if (fact.id, fact.ended_on) in learnt)


def _of_turns(edits: Iterable[Edit], turn_ids: set[int]) -> set[int]:
    """The facts that ever rested on these turns, as the journal says."""
    return {
        edit.fact_id
        for edit in edits
        for fact in (edit.before, edit.after)
        if fact and fact.turn_id in turn_ids
    }
