"""The state: the current facts about people and things, now or on a day, since when, by whose word.

Every door reads it here, so that none decides by itself what is current. `facts_now` of a model's
SELECT says the same of all facts in SQL (memory/sql/facts_now.sql).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory.records import CurrencyRules, Fact, Rows, Turn
from memory.store import Store
from memory.store.facts.rights import (
    Statement,
    currency_values,
    edited_facts,
    joined_names,
    latest_day,
    read_statements,
)
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import UnitedStore, stores_by_name
from memory.store.statement_file import as_select
from memory.store.turns.turn_validation import IMPORTED_AS, ME, WRITTEN_AS
from memory.text.dates import is_iso_date
from memory.vocabulary import Vocabulary
from memory.vocabulary.entities import key, spellings
from memory.vocabulary.fact_lines import first_day, is_current

TurnsOf = Callable[[Sequence[int]], Mapping[int, Turn]]  # turns by their ids
MOST_FACTS = 100  # of a person under an attribute and its other names
_COLUMNS = (  # of {about_person}
    *("id", "subject", "attribute", "value", "happened_on", "ended_on", "turn_id"),
    *("entity", "said_at"),
)
_TO_THE_SECOND = len("2017-05-08T13:56:00")


@dataclass(frozen=True)
class FactState:
    """What the state says of a fact on a day.

    `since` is the first day it was known to be true, `until` the day on which it ended or
    another fact took its place, both ISO and "" if unknown.
    `is_own` says whether the person it is about said it, or a person wrote or edited it;
    `beside` is what others say instead.
    """

    statement: Statement
    since: str
    until: str
    is_current: bool
    beside: tuple[Statement, ...] = ()

    @property
    def fact(self) -> Fact:
        return self.statement.fact

    @property
    def is_own(self) -> bool:
        return self.statement.is_own

    @property
    def began(self) -> str:
        """The date when it began, as exact as stated; "" if no one gave one."""
        began = first_day(self.fact.happened_on)
        return began if is_iso_date(began) else ""

    @property
    def was_true(self) -> bool:
        """Whether it was true for any time: what was corrected at once was not.

        A fact that ended before it was said was true before, if no one said since when.
        """
        if not self.until or not self.since or self.until > self.since:
            return True
        return not self.began and self.until < self.since

    def is_true_in(self, first: str, last: str) -> bool:
        """Whether it was true on a day of a span; not if it began later, or no one knows when."""
        # Said in 2024 of a home until 2020, which was true before it was said.
        was_over = bool(self.until) and self.until < self.since
        has_begun = self.since <= last or was_over
        return has_begun and (not self.until or self.until >= first[: len(self.until)])


def state_of(statements: Sequence[Statement], day: str, vocabulary: Vocabulary) -> list[FactState]:
    """The state of facts on a day (ISO), in their order.

    `statements` have whatever may take the place of another: all facts of a person under an
    attribute and its opposite. What people say of themselves outranks what others say; of the
    rest the newest counts.
    """
    rules = vocabulary.currency
    topics = defaultdict[tuple[str, str], list[Statement]](list)
    for statement in statements:
        if topic := _topic(statement.fact, rules):
            topics[statement.who, topic].append(statement)
    states: dict[int, FactState] = {}
    for topic_facts in topics.values():
        states |= _of_topic(topic_facts, day, vocabulary)
    return [
        states.get(statement.fact.id) or _alone(statement, day, vocabulary)
        for statement in statements
    ]


def _alone(statement: Statement, day: str, vocabulary: Vocabulary) -> FactState:
    fact = statement.fact
    state = FactState(statement, "", fact.ended_on, is_current(fact, day, vocabulary))
    return replace(state, since=state.began or _day(statement.said_at))


def _of_topic(
    statements: Sequence[Statement], day: str, vocabulary: Vocabulary
) -> dict[int, FactState]:
    """The state of facts that exclude each other, by their ids."""
    states = {statement.fact.id: _alone(statement, day, vocabulary) for statement in statements}
    ordered = _in_order([states[statement.fact.id] for statement in statements], day)
    if any(state.is_own and state.is_current for state in ordered):
        ranked = [state for state in ordered if state.is_own]
        outranked = [state for state in ordered if not state.is_own]
    else:
        ranked, outranked = ordered, []
    current = [state.fact.id for state in ranked if state.is_current][-1:]
    beside = tuple(state.statement for state in outranked if state.is_current)
    ranked = _with_beginnings(ranked)
    for place, state in enumerate(ranked):
        if state.fact.id in current:
            state = replace(state, beside=beside)
        else:
            later = [rival for rival in ranked[place + 1 :] if not _is_same(rival, state)]
            state = _followed_by(replace(state, is_current=False), later[:1])
        states[state.fact.id] = state
    for state in outranked:
        states[state.fact.id] = replace(state, is_current=False)
    return states


def _with_beginnings(ranked: Sequence[FactState]) -> list[FactState]:
    """The facts, in order: the end of a value is the beginning of an undated next one."""
    begun: list[FactState] = []
    for state in ranked:
        before = begun[-1] if begun else None
        if before and not state.fact.happened_on and not _is_same(before, state):
            end = before.fact.ended_on
            if end and end < state.since and is_iso_date(end):
                state = replace(state, since=end)
        begun.append(state)
    return begun


def _followed_by(state: FactState, following: Sequence[FactState]) -> FactState:
    """A fact that another took the place of: it was true until that one began."""
    if not following:
        return state
    [next_one] = following
    said_on = _day(next_one.statement.said_at)
    is_sound = _cut(state.since, next_one.since) <= _cut(next_one.since, state.since)
    end = next_one.since if is_sound else said_on
    until = min(filter(None, (state.until, end)), default="")
    return replace(state, until=until)


def _in_order(states: Sequence[FactState], day: str) -> list[FactState]:
    """The facts in the order they were said.

    A turn without a date, or on the same day without a time, was said after the dated ones that
    were added before it; so was one dated in the future.
    """
    last_day = latest_day(day)
    latest = ""
    places: dict[int, tuple[str, int, int]] = {}
    for state in sorted(states, key=lambda state: (state.fact.turn_id, state.fact.id)):
        said_at = state.statement.said_at
        is_dated = said_at[:1] in ("1", "2") and said_at[: len("2017-05-08")] <= last_day
        moment = said_at[:_TO_THE_SECOND] if is_dated else ""
        # SQL ranks the current ones only, and so by the dates of these.
        latest = max(latest, moment if state.is_current else "")
        place = latest if latest.startswith(moment) else moment
        places[state.fact.id] = (place, state.fact.turn_id, state.fact.id)
    return sorted(states, key=lambda state: places[state.fact.id])


def _topic(fact: Fact, rules: CurrencyRules) -> str:
    """The key of facts that replace each other; "" if none can."""
    if fact.attribute in rules.opposed:
        return f"={fact.value.lower()}"
    if f"{fact.attribute}={fact.value.lower()}" in rules.exclusive:
        return f"{fact.attribute}="
    return fact.attribute if fact.attribute in rules.one_valued else ""


def _is_same(state: FactState, rival: FactState) -> bool:
    """Whether two facts of a topic say the same."""
    fact, rival_fact = state.fact, rival.fact
    return fact.attribute == rival_fact.attribute and (
        fact.value.casefold().split() == rival_fact.value.casefold().split()
    )


def _day(said_at: str) -> str:
    day = said_at[: len("2017-05-08")]
    return day if is_iso_date(day) else ""


def _cut(date: str, other_date: str) -> str:
    """A date as exact as the less exact of two."""
    return date[: min(len(date), len(other_date))]


# --- what is read of a memory ---------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Who facts are about: by a name, or by a relation ("sister") to someone (`owner`)."""

    name: str
    owner: str = ""
    relation: str = ""


