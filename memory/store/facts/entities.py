"""Entities of a namespace: who the subjects and values of facts are, and what is said of names.

`facts.entity` and `facts.value_entity` are derived from aliases, entities and turns alone, by the
rules of `memory.vocabulary.entities`: for the facts that a change wrote, and for those with a name
whose aliases it changed. The functions run inside the transaction of the caller.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memory.records import Entity, EntityName
from memory.sql import LONGEST_NAME
from memory.store.changes.journaled_rows import Row
from memory.store.database import Connection, HasConnections, Transaction
from memory.text.characters import one_line, unnumbered
from memory.text.tokens import first_lines
from memory.text.words import words
from memory.vocabulary.entities import (
    Alias,
    Names,
    Relation,
    Source,
    as_spoken,
    forms,
    is_relative,
    key,
    relation_named,
    relation_words,
    spellings,
)

EVERYWHERE = 0  # the turn of an alias that a person gives for all turns
_FACTS_AT_ONCE = 2_000
_MOST_ROUNDS = 5  # from a name to its entity, to what a person says of that one, ...
_BEYOND_ALL = 2**62
_MOST_NAMES_SHOWN = 8


@dataclass(frozen=True)
class NamedFact:
    """A fact as the rules see it, with who its subject and value are so far."""

    id: int
    subject: str
    value: str
    entity: str | None
    value_entity: str | None
    source: Source


# --- derived columns ------------------------------------------------------------------------------


def derive(conn: Connection, change_id: int) -> list[tuple[int, int]]:
    """Set who the facts are that a change touched, and those with a name whose aliases it changed.

    Returns the facts that the change itself did not touch and that are about others now:
    (fact id, turn id).
    """
    conn.facts.log()
    touched = named_facts(conn.run("named_facts_of_change", change_id=change_id))
    names = _names_in_rows(conn, change_id)
    meant = facts_meant(conn, names) if names else []
    touched_ids = {fact.id for fact in touched}
    others = [fact for fact in meant if fact.id not in touched_ids]
    moved = {*_set_entities(conn, [*touched, *others], names_for(conn, [*touched, *others]))}
    return [(fact.id, fact.source.turn_id) for fact in others if fact.id in moved]


def entities_of(conn: Connection, subjects: Iterable[str], source: Source) -> dict[str, str | None]:
    """The entity that each subject of a fact of a turn would mean; None where that is unclear."""
    facts = [NamedFact(0, subject, "", None, None, source) for subject in subjects]
    names = names_for(conn, facts)
    return {fact.subject: names.entity_of(fact.subject, source) for fact in facts}


def derive_named(conn: Connection, names: Collection[str]) -> None:
    """Set who the facts are with names whose aliases have changed, and facts just restored."""
    if names:
        facts = facts_meant(conn, names)
        _set_entities(conn, facts, names_for(conn, facts))
    facts = named_facts(conn.run("unresolved_facts", after=0, most=_BEYOND_ALL).fetchall())
    _set_entities(conn, facts, names_for(conn, facts))


def derive_all(conn: Connection) -> None:
    """Set who all facts are, as after a load."""
    names = _all_names(conn)
    rows = conn.run("named_facts", after=0, most=_BEYOND_ALL).fetchall()
    _set_entities(conn, named_facts(rows), names)


def derive_older(conn: Connection, transaction: Transaction) -> None:
    """Set who the facts are that an older version stored, when a memory is opened.

    In batches, each one transaction. What is unclear stays so, and is looked at again.
    """
    after = 0
    while conn.run("unresolved_facts", after=after, most=1).fetchone():
        with transaction():
            rows = conn.run("unresolved_facts", after=after, most=_FACTS_AT_ONCE).fetchall()
            facts = named_facts(rows)
            _set_entities(conn, facts, names_for(conn, facts))
        if not facts:
            return  # another process was faster
        after = facts[-1].id


def _set_entities(conn: Connection, facts: Sequence[NamedFact], names: Names) -> list[int]:
    """Set the entities of facts, and return the ids of facts that had another before."""
    groups = defaultdict[tuple[str | None, str | None], list[int]](list)
    for fact in facts:
        entity = names.entity_of(fact.subject, fact.source)
        value_entity = names.entity_of_value(fact.value, fact.source)
        if (entity, value_entity) != (fact.entity, fact.value_entity):
            groups[entity, value_entity].append(fact.id)
    for (entity, value_entity), fact_ids in groups.items():
        conn.run("set_entities", entity=entity, value_entity=value_entity, fact_ids=fact_ids)
    return [fact_id for fact_ids in groups.values() for fact_id in fact_ids]


def named_facts(rows: Iterable[Any]) -> list[NamedFact]:
    """The facts in rows of a statement that reads {named_facts}."""
    return [
        NamedFact(number, subject, value, entity, value_entity, Source(turn_id, speaker, session))
        for number, subject, value, entity, value_entity, turn_id, speaker, session in rows
    ]


def facts_meant(conn: Connection, names: Collection[str]) -> list[NamedFact]:
    """The facts whose subject or value is one of these names, or an entity of one of them."""
    rows = conn.run("facts_meant", spellings=spellings(names), entities=sorted(names))
    return named_facts(rows)


def _names_in_rows(conn: Connection, change_id: int) -> set[str]:
    """The names about which a change says something in the tables of entities and aliases."""
    names: set[str] = set()
    aliases: list[Row] = []
    for _, table, *images in conn.run("rows_of_change", change_id=change_id).fetchall():
        rows = [json.loads(image) for image in images if image]
        if table == "entities":
            names.update(row["name"] for row in rows)
        elif table == "aliases":
            aliases += rows
    return names | _names_of_aliases(conn, aliases)


def _names_of_aliases(conn: Connection, aliases: Sequence[Row]) -> set[str]:
    """The names that the facts may have which some aliases are about."""
    if not aliases:
        return set()
    speakers = speakers_of(conn, {int(row["turn_id"]) for row in aliases})
    names: set[str] = set()
    for row in aliases:
        speaker = speakers.get(int(row["turn_id"]), "")
        names.update(forms(row["name"], speaker), forms(row["entity"], ""))
    return names


@dataclass(frozen=True)
class NamesOfTurns:
    """What turns say about names: the aliases' texts, and the names of facts that may depend on
    them.

    Read before the turns go.
    """

    texts: tuple[str, ...]
    names: frozenset[str]


def names_of_turns(conn: Connection, turn_ids: Sequence[int]) -> NamesOfTurns:
    """What these turns say of names."""
    rows = conn.run("aliases_of_turns", turn_ids=[*turn_ids]).fetchall()
    names = _names_of_aliases(conn, [alias_row(*row) for row in rows])
    return NamesOfTurns(tuple({text for row in rows for text in row[:2]}), frozenset(names))


def speakers_of(conn: Connection, turn_ids: Collection[int]) -> dict[int, str]:
    """Who said each of these turns, by turn id; ids without a turn are left out."""
    rows = conn.run("speakers_of_turns", turn_ids=sorted(turn_ids))
    return dict(rows.fetchall())


def speakers_called(conn: Connection, names: Iterable[str]) -> dict[str, str]:
    """The speakers who have one of some names that would else mean a relative, by key.

    "Mum" is whose mother she is only where no Mum speaks.
    """
    relatives = [name for name in names if is_relative(name)]
    if not relatives:
        return {}
    rows = conn.run("speakers_named", names=spellings(relatives)).fetchall()
    return {key(name): name.strip() for (name,) in rows}


def derive_of_speakers(conn: Connection, speakers: Iterable[str]) -> None:
    """Set who facts are with the names of speakers who are new, or who have gone."""
    relatives = [name for name in speakers if is_relative(name)]
    if not relatives:
        return
    aliases = conn.run("aliases_named", names=spellings(relatives)).fetchall()
    derive_named(conn, {*relatives, *(text for row in aliases for text in row[:2])})


def names_of(store: HasConnections, entities: Iterable[str]) -> list[tuple[str, str]]:
    """The names that turns give these entities, each with its entity."""
    with store.reading() as conn:
        rows = conn.run("aliases_named", names=spellings(entities)).fetchall()
    return [(name, entity) for name, entity, *_ in rows]


def names_for(conn: Connection, facts: Sequence[NamedFact]) -> Names:
    """What is said of the names in some facts, and of the entities that these mean."""
    wanted: set[str] = set()
    for fact in facts:
        for name in (fact.subject, fact.value):
            # Whether a long value is an alias need not be asked: none is that long.
            if len(name) <= LONGEST_NAME:
                wanted.update(forms(name, fact.source.speaker))
                wanted.add(fact.source.speaker)
    aliases: dict[tuple[str, str, int], Alias] = {}
    names = spellings(wanted)
    asked = {*names}
    if not facts or not conn.run("has_names").fetchone():
        names = []  # as in most memories: no turn says anything about a name
    for _ in range(_MOST_ROUNDS):
        rows = conn.run("aliases_named", names=names).fetchall() if names else []
        new = {row[:3]: _to_alias(row) for row in rows if row[:3] not in aliases}
        if not new:
            break
        aliases.update(new)
        names = spellings(alias.entity for alias in new.values())
        asked.update(names)
    entities = (
        [name for (name,) in conn.run("entities_named", names=sorted(asked))] if facts else []
    )
    named = {name for fact in facts for name in (fact.subject, fact.value)}
    named.update(name for alias in aliases.values() for name in (alias.name, alias.entity))
    speakers = speakers_called(conn, named).values()
    return Names(aliases.values(), entities, _TakesPart(conn), speakers)


def _all_names(conn: Connection) -> Names:
    """What is said of all names."""
    aliases = [_to_alias(row) for row in conn.run("all_aliases").fetchall()]
    entities = [name for name, _ in conn.run("all_entities").fetchall()]
    speakers = [name for (name,) in conn.run("speakers_of_all_turns").fetchall()]
    return Names(aliases, entities, _TakesPart(conn), speakers)


def _to_alias(row: Sequence[Any]) -> Alias:
    name, entity, turn_id, speaker, session = row
    source = None if turn_id == EVERYWHERE else Source(turn_id, speaker or "", session or "")
    return Alias(name, entity, source)


class _TakesPart:
    """Whether a person has spoken in the session of a turn by then; looked up once for each."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._first: dict[tuple[str, str], int] = {}

    def __call__(self, source: Source, speaker: str) -> bool:
        pair = source.session, speaker
        if pair not in self._first:
            row = self._conn.run("first_of_speaker", session=pair[0], speaker=speaker).fetchone()
            self._first[pair] = row[0] if row else _BEYOND_ALL
        return self._first[pair] <= source.turn_id


