"""Facts: listed, added, edited, ended; pairs that contradict each other; undos and held changes."""

from typing import Annotated, Literal

from pydantic import Field

from memory import facts as edits
from memory.digest.held_windows import decide
from memory.errors import NotThereError
from memory.facts.contradictions import settle
from memory.facts.latest_word import with_later
from memory.facts.standing import standing_facts
from memory.operations.answers import Contradictions, FactHistory, FactPage, HeldChanges
from memory.operations.consequences import refuse_expiring, refuse_to_expire, refuse_undo
from memory.operations.operation import After, AsOf, Id, Limit, OpenMemory, Seen, operation
from memory.operations.turns import Expires
from memory.records import Change, Trace
from memory.store.facts.contradictions import open_contradictions
from memory.store.turns.traces import trace_of_fact


@operation("read", "GET /facts")
def facts(
    memory: OpenMemory,
    after: After = 0,
    limit: Limit = 50,
    subject: str = "",
    attribute: str = "",
    as_of: AsOf = "",
    standing: Annotated[
        bool, Field(description="Only current standing instructions and preferences.")
    ] = False,
) -> FactPage:
    """List current facts."""
    if standing:
        ids = {fact.id for fact in standing_facts(memory.store)}
        named = edits.facts_named(memory.store, subject, attribute, as_of)
        following = [fact for fact in named if fact.id in ids and fact.id > after]
    else:
        bounds = {"after": after, "most": limit + 1}
        following = edits.page_named(memory.store, subject, attribute, as_of, **bounds)
    page = following[:limit]
    more = len(following) > limit
    facts_with_later = page if as_of else with_later(memory.store, page)
    return {"facts": facts_with_later, "after": page[-1].id if more else None}


@operation("write", "POST /facts")
def add_fact(
    memory: OpenMemory,
    subject: Annotated[str, Field(description="Who or what it is about.")],
    attribute: Annotated[str, Field(description="Such as lives_in or has_pet.")],
    value: Annotated[str, Field(description="Such as Oslo.")],
    turn_id: Annotated[
        Id | None, Field(description="The turn that says it; omitted, one is stored for it.")
    ] = None,
    happened_on: Annotated[
        str, Field(description="Since when, or when: 2017-05-06, 2017-05 or 2017.")
    ] = "",
    new_attribute: Annotated[
        bool, Field(description="Whether the attribute is another than those near to it.")
    ] = False,
    expires: Expires = "",
) -> Change:
    """Add a fact."""
    if not memory.may_forget:
        refuse_to_expire(turn_id, expires)
        refuse_expiring(memory.store, [attribute] if turn_id else [])
    return edits.add(
        memory.store,
        turn_id=turn_id,
        subject=subject,
        attribute=attribute,
        value=value,
        happened_on=happened_on,
        new_attribute=new_attribute,
        expires=expires,
        by=memory.by,
    )


@operation("write", "POST /facts/{id}/correction")
def correct(
    memory: OpenMemory,
    fact_id: Id,
    value: str = "",
    kind: Annotated[
        Literal["changed", "was wrong", "is over"],
        Field(
            description="changed: the fact was true, and the value is now. was wrong: it never was;"
            " the value takes its place, without one it is deleted. is over: nothing took its"
            " place.",
        ),
    ] = "changed",
    since: Annotated[
        str, Field(description="Since when, or when it ended; today by default.")
    ] = "",
    expires: Expires = "",
    seen: Seen = None,
) -> Change:
    """End a fact and add its new value."""
    return edits.edit(
        memory.store,
        fact_id,
        kind,
        value=value,
        on=since,
        expires=expires,
        by=memory.by,
        seen=seen,
    )


@operation("write", "POST /facts/{id}")
def amend_fact(
    memory: OpenMemory,
    fact_id: Id,
    value: str | None = None,
    subject: str | None = None,
    attribute: str | None = None,
    happened_on: Annotated[
        str | None, Field(description='Since when, or when; "" for an unknown date.')
    ] = None,
    seen: Seen = None,
) -> Change:
    """Put right a fact that was never true; what you leave out stays."""
    return edits.correct(
        memory.store,
        fact_id,
        value=value,
        subject=subject,
        attribute=attribute,
        happened_on=happened_on,
        by=memory.by,
        seen=seen,
    )


@operation("write", "POST /facts/{id}/end")
def end_fact(
    memory: OpenMemory,
    fact_id: Id,
    on: Annotated[str, Field(description="The date it stopped being true; today by default.")] = "",
    seen: Seen = None,
) -> Change:
    """End a fact."""
    return edits.end(memory.store, fact_id, on, by=memory.by, seen=seen)


@operation("write", "DELETE /facts/{id}")
def delete_fact(memory: OpenMemory, fact_id: Id, seen: Seen = None) -> Change:
    """Delete a fact that was never true."""
    return edits.remove(memory.store, fact_id, by=memory.by, seen=seen)


@operation("read", "GET /facts/{id}/history")
def fact_history(memory: OpenMemory, fact_id: Id) -> FactHistory:
    """How a fact became what it is, edit by edit."""
    return {"edits": edits.history(memory.store, fact_id)}


@operation("read", "GET /facts/{id}/trace")
def fact_trace(memory: OpenMemory, fact_id: Id) -> Trace:
    """Which replies a fact shaped."""
    return trace_of_fact(memory.store, fact_id)


@operation("read", "GET /contradictions")
def contradictions(memory: OpenMemory) -> Contradictions:
    """List facts that contradict each other."""
    return {"contradictions": open_contradictions(memory.store)}


@operation("write", "POST /contradictions")
def settle_contradiction(
    memory: OpenMemory,
    fact: Annotated[Id, Field(description="The id of a fact.")],
    other: Annotated[Id, Field(description="The id of the fact that contradicts it.")],
    right: Annotated[Id | Literal["both"], Field(description="The id of the right fact, or both.")],
    seen: Seen = None,
) -> Change:
    """Say which of two facts that contradict each other is right; the other is deleted."""
    return settle(memory.store, fact, other, right=right, by=memory.by, seen=seen)


@operation("write", "POST /changes/{id}/undo")
def undo(memory: OpenMemory, change_id: Id) -> Change:
    """Undo a change."""
    if not memory.may_forget:
        refuse_undo(memory.store, change_id)
    return memory.store.undo(change_id)


@operation("read", "GET /held")
def held(memory: OpenMemory) -> HeldChanges:
    """List what digests wrote and a person has to decide: ends of facts, and why they wait."""
    return {
        "changes": [
            {
                "first_turn": window.first_turn,
                "last_turn": window.last_turn,
                "reason": window.error,
                "sql": window.statement,
            }
            for window in memory.store.pending()
            if window.statement
        ]
    }


@operation("write", "POST /held/{id}")
def decide_held(
    memory: OpenMemory,
    first_turn: Id,
    apply: Annotated[bool, Field(description="Whether the SQL runs; else it is dropped.")],
) -> Change:
    """Apply what a window holds, by its first turn, or drop it; or drop a window that failed."""
    for window in memory.store.pending():
        if window.first_turn == first_turn:
            return decide(memory.store, (first_turn, window.last_turn), apply=apply, by=memory.by)
    raise NotThereError(f"nothing is held of a window that begins with turn {first_turn}")
