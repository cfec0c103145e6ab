"""What models and persons say of names: that two mean one entity, or that two have one name.

An edit of a person is a journaled change and can be undone. What a digest says of names goes with
its facts, and overrules no person.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from memory.errors import HeldError, InputError, SqlError
from memory.records import Change, Entity, Fact
from memory.sql import LONGEST_NAME
from memory.store.changes import journal
from memory.store.changes.journaled_rows import JournaledRows, Row, find_row
from memory.store.database import Connection, HasConnections
from memory.store.facts import entities
from memory.store.facts.entities import EVERYWHERE, NamedFact, alias_row
from memory.text.characters import one_line
from memory.vocabulary.entities import Names, as_spoken, cases, key, spellings

if TYPE_CHECKING:
    from memory.sql import CheckedNames

_SAID_OF_NAMES = 2  # of `entity_spelled`: the places that are no facts


def known_entities(store: HasConnections) -> list[Entity]:
    """The entities that facts are about, that have a description or another name, by name."""
    with store.reading() as conn:
        return entities.entities(conn)


def entities_called(store: HasConnections, name: str) -> list[str]:
    """The entities that a name may mean; several for namesakes, [] for an unknown name."""
    with store.reading() as conn:
        return entities.entities_called(conn, name)


def facts_about(store: HasConnections, name: str) -> list[Fact]:
    """The facts about the entities that a name may mean, by id, whatever their subjects say."""
    with store.transaction("DEFERRED") as conn:
        called = entities.entities_called(conn, name)
        return [*map(journal.to_fact, conn.run("facts_of_entities", entities=called))]


# --- what a person says ---------------------------------------------------------------------------


def merge_entities(store: HasConnections, name: str, into: str, by: str = "") -> Change:
    """Make an entity one with another: all its names mean that one from now on.

    Raises InputError when there is no such entity, or both are the same.
    """
    return _edit(store, by, f"merge {name} into {into}", lambda names: names.merge(name, into))


def split_entity(
    store: HasConnections, name: str, new: str, turn_ids: Sequence[int], by: str = ""
) -> Change:
    """Give the facts of some turns to another entity (new or not).

    Raises InputError when there is no such entity, or no fact of these turns is about it or names
    it.
    """
    return _edit(
        store, by, f"split {new} from {name}", lambda names: names.split(name, new, {*turn_ids})
    )


def rename_entity(store: HasConnections, name: str, new: str, by: str = "") -> Change:
    """Give an entity another name; the old one means it still.

    Raises InputError when there is no such entity, or another one has that name.
    """
    return _edit(store, by, f"rename {name} to {new}", lambda names: names.rename(name, new))


def describe_entity(store: HasConnections, name: str, description: str, by: str = "") -> Change:
    """Say in a few words who or what an entity is; "" takes the description away.

    Raises InputError when there is no such entity, or nothing would change.
    """
    return _edit(store, by, f"describe {name}", lambda names: names.describe(name, description))


def add_alias(
    store: HasConnections, name: str, entity: str, turn_id: int = 0, by: str = ""
) -> Change:
    """Say that a name means an entity: as a turn says and where that counts, or everywhere (0).

    Raises InputError for a missing turn, for a relation to no particular person ("my mother"), and
    for a name that already means another entity everywhere.
    """
    return _edit(
        store, by, f"{name} is {entity}", lambda names: names.add_alias(name, entity, turn_id)
    )


def remove_alias(store: HasConnections, name: str, entity: str, by: str = "") -> Change:
    """Take back that a name means an entity, whoever said so.

    Raises InputError when no one did.
    """
    return _edit(
        store, by, f"{name} is not {entity}", lambda names: names.remove_alias(name, entity)
    )


def _edit(
    store: HasConnections, by: str, statement: str, change: "Callable[[_NameEdits], None]"
) -> Change:
    def change_and_derive(conn: Connection, change_id: int) -> None:
        change(_NameEdits(conn, change_id))
        entities.derive(conn, change_id)

    return journal.edit(store, by, f"-- {statement}", change_and_derive)


# --- what a model says ----------------------------------------------------------------------------


def carry_out(
    conn: Connection,
    change_id: int,
    statements: Sequence["CheckedNames"],
    window: tuple[int, int] | None,
) -> None:
    """Carry out what a model says of names, as a part of the change begun last.

    Raises SqlError for a turn outside the window, an unknown name, and for an alias to be deleted
    that a person gave.
    """
    names = _NameEdits(conn, change_id)
    for statement in statements:
        if statement.command == "entities":
            for name, description in statement.rows:
                names.add_entity(name, description)
        elif statement.command == "aliases":
            names.add_aliases_of_turns(statement.rows, window)
        else:
            names.remove_alias_of_turns(statement.name, statement.entity)


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
    deed = f"says of {len(others)} facts of other turns that they are about another person"
    if window is None:
        raise SqlError(
            f"this {deed}, and one change may say it of {journal.MOST_ENDED}: only a person may do"
            " more at once (memory facts entities merge)"
        )
    raise HeldError(
        f"held for a person: it {deed}, and a digest may say it of {journal.MOST_ENDED} by itself",
        journal.change(conn, change_id).statement,
    )


# --- the rows of it -------------------------------------------------------------------------------


class _NameEdits:
    """The rows of entities and aliases, as one change writes them."""

    def __init__(self, conn: Connection, change_id: int) -> None:
        self._conn = conn
        self._aliases = JournaledRows(conn, change_id, "aliases")
        self._entities = JournaledRows(conn, change_id, "entities")

    def add_entity(self, name: str, description: str) -> None:
        """Add an entity, or its description where it has none: a model overwrites no person's."""
        row = self._entity(name)
        if row is None:
            new = {"name": self._spelling(name), "description": description}
            self._entities.put(new)
        elif description and not row["description"]:
            self._entities.put({**row, "description": description}, instead_of=row)

    def add_aliases_of_turns(
        self, rows: Sequence[tuple[str, str, int]], window: tuple[int, int] | None
    ) -> None:
        """Store what turns say of names: (name, entity, turn id)."""
        speakers = entities.speakers_of(self._conn, {turn_id for _, _, turn_id in rows})
        people = entities.speakers_called(self._conn, {text for row in rows for text in row[:2]})
        for name, entity, turn_id in rows:
            if window and not window[0] <= turn_id <= window[1]:
                raise SqlError(
                    f"turn_id {turn_id} is not one of the turns shown; use the number in brackets,"
                    f" {window[0]} to {window[1]}"
                )
            if turn_id not in speakers:
                raise SqlError(f"turn_id {turn_id} names no turn; use the number in brackets")
            for text in (name, entity):
                if as_spoken(text, speakers[turn_id]) is None:
                    raise SqlError(f"'{text}' is not a name; write 'my sister', or the name itself")
            if key(name) in people and key(entity) not in people:
                name, entity = entity, name  # "Mum is Linda" gives the speaker Mum another name
            meant = self._spelling(str(as_spoken(entity, speakers[turn_id], speakers=people)))
            self._aliases.put(alias_row(name, meant, turn_id))

    def remove_alias_of_turns(self, name: str, entity: str) -> None:
        """Take back that a name means an entity, as long as no person says so."""
        for row in self._aliases_with(name=name, entity=entity):
            if row["turn_id"] == EVERYWHERE:
                raise SqlError(
                    f"a person says that '{name}' is '{entity}'; only a person deletes it"
                )
            self._aliases.drop(row)

    def merge(self, name: str, into: str) -> None:
        self._merge(self._known(name), self._known(into))

    def _merge(self, name: str, into: str) -> None:
        if key(name) == key(into):
            raise InputError(f"{name!r} and {into!r} are the same entity")
        turn_ids = []
        for row in self._aliases_with(entity=name):
            self._aliases.drop(row)
            turn_ids.append(row["turn_id"])
            if key(row["name"]) != key(into):
                self._aliases.put({**row, "entity": into})
        namesakes = [
            row for row in self._aliases_with(name=name) if key(row["entity"]) != key(into)
        ]
        if namesakes:  # the name means another person in other turns
            turn_ids += [
                fact.source.turn_id
                for fact in entities.facts_meant(self._conn, [name])
                if name in (fact.entity, fact.value_entity)
            ]
            for turn_id in sorted({*turn_ids} - {EVERYWHERE}):
                self._aliases.put(alias_row(name, into, turn_id))
        else:
            self._aliases.put(alias_row(name, into, EVERYWHERE))

        old = self._entity(name)
        if old:
            new = self._entity(into)
            self._entities.drop(old)
            if new is None:
                self._entities.put({**old, "name": into})
            elif not new["description"]:
                self._entities.put({**new, "description": old["description"]}, instead_of=new)

    def rename(self, name: str, new: str) -> None:
        name = self._known(name)
        new = _checked_name(new)
        if key(new) != key(name):
            if other := self._spelled(new):
                raise InputError(f"there is an entity {other!r}; merge the two instead")
            self._merge(name, new)
            return
        if new == name:
            raise InputError(f"the entity is called {name!r} already")
        for row in self._aliases_with(entity=name):
            self._aliases.put({**row, "entity": new}, instead_of=row)
        row_of_entity = self._entity(name)
        if row_of_entity:
            self._entities.drop(row_of_entity)
        description = row_of_entity["description"] if row_of_entity else ""
        self._entities.put({"name": new, "description": description})

    def split(self, name: str, new: str, turn_ids: Collection[int]) -> None:
        name = self._known(name)
        new = self._spelling(_checked_name(new))
        if key(name) == key(new):
            raise InputError(f"{name!r} and {new!r} are the same entity")
        facts = entities.named_facts(self._conn.run("facts_of_entity", entity=name))
        chosen = [fact for fact in facts if fact.source.turn_id in turn_ids]
        if not chosen:
            turns = ", ".join(map(str, sorted(turn_ids))) or "none"
            raise InputError(f"no fact of these turns ({turns}) is about {name!r}")
        self._say_of_facts(chosen, name, new)
        # What is left must not follow: where a name has become unclear or another's, its turn says
        # it.
        left = [fact for fact in facts if fact.source.turn_id not in turn_ids]
        # Each such word may make the name unclear elsewhere, but every round settles some turns.
        while left:
            names = entities.names_for(self._conn, left)
            astray = [fact for fact in left if _would_move(fact, names, name)]
            if not astray:
                break
            self._say_of_facts(astray, name, name)
            left = [fact for fact in left if fact not in astray]

    def _say_of_facts(self, facts: Iterable[NamedFact], name: str, new: str) -> None:
        """Say in the turns of facts that what they call one entity is another, or is that one."""
        for fact in facts:
            turn_id = fact.source.turn_id
            for entity, spoken in ((fact.entity, fact.subject), (fact.value_entity, fact.value)):
                if entity == name:
                    self._aliases.put(alias_row(" ".join(spoken.split()), new, turn_id))
                    for former in self._aliases_with(name=spoken, turn_id=turn_id):
                        if former["entity"] != new:
                            self._aliases.drop(former)

    def describe(self, name: str, description: str) -> None:
        name = self._known(name)
        description = one_line(description)
        row = self._entity(name)
        if (row["description"] if row else "") == description:
            raise InputError(f"{name!r} is described so already")
        new = {"name": row["name"] if row else name, "description": description}
        self._entities.put(new, instead_of=row)

    def add_alias(self, name: str, entity: str, turn_id: int) -> None:
        name, entity = _checked_name(name), _checked_name(entity)
        speaker = ""
        if turn_id != EVERYWHERE:
            speakers = entities.speakers_of(self._conn, [turn_id])
            if turn_id not in speakers:
                raise InputError(f"there is no turn {turn_id}")
            speaker = speakers[turn_id]
        for text in (name, entity):
            if as_spoken(text, speaker) is None:
                raise InputError(
                    f"{text!r} is not one person's name; say whose, as \"Anna's mother\""
                )
        people = entities.speakers_called(self._conn, [entity])
        entity = self._spelling(str(as_spoken(entity, speaker, speakers=people)))
        for row in self._aliases_with(name=name, turn_id=turn_id):
            if key(row["entity"]) == key(entity):
                raise InputError(f"{row['name']!r} is {entity!r} already")
            if turn_id == EVERYWHERE:
                raise InputError(
                    f"{row['name']!r} is {row['entity']!r} everywhere already; remove that alias"
                    " first, or give a turn"
                )
        self._aliases.put(alias_row(name, entity, turn_id))

    def remove_alias(self, name: str, entity: str) -> None:
        rows = self._aliases_with(name=name, entity=entity)
        if not rows:
            raise InputError(f"no one says that {name!r} is {entity!r}")
        for row in rows:
            self._aliases.drop(row)

    def _entity(self, name: str) -> Row | None:
        """The row of an entity; case does not matter."""
        rows = self._conn.run("entities_named", names=spellings([name])).fetchall()
        return find_row(self._conn, "entities", {"name": rows[0][0]}) if rows else None

    def _aliases_with(
        self, name: str = "", entity: str = "", turn_id: int | None = None
    ) -> list[Row]:
        """The rows of aliases with this name, this entity, this turn; case does not matter."""
        rows = self._conn.run("aliases_named", names=spellings([name or entity])).fetchall()
        return [
            alias_row(*row[:3])
            for row in rows
            if (not name or key(row[0]) == key(name))
            and (not entity or key(row[1]) == key(entity))
            and turn_id in (None, row[2])
        ]

    def _known(self, name: str) -> str:
        """An entity as the memory spells it. Raises InputError with similar ones when none is."""
        if spelled := self._spelled(name):
            return spelled
        listed = [entity.name for entity in entities.entities(self._conn)]
        near = get_close_matches(name, listed, n=5, cutoff=0.4) or listed[:5]
        hint = f"; similar: {', '.join(near)}" if near else ""
        raise InputError(f"there is no entity {name!r}{hint}")

    def _spelled(self, name: str, of_facts: bool = True) -> str | None:
        """How the memory spells an entity; None when there is none."""
        spelled = self._conn.run("entity_spelled", names=spellings([name]), cases=cases(name))
        row = spelled.fetchone()
        return str(row[0]) if row and (of_facts or row[1] <= _SAID_OF_NAMES) else None

    def _spelling(self, name: str) -> str:
        """A name as the entities and aliases spell it, or unchanged."""
        return self._spelled(name, of_facts=False) or name.strip()


def _would_move(fact: NamedFact, names: Names, entity: str) -> bool:
    pairs = [
        (fact.entity, names.entity_of(fact.subject, fact.source)),
        (fact.value_entity, names.entity_of_value(fact.value, fact.source)),
    ]
    return any(before == entity and after != entity for before, after in pairs)


def _checked_name(name: str) -> str:
    text = one_line(name)
    if not text or len(text) > LONGEST_NAME:
        raise InputError(f"a name has 1 to {LONGEST_NAME} characters, not {len(text)}")
    return text