@dataclass(frozen=True)
class PersonState:
    """The state of a person's facts, with the SELECT that found them and its rows."""

    states: tuple[FactState, ...]
    sql: str
    rows: Rows


def state_of_person(
    store: Store,
    person: Person,
    attributes: Sequence[str],
    day: str = "",
    *,
    is_asker: bool = False,
) -> PersonState:
    """The state of a person's facts under some names of attributes, past ones too.

    On a day (ISO), by default `store.today`. No states for facts about several persons with one
    name, or for more than MOST_FACTS. Several memories are read one by one, and their facts get
    the numbers that they have there. Of the asker (`is_asker`), who may have a namesake,
    what is said of the speaker of that name counts.
    """
    vocabulary = vocabulary_of(store)
    values = _values_of_person(person, attributes, vocabulary)
    statements: list[Statement] = []
    rows: list[tuple[Any, ...]] = []
    for name, part in stores_by_name(store).items():
        part_rows, part_statements = _read_person(part, person, values, vocabulary)
        if isinstance(store, UnitedStore):
            rows += [(name, *store.numbered_row(name, _COLUMNS, row)) for row in part_rows]
            statements += [_numbered(store, name, statement) for statement in part_statements]
        else:
            rows, statements = part_rows, part_statements
    if is_asker:
        of_speaker = [s for s in statements if key(s.who) == key(person.name)]
        statements = of_speaker or statements
    is_one = len({key(statement.who) for statement in statements}) == 1
    days = [_day(statement.said_at) for statement in statements]
    if not day and statements and min(days) > store.today:
        day = max(days)  # this machine's clock is behind
    states = state_of(statements, day or store.today, vocabulary)
    return PersonState(
        tuple(states) if is_one and len(statements) < MOST_FACTS else (),
        as_select(_statement_of(person), values),
        Rows(("memory", *_COLUMNS) if isinstance(store, UnitedStore) else _COLUMNS, tuple(rows)),
    )


