"""The command settings: show and change a memory's settings."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.output import withheld_line
from memory.records import Setting
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.withheld import count_withheld
from memory.system.terminal import clean_line


@on_memory(writes=True)
def settings(
    memory: CommandMemory,
    name: Annotated[str, typer.Argument(help="The setting; by default all.")] = "",
    value: Annotated[str | None, typer.Argument(help="Its new value.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also show earlier values.")] = False,
) -> Printed:
    """Show the memory's settings, or change one. Earlier values stay on record."""
    known = Settings(memory.store)
    if value is not None:
        known.set_text(name, value)
    types = known.types()
    # Settings without a value are listed too, with their type.
    entries: list[tuple[str, Setting | None]] = []
    for setting in [name] if name else types:
        values = known.history(setting)
        past_values = values[0 if history else -1 :]
        entries += [(setting, past) for past in past_values] or [(setting, None)]
    line = withheld_line(count_withheld(memory.store))
    return Printed(
        [
            {"name": name, "takes": types[name]} | (asdict(past) if past else {"set_at": None})
            for name, past in entries
        ],
        [line.replace("withheld", "withheld so far")] if line else (),
        ("name", "value", "takes", "set at"),
        [
            (name, _plain(past.value) if past else "", types[name], past.set_at if past else "")
            for name, past in entries
        ],
    )


def _plain(value: object) -> str:
    return clean_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
