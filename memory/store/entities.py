"""Entities of a namespace: who the subjects and values of facts are, and what is said of names.

`facts.entity` and `facts.value_entity` are derived from aliases, entities and turns alone, by the
rules of `memory.entities`: for the facts that a change wrote, and for those with a name whose
aliases it changed. The functions run inside the transaction of the caller.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from memory.errors import HeldError, InputError, SqlError
from memory.records import Entity, EntityName
from memory.sql import LONGEST_NAME
from memory.store import journal
from memory.store.database import Connection, Transaction
from memory.store.journaled_rows import JournaledRows, Row, find_row
from memory.text.tokens import first_lines
from memory.text.words import words
from memory.vocabulary.entities import (
    Alias,
    Names,
    Relation,
    Source,
    as_spoken,
    cases,
    forms,
    key,
    relation_named,
    spellings,
)

if TYPE_CHECKING:
    from memory.sql import CheckedNames

EVERYWHERE = 0  # the turn of an alias that a person gives for all turns
_FACTS_AT_ONCE = 2_000
_MOST_ROUNDS = 5  # from a name to its entity, to what a person says of that one, ...
_BEYOND_ALL = 2**62
_MOST_NAMES_SHOWN = 8
_SAID_OF_NAMES = 2  # of `entity_spelled`: the places that are no facts


@dataclass(frozen=True)
class _NamedFact:
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
    touched = _facts(conn.run("named_facts_of_change", change_id=change_id))
    names = _names_in_rows(conn, change_id)
    meant = _facts_meant(conn, names) if names else []
    touched_ids = {fact.id for fact in touched}
    others = [fact for fact in meant if fact.id not in touched_ids]
    moved = {*_set_entities(conn, [*touched, *others], _names_for(conn, [*touched, *others]))}
    return [(fact.id, fact.source.turn_id) for fact in others if fact.id in moved]


def entities_of(conn: Connection, subjects: Iterable[str], source: Source) -> dict[str, str | None]:
    """The entity that each subject of a fact of a turn would mean; None where that is unclear."""
    facts = [_NamedFact(0, subject, "", None, None, source) for subject in subjects]
    names = _names_for(conn, facts)
    return {fact.subject: names.entity_of(fact.subject, source) for fact in facts}


def derive_named(conn: Connection, names: Collection[str]) -> None:
    """Set who the facts are with names whose aliases have changed, and facts just restored."""
    if names:
        facts = _facts_meant(conn, names)
        _set_entities(conn, facts, _names_for(conn, facts))
    facts = _facts(conn.run("unresolved_facts", after=0, most=_BEYOND_ALL).fetchall())
    _set_entities(conn, facts, _names_for(conn, facts))


def derive_all(conn: Connection) -> None:
    """Set who all facts are, as after a load."""
    names = _all_names(conn)
    rows = conn.run("named_facts", after=0, most=_BEYOND_ALL).fetchall()
    _set_entities(conn, _facts(rows), names)


def derive_older(conn: Connection, transaction: Transaction) -> None:
    """Set who the facts are that an older version stored, when a memory is opened.

    In batches, each one transaction. What is unclear stays so, and is looked at again.
    """
    after = 0
    while conn.run("unresolved_facts", after=after, most=1).fetchone():
        with transaction():
            rows = conn.run("unresolved_facts", after=after, most=_FACTS_AT_ONCE).fetchall()
            facts = _facts(rows)
            _set_entities(conn, facts, _names_for(conn, facts))
        if not facts:
            return  # another process was faster
        after = facts[-1].id


def check_moved(
    conn: Connection,
    change_id: int,
    moved: Sequence[tuple[int, int]],
    window: tuple[int, int] | None,
) -> None:
    """Refuse what a model says of names where it moves many facts of other turns.

    Raises HeldError for a window, which waits for a person, and else SqlError.
    """
    first, last = window or (0, -1)
    others = [fact_id for fact_id, turn_id in moved if not first <= turn_id <= last]
    if len(others) <= journal.MOST_ENDED:
        return
    deed = f"says of {len(others)} facts of other turns that they are about somebody else"
    if window is None:
        raise SqlError(
            f"this {deed}, and one change may say it of {journal.MOST_ENDED}: only a person may do"
            " more at once (memory facts entities merge)"
        )
    raise HeldError(
        f"held for a person: it {deed}, and a digest may say it of {journal.MOST_ENDED} by itself",
        journal.change(conn, change_id).statement,
    )


def _set_entities(conn: Connection, facts: Sequence[_NamedFact], names: Names) -> list[int]:
    """Set who facts are, and return the ids of those that were somebody else before."""
    groups = defaultdict[tuple[str | None, str | None], list[int]](list)
    for fact in facts:
        entity = names.entity_of(fact.subject, fact.source)
        value_entity = names.entity_of_value(fact.value, fact.source)
        if (entity, value_entity) != (fact.entity, fact.value_entity):
            groups[entity, value_entity].append(fact.id)
    for (entity, value_entity), fact_ids in groups.items():
        conn.run("set_entities", entity=entity, value_entity=value_entity, fact_ids=fact_ids)
    return [fact_id for fact_ids in groups.values() for fact_id in fact_ids]


def _facts(rows: Iterable[Any]) -> list[_NamedFact]:
    return [
        _NamedFact(number, subject, value, entity, value_entity, Source(turn_id, speaker, session))
        for number, subject, value, entity, value_entity, turn_id, speaker, session in rows
    ]


def _facts_meant(conn: Connection, names: Collection[str]) -> list[_NamedFact]:
    """The facts whose subject or value is one of these names, or an entity of one of them."""
    rows = conn.run("facts_meant", spellings=spellings(names), entities=sorted(names))
    return _facts(rows)


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
    speakers = _speakers(conn, {int(row["turn_id"]) for row in aliases})
    names: set[str] = set()
    for row in aliases:
        speaker = speakers.get(int(row["turn_id"]), "")
        names.update(forms(row["name"], speaker), forms(row["entity"], ""))
    return names


@dataclass(frozen=True)
class NamesOfTurns:
    """What turns say of names: their aliases' texts, and the names of facts that may rest on them.

    Read before the turns go.
    """

    texts: tuple[str, ...]
    names: frozenset[str]


def names_of_turns(conn: Connection, turn_ids: Sequence[int]) -> NamesOfTurns:
    """What these turns say of names."""
    rows = conn.run("aliases_of_turns", turn_ids=[*turn_ids]).fetchall()
    names = _names_of_aliases(conn, [_alias_row(*row) for row in rows])
    return NamesOfTurns(tuple({text for row in rows for text in row[:2]}), frozenset(names))


def _speakers(conn: Connection, turn_ids: Collection[int]) -> dict[int, str]:
    rows = conn.run("speakers_of_turns", turn_ids=sorted(turn_ids))
    return dict(rows.fetchall())


def _names_for(conn: Connection, facts: Sequence[_NamedFact]) -> Names:
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
    if not facts or not conn.run("has_names").fetchone():
        names = []  # as in most memories: nobody has said anything of a name
    for _ in range(_MOST_ROUNDS):
        rows = conn.run("aliases_named", names=names).fetchall() if names else []
        new = {row[:3]: _to_alias(row) for row in rows if row[:3] not in aliases}
        if not new:
            break
        aliases.update(new)
        names = spellings(alias.entity for alias in new.values())
        wanted.update(alias.entity for alias in new.values())
    entities = (
        [name for (name,) in conn.run("entities_named", names=spellings(wanted))] if facts else []
    )
    return Names(aliases.values(), entities, _TakesPart(conn))


def _all_names(conn: Connection) -> Names:
    """What is said of all names."""
    aliases = [_to_alias(row) for row in conn.run("all_aliases").fetchall()]
    entities = [name for name, _ in conn.run("all_entities").fetchall()]
    return Names(aliases, entities, _TakesPart(conn))


def _to_alias(row: Sequence[Any]) -> Alias:
    name, entity, turn_id, speaker, session = row
    source = None if turn_id == EVERYWHERE else Source(turn_id, speaker or "", session or "")
    return Alias(name, entity, source)


class _TakesPart:
    """Whether somebody has said anything in the session of a turn by then; asked once for each."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._first: dict[tuple[str, str], int] = {}

    def __call__(self, source: Source, speaker: str) -> bool:
        pair = source.session, speaker
        if pair not in self._first:
            row = self._conn.run("first_of_speaker", session=pair[0], speaker=speaker).fetchone()
            self._first[pair] = row[0] if row else _BEYOND_ALL
        return self._first[pair] <= source.turn_id


