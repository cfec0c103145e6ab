"""Facts as the product reads them: named statements that return all that match, as records.

SQL of models and persons goes through `Store.read`, which parses, checks and cuts it. Several
memories (memory.store.files.united) are read one by one, and their facts get the numbers that
they have
there.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

from memory.records import Fact
from memory.store.changes.journal import to_fact
from memory.store.database import HasConnections
from memory.store.facts import assertions
from memory.store.facts.rights import currency_values, joined_names, values_on
from memory.store.facts.vocabulary_table import read_definition
from memory.store.files.united import stores_by_name, united_facts
from memory.store.protocol import Store

Order = Literal["new", "date", "person", "attribute"]  # of a list


def facts_by_id(store: Store, fact_ids: Sequence[int]) -> list[Fact]:
    """The existing facts with these ids, by id."""

    def read(member: Store, own_ids: list[int]) -> list[Fact]:
        with member.reading() as conn:
            return [to_fact(row) for row in conn.run("facts_by_id", fact_ids=own_ids)]

    return sorted(united_facts(store, read, fact_ids), key=lambda fact: fact.id)


def facts_of_days(store: Store, first: date, last: date, yearly: Sequence[str]) -> list[Fact]:
    """The facts without an end that happen on these days, and all of these attributes."""
    with store.reading() as conn:
        rows = conn.run(
            "facts_of_days",
            first=first.isoformat(),
            after=f"{last.isoformat()}~",
            attributes=[*yearly],
        )
        return [to_fact(row) for row in rows]


def facts_from(store: Store, turn_ids: Sequence[int]) -> list[Fact]:
    """The facts that come from these turns, in the order of their turns."""

    def read(member: Store, own_ids: list[int]) -> list[Fact]:
        with member.reading() as conn:
            return [to_fact(row) for row in conn.run("facts_by_turn", turn_ids=own_ids)]

    return united_facts(store, read, turn_ids)


def facts_of_subjects(
    store: Store, subjects: Iterable[str], attributes: Iterable[str]
) -> list[Fact]:
    """The facts with these subjects and attributes in exactly this spelling, past ones too."""
    names = {"subjects": [*subjects], "attributes": [*attributes]}

    def read(member: Store, _: list[int]) -> list[Fact]:
        with member.reading() as conn:
            return [to_fact(row) for row in conn.run("facts_of_subjects", **names)]

    return united_facts(store, read)


def facts_about(store: Store, entities: Iterable[str]) -> list[Fact]:
    """The facts about these entities, or with these subjects where that is unclear, past ones too.

    By attribute, then by id.
    """
    about = [*entities]

    def read(member: Store, _: list[int]) -> list[Fact]:
        with member.reading() as conn:
            return [to_fact(row) for row in conn.run("facts_about", about=about)]

    return united_facts(store, read)


def current_facts(store: Store, day: str = "") -> list[Fact]:
    """All current facts, as `facts_now` of a model's SELECT has them, by id.

    On a day (ISO), by default `store.today`.
    """

    def read(part: Store, _: list[int]) -> list[Fact]:
        with part.reading() as conn:
            values = values_on(conn, day or part.today)
            return [to_fact(row) for row in conn.run("current_facts", **values)]

    return sorted(united_facts(store, read), key=lambda fact: fact.id)


def current_among(store: Store, facts: Sequence[Fact], day: str = "") -> list[Fact]:
    """Those of some facts that are current, as `facts_now` has them, in their order."""

    def read(part: Store, own_ids: list[int]) -> list[Fact]:
        with part.reading() as conn:
            values = values_on(conn, day or part.today)
            current = [
                number for (number,) in conn.run("current_among", fact_ids=own_ids, **values)
            ]
            return [to_fact(row) for row in conn.run("facts_by_id", fact_ids=current)]

    if not facts:
        return []
    ids = {fact.id for fact in united_facts(store, read, [fact.id for fact in facts])}
    return [fact for fact in facts if fact.id in ids]


def current_page(
    store: Store, entities: Sequence[str], attributes: Sequence[str], *, after: int, most: int
) -> list[Fact]:
    """A page of the current facts of one memory: at most `most` with ids above `after`, by id.

    About some entities and with some attributes; [] means all.
    """
    page: list[Fact] = []
    with store.reading() as conn:
        values = values_on(conn, store.today)
        values |= {"every": int(not attributes), "attributes": [*attributes], "most": most}
        while len(page) < most:
            if entities:
                about = {"entities": [*entities], "after": after}
                rows = conn.run("page_of_facts_about", **about, **values).fetchall()
            else:
                rows = conn.run("page_of_facts", after=after, **values).fetchall()
            facts = [to_fact(row) for row in rows]
            ids = [fact.id for fact in facts]
            current = {number for (number,) in conn.run("current_among", fact_ids=ids, **values)}
            page += [fact for fact in facts if fact.id in current]
            if len(facts) < most:
                break
            after = ids[-1]
    return page[:most]


def facts_that_may_hold(store: Store, beginnings: Sequence[str]) -> list[Fact]:
    """The facts that may have words which begin so, past ones too; all of them without any."""
    if not beginnings:
        return store.facts()

    def read(member: Store, _: list[int]) -> list[Fact]:
        with member.transaction("DEFERRED") as conn:
            ids = conn.words.facts_that_may_hold(beginnings)
            return [to_fact(row) for row in conn.run("facts_by_id", fact_ids=ids)]

    return united_facts(store, read)


def facts_now_about(store: Store, entities: Iterable[str], day: str = "") -> list[Fact]:
    """The current facts about these entities, as `facts_now` of a model's SELECT has them.

    On a day (ISO), by default `store.today`; by attribute, then by id.
    """
    about = [*entities]

    def read(member: Store, _: list[int]) -> list[Fact]:
        with member.reading() as conn:
            values = values_on(conn, day or member.today)
            return [to_fact(row) for row in conn.run("facts_now_about", about=about, **values)]

    return united_facts(store, read)


def successors(store: HasConnections, ended: Sequence[Fact], day: str) -> dict[int, Fact]:
    """For each of some facts the newest of its entity and attribute that is current on a day.

    By the ids of the facts given. Facts without a successor are left out, and attributes that may
    have several values: another value took no place.
    """
    with store.reading() as conn:
        vocabulary = read_definition(conn).vocabulary
        single = [
            fact.id
            for fact in ended
            if (known := vocabulary.canonical(fact.attribute)) and known.kind == "one value"
        ]
        if not single:
            return {}
        values = currency_values(vocabulary.currency, day, joined_names(conn))
        rows = conn.run("successors", fact_ids=single, **values).fetchall()
    return {fact_id: to_fact(row) for fact_id, *row in rows if row[0] != fact_id}


def by_template(store: Store, fact_ids: Sequence[int]) -> set[int]:
    """Which of some facts `Store.record` stored and no person has changed.

    Over several memories, the ids are each memory's own.
    """
    found: set[int] = set()
    for member in stores_by_name(store).values():
        with member.reading() as conn:
            found |= assertions.by_template(conn, fact_ids)
    return found


def deleted_facts(store: Store) -> list[Fact]:
    """The facts that persons deleted as never true, the newest first."""
    with store.reading() as conn:
        return assertions.deletions(conn)


def has_facts(store: Store) -> bool:
    """Whether there is any fact, in any of several memories."""
    for part in stores_by_name(store).values():
        with part.reading() as conn:
            if conn.run("has_facts").fetchone():
                return True
    return False


def turns_with_value_about(store: HasConnections, entity: str) -> set[int]:
    """The turns of facts whose value means an entity."""
    with store.reading() as conn:
        return {turn_id for (turn_id,) in conn.run("turns_with_value_about", entity=entity)}


# --- lists of a page ------------------------------------------------------------------------------


def listed_facts(
    store: HasConnections,
    order: Order = "new",
    *,
    about: str = "",
    attribute: str = "",
    ended_too: bool = False,
    day: str,
    most: int,
    first: int = 0,
) -> list[Fact]:
    """A page of facts: `most` of them, after skipping `first`, in an order.

    Arguments:
        store: the memory.
        order: the newest first, the latest date first, or by name.
        about: an entity, or a subject where that is unclear; "" for all.
        attribute: as facts have it; "" for all.
        ended_too: also facts that are not current.
        day: on which facts are current (ISO).
    """
    values: dict[str, Any] = {
        "about": about,
        "attribute": attribute,
        "ended": int(ended_too),
        "most": most,
        "first": first,
    }
    with store.reading() as conn:
        values |= values_on(conn, day)
        match order:
            case "new":
                rows = conn.run("facts_newest_first", **values)
            case "date":
                rows = conn.run("facts_latest_first", **values)
            case "person":
                rows = conn.run("facts_by_person", **values)
            case "attribute":
                rows = conn.run("facts_by_attribute", **values)
        return [to_fact(row) for row in rows]


def newest_of_each(
    store: HasConnections,
    entities: Iterable[str],
    *,
    attributes: Iterable[str],
    ended_too: bool,
    day: str,
    most: int,
) -> dict[str, list[Fact]]:
    """The newest facts about each of some entities, up to a limit for each.

    Those with one of the `attributes` come first; only current ones on a day, unless `ended_too`.
    """
    newest: dict[str, list[Fact]] = {entity: [] for entity in entities}
    with store.reading() as conn:
        values = values_on(conn, day)
        rows = conn.run(
            "newest_facts_of_each",
            about=[*newest],
            attributes=[*attributes],
            ended=int(ended_too),
            most=most,
            **values,
        )
        for entity, *row in rows:
            newest[entity].append(to_fact(row))
    return newest


def newest_with_reasons(
    store: HasConnections, attribute: str, reason: str, speakers: Iterable[str], limit: int
) -> list[tuple[str, int, str]]:
    """The newest values of an attribute that have not ended: value, turn id, and its reason or "".

    The reason is the value of the attribute `reason` of a fact about the value. Both come from
    messages of these speakers.
    """
    with store.reading() as conn:
        rows = conn.run(
            "newest_with_reasons",
            attribute=attribute,
            reason=reason,
            speakers=[*speakers],
            most=limit,
        )
        return [(value, turn_id, why or "") for value, turn_id, why in rows]


def entities_by_facts(store: HasConnections, most: int, after: str = "") -> list[tuple[str, int]]:
    """Whom facts are about, each with how many facts: those with the most, or by name after one."""
    with store.reading() as conn:
        if after:
            return conn.run("entities_after", after=after, most=most).fetchall()
        return conn.run("entities_with_most_facts", most=most).fetchall()


def count_entities(store: HasConnections) -> int:
    """How many persons and things facts are about."""
    with store.reading() as conn:
        [(count,)] = conn.run("count_entities").fetchall()
    return int(count)


# --- names ----------------------------------------------------------------------------------------


def count_attributes(store: Store) -> dict[str, int]:
    """How many facts have each stored attribute, in the order of their names."""
    counts: Counter[str] = Counter()
    for member in stores_by_name(store).values():
        with member.reading() as conn:
            counts.update(dict(conn.run("attributes_by_name").fetchall()))
    return dict(sorted(counts.items()))


def spelling_of(store: Store, name: str) -> str:
    """The name as most facts have it for a subject, or most turns for a speaker, in any case."""
    with store.reading() as conn:
        names = {"name": name, "lower_name": name.lower()}
        row = conn.run("subject_spelled", **names).fetchone()
        row = row or conn.run("speaker_spelled", **names).fetchone()
    return str(row[0]) if row else name


ALIAS = "alias"  # the attribute of a second name: subject, alias, the other name


def candidate_facts(
    store: HasConnections, turn_ids: Sequence[int], names: Sequence[Sequence[str]], most: int
) -> tuple[dict[int, Fact], set[int]]:
    """Facts by id, and which of them are about a person that one of the names is an alias of.

    Arguments:
        store: the memory.
        turn_ids: the facts of these turns.
        names: in lower case; facts whose subject has one, that say that it is a second name, or
            whose entity has it.
        most: facts of the turns, and of each list of names for each of these reasons, the newest.
    """
    with store.reading() as conn, conn.together():
        of_turns = conn.run("newest_facts_of_turns", turn_ids=[*turn_ids], most=most)
        of_names = []
        of_aliases = []
        for listed in names:
            of_names += [
                conn.run("newest_facts_about", names=[*listed], most=most),
                conn.run("newest_facts_with_value", attribute=ALIAS, names=[*listed], most=most),
            ]
            of_aliases.append(conn.run("newest_facts_of_aliases", names=[*listed], most=most))
    called = [row for rows in of_aliases for row in rows]
    others = [row for rows in (of_turns, *of_names) for row in rows]
    # Most facts are found for several reasons.
    by_id = {row[0]: row for row in (*others, *called)}
    return {fact_id: to_fact(row) for fact_id, row in by_id.items()}, {row[0] for row in called}
