"""The group namespaces: list, create, rename, copy, delete."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from memory.cli.memory_command import Printed
from memory.cli.options import AsJson, Yes, confirm
from memory.errors import StoreError
from memory.store import namespaces
from memory.system.home import home_address
from memory.system.terminal import count, print_clean

app = typer.Typer(help="Manage memories by name.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Any text, also with spaces, slashes and emoji.")]


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List namespaces with their turns, facts, last turn and size."""
    summaries = [namespaces.summary(name) for name in namespaces.names()]
    folder = namespaces.shown(home_address() or namespaces.home())
    Printed(
        [*map(asdict, summaries)],
        columns=("name", "turns", "facts", "last turn", "size"),
        rows=[*map(_cells, summaries)],
        notes=() if summaries else [f"no namespaces in {folder}"],
    ).show(as_json)


def _cells(summary: namespaces.Summary) -> tuple[Any, ...]:
    from rich.filesize import decimal

    size = decimal(summary.bytes)
    if summary.error:
        return (summary.name, None, None, summary.error, size)
    return (summary.name, summary.turns, summary.facts, summary.last[:10], size)


@app.command()
def create(name: Name) -> None:
    """Create an empty namespace."""
    print_clean(f"{name}: {namespaces.shown(namespaces.create(name))}")


@app.command()
def rename(old: Name, new: Name) -> None:
    """Rename a namespace."""
    print_clean(f"renamed {old} to {new}: {namespaces.shown(namespaces.rename(old, new))}")


@app.command()
def copy(name: Name, new: Name) -> None:
    """Copy a namespace, even while it is in use."""
    print_clean(f"copied {name} to {new}: {namespaces.shown(namespaces.copy(name, new))}")


@app.command()
def delete(name: Name, yes: Yes = False) -> None:
    """Delete a namespace for good, after a preview."""
    summary = namespaces.summary(name)
    if summary.error:
        raise StoreError(summary.error)
    dates = f", said {summary.first[:10]} to {summary.last[:10]}" if summary.last else ""
    print_clean(
        f"{name}: {count(summary.turns, 'turn')}{dates}, and {count(summary.facts, 'fact')}"
    )
    for path in summary.backups:
        print_clean(f"this backup stays: {path}")
    confirm(f"Delete the namespace {name!r} for good?", yes)
    namespaces.delete(name)
    print_clean(f"{name}: deleted")
