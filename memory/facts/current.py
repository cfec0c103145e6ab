"""Which facts are current: `facts_now` says so for the present, this module for the past.

The rules are the same as in memory/sql/facts_now.sql: a fact is current from the turn that says it
until it ends. A state begins on its date. Of an attribute with one value, and of two opinions of
one thing, the latest is current.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from memory.records import CurrencyRules, Fact
from memory.store import Store
from memory.store.vocabulary_edits import vocabulary_of
from memory.vocabulary import Vocabulary
from memory.vocabulary.fact_lines import is_current

SaidAt = Callable[[Sequence[int]], Mapping[int, str]]  # the `said_at` of turns by their ids
_TO_THE_SECOND = len("2017-05-08T13:56:00")


def current_of(
    facts: Sequence[Fact], day: str, vocabulary: Vocabulary, said_at: SaidAt
) -> list[Fact]:
    """Of all facts at a moment, the ones current on a day (ISO), in order.

    `said_at` is called for the turns of facts that may have replaced each other.
    """
    rules = vocabulary.currency
    current = [fact for fact in facts if is_current(fact, day, vocabulary)]
    topics = defaultdict[tuple[str, str], list[Fact]](list)
    for fact in current:
        if topic := _topic(fact, rules):
            topics[fact.subject, topic].append(fact)
    contested = [
        sorted(topic, key=lambda fact: (fact.turn_id, fact.id)) for topic in topics.values()
    ]
    contested = [topic for topic in contested if len(topic) > 1]
    dates = said_at(sorted({fact.turn_id for topic in contested for fact in topic}))
    older = {
        fact.id for topic in contested for fact in topic if fact is not _said_last(topic, dates)
    }
    return [fact for fact in current if fact.id not in older]


def current_at(store: Store, facts: Sequence[Fact], day: str) -> list[Fact]:
    """Of the facts at a point in the past, the ones current then, on a day (ISO)."""

    def said_at(turn_ids: Sequence[int]) -> Mapping[int, str]:
        turns = store.turns_by_id(turn_ids, missing_ok=True)
        return {turn.id: turn.said_at for turn in turns}

    return current_of(facts, day, vocabulary_of(store), said_at)


def _topic(fact: Fact, rules: CurrencyRules) -> str:
    """The key of facts that a newer one of the same person may replace; "" if none can."""
    if fact.attribute in rules.opposed:
        return f"={fact.value.lower()}"
    return fact.attribute if fact.attribute in rules.one_valued else ""


def _said_last(facts: Sequence[Fact], dates: Mapping[int, str]) -> Fact:
    """The fact, of some in the order of their turns, that was moment last.

    A turn without a date, or on the same day without a time, was moment after the dated ones that
    were added before it.
    """
    latest = ""
    last: tuple[str, int, int] = ("", 0, 0)
    newest = facts[0]
    for fact in facts:
        date = dates.get(fact.turn_id, "")
        moment = date[:_TO_THE_SECOND] if date[:1] in ("1", "2") else ""
        latest = max(latest, moment)
        place = (latest if latest.startswith(moment) else moment, fact.turn_id, fact.id)
        if place >= last:
            last, newest = place, fact
    return newest
