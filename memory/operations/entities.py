"""Entities: the people and things that facts are about, under all their names."""

from typing import Annotated

from pydantic import Field

from memory.errors import InputError
from memory.operations.answers import Entities
from memory.operations.operation import Id, OpenMemory, operation
from memory.records import Change
from memory.store.facts import entity_edits

Name = Annotated[str, Field(description="An entity, by its name.")]
NewName = Annotated[str, Field(description="Its new name.")]


@operation("read", "GET /entities")
def entities(
    memory: OpenMemory,
    text: Annotated[str, Field(description="Only entities with this text in a name.")] = "",
) -> Entities:
    """List the people and things that facts are about, with their other names."""
    wanted = text.casefold()
    return {
        "entities": [
            entity
            for entity in entity_edits.known_entities(memory.store)
            if any(wanted in name.casefold() for name in (entity.name, *entity.other_names))
        ]
    }


@operation("write", "POST /entities/merge")
def merge_entities(
    memory: OpenMemory,
    name: Name,
    into: Annotated[str, Field(description="The entity that it is, too.")],
) -> Change:
    """Make an entity one with another."""
    return entity_edits.merge_entities(memory.store, name, into, memory.by)


@operation("write", "POST /entities/split")
def split_entity(
    memory: OpenMemory,
    name: Name,
    new: Annotated[str, Field(description="The name of the other one.")],
    turn_ids: Annotated[
        list[Id], Field(description="The turns whose facts are about the other one.")
    ] = [],  # noqa: B006 - pydantic copies it
) -> Change:
    """Tell apart two that share a name: the facts of these turns are about the other one."""
    if not turn_ids:
        raise InputError("give the turns that tell of the other one")
    return entity_edits.split_entity(memory.store, name, new, turn_ids, memory.by)


@operation("write", "POST /entities/rename")
def rename_entity(memory: OpenMemory, name: Name, new: NewName) -> Change:
    """Give an entity another name; the old one means it still."""
    return entity_edits.rename_entity(memory.store, name, new, memory.by)


@operation("write", "POST /entities/describe")
def describe_entity(
    memory: OpenMemory,
    name: Name,
    description: Annotated[str, Field(description='A few words; "" takes them away.')],
) -> Change:
    """Say in a few words who or what an entity is."""
    return entity_edits.describe_entity(memory.store, name, description, memory.by)


@operation("write", "POST /entities/alias")
def alias(
    memory: OpenMemory,
    name: Annotated[str, Field(description="The other name.")],
    entity: Annotated[str, Field(description="The entity that it means.")],
    turn_id: Annotated[Id, Field(description="Where that counts: the turn that says it.")] = 0,
    remove: Annotated[bool, Field(description="The name does not mean that entity.")] = False,
) -> Change:
    """Say that a name means an entity, everywhere or where a turn says it."""
    if not remove:
        return entity_edits.add_alias(memory.store, name, entity, turn_id, memory.by)
    if turn_id:
        raise InputError("a name is removed wherever it counts; leave out the turn")
    return entity_edits.remove_alias(memory.store, name, entity, memory.by)
