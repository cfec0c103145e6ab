"""What a query of the memory's owner finds, without a model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from memory.errors import InputError
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.facts import day_of
from memory.facts.restated import newest_first
from memory.records import Hit
from memory.store import Store
from memory.store.configuration.settings import owner_of
from memory.store.files.united import first_store, past_or_present
from memory.text.turn_filter import TurnFilter

_LEAST_HITS = 20  # searched for turns that say something again


@dataclass(frozen=True)
class OwnersHits:
    """A query as a question of the owner, the memory that it was searched in, and its best hits."""

    question: UserQuestion
    reader: MemoryReader
    hits: list[Hit]


def refuse_empty(query: str) -> None:
    """Raise InputError for a query without words."""
    if not query.strip():
        raise InputError("the query is empty; say what to look for")


@contextmanager
def owners_hits(
    store: Store,
    weights: Mapping[str, float] | None,
    query: str,
    limit: int,
    *,
    as_of: str = "",
    turn_filter: TurnFilter | None = None,
) -> Iterator[OwnersHits]:
    """What a query finds: at most `limit` turns that pass a filter, to be shown in a block.

    `as_of` is a day, month or year (ISO): what the memory held by then. If something was said
    again, the newest comes first. A query without words asks what is known of the owner.
    """
    with past_or_present(store, as_of) as past:
        reader = MemoryReader(past, weights)
        question = UserQuestion(
            query, owner_of(first_store(past)), today=day_of(past, as_of) if as_of else ""
        )
        text = question.ranked_text
        hits = reader.search(text, max(limit, _LEAST_HITS), turn_filter)
        by_id = {hit.turn_id: hit for hit in hits}
        turns = newest_first(reader.turns_by_id([*by_id], missing_ok=True), text)
        yield OwnersHits(question, reader, [by_id[turn.id] for turn in turns[:limit]])
