"""The group entities: who facts are about; list, show, merge, split, rename, describe, alias."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, ListByDefault, Namespace, open_memory
from memory.cli.output import print_json, print_rows, undo_line
from memory.errors import InputError
from memory.records import Change, Entity, Rows
from memory.store import Store
from memory.store.declared_settings import Settings
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
from memory.system.terminal import clean_line, count, print_clean
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
def list_command(
    text: Annotated[str, typer.Argument(help="Only entities with this text in a name.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """List the people and things that facts are about, with their other names."""
    with open_memory(namespace, db, read_only=True) as store:
        listed = [entity for entity in known_entities(store) if _has(entity, text)]
    if as_json:
        for entity in listed:
            print_json(asdict(entity))
    elif listed:
        print_rows(Rows(_COLUMNS, tuple(map(_cells, listed))))
    else:
        print_clean("no such entities", error=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Any of its names.")],
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Show who has a name: their names, with the turns that say so, and the facts about them."""
    with open_memory(namespace, db, read_only=True) as store:
        wanted = {*entities_called(store, name)}
        shown = [entity for entity in known_entities(store) if entity.name in wanted]
        facts = {entity.name: facts_about(store, entity.name) for entity in shown}
    if not shown:
        raise InputError(f"no one is called {name!r}; `memory facts entities` lists all")
    for entity in shown:
        if as_json:
            print_json(asdict(entity) | {"facts": [asdict(fact) for fact in facts[entity.name]]})
            continue
        description = f": {entity.description}" if entity.description else ""
        print_clean(clean_line(f"{entity.name}{description}"))
        for alias in entity.names:
            source = f"turn {alias.turn_id}" if alias.turn_id else "everywhere"
            print_clean(f"  {clean_line(f'also called {alias.name} ({source})')}")
        for fact in facts[entity.name][:_MOST_SHOWN]:
            print_clean(f"  {clean_line(fact_line(fact))}")
        if len(facts[entity.name]) > _MOST_SHOWN:
            print_clean(f"  {count(len(facts[entity.name]), 'fact')} in all")


@app.command()
def merge(
    name: Name,
    into: Annotated[str, typer.Argument(help="The entity that it is, too.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Make an entity one with another.

    memory facts entities merge Mum Ilse
    """
    with open_memory(namespace, db) as store:
        _print_change(merge_entities(store, name, into, _user(store)), namespace, db)


@app.command()
def split(
    name: Name,
    new: Annotated[str, typer.Argument(help="The name of the other one.")],
    turn: Annotated[
        list[int] | None,
        typer.Option(help="A turn whose facts are about the other one; repeatable."),
    ] = None,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Tell apart two that share a name: the facts of these turns are about the other one.

    memory facts entities split Tom "Tom from work" --turn 40 --turn 41
    """
    if not turn:
        raise InputError("give --turn, the turns that tell of the other one")
    with open_memory(namespace, db) as store:
        _print_change(split_entity(store, name, new, turn, _user(store)), namespace, db)


@app.command()
def rename(name: Name, new: New, namespace: Namespace = DEFAULT, db: Db = None) -> None:
    """Give an entity another name; the old one means it still."""
    with open_memory(namespace, db) as store:
        _print_change(rename_entity(store, name, new, _user(store)), namespace, db)


@app.command()
def describe(
    name: Name,
    description: Annotated[str, typer.Argument(help='A few words; "" takes them away.')],
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Say in a few words who or what an entity is."""
    with open_memory(namespace, db) as store:
        _print_change(describe_entity(store, name, description, _user(store)), namespace, db)


@app.command()
def alias(
    name: Annotated[str, typer.Argument(help="The other name.")],
    entity: Annotated[str, typer.Argument(help="The entity that it means.")],
    turn: Annotated[int, typer.Option(help="Where that counts: the turn that says it.")] = 0,
    remove: Annotated[
        bool, typer.Option("--remove", help="The name does not mean that entity.")
    ] = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Say that a name means an entity, everywhere or where a turn says it.

    memory facts entities alias "Anna's mother" Ilse
    """
    if remove and turn:
        raise InputError("--remove takes the name away wherever it counts; leave out --turn")
    with open_memory(namespace, db) as store:
        user = _user(store)
        change = (
            remove_alias(store, name, entity, user)
            if remove
            else add_alias(store, name, entity, turn, user)
        )
        _print_change(change, namespace, db)


def _print_change(change: Change, namespace: str, db: Path | None) -> None:
    print_clean(undo_line([change], namespace, db))


def _user(store: Store) -> str:
    return str(Settings(store).get("user", "user"))


def _has(entity: Entity, text: str) -> bool:
    names = [entity.name, *(alias.name for alias in entity.names)]
    return any(text.casefold() in name.casefold() for name in names)


def _cells(entity: Entity) -> tuple[str, int, str, str]:
    others = dict.fromkeys(alias.name for alias in entity.names if alias.name != entity.name)
    return entity.name, entity.facts, ", ".join(others), entity.description