# --- reading --------------------------------------------------------------------------------------


def entities(conn: Connection) -> list[Entity]:
    """All entities, by name: from facts, descriptions and aliases."""
    descriptions = dict(conn.run("all_entities").fetchall())
    names: dict[str, list[EntityName]] = defaultdict(list)
    for name, entity, turn_id, *_ in conn.run("all_aliases").fetchall():
        names[entity].append(EntityName(name, turn_id))
    facts = dict(conn.run("count_facts_by_entity").fetchall())
    mentions = dict(conn.run("count_values_by_entity").fetchall())
    # A value that nothing else is known of is no entity to list ("Oslo").
    known = {*descriptions, *names, *facts}
    return [
        Entity(
            name=name,
            description=descriptions.get(name, ""),
            names=tuple(names.get(name, ())),
            facts=facts.get(name, 0),
            mentions=mentions.get(name, 0),
        )
        for name in sorted(known, key=lambda name: (key(name), name))
    ]


def name_lines(conn: Connection, text: str, tokens: int) -> str:
    """What is said of the names in a text, a line for each entity, in at most `tokens` tokens.

    "" if nothing is known about them: `Ilse (Anna's mother): also called Mum, Oma`.
    """
    if not conn.run("has_names").fetchone():
        return ""
    aliases = [_to_alias(row) for row in conn.run("all_aliases").fetchall()]
    descriptions = dict(conn.run("all_entities").fetchall())
    speakers = speakers_called(conn, (alias.name for alias in aliases))
    names: dict[str, dict[str, None]] = {name: {} for name in descriptions}
    for alias in aliases:
        said_by = alias.source.speaker if alias.source else ""
        spoken = as_spoken(alias.name, said_by, speakers=speakers)
        names.setdefault(alias.entity, {}).setdefault(str(spoken or alias.name))
    text_words = words(text)
    spoken_text = f" {' '.join(text_words)} "
    relations = {heading for word in text_words if (heading := relation_named(word))}
    lines = []
    for entity, others in names.items():
        named = [entity, *others]
        relation_of = {
            heading
            for name in named
            for word in words(name)[-1:]
            if (heading := relation_named(word))
        }
        is_named = any(f" {' '.join(words(name))} " in spoken_text for name in named if words(name))
        if is_named or relations & relation_of:
            description = f" ({descriptions[entity]})" if descriptions.get(entity) else ""
            also = [name for name in others if key(name) != key(entity)][:_MOST_NAMES_SHOWN]
            called = f": also called {', '.join(also)}" if also else ""
            lines.append(unnumbered(one_line(f"{entity}{description}{called}")))
    return first_lines(lines, tokens)


