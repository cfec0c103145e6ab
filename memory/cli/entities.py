"""The group entities: who facts are about; list, show, merge, split, rename, describe, alias."""

from dataclasses import asdict
from typing import Annotated, ClassVar

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.operations import EditCommand, EditingGroup
from memory.errors import InputError
from memory.store.facts.entity_edits import entities_called, facts_about, known_entities
from memory.system.terminal import clean_line, count
from memory.vocabulary.fact_lines import fact_line


class _Entities(EditingGroup):
    edits: ClassVar = {
        "merge": EditCommand(
            "merge_entities", ("name", "into"), example="memory facts entities merge Mum Ilse"
        ),
        "split": EditCommand(
            "split_entity",
            ("name", "new"),
            {"turn_ids": "--turn"},
            example='memory facts entities split Tom "Tom from work" --turn 40 --turn 41',
        ),
        "rename": EditCommand("rename_entity", ("name", "new")),
        "describe": EditCommand("describe_entity", ("name", "description")),
        "alias": EditCommand(
            "alias",
            ("name", "entity"),
            {"turn_id": "--turn"},
            example='memory facts entities alias "Anna\'s mother" Ilse',
        ),
    }


app = typer.Typer(
    cls=_Entities,
    help="List and edit the people and things that facts are about: several names of one, or two"
    " of one name. `memory facts entities` alone lists them.",
)
_COLUMNS = ("entity", "facts", "also called", "description")
_MOST_SHOWN = 20  # facts of an entity


@app.command("list")
@on_memory()
def list_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="Only entities with this text in a name.")] = "",
) -> Printed:
    """List the people and things that facts are about, with their other names."""
    from memory.operations.entities import entities  # with pydantic

    listed = entities(memory.opened, text)["entities"]
    rows = [
        (entity.name, entity.facts, ", ".join(entity.other_names), entity.description)
        for entity in listed
    ]
    notes = () if rows else ["no such entities"]
    return Printed([*map(asdict, listed)], columns=_COLUMNS, rows=rows, notes=notes)


@app.command()
@on_memory()
def show(
    memory: CommandMemory, name: Annotated[str, typer.Argument(help="Any of its names.")]
) -> Printed:
    """Show whose name it is: their names, with the turns that say so, and the facts about them."""
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
