"""Who facts are about, as persons ask and say: names that mean one entity, or two of one name.

Each edit is a journaled change and can be undone. What a digest says of names goes with its facts
(`entities.carry_out`).
"""

from collections.abc import Sequence
from functools import partial

from memory.records import Change, Entity, Fact
from memory.store import entities, history, journal
from memory.store.database import Connection, HasConnections


def known_entities(store: HasConnections) -> list[Entity]:
    """The entities that facts are about, that have a description or another name, by name."""
    with store.reading() as conn:
        return entities.entities(conn)


def entities_called(store: HasConnections, name: str) -> list[str]:
    """The entities that a name may mean; several for namesakes, [] when nobody has it."""
    with store.reading() as conn:
        return entities.entities_called(conn, name)


def facts_about(store: HasConnections, name: str) -> list[Fact]:
    """The facts about the entities that a name may mean, by id, whatever their subjects say."""
    with store.transaction("DEFERRED") as conn:
        fact_ids = {*entities.facts_about(conn, name)}
        return [fact for fact in history.facts(conn, None) if fact.id in fact_ids]


def merge_entities(store: HasConnections, name: str, into: str, by: str = "") -> Change:
    """Make an entity one with another: all its names mean that one from now on.

    Raises InputError when there is no such entity, or both are the same.
    """
    merge = partial(entities.merge, name=name, into=into)
    return _edit(store, by, f"merge {name} into {into}", merge)


def split_entity(
    store: HasConnections, name: str, new: str, turn_ids: Sequence[int], by: str = ""
) -> Change:
    """Make the facts of some turns those of another entity (new or not).

    Raises InputError when there is no such entity, or no fact of these turns is about it or names
    it.
    """
    split = partial(entities.split, name=name, new=new, turn_ids={*turn_ids})
    return _edit(store, by, f"split {new} from {name}", split)


def rename_entity(store: HasConnections, name: str, new: str, by: str = "") -> Change:
    """Give an entity another name; the old one means it still.

    Raises InputError when there is no such entity, or another one has that name.
    """
    return _edit(store, by, f"rename {name} to {new}", partial(entities.rename, name=name, new=new))


def describe_entity(store: HasConnections, name: str, description: str, by: str = "") -> Change:
    """Say in a few words who or what an entity is; "" takes the description away.

    Raises InputError when there is no such entity, or nothing would change.
    """
    describe = partial(entities.describe, name=name, description=description)
    return _edit(store, by, f"describe {name}", describe)


def add_alias(
    store: HasConnections, name: str, entity: str, turn_id: int = 0, by: str = ""
) -> Change:
    """Say that a name means an entity: as a turn says and where that counts, or everywhere (0).

    Raises InputError for a turn that is not there, a name that is a relation to nobody in
    particular ("my mother"), and for one that means another entity everywhere already.
    """
    add = partial(entities.add_alias, name=name, entity=entity, turn_id=turn_id)
    return _edit(store, by, f"{name} is {entity}", add)


def remove_alias(store: HasConnections, name: str, entity: str, by: str = "") -> Change:
    """Take back that a name means an entity, whoever said so.

    Raises InputError when nobody did.
    """
    remove = partial(entities.remove_alias, name=name, entity=entity)
    return _edit(store, by, f"{name} is not {entity}", remove)


def _edit(store: HasConnections, by: str, statement: str, change_rows: journal.EditRows) -> Change:
    def change_and_derive(conn: Connection, change_id: int) -> None:
        change_rows(conn, change_id)
        entities.derive(conn, change_id)

    return journal.edit(store, by, f"-- {statement}", change_and_derive)
