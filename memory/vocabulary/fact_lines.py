"""A fact as a line for people, and whether it holds on a day."""

import re

from memory.records import Fact, MemoryFact
from memory.text.characters import one_line, unnumbered
from memory.text.dates import spoken_day
from memory.vocabulary.attributes import Vocabulary
from memory.vocabulary.files import default_vocabulary

_DATE = re.compile(r"\d{4}(-\d\d){0,2}")


def fact_line(fact: Fact) -> str:
    """A fact on a line: `Anna lives_in: Oslo since 2017-05 (fact 1, turn 3)`.

    A plan is for its day: `Anna plans: a trip, on 3 May 2024 (fact 2, turn 4)`. One of several
    memories is named at the end: `... (fact 1, turn 3, in team)`.
    """
    return unnumbered(one_line(f"{fact_text(fact)} {_source(fact)}"))


def fact_text(fact: Fact) -> str:
    """A fact as `fact_line`, without its numbers: `Anna lives_in: Oslo since 2017-05`."""
    when = f" since {fact.happened_on}" if fact.happened_on else ""
    if when and is_plan(fact):
        when = f", {spoken_day(fact.happened_on)}"
    until = f" until {fact.ended_on}" if fact.ended_on else ""
    return f"{fact.subject} {fact.attribute}: {fact.value}{when}{until}"


def spoken_line(fact: Fact) -> str:
    """A fact as `fact_line`, with the day of what happened as people say it.

    `Anna went running, 5 km, on 3 Nov 2017 (fact 2, turn 4)`.
    """
    if not fact.happened_on or fact.ended_on or not is_event(fact):
        return fact_line(fact)
    words_of_it = f"{fact.subject} {fact.attribute.replace('_', ' ')}, {fact.value}"
    told = f"{words_of_it}, {spoken_day(fact.happened_on)} {_source(fact)}"
    return unnumbered(one_line(told))


def _source(fact: Fact) -> str:
    memory = f", in {fact.memory}" if isinstance(fact, MemoryFact) else ""
    return f"(fact {fact.id}, turn {fact.turn_id}{memory})"


def is_current(fact: Fact, day: str, vocabulary: Vocabulary | None = None) -> bool:
    """Whether a fact has not ended on a day (ISO) and, if it is a state, has begun.

    A date less exact than a day counts from its first day: a fact that ended in "2026" is past on
    2026-01-01. Without a memory's `vocabulary` the default one says what a state is. Other facts
    may say something newer: see `memory.facts.state.state_of`.
    """
    waits = is_state(fact, vocabulary) and bool(_DATE.match(fact.happened_on))
    return not (waits and first_day(fact.happened_on) > day) and not has_ended(fact, day)


def first_day(happened_on: str) -> str:
    """The date that a fact begins with: the first of a span (2017-05-13/2017-05-14)."""
    return happened_on.partition("/")[0]


def has_ended(fact: Fact, day: str) -> bool:
    """Whether a fact has ended by a day (ISO)."""
    is_ahead = bool(_DATE.match(fact.ended_on or "")) and fact.ended_on > day
    return bool(fact.ended_on) and not is_ahead


def is_event(fact: Fact, vocabulary: Vocabulary | None = None) -> bool:
    """Whether a fact tells what happened: by the vocabulary, else by a verb in -ed and its date.

    Without a memory's `vocabulary` the default one counts.
    """
    known = (vocabulary or default_vocabulary()).canonical(fact.attribute)
    if known is not None:
        return known.kind == "event"
    verb = fact.attribute.replace("_", " ").partition(" ")[0]
    return bool(fact.happened_on) and verb.endswith("ed")


def is_plan(fact: Fact, vocabulary: Vocabulary | None = None) -> bool:
    """Whether a fact is a plan by the vocabulary: its date is the day it is for."""
    known = (vocabulary or default_vocabulary()).canonical(fact.attribute)
    return known is not None and known.kind == "plan"


def is_state(fact: Fact, vocabulary: Vocabulary | None = None) -> bool:
    """Whether a fact is a state by the vocabulary: its date is since when it is true."""
    known = (vocabulary or default_vocabulary()).canonical(fact.attribute)
    return known is not None and known.is_state
