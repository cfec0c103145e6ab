"""Instructions and preferences of all persons: the current ones, those without effect, refusals."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from memory.facts.restated import has_other_value
from memory.records import Fact
from memory.store import Store
from memory.store.facts.fact_reads import current_among
from memory.store.facts.standing_facts import (
    StandingFact,
    facts_of_persons,
    facts_without_effect,
)
from memory.text.words import forms_of, telling_words, words
from memory.vocabulary.templates.words import language_words

_MOST_ALIKE = 4  # of wishes that differ in one place, the newest and the oldest are compared


def standing_facts(store: Store) -> list[Fact]:
    """The current instructions and preferences of all persons, newest first.

    The list names each person, for people who read and correct facts. Answers follow only the
    asker's wishes (`memory.evidence.wishes`).
    """
    return without_replaced(current_among(store, facts_of_persons(store, None)))


def standing_without_effect(store: Store) -> list[StandingFact]:
    """Stored instructions and preferences that are not current, each with the reason.

    They are about someone other than the speaker, in words that no person said, or replaced by a
    newer one.
    """
    listed = facts_of_persons(store, None)
    current = {fact.id for fact in without_replaced(current_among(store, listed))}
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


def without_replaced(facts: Sequence[Fact]) -> list[Fact]:
    """These, without any that a newer one of the person says again, or with another value.

    By the words that they share: no two are compared that share too few.
    """
    by_form = defaultdict[tuple[str, str, str], set[int]](set)
    by_frame = defaultdict[tuple[str, ...], list[int]](list)
    for place, fact in enumerate(facts):
        for form in forms_of(telling_words(fact.value)):
            by_form[fact.subject, fact.attribute, form].add(place)
        for frame in _frames(fact):
            by_frame[frame].append(place)

    def is_replaced(place: int) -> bool:
        fact = facts[place]
        with_words = [
            set[int]().union(*(by_form[fact.subject, fact.attribute, form] for form in forms))
            for forms in (forms_of([word]) for word in telling_words(fact.value))
        ]
        if with_words and _has_newer(set.intersection(*with_words), fact):
            return True
        alike = {number for frame in _frames(fact) for number in by_frame[frame][-_MOST_ALIKE:]} | {
            number for frame in _frames(fact) for number in by_frame[frame][:_MOST_ALIKE]
        }
        return any(
            facts[number].turn_id > fact.turn_id
            and has_other_value(fact.value, facts[number].value)
            for number in alike
        )

    def _has_newer(places: Collection[int], fact: Fact) -> bool:
        return any(facts[place].turn_id > fact.turn_id for place in places)

    return [fact for place, fact in enumerate(facts) if not is_replaced(place)]


def _frames(fact: Fact) -> Iterator[tuple[str, ...]]:
    """The words of a wish without one of them: two that differ in one place share a frame."""
    written = fact.value.casefold().split()
    for place in range(1, len(written)):
        yield (fact.subject, fact.attribute, *written[:place], "", *written[place + 1 :])
