"""What a `forget` would remove, reopen and leave, before somebody agrees to it."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from memory.errors import InputError
from memory.model import Fact, Turn
from memory.store import Store


@dataclass(frozen=True)
class Preview:
    """What goes with some turns, what stays, and what is out of reach.

    `facts` rest on the turns and go with them; `removed` counts those that are in the journal alone
    and go as well. `reopened` have an end that was learnt from the turns, which is taken back.
    `staying` are the facts of other turns about the people who speak here. `backups` are searched,
    `copies` are memories of their own that hold the turns too.
    """

    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    removed: int
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
    from memory.store.forget import copies_with, marked

    ids = {turn.id for turn in turns}
    speakers = {turn.speaker for turn in turns}
    facts = store.facts()
    noted = [setting.value for setting in store.settings("copied memory")]
    return Preview(
        turns=tuple(turns),
        facts=tuple(fact for fact in facts if fact.turn_id in ids),
        removed=_removed_facts(store, ids),
        reopened=_reopened_facts(store, ids),
        staying=tuple(
            fact for fact in facts if fact.subject in speakers and fact.turn_id not in ids
        ),
        backups=tuple(dict.fromkeys(str(setting.value) for setting in store.settings("backup"))),
        copies=tuple(copies_with(store.place, noted, [marked(list(turns), salt="")])),
    )


def confirmation_of(gone: Preview) -> str:
    """The word for just these turns and facts: a preview of others confirms nothing."""
    return sha256(repr((gone.turns, gone.facts)).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _reopened_facts(store: Store, turn_ids: set[int]) -> tuple[Fact, ...]:
    """The facts of other turns that have an end which was learnt from these."""
    from memory.store.learnt_ends import ends_learnt_from

    ends = ends_learnt_from(
        turn_ids, edits=store.journal(), changes=store.changes(), turns=store.turns
    )
    learnt = {(fact.id, fact.ended_on) for fact in ends.values()}
    return tuple(fact for fact in store.facts() if (fact.id, fact.ended_on) in learnt)


def _removed_facts(store: Store, turn_ids: set[int]) -> int:
    """How many facts of these turns are no longer there, but in the journal: they go as well."""
    of_turns = {
        edit.fact_id
        for edit in store.journal()
        for fact in (edit.before, edit.after)
        if fact and fact.turn_id in turn_ids
    }
    return len(of_turns.difference(fact.id for fact in store.facts()))
