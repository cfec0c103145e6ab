"""What a memory knows of one person or thing: "What do you know about me?"."""

from collections.abc import Sequence

from memory.evidence.question import UserQuestion
from memory.records import Fact
from memory.store import Store
from memory.store.facts.entity_edits import facts_about
from memory.store.facts.fact_reads import current_among, facts_now_about
from memory.store.facts.standing_facts import names_of_askers
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import first_store
from memory.vocabulary import PROFILE_PARTS, Vocabulary
from memory.vocabulary.templates import asked_about, whom

_KINDS = ("one value", "many", "plan", "event")  # what lasts comes first


def overview_facts(store: Store, question: UserQuestion) -> list[Fact] | None:
    """The current facts for "What do you know about ...?", by kind, newest first.

    An empty question asks about the asker. None for other questions, and if nothing is known.
    """
    who = asked_about(question.text)
    if who is None and question.text.strip():
        return None
    if who:
        facts = _facts_of(store, who, question.asker)
    else:
        names = names_of_askers(first_store(store), *question.askers)
        facts = facts_now_about(store, sorted(names), question.today)
    if who and not facts:
        return None
    return by_kind(facts, vocabulary_of(store))


def _facts_of(store: Store, who: str, asker: str) -> list[Fact]:
    """The current facts about a person, by a name or by their relation to the asker."""
    somebody = whom(who, asker)
    own = first_store(store)
    return current_among(own, facts_about(own, somebody.subject)) if somebody else []


def by_kind(facts: Sequence[Fact], vocabulary: Vocabulary) -> list[Fact]:
    """Facts in the order of a profile, then other states, plans and events; each newest first."""

    def place(fact: Fact) -> tuple[int, int, str, int]:
        known = vocabulary.canonical(fact.attribute)
        part = known.profile if known else ""
        return (
            PROFILE_PARTS.index(part) if part else len(PROFILE_PARTS),
            _KINDS.index(known.kind) if known else len(_KINDS),
            fact.attribute,
            -fact.turn_id,
        )

    return sorted(facts, key=place)