def _statement_of(person: Person) -> str:
    return "facts_about_relative" if person.relation else "facts_about_person"


def _values_of_person(
    person: Person, attributes: Sequence[str], vocabulary: Vocabulary
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "attributes": [*attributes],
        "names": spellings([person.name]),
        "most": MOST_FACTS,
    }
    if person.relation:
        known = map(vocabulary.canonical, (person.relation, f"has_{person.relation}"))
        names = next((attribute.names for attribute in known if attribute), ())
        values |= {
            "owners": spellings([person.owner]),
            "relative": f"my {person.relation}",
            "relations": [*names],
        }
    return values


def _read_person(
    store: Store, person: Person, values: Mapping[str, Any], vocabulary: Vocabulary
) -> tuple[list[tuple[Any, ...]], list[Statement]]:
    """The rows of {about_person}, and the statements of these facts."""
    with store.reading() as conn:
        if person.relation:
            rows = conn.run("facts_about_relative", **values).fetchall()
        else:
            rows = conn.run("facts_about_person", **values).fetchall()
        if not rows:
            return [], []
        on_day = currency_values(vocabulary.currency, store.today, joined_names(conn))
        ids = [row[0] for row in rows]
        statements = read_statements(conn.run("statements_of_facts", fact_ids=ids, **on_day))
    return [*map(tuple, rows)], statements


def _numbered(store: UnitedStore, memory: str, statement: Statement) -> Statement:
    fact = statement.fact
    fact_id, turn_id = (store.number_of(memory, number) for number in (fact.id, fact.turn_id))
    return replace(statement, fact=replace(fact, id=fact_id, turn_id=turn_id))


def current_of(
    facts: Sequence[Fact],
    day: str,
    vocabulary: Vocabulary,
    turns_of: TurnsOf,
    edited: Collection[int] = (),
) -> list[Fact]:
    """Of all facts at a moment of the past, the ones current on a day (ISO), in order.

    `turns_of` is called for the turns of facts that may have taken each other's place; `edited` are
    facts that persons wrote.
    """
    rules = vocabulary.currency
    contested = [fact for fact in facts if _topic(fact, rules)]
    turns = turns_of(sorted({fact.turn_id for fact in contested}))
    statements = []
    for fact in contested:
        turn = turns.get(fact.turn_id) or Turn("", "")
        is_own = fact.id in edited or (
            turn.kind == "message"
            and turn.speaker == fact.subject
            and WRITTEN_AS not in turn.tags
            and turn.tags.get(IMPORTED_AS, ME) == ME
        )
        statements.append(Statement(fact, fact.subject, turn.speaker, turn.said_at, is_own))
    states = {state.fact.id: state.is_current for state in state_of(statements, day, vocabulary)}
    return [fact for fact in facts if states.get(fact.id, is_current(fact, day, vocabulary))]


def current_at(store: Store, facts: Sequence[Fact], day: str) -> list[Fact]:
    """Of the facts at a point in the past, the ones current then, on a day (ISO)."""

    def turns_of(turn_ids: Sequence[int]) -> Mapping[int, Turn]:
        return {turn.id: turn for turn in store.turns_by_id(turn_ids, missing_ok=True)}

    with store.reading() as conn:
        edited = edited_facts(conn)
    return current_of(facts, day, vocabulary_of(store), turns_of, edited)
