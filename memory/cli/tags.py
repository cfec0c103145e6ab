"""The group tags: list, set and remove tags of turns."""

from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, ListByDefault, Namespace, open_memory
from memory.cli.output import print_json, print_rows, undo_line
from memory.records import Change, Rows
from memory.store.tags import count_tags, remove_tags, set_tags
from memory.system.terminal import clean_line, count, print_clean
from memory.text.turn_filter import tags_of_pairs

app = typer.Typer(
    cls=ListByDefault,
    help="Tag turns, to search only some of them. `memory admin tags` alone counts them.",
)
TurnIds = Annotated[list[int], typer.Argument(metavar="TURN...", help="Numbers of turns.")]


@app.command("list")
def list_command(namespace: Namespace = DEFAULT, db: Db = None, as_json: AsJson = False) -> None:
    """Count the turns with each tag."""
    with open_memory(namespace, db) as store:
        counts = count_tags(store)
    rows = [(key, value, turns) for key in counts for value, turns in counts[key].items()]
    if as_json:
        for key, value, turns in rows:
            print_json({"key": key, "value": value, "turns": turns})
    elif rows:
        cells = tuple((clean_line(key), clean_line(value), turns) for key, value, turns in rows)
        print_rows(Rows(("key", "value", "turns"), cells))
    else:
        print_clean("no turn has a tag; `memory admin tags set` gives one", error=True)


@app.command("set")
def set_command(
    turns: TurnIds,
    tag: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="A tag. Can be repeated, also with equal keys."),
    ],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Set tags of turns. Other values of the same keys are removed.

    memory admin tags set 3 4 --tag project=move
    """
    with open_memory(namespace, db, read_only=False) as store:
        change = set_tags(store, turns, tags_of_pairs(tag))
        _report(change, turns, undo_line([change], namespace, db), as_json=as_json)


@app.command()
def remove(
    turns: TurnIds,
    key: Annotated[list[str], typer.Option(help="Whose values to remove. Can be repeated.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Remove tags of turns."""
    with open_memory(namespace, db, read_only=False) as store:
        change = remove_tags(store, turns, key)
        _report(change, turns, undo_line([change], namespace, db), as_json=as_json)


def _report(change: Change, turns: list[int], undo: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"change": change.id, "turns": sorted({*turns})})
        return
    print_clean(f"tags of {count(len({*turns}), 'turn')} changed")
    print_clean(undo)
