"""Turns: listed, added, tagged, and what they were about in short."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from memory.errors import InputError
from memory.facts.additions import add_each_once
from memory.operations.answers import (
    AddedTrace,
    AddedTurn,
    AddedTurns,
    PinnedTurns,
    Summaries,
    TagCounts,
    TurnPage,
)
from memory.operations.operation import After, Id, Inputs, Limit, OpenMemory, operation
from memory.records import Change, Skipped, Trace, Turn, Withheld
from memory.store import Store
from memory.store.configuration.settings import writer_of
from memory.store.turns.pins import keep_out as keep_turns_out
from memory.store.turns.pins import pin as pin_turns
from memory.store.turns.pins import pins_of, turns_of_facts
from memory.store.turns.pins import unpin as unpin_turns
from memory.store.turns.tags import count_tags, remove_tags
from memory.store.turns.tags import set_tags as set_tags_of
from memory.store.turns.traces import record_trace, trace_of_turn
from memory.store.turns.turn_reads import turns_after
from memory.store.turns.turn_validation import FORGET_AFTER, local_now, valid_tags
from memory.text.characters import unsound
from memory.text.message_parts import INVISIBLE
from memory.text.written_dates import clean_date

Speaker = Annotated[str, Field(description="Who said it; by default the memory's owner.")]
SaidAt = Annotated[str, Field(description="ISO date or time, as exact as known; default: now.")]
Source = Annotated[str, Field(description="Your own id: a turn with the same id is stored once.")]
Expires = Annotated[
    str, Field(description="When to forget it: a date, which counts whole, a time, 12h or 7d.")
]
TagValue = str | bool | int | float
Tags = Annotated[
    dict[str, TagValue | list[TagValue]], Field(description='Such as {"project": "move", "n": 3}.')
]


class NewTurn(Inputs):
    """What was said."""

    text: str
    speaker: Speaker = ""
    session: str = ""
    said_at: SaidAt = ""
    source: Source = ""
    tags: Tags = Field({})
    expires: Expires = ""


@operation("read", "GET /turns")
def turns(memory: OpenMemory, after: After = 0, limit: Limit = 50) -> TurnPage:
    """List turns."""
    store = memory.store
    page = store.turns(after + 1, after + limit)
    if len(page) < limit:  # forgotten turns leave gaps in the ids
        page = turns_after(store, after, limit)
    return {"turns": page, "after": page[-1].id if page else None}


@operation("write", "POST /turns")
def add_turn(
    memory: OpenMemory,
    text: str,
    speaker: Speaker = "",
    session: str = "",
    said_at: SaidAt = "",
    source: Source = "",
    tags: Tags = {},  # noqa: B006 - pydantic copies it
    expires: Expires = "",
) -> AddedTurn:
    """Add a turn; durable on return."""
    new = NewTurn(
        text=text,
        speaker=speaker,
        session=session,
        said_at=said_at,
        source=source,
        tags=tags,
        expires=expires,
    )
    added = _added(memory, [new])["turns"]
    if not added:
        raise InputError("the turn has no text")
    return added[0]


@operation("write", "POST /turns/batch")
def add_turns(
    memory: OpenMemory, turns: Annotated[list[NewTurn], Field(min_length=1, max_length=1_000)]
) -> AddedTurns:
    """Add many turns, in order; one without a visible character is skipped."""
    return _added(memory, turns)


@operation("read", "GET /turns/{id}")
def turn(memory: OpenMemory, turn_id: Id) -> Turn:
    """Get a turn."""
    return memory.store.turn(turn_id)


@operation("read", "GET /turns/{id}/trace")
def trace(memory: OpenMemory, turn_id: Id) -> Trace:
    """What the block of a reply held, and which replies a turn shaped."""
    return trace_of_turn(memory.store, turn_id)


@operation("write", "POST /turns/{id}/trace")
def add_trace(
    memory: OpenMemory,
    turn_id: Id,
    turn_ids: Annotated[list[Id], Field(description="The turns of its block.")] = [],  # noqa: B006
    fact_ids: Annotated[list[Id], Field(description="The facts of its block.")] = [],  # noqa: B006
) -> AddedTrace:
    """Say what the block of a stored reply held; what is known of it already stays."""
    return {"new": record_trace(memory.store, turn_id, turn_ids, fact_ids)}


@operation("read", "GET /summaries")
def summaries(memory: OpenMemory) -> Summaries:
    """What happened, in short."""
    return {"summaries": memory.store.summaries()}


@operation("read", "GET /tags")
def tags(memory: OpenMemory) -> TagCounts:
    """Count turns by tag."""
    return {"tags": count_tags(memory.store)}


@operation("write", "POST /tags")
def set_tags(
    memory: OpenMemory,
    turn_ids: Annotated[list[Id], Field(min_length=1)],
    tags: Annotated[
        dict[str, TagValue | list[TagValue]],
        Field(description="These values of the keys replace those the turns have."),
    ] = {},  # noqa: B006 - pydantic copies it
    remove: Annotated[list[str], Field(description="Keys to take from the turns.")] = [],  # noqa: B006
) -> Change:
    """Set or remove tags of turns."""
    if bool(tags) == bool(remove):
        raise InputError("give tags to set, or keys to remove")
    if tags:
        return set_tags_of(memory.store, turn_ids, tags, by=memory.by)
    return remove_tags(memory.store, turn_ids, remove, by=memory.by)


@operation("read", "GET /pins")
def pinned(memory: OpenMemory) -> PinnedTurns:
    """List the turns that are in every block for a prompt, and those that are in none."""
    pins = pins_of(memory.store)
    return {
        "pinned": memory.store.turns_by_id(pins.pinned, missing_ok=True),
        "kept_out": memory.store.turns_by_id(sorted(pins.kept_out), missing_ok=True),
    }


@operation("write", "POST /pins")
def pin(
    memory: OpenMemory,
    turn_ids: Annotated[list[Id], Field(min_length=1)],
    unpin: Annotated[bool, Field(description="Neither pin nor keep out instead.")] = False,
) -> Change:
    """Keep turns in every block for a prompt; only if a person asks for it."""
    act = unpin_turns if unpin else pin_turns
    return act(memory.store, turn_ids, memory.by)


@operation("write", "POST /pins/out")
def keep_out(
    memory: OpenMemory,
    turn_ids: list[Id] = [],  # noqa: B006 - pydantic copies it
    fact_ids: Annotated[list[Id], Field(description="Facts, kept out with their turns.")] = [],  # noqa: B006
) -> Change:
    """Keep turns and their facts out of every block; `pin` with `unpin` lets them in again."""
    ids = [*turn_ids, *turns_of_facts(memory.store, fact_ids)]
    return keep_turns_out(memory.store, ids, memory.by)


def _added(memory: OpenMemory, new_turns: Sequence[NewTurn]) -> AddedTurns:
    """Store turns, in one transaction: all or none, where one of them or a limit refuses."""
    spoken = [_turn_of(memory.store, new) for new in new_turns]
    stored = add_each_once(memory.store, spoken)
    added: list[AddedTurn] = []
    skipped: list[Skipped] = []
    for number, (turn_id, is_new, withheld) in enumerate(stored, 1):
        if lost := unsound(new_turns[number - 1].text):
            skipped.append(Skipped(f"turn {number}", lost))
        if not turn_id:
            skipped.append(Skipped(f"turn {number}", INVISIBLE))
            continue
        turn: AddedTurn = {"id": turn_id, "new": is_new}
        added.append(turn | {"withheld": withheld} if withheld != Withheld() else turn)
    return {"turns": added, "skipped": skipped} if skipped else {"turns": added}


def _turn_of(store: Store, new: NewTurn) -> Turn:
    if new.said_at and not clean_date(new.said_at):
        raise InputError(
            f"said_at {new.said_at[:60]!r} is not a date; write 2017-05-08T13:56, 2017-05 or 2017"
        )
    return Turn(
        writer_of(store, new.speaker),
        new.text,
        session=new.session,
        said_at=new.said_at or local_now(),
        source=new.source,
        tags=valid_tags(new.tags | ({FORGET_AFTER: new.expires} if new.expires else {})),
    )
