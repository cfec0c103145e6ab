"""The group entities: who facts are about; list, show, merge, split, rename, describe, alias."""

from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.options import ListByDefault
from memory.errors import InputError
from memory.records import Change, Entity
from memory.store.entity_edits import (
    add_alias,
    describe_entity,
    entities_called,
    facts_about,
    known_entities,
    merge_entities,
    remove_alias,
    rename_entity,
    split_entity,
)
from memory.system.terminal import clean_line, count
from memory.vocabulary.fact_lines import fact_line

app = typer.Typer(
    cls=ListByDefault,
    help="List and edit the people and things that facts are about: several names of one, or two"
    " of one name. `memory facts entities` alone lists them.",
)
_COLUMNS = ("entity", "facts", "also called", "description")
_MOST_SHOWN = 20  # facts of an entity
Name = Annotated[str, typer.Argument(help="An entity, by its name.")]
New = Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")]


@app.command("list")
@on_memory()
def list_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="Only entities with this text in a name.")] = "",
) -> Printed:
    """List the people and things that facts are about, with their other names."""
    listed = [entity for entity in known_entities(memory.store) if _has(entity, text)]
    rows = [*map(_cells, listed)]
    notes = () if rows else ["no such entities"]
    return Printed([*map(asdict, listed)], columns=_COLUMNS, rows=rows, notes=notes)


@app.command()
@on_memory()
def show(
    memory: CommandMemory, name: Annotated[str, typer.Argument(help="Any of its names.")]
) -> Printed:
    """Show who has a name: their names, with the turns that say so, and the facts about them."""
    wanted = {*entities_called(memory.store, name)}
    shown = [entity for entity in known_entities(memory.store) if entity.name in wanted]
    if not shown:
        raise InputError(f"no one is called {name!r}; `memory facts entities` lists all")
    lines, records = [], []
    for entity in shown:
        facts = facts_about(memory.store, entity.name)
        records.append(asdict(entity) | {"facts": [*map(asdict, facts)]})
        description = f": {entity.description}" if entity.description else ""
        lines.append(clean_line(f"{entity.name}{description}"))
        for alias in entity.names:
            source = f"turn {alias.turn_id}" if alias.turn_id else "everywhere"
            lines.append(f"  {clean_line(f'also called {alias.name} ({source})')}")
        lines += [f"  {clean_line(fact_line(fact))}" for fact in facts[:_MOST_SHOWN]]
        if len(facts) > _MOST_SHOWN:
            lines.append(f"  {count(len(facts), 'fact')} in all")
    return Printed(records, lines)


@app.command()
@on_memory(writes=True)
def merge(
    memory: CommandMemory,
    name: Name,
    into: Annotated[str, typer.Argument(help="The entity that it is, too.")],
) -> Change:
    """Make an entity one with another.

    memory facts entities merge Mum Ilse
    """
    return merge_entities(memory.store, name, into, memory.user)


@app.command()
@on_memory(writes=True)
def split(
    memory: CommandMemory,
    name: Name,
    new: Annotated[str, typer.Argument(help="The name of the other one.")],
    turn: Annotated[
        list[int] | None,
        typer.Option(help="A turn whose facts are about the other one; repeatable."),
    ] = None,
) -> Change:
    """Tell apart two that share a name: the facts of these turns are about the other one.

    memory facts entities split Tom "Tom from work" --turn 40 --turn 41
    """
    if not turn:
        raise InputError("give --turn, the turns that tell of the other one")
    return split_entity(memory.store, name, new, turn, memory.user)


@app.command()
@on_memory(writes=True)
def rename(memory: CommandMemory, name: Name, new: New) -> Change:
    """Give an entity another name; the old one means it still."""
    return rename_entity(memory.store, name, new, memory.user)


@app.command()
@on_memory(writes=True)
def describe(
    memory: CommandMemory,
    name: Name,
    description: Annotated[str, typer.Argument(help='A few words; "" takes them away.')],
) -> Change:
    """Say in a few words who or what an entity is."""
    return describe_entity(memory.store, name, description, memory.user)


@app.command()
@on_memory(writes=True)
def alias(
    memory: CommandMemory,
    name: Annotated[str, typer.Argument(help="The other name.")],
    entity: Annotated[str, typer.Argument(help="The entity that it means.")],
    turn: Annotated[int, typer.Option(help="Where that counts: the turn that says it.")] = 0,
    remove: Annotated[
        bool, typer.Option("--remove", help="The name does not mean that entity.")
    ] = False,
) -> Change:
    """Say that a name means an entity, everywhere or where a turn says it.

    memory facts entities alias "Anna's mother" Ilse
    """
    if remove and turn:
        raise InputError("--remove takes the name away wherever it counts; leave out --turn")
    if remove:
        return remove_alias(memory.store, name, entity, memory.user)
    return add_alias(memory.store, name, entity, turn, memory.user)


def _has(entity: Entity, text: str) -> bool:
    names = [entity.name, *(alias.name for alias in entity.names)]
    return any(text.casefold() in name.casefold() for name in names)


def _cells(entity: Entity) -> tuple[str, int, str, str]:
    others = dict.fromkeys(alias.name for alias in entity.names if alias.name != entity.name)
    return entity.name, entity.facts, ", ".join(others), entity.description
