"""Instructions and preferences of all persons: the current ones, those without effect, refusals."""

from memory.records import Fact
from memory.store import Store
from memory.store.fact_reads import current_among
from memory.store.standing_facts import (
    StandingFact,
    facts_of_persons,
    facts_without_effect,
)


def standing_facts(store: Store) -> list[Fact]:
    """The current instructions and preferences of all persons, newest first.

    The list names each person, for people who read and correct facts. Answers follow only the
    asker's wishes (`memory.evidence.wishes`).
    """
    return current_among(store, facts_of_persons(store, None))


def standing_without_effect(store: Store) -> list[StandingFact]:
    """Stored instructions and preferences that are not current, each with the reason.

    They are about someone other than the speaker, in words that no person said, or replaced by a
    newer one.
    """
    listed = facts_of_persons(store, None)
    current = {fact.id for fact in current_among(store, listed)}
    replaced = [
        StandingFact(fact, "a newer one took its place")
        for fact in listed
        if fact.id not in current and not fact.ended_on
    ]
    return [*facts_without_effect(store), *replaced]
