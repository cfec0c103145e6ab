"""What is found for a question: turns, an answer, a block for a prompt."""

from contextlib import ExitStack
from typing import Annotated, Any, cast

from pydantic import Field

from memory.evidence.block import recollect
from memory.evidence.upcoming import DAYS, MOST_DAYS
from memory.evidence.upcoming import upcoming as due_on_days
from memory.operations.answers import (
    AnswerRecord,
    ContextBlock,
    Due,
    HitRecord,
    Recalled,
    SearchHits,
)
from memory.operations.operation import AsOf, Limit, OpenMemory, WholeNumber, operation
from memory.recall.recalled import owners_hits, refuse_empty
from memory.store.changes.points_in_time import time_of_question
from memory.store.configuration.settings import asker_of, owner_of
from memory.store.files.united import (
    first_store,
    found_turns,
    past_or_present,
    stores_by_name,
)
from memory.store.store_source import off_the_record as opened_off_the_record
from memory.text.turn_filter import FILTER_EXAMPLE, read_filter

Query = Annotated[str, Field(description="Words that may have been used, or a question.")]
Filter = Annotated[str, Field(description=f"Only turns that pass; JSON: {FILTER_EXAMPLE}")]


OffTheRecord = Annotated[bool, Field(description="Whether this leaves nothing in the memory.")]


@operation("read", "GET /search", reads_several=True)
def search(
    memory: OpenMemory,
    query: Query,
    limit: Limit = 10,
    as_of: AsOf = "",
    filter: Filter = "",
) -> SearchHits:
    """Search turns; calls no model."""
    refuse_empty(query)
    turn_filter = read_filter(filter or None)
    with past_or_present(memory.store, as_of) as past:
        hits = found_turns(past, past.search(query, limit, turn_filter, weights=memory.weights))
    return {"hits": [cast("HitRecord", hit.to_dict()) for hit in hits]}


@operation("read", "GET /upcoming")
def upcoming(
    memory: OpenMemory,
    days: Annotated[
        WholeNumber, Field(description="Until so many days after today.", ge=0, le=MOST_DAYS)
    ] = DAYS,
    now: Annotated[str, Field(description="Another day than today to begin with, as ISO.")] = "",
) -> Due:
    """List what was said for the next days, facts that happen then, and birthdays."""
    return {"upcoming": due_on_days(memory.store, days, now)}


@operation("read", "GET /recall")
def recall(
    memory: OpenMemory,
    query: Query,
    limit: Limit = 5,
    as_of: AsOf = "",
    filter: Filter = "",
) -> Recalled:
    """Current facts, then turns, marked where they are outdated; calls no model.

    Without a query: what is known of the owner.
    """
    with owners_hits(
        memory.store,
        memory.weights,
        query,
        limit,
        as_of=as_of,
        turn_filter=read_filter(filter or None),
    ) as result:
        recollected = recollect(result.question, result.reader, result.hits)
    return {
        "standing": list(recollected.standing.facts),
        "profile": list(recollected.standing.profile),
        "contradictions": list(recollected.standing.pairs),
        "facts": list(recollected.facts),
        "turns": [
            {"mark": recollected.marks.get(turn.id, ""), "turn": turn}
            for turn in recollected.ranked
        ],
    }


Asker = Annotated[str, Field(description="Another name for `speaker`.")]


@operation("read", "POST /ask", is_slow=True, reads_several=True)
def ask(
    memory: OpenMemory,
    question: Annotated[str, Field(description="A whole question.")],
    speaker: Annotated[
        str,
        Field(description="Who is asking; I and my mean this person. Default: the memory's owner."),
    ] = "",
    asker: Asker = "",
    as_of: AsOf = "",
    off_the_record: OffTheRecord = False,
) -> AnswerRecord:
    """Answer a question, with sources and SQL."""
    now = time_of_question(as_of)
    with ExitStack() as opened:
        store = memory.store
        if off_the_record:
            store = opened.enter_context(opened_off_the_record(store))
        past = opened.enter_context(past_or_present(store, as_of))
        asking = speaker or asker or asker_of(first_store(memory.store))
        answer = memory.memory_of(past).ask(question, speaker=asking, now=now)
        return cast("AnswerRecord", answer.to_dict())


@operation("read", "POST /context", reads_several=True)
def context(
    memory: OpenMemory,
    messages: Annotated[
        str | list[dict[str, Any]],
        Field(
            description="The message, or a conversation in OpenAI's form; its last message counts."
        ),
    ],
    speaker: Annotated[str, Field(description="Who speaks; by default the memory's owner.")] = "",
    asker: Asker = "",
    budget: Annotated[
        WholeNumber | None, Field(description="The most tokens of the block.")
    ] = None,
    session: Annotated[
        str, Field(description="The running session, which the prompt has already.")
    ] = "",
    gate: Annotated[
        bool, Field(description="Whether a message that touches nothing gets no turns.")
    ] = True,
    profile: Annotated[
        bool, Field(description="Whether the speaker's lasting facts come first.")
    ] = True,
) -> ContextBlock:
    """A block for a prompt; calls no model, and writes nothing."""
    from memory.evidence.prompt_block import inject_together

    block = inject_together(
        stores_by_name(memory.store),
        messages,
        speaker=speaker or asker or owner_of(first_store(memory.store)),
        budget=budget,
        session=session,
        weights=memory.weights,
        gate=gate,
        profile=profile,
    )
    return cast("ContextBlock", block.to_dict())
