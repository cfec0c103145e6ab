"""The command settings: show and change a memory's settings."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import print_json, print_rows, withheld_line
from memory.records import Rows, Setting
from memory.store.declared_settings import Settings
from memory.store.withheld import count_withheld
from memory.system.terminal import clean_line, print_clean


def settings(
    name: Annotated[str, typer.Argument(help="The setting; by default all.")] = "",
    value: Annotated[str | None, typer.Argument(help="Its new value.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also show earlier values.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Show the memory's settings, or change one. Earlier values stay on record."""
    with open_memory(namespace, db, read_only=value is None) as store:
        known = Settings(store)
        if value is not None:
            known.set_text(name, value)
        types = known.types()
        names = [name] if name else list(types)
        histories = {name: known.history(name) for name in names}
        withheld = count_withheld(store)

    # Settings without a value are listed too, with their type.
    entries: list[tuple[str, Setting | None]] = []
    for name, values in histories.items():
        entries += [(name, past) for past in values[0 if history else -1 :]] or [(name, None)]
    if as_json:
        for name, past in entries:
            fields = asdict(past) if past else {"set_at": None}
            print_json({"name": name, "takes": types[name]} | fields)
        return
    cells = tuple(
        (name, _plain(past.value) if past else "", types[name], past.set_at if past else "")
        for name, past in entries
    )
    print_rows(Rows(("name", "value", "takes", "set at"), cells))
    if line := withheld_line(withheld):
        print_clean(line.replace("withheld", "withheld so far"))


def _plain(value: object) -> str:
    return clean_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