# --- what a model says of names -------------------------------------------------------------------


def carry_out(
    conn: Connection,
    change_id: int,
    statements: Sequence["CheckedNames"],
    window: tuple[int, int] | None,
) -> None:
    """Carry out what a model says of names, as a part of the change begun last.

    Raises SqlError for a turn outside the window, a name that is nobody's, and for an alias to be
    deleted that a person gave.
    """
    for statement in statements:
        if statement.command == "entities":
            for name, description in statement.rows:
                _put_entity(conn, change_id, name, description)
        elif statement.command == "aliases":
            _put_aliases(conn, change_id, statement.rows, window)
        else:
            _delete_alias(conn, change_id, statement.name, statement.entity)


def _put_entity(conn: Connection, change_id: int, name: str, description: str) -> None:
    """Add an entity, or its description where it has none: a model overwrites no person's."""
    row = _entity_row(conn, name)
    new = {"name": row["name"] if row else _spelling(conn, name), "description": description}
    if row is None:
        JournaledRows(conn, change_id, "entities").put(new)
    elif description and not row["description"]:
        JournaledRows(conn, change_id, "entities").put(new, instead_of=row)


def _put_aliases(
    conn: Connection,
    change_id: int,
    rows: Sequence[tuple[str, str, int]],
    window: tuple[int, int] | None,
) -> None:
    speakers = _speakers(conn, {turn_id for _, _, turn_id in rows})
    for name, entity, turn_id in rows:
        if window and not window[0] <= turn_id <= window[1]:
            raise SqlError(
                f"turn_id {turn_id} is not one of the turns shown; use the number in brackets,"
                f" {window[0]} to {window[1]}"
            )
        if turn_id not in speakers:
            raise SqlError(f"turn_id {turn_id} names no turn; use the number in brackets")
        meant = as_spoken(entity, speakers[turn_id])
        for text, spoken in ((name, as_spoken(name, speakers[turn_id])), (entity, meant)):
            if spoken is None:
                raise SqlError(f"'{text}' is nobody's name; write 'my sister', or the name itself")
        row = _alias_row(name, _spelling(conn, str(meant)), turn_id)
        JournaledRows(conn, change_id, "aliases").put(row)


