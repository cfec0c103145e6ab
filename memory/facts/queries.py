"""Facts found: by words, names, a day or a period."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from memory.errors import InputError, NotThereError
from memory.facts.state import current_at
from memory.records import Fact
from memory.store import Store
from memory.store.changes.points_in_time import last_moment, read_point
from memory.store.configuration.settings import person_of
from memory.store.facts.entity_edits import entities_called, facts_about
from memory.store.facts.fact_reads import (
    count_attributes,
    current_among,
    current_facts,
    current_page,
    facts_by_id,
    facts_that_may_hold,
)
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import first_store
from memory.store.turns.turn_validation import local_now
from memory.text.dates import is_iso_date
from memory.text.words import words
from memory.vocabulary import name_key
from memory.vocabulary.fact_lines import fact_line as fact_line
from memory.vocabulary.fact_lines import first_day, is_event, is_state

_DATE = re.compile(r"\d{4}(-\d\d){0,2}")


def find(
    store: Store, text: str = "", ended: bool = False, point: str | int | None = None
) -> list[Fact]:
    """The current facts that contain all words of a text, or are about a person it names, by id.

    Arguments:
        text: words, or beginnings of words, of the subject, attribute or value; or any name of an
            entity (of the present: with a `point` only words count).
        ended: also return past facts and facts that have not begun.
        point: the facts as of this date or change (see `Store.facts`).

    Raises InputError for an invalid point.
    """
    if point is not None:
        facts = store.facts(point)
        return matching(facts if ended else current_at(store, facts, day_of(store, point)), text)
    if not text.strip():
        return store.facts() if ended else current_facts(store)
    matches = [*matching(facts_that_may_hold(store, words(text)), text), *facts_about(store, text)]
    by_id = {fact.id: fact for fact in sorted(matches, key=lambda fact: fact.id)}
    return [*by_id.values()] if ended else current_among(store, [*by_id.values()])


def matching(facts: Sequence[Fact], text: str) -> list[Fact]:
    """The facts that contain all words of a text."""
    query = words(text)

    def fits(fact: Fact) -> bool:
        fact_words = words(f"{fact.subject} {fact.attribute} {fact.value}") if query else []
        return all(any(word.startswith(beginning) for word in fact_words) for beginning in query)

    return [fact for fact in facts if fits(fact)]


def named(facts: Sequence[Fact], field: str, name: str) -> list[Fact]:
    """The facts whose subject or attribute has a name, in any spelling; all for an empty name.

    Raises InputError with similar names when no fact has it.
    """
    names = {getattr(fact, field) for fact in facts}
    key = name_key(name)
    fitting = [fact for fact in facts if name_key(getattr(fact, field)) == key]
    if name and names and not fitting:
        near = get_close_matches(name, names, n=5, cutoff=0.4) or sorted(names)[:5]
        raise InputError(f"no fact has the {field} {name!r}; similar: {', '.join(near)}")
    return fitting if name else list(facts)


def facts_named(store: Store, subject: str, attribute: str, as_of: str) -> list[Fact]:
    """The facts of a subject and an attribute, now or on a date.

    An empty name means all. Raises InputError for a name that no fact has.
    """
    is_day = is_iso_date(as_of.strip())
    facts = holding(store, as_of) if is_day else find(store, point=as_of or None)
    if subject:
        subject = person_of(first_store(store), subject)
        about = {fact.id for fact in facts_about(store, subject)}
        of_subject = [fact for fact in facts if fact.id in about]
        facts = of_subject or named(facts, "subject", subject)
    if attribute:
        attribute = vocabulary_of(store).name_of(attribute)
    return named(facts, "attribute", attribute)


def page_named(
    store: Store, subject: str, attribute: str, as_of: str, *, after: int, most: int
) -> list[Fact]:
    """A page of `facts_named`: at most `most` facts with ids above `after`, by id.

    Now, and in one memory, only the page is read.
    """
    first = first_store(store)
    entities = entities_called(first, person_of(first, subject)) if subject else []
    names: list[str] = []
    if attribute:
        key = name_key(vocabulary_of(store).name_of(attribute))
        names = [name for name in count_attributes(store) if name_key(name) == key]
    is_read_whole = as_of or first is not store or (attribute and not names)
    if not is_read_whole and (entities or not subject):
        page = current_page(store, entities, names, after=after, most=most)
        if page or not (subject or attribute):
            return page
    facts = facts_named(store, subject, attribute, as_of)
    return [fact for fact in facts if fact.id > after][:most]


def holding(store: Store, period: str) -> list[Fact]:
    """The facts that were true in a year, a month or on a day, by id, whenever they were said.

    These are states that had begun and not ended, plans that had been made, and events in the
    period. A fact without a date counts from its turn's day. Raises InputError if `period` is not a
    date.
    """
    period = iso_date(period)
    facts = store.facts()
    vocabulary = vocabulary_of(store)

    def dated(fact: Fact) -> str:
        """The date on which a fact became true; "" for the day of its turn."""
        is_since = is_event(fact, vocabulary) or is_state(fact, vocabulary)
        return beginning_of(fact) if is_since else ""

    undated = sorted({fact.turn_id for fact in facts if not dated(fact)})
    turn_days = {turn.id: turn.said_at[:10] for turn in store.turns_by_id(undated, missing_ok=True)}

    def held(fact: Fact) -> bool:
        began = dated(fact) or turn_days.get(fact.turn_id, "")
        if not began or began[: len(period)] > period[: len(began)]:
            return False
        if is_event(fact, vocabulary):
            first, _, last = (fact.happened_on or began).partition("/")
            return first[: len(period)] <= period <= (last or first)[: len(period)] or (
                period.startswith(first)
            )
        return not fact.ended_on or fact.ended_on[: len(period)] >= period[: len(fact.ended_on)]

    return [fact for fact in facts if held(fact)]


def day_of(store: Store, point: str | int | None) -> str:
    """The day (ISO) of a point, today for None. Raises InputError for an invalid point."""
    if point is None:
        return local_now()[:10]
    change_or_moment = read_point(point)
    if isinstance(change_or_moment, str):
        return last_moment(change_or_moment).date().isoformat()
    days = [change.at[:10] for change in store.changes() if change.id == change_or_moment]
    return days[0] if days else local_now()[:10]  # before the first change there are no facts


def fact_of(store: Store, fact_id: int) -> Fact:
    """The fact with this id. Raises InputError when there is none."""
    facts = facts_by_id(store, [fact_id])
    if not facts:
        raise NotThereError(f"there is no fact {fact_id}; list the facts to see their ids")
    return facts[0]


def iso_date(text: str) -> str:
    """A date as exact as known: `2017`, `2017-05` or `2017-05-07`. Raises InputError otherwise."""
    text = text.strip()
    if not is_iso_date(text):
        raise InputError(f"{text!r} is not a date; write 2017-05-07, 2017-05 or 2017")
    return text


def beginning_of(fact: Fact) -> str:
    """The date on which a fact began; empty if it is unknown."""
    began = first_day(fact.happened_on or "")
    return began if _DATE.fullmatch(began) else ""


def in_short(fact: Fact) -> str:
    """A fact in short: `Anna lives_in Oslo`."""
    return f"{fact.subject} {fact.attribute} {fact.value}"
