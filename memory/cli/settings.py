"""The command settings: what a memory is set to, now and before."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, File, Namespace, open_memory
from memory.cli.output import print_json, print_rows
from memory.model import Rows, Setting
from memory.settings import Settings
from memory.terminal import clean_line


def settings(
    name: Annotated[str, typer.Argument(help="One setting.")] = "",
    value: Annotated[str | None, typer.Argument(help="Its new value.")] = None,
    history: Annotated[bool, typer.Option("--history", help="The values before, too.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Show the settings of a memory, or give one a new value. Those before stay on record."""
    with open_memory(namespace, file, read_only=value is None) as store:
        known = Settings(store)
        if value is not None:
            known.set_text(name, value)
        takes = known.types()
        names = [name] if name else list(takes)
        pasts: dict[str, list[Setting]] = {one: known.history(one) for one in names}
    shown: list[tuple[str, Setting | None]] = []
    for one, values in pasts.items():
        shown += [(one, past) for past in values[0 if history else -1 :]] or [(one, None)]
    if as_json:
        for one, past in shown:
            row = {"name": one, "takes": takes[one]} | (asdict(past) if past else {"set_at": None})
            print_json(row)
        return
    cells = tuple(
        (one, _said(past.value) if past else "", takes[one], past.set_at if past else "")
        for one, past in shown
    )
    print_rows(Rows(("name", "value", "takes", "set at"), cells))


def _said(value: object) -> str:
    return clean_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