def entities_called(conn: Connection, name: str) -> list[str]:
    """The entities that a name may mean, in any turn; [] for an unknown name."""
    speakers = speakers_called(conn, [name])
    unowned = as_spoken(name, "", speakers=speakers)
    # "Mum" does not say whose she is, so it may mean any mother.
    relation = as_spoken(name, "somebody") if unowned is None else None
    names = spellings(forms(name, "") if isinstance(relation, Relation) else [name])
    meant = {entity for (entity,) in conn.run("entities_called", names=names) if entity}
    if isinstance(relation, Relation):
        rows = conn.run("all_aliases").fetchall()  # "Mum" may be "Anna's mother"
    else:
        named = spellings([*forms(name, ""), *relation_words().speaker])  # "I", said by them
        rows = conn.run("aliases_named", names=named).fetchall()
    for row in rows:
        spoken = as_spoken(row[0], row[3] or "", speakers=speakers)
        is_named = key(str(spoken)) in (key(name), key(str(unowned)))
        is_related = (
            isinstance(relation, Relation)
            and isinstance(spoken, Relation)
            and spoken.name == relation.name
        )
        if is_named or is_related:
            meant.add(row[1])
    return sorted(meant)


def alias_row(name: str, entity: str, turn_id: int) -> dict[str, Any]:
    """A row of `aliases`."""
    return {"name": name, "entity": entity, "turn_id": turn_id}