def _delete_alias(conn: Connection, change_id: int, name: str, entity: str) -> None:
    for row in _aliases(conn, name=name, entity=entity):
        if row["turn_id"] == EVERYWHERE:
            raise SqlError(f"a person says that '{name}' is '{entity}'; only a person deletes it")
        JournaledRows(conn, change_id, "aliases").drop(row)


# --- what a person says of them -------------------------------------------------------------------


def merge(conn: Connection, change_id: int, name: str, into: str, renames: bool = False) -> None:
    """Make an entity one with another: its facts are about that one, and its names mean that one.

    Raises InputError when there is no such entity, or both are the same.
    """
    name = known_entity(conn, name)
    into = " ".join(into.split()) if renames else known_entity(conn, into)
    if key(name) == key(into):
        raise InputError(f"{name!r} and {into!r} are the same entity")
    turn_ids = []
    for row in _aliases(conn, entity=name):
        JournaledRows(conn, change_id, "aliases").drop(row)
        turn_ids.append(row["turn_id"])
        if key(row["name"]) != key(into):
            new = _alias_row(row["name"], into, row["turn_id"])
            JournaledRows(conn, change_id, "aliases").put(new)
    others = [row for row in _aliases(conn, name=name) if key(row["entity"]) != key(into)]
    if others:  # the name means somebody else in other turns
        facts = [fact for fact in _facts_meant(conn, [name]) if _is_about(fact, name)]
        turn_ids += [fact.source.turn_id for fact in facts]
        for turn_id in sorted({*turn_ids} - {EVERYWHERE}):
            JournaledRows(conn, change_id, "aliases").put(_alias_row(name, into, turn_id))
    else:
        JournaledRows(conn, change_id, "aliases").put(_alias_row(name, into, EVERYWHERE))

    old, new_row = _entity_row(conn, name), _entity_row(conn, into)
    if old:
        JournaledRows(conn, change_id, "entities").drop(old)
        if new_row is None:
            row = {"name": into, "description": old["description"]}
            JournaledRows(conn, change_id, "entities").put(row)
        elif not new_row["description"]:
            row = {"name": new_row["name"], "description": old["description"]}
            JournaledRows(conn, change_id, "entities").put(row, instead_of=new_row)


def rename(conn: Connection, change_id: int, name: str, new: str) -> None:
    """Give an entity another name; the old one means it still.

    Raises InputError when there is no such entity, or another one has that name.
    """
    name = known_entity(conn, name)
    new = _checked_name(new)
    if key(new) != key(name) and (other := _spelled(conn, new)):
        raise InputError(f"there is an entity {other!r}; merge the two instead")
    if key(new) != key(name):
        merge(conn, change_id, name, new, renames=True)
        return
    if new == name:
        raise InputError(f"the entity is called {name!r} already")
    for row in _aliases(conn, entity=name):
        spelled = _alias_row(row["name"], new, row["turn_id"])
        JournaledRows(conn, change_id, "aliases").put(spelled, instead_of=row)
    description = ""
    if row_of_entity := _entity_row(conn, name):
        description = row_of_entity["description"]
        JournaledRows(conn, change_id, "entities").drop(row_of_entity)
    entity = {"name": new, "description": description}
    JournaledRows(conn, change_id, "entities").put(entity)


