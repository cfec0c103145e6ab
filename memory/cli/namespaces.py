"""The commands for namespaces: list, create, rename, copy, delete."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from memory import namespaces
from memory.cli.options import AsJson, Yes, confirm
from memory.cli.output import print_json, print_rows
from memory.errors import StoreError
from memory.model import Rows
from memory.store import open_store
from memory.terminal import count, print_clean

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
    # SQLite keeps the newest commits in a second file until it writes them back.
    files = [path, path.with_name(f"{path.name}-wal")]
    size = sum(file.stat().st_size for file in files if file.exists())
    try:
        with open_store(path, read_only=True) as store:
            # What is no ISO date ("one May evening") neither begins nor ends a memory.
            [(turns, first, last)] = store.read(
                "SELECT COUNT(*) AS n, MIN(date) AS first, MAX(date) AS last FROM (SELECT"
                " CASE WHEN said_at BETWEEN '0' AND ':' THEN said_at END AS date FROM turns) AS t"
            ).rows
            [(facts,)] = store.read("SELECT COUNT(*) AS n FROM facts").rows
            paths = dict.fromkeys(str(setting.value) for setting in store.settings("backup"))
            backups = tuple(path for path in paths if Path(path).exists())
    except StoreError as error:
        return _Summary(name, bytes=size, error=str(error))
    return _Summary(
        name,
        turns=turns,
        facts=facts,
        first=first or "",
        last=last or "",
        bytes=size,
        backups=backups,
    )


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """All namespaces: turns, facts, the last turn's date, size on disk."""
    summaries = [_summary(name) for name in namespaces.names()]
    if as_json:
        for summary in summaries:
            print_json(asdict(summary))
        return
    if not summaries:
        print_clean(f"no namespaces in {namespaces.home()}", error=True)
        return
    print_rows(Rows(("name", "turns", "facts", "last turn", "size"), tuple(map(_cells, summaries))))


def _cells(summary: _Summary) -> tuple[Any, ...]:
    from rich.filesize import decimal

    size = decimal(summary.bytes)
    if summary.error:
        return (summary.name, None, None, summary.error, size)
    return (summary.name, summary.turns, summary.facts, summary.last[:10], size)


@app.command()
def create(name: Name) -> None:
    """Make an empty namespace."""
    print_clean(f"{name}: {namespaces.create(name)}")


@app.command()
def rename(old: Name, new: Name) -> None:
    """Give a namespace another name."""
    print_clean(f"{old} is now {new}: {namespaces.rename(old, new)}")


@app.command()
def copy(name: Name, new: Name) -> None:
    """Copy a namespace, also while it is in use; from then on they are two."""
    print_clean(f"{name} is copied to {new}: {namespaces.copy(name, new)}")


@app.command()
def delete(name: Name, yes: Yes = False) -> None:
    """Delete a namespace for good, after showing what will go."""
    summary = _summary(name)
    if summary.error:
        raise StoreError(summary.error)
    dates = f", said {summary.first[:10]} to {summary.last[:10]}" if summary.last else ""
    print_clean(
        f"{name}: {count(summary.turns, 'turn')}{dates}, and {count(summary.facts, 'fact')}"
    )
    for path in summary.backups:
        print_clean(f"its backup stays: {path}")
    confirm(f"Delete the namespace {name!r} for good?", yes)
    namespaces.delete(name)
    print_clean(f"{name}: deleted")
