"""The group tags: list, set and remove tags of turns."""

from typing import Annotated

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.options import ListByDefault
from memory.records import Change
from memory.store.turns.tags import count_tags, remove_tags, set_tags
from memory.system.terminal import count
from memory.text.turn_filter import tags_of_pairs

app = typer.Typer(
    cls=ListByDefault,
    help="Tag turns, to search only some of them. `memory admin tags` alone counts them.",
)
TurnIds = Annotated[list[int], typer.Argument(metavar="TURN...", help="Numbers of turns.")]
_COLUMNS = ("key", "value", "turns")


@app.command("list")
@on_memory()
def list_command(memory: CommandMemory) -> Printed:
    """Count the turns with each tag."""
    counts = count_tags(memory.store)
    rows = [(key, value, turns) for key in counts for value, turns in counts[key].items()]
    records = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    notes = () if rows else ["no turn has a tag; `memory admin tags set` gives one"]
    return Printed(records, columns=_COLUMNS, rows=rows, notes=notes)


@app.command("set")
@on_memory(writes=True)
def set_command(
    memory: CommandMemory,
    turns: TurnIds,
    tag: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="A tag. Can be repeated, also with equal keys."),
    ],
) -> Printed:
    """Set tags of turns. Other values of the same keys are removed.

    memory admin tags set 3 4 --tag project=move
    """
    return _report(memory, set_tags(memory.store, turns, tags_of_pairs(tag)), turns)


@app.command()
@on_memory(writes=True)
def remove(
    memory: CommandMemory,
    turns: TurnIds,
    key: Annotated[list[str], typer.Option(help="Whose values to remove. Can be repeated.")],
) -> Printed:
    """Remove tags of turns."""
    return _report(memory, remove_tags(memory.store, turns, key), turns)


def _report(memory: CommandMemory, change: Change, turns: list[int]) -> Printed:
    return memory.changed(change, [f"tags of {count(len({*turns}), 'turn')} changed"])