def split(conn: Connection, change_id: int, name: str, new: str, turn_ids: Collection[int]) -> None:
    """Make the facts of some turns those of another entity, with which they were one by mistake.

    Raises InputError when there is no such entity, or no fact of these turns is about it or names
    it.
    """
    name = known_entity(conn, name)
    new = _spelling(conn, _checked_name(new))
    if key(name) == key(new):
        raise InputError(f"{name!r} and {new!r} are the same entity")
    facts = _facts(conn.run("facts_of_entity", entity=name))
    chosen = [fact for fact in facts if fact.source.turn_id in turn_ids]
    if not chosen:
        turns = ", ".join(map(str, sorted(turn_ids))) or "none"
        raise InputError(f"no fact of these turns ({turns}) is about {name!r}")
    _say_of_facts(conn, change_id, chosen, name, new)
    # What is left must not follow: where a name has become unclear or another's, its turn says it.
    left = [fact for fact in facts if fact.source.turn_id not in turn_ids]
    # Each such word may make the name unclear elsewhere, but every round settles some turns.
    while left:
        names = _names_for(conn, left)
        astray = [fact for fact in left if _would_move(fact, names, name)]
        if not astray:
            break
        _say_of_facts(conn, change_id, astray, name, name)
        left = [fact for fact in left if fact not in astray]


def _would_move(fact: _NamedFact, names: Names, entity: str) -> bool:
    pairs = [
        (fact.entity, names.entity_of(fact.subject, fact.source)),
        (fact.value_entity, names.entity_of_value(fact.value, fact.source)),
    ]
    return any(before == entity and after != entity for before, after in pairs)


def _say_of_facts(
    conn: Connection, change_id: int, facts: Iterable[_NamedFact], name: str, new: str
) -> None:
    """Say in the turns of facts that what they call one entity is another, or is that one."""
    for fact in facts:
        for entity, spoken in ((fact.entity, fact.subject), (fact.value_entity, fact.value)):
            if entity == name:
                row = _alias_row(" ".join(spoken.split()), new, fact.source.turn_id)
                JournaledRows(conn, change_id, "aliases").put(row)
                for former in _aliases(conn, name=spoken, turn_id=fact.source.turn_id):
                    if former["entity"] != new:
                        JournaledRows(conn, change_id, "aliases").drop(former)


def describe(conn: Connection, change_id: int, name: str, description: str) -> None:
    """Say what an entity is; an empty text takes the description away.

    Raises InputError when there is no such entity, or it is described so already.
    """
    name = known_entity(conn, name)
    description = " ".join(description.split())
    row = _entity_row(conn, name)
    if (row["description"] if row else "") == description:
        raise InputError(f"{name!r} is described so already")
    new = {"name": row["name"] if row else name, "description": description}
    JournaledRows(conn, change_id, "entities").put(new, instead_of=row)


def add_alias(conn: Connection, change_id: int, name: str, entity: str, turn_id: int) -> None:
    """Say that a name means an entity in a turn and where that counts, or (0) everywhere.

    Raises InputError for a turn that is not there, a name that is a relation to nobody in
    particular, and for one that means another entity everywhere already.
    """
    name, entity = _checked_name(name), _checked_name(entity)
    speaker = ""
    if turn_id != EVERYWHERE:
        speakers = _speakers(conn, [turn_id])
        if turn_id not in speakers:
            raise InputError(f"there is no turn {turn_id}")
        speaker = speakers[turn_id]
    for text in (name, entity):
        if as_spoken(text, speaker) is None:
            raise InputError(f"{text!r} is not one person's name; say whose, as \"Anna's mother\"")
    entity = _spelling(conn, str(as_spoken(entity, speaker)))
    for row in _aliases(conn, name=name, turn_id=turn_id):
        if key(row["entity"]) == key(entity):
            raise InputError(f"{row['name']!r} is {entity!r} already")
        if turn_id == EVERYWHERE:
            raise InputError(
                f"{row['name']!r} is {row['entity']!r} everywhere already; remove that alias"
                " first, or give a turn"
            )
    JournaledRows(conn, change_id, "aliases").put(_alias_row(name, entity, turn_id))


