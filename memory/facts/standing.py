"""Instructions and preferences of all persons: the current ones, those without effect, refusals."""

from collections.abc import Sequence

from memory.facts.latest_word import replaced_facts
from memory.records import Fact
from memory.store import Store
from memory.store.facts.fact_reads import current_among
from memory.store.facts.standing_facts import (
    StandingFact,
    facts_of_persons,
    facts_without_effect,
)
from memory.text.words import words
from memory.vocabulary.templates.words import language_words


def standing_facts(store: Store) -> list[Fact]:
    """The current instructions and preferences of all persons, newest first.

    The list names each person, for people who read and correct facts. Answers follow only the
    asker's wishes (`memory.evidence.wishes`).
    """
    return without_replaced(store, current_among(store, facts_of_persons(store, None)))


def standing_without_effect(store: Store) -> list[StandingFact]:
    """Stored instructions and preferences that are not current, each with the reason.

    They are about someone other than the speaker, in words that no person said, or replaced by a
    newer one.
    """
    listed = facts_of_persons(store, None)
    current = {fact.id for fact in without_replaced(store, current_among(store, listed))}
    replaced = [
        StandingFact(fact, "a newer one took its place")
        for fact in listed
        if fact.id not in current and not fact.ended_on
    ]
    return [*facts_without_effect(store), *replaced]


def takes_back(wish: Fact) -> bool:
    """Whether a wish says only that another one is over: "skip the summary from now on"."""
    known = language_words()
    return not {*words(wish.value)}.isdisjoint(known.changes | known.permissions)


def without_replaced(store: Store, facts: Sequence[Fact]) -> list[Fact]:
    """These, without any that a newer one of them says again, or with another value."""
    replaced = replaced_facts(store, facts)
    return [fact for fact in facts if fact.id not in replaced]
