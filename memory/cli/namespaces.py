"""The commands for namespaces: list, create, rename, copy, delete."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from memory import namespaces
from memory.cli.options import AsJson, Yes, confirm
from memory.cli.output import print_json, print_rows
from memory.errors import StoreError
from memory.model import Rows
from memory.store import open_store

app = typer.Typer(help="Memories by name, wholly separate.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Any text: spaces, slashes and emoji are fine.")]


@dataclass(frozen=True)
class _Summary:
    """What there is in a namespace; `error` when it cannot be read."""

    name: str
    turns: int = 0
    facts: int = 0
    first: str = ""
    last: str = ""
    bytes: int = 0
    backups: tuple[str, ...] = ()
    error: str = ""


def _summary(name: str) -> _Summary:
    path = namespaces.existing(name)
    beside = [path, path.with_name(f"{path.name}-wal")]
    size = sum(file.stat().st_size for file in beside if file.exists())
    try:
        with open_store(path, read_only=True) as store:
            [(turns, first, last)] = store.read(
                "SELECT COUNT(*) AS n, MIN(date) AS first, MAX(date) AS last FROM (SELECT"
                " CASE WHEN said_at BETWEEN '0' AND ':' THEN said_at END AS date FROM turns) AS t"
            ).rows
            [(facts,)] = store.read("SELECT COUNT(*) AS n FROM facts").rows
            places = dict.fromkeys(str(one.value) for one in store.settings("backup"))
            backups = tuple(place for place in places if Path(place).exists())
    except StoreError as error:
        return _Summary(name, bytes=size, error=str(error))
    return _Summary(name, turns, facts, first or "", last or "", size, backups)


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """All namespaces: turns, facts, the last turn's date, size on disk."""
    from rich.filesize import decimal

    found = [_summary(name) for name in namespaces.names()]
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    if not found:
        print(f"no namespaces in {namespaces.home()}", file=sys.stderr)
        return
    rows = [
        (one.name, one.turns, one.facts, one.last[:10], decimal(one.bytes))
        if not one.error
        else (one.name, None, None, one.error, decimal(one.bytes))
        for one in found
    ]
    print_rows(Rows(("name", "turns", "facts", "last turn", "size"), tuple(rows)))


@app.command()
def create(name: Name) -> None:
    """Make an empty namespace."""
    print(f"{name}: {namespaces.create(name)}")


@app.command()
def rename(old: Name, new: Name) -> None:
    """Give a namespace another name."""
    print(f"{old} is now {new}: {namespaces.rename(old, new)}")


@app.command()
def copy(name: Name, new: Name) -> None:
    """Copy a namespace, also while it is in use; from then on they are two."""
    print(f"{name} is copied to {new}: {namespaces.copy(name, new)}")


@app.command()
def delete(name: Name, yes: Yes = False) -> None:
    """Delete a namespace for good, after showing what will go."""
    found = _summary(name)
    if found.error:
        raise StoreError(found.error)
    dates = f", said {found.first[:10]} to {found.last[:10]}" if found.last else ""
    print(f"{name}: {found.turns:,} turns{dates}, and {found.facts:,} facts")
    for place in found.backups:
        print(f"its backup stays: {place}")
    confirm(f"Delete the namespace {name!r} for good?", yes)
    namespaces.delete(name)
    print(f"{name}: deleted")