def remove_alias(conn: Connection, change_id: int, name: str, entity: str) -> None:
    """Take back that a name means an entity, whoever said so. InputError when nobody did."""
    rows = _aliases(conn, name=name, entity=entity)
    if not rows:
        raise InputError(f"nobody says that {name!r} is {entity!r}")
    for row in rows:
        JournaledRows(conn, change_id, "aliases").drop(row)


def _checked_name(name: str) -> str:
    text = " ".join(name.split())
    if not text or len(text) > LONGEST_NAME:
        raise InputError(f"a name has 1 to {LONGEST_NAME} characters, not {len(text)}")
    return text


# --- reading --------------------------------------------------------------------------------------


def entities(conn: Connection) -> list[Entity]:
    """All entities, by name: those of facts, those that are described, and those of aliases."""
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

    "" where nothing is said of them: `Ilse (Anna's mother): also called Mum, Oma`.
    """
    if not conn.run("has_names").fetchone():
        return ""
    aliases = [_to_alias(row) for row in conn.run("all_aliases").fetchall()]
    descriptions = dict(conn.run("all_entities").fetchall())
    names: dict[str, dict[str, None]] = {name: {} for name in descriptions}
    for alias in aliases:
        spoken = as_spoken(alias.name, alias.source.speaker if alias.source else "")
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
            lines.append(f"{entity}{description}{called}")
    return first_lines(lines, tokens)


def entities_called(conn: Connection, name: str) -> list[str]:
    """The entities that a name may mean, in any turn; [] for a name that nobody has."""
    unowned = as_spoken(name, "")
    # Of "Mum" nobody says whose she is: every mother may be meant.
    relation = as_spoken(name, "somebody") if unowned is None else None
    names = spellings(forms(name, "") if isinstance(relation, Relation) else [name])
    meant = {entity for (entity,) in conn.run("entities_called", names=names) if entity}
    for row in conn.run("all_aliases").fetchall():
        spoken = as_spoken(row[0], row[3] or "")
        is_named = key(str(spoken)) in (key(name), key(str(unowned)))
        is_related = (
            isinstance(relation, Relation)
            and isinstance(spoken, Relation)
            and spoken.name == relation.name
        )
        if is_named or is_related:
            meant.add(row[1])
    return sorted(meant)


def facts_about(conn: Connection, name: str) -> list[int]:
    """The ids of the facts about the entities that a name may mean."""
    rows = conn.run("ids_of_facts_about", entities=entities_called(conn, name))
    return [fact_id for (fact_id,) in rows]


def known_entity(conn: Connection, name: str) -> str:
    """An entity as the memory spells it. Raises InputError with similar ones when there is none."""
    if spelled := _spelled(conn, name):
        return spelled
    listed = [entity.name for entity in entities(conn)]
    near = get_close_matches(name, listed, n=5, cutoff=0.4) or listed[:5]
    hint = f"; similar: {', '.join(near)}" if near else ""
    raise InputError(f"there is no entity {name!r}{hint}")


def _spelling(conn: Connection, name: str) -> str:
    """A name as the entities and aliases spell it, or as it is."""
    return _spelled(conn, name, of_facts=False) or name.strip()


def _spelled(conn: Connection, name: str, of_facts: bool = True) -> str | None:
    """How the memory spells an entity; None when there is none."""
    row = conn.run("entity_spelled", names=spellings([name]), cases=cases(name)).fetchone()
    return str(row[0]) if row and (of_facts or row[1] <= _SAID_OF_NAMES) else None


def _entity_row(conn: Connection, name: str) -> dict[str, Any] | None:
    rows = conn.run("entities_named", names=spellings([name])).fetchall()
    if not rows:
        return None
    return find_row(conn, "entities", {"name": rows[0][0]})


def _aliases(
    conn: Connection, name: str = "", entity: str = "", turn_id: int | None = None
) -> list[dict[str, Any]]:
    """The rows of aliases with this name, this entity, this turn; case does not matter."""
    rows = conn.run("aliases_named", names=spellings([name or entity])).fetchall()
    return [
        _alias_row(*row[:3])
        for row in rows
        if (not name or key(row[0]) == key(name))
        and (not entity or key(row[1]) == key(entity))
        and turn_id in (None, row[2])
    ]


def _alias_row(name: str, entity: str, turn_id: int) -> dict[str, Any]:
    return {"name": name, "entity": entity, "turn_id": turn_id}


def _is_about(fact: _NamedFact, name: str) -> bool:
    return name in (fact.entity, fact.value_entity)
