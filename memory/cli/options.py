"""The options that commands share: which memory, which model, how to confirm and print."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from memory.errors import InputError
from memory.machines import check_over
from memory.namespaces import Location, existing, location_of, make_folder
from memory.store import Store, open_store
from memory.terminal import clean_line, print_clean


def is_on_command_line(context: typer.Context, name: str) -> bool:
    """Whether the command line has this option; a default or the environment does not count."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


T = TypeVar("T")


def _one_memory(context: typer.Context, value: T) -> T:
    """Refuse a command line that names two memories; Typer calls this for both options."""
    # MEMORY_NAMESPACE applies to all commands, so --db may override it.
    if all(is_on_command_line(context, name) for name in ("namespace", "db")):
        raise InputError("--db and --namespace name two memories; give one of them")
    return value


Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        envvar="MEMORY_NAMESPACE",
        help="The memory's name in MEMORY_HOME.",
        callback=_one_memory,
    ),
]
Db = Annotated[
    Path | None,
    typer.Option("--db", help="The memory's file, instead of a namespace.", callback=_one_memory),
]
ModelName = Annotated[
    str, typer.Option("--model", help="local (packaged), or PROVIDER/MODEL: openai/gpt-4o-mini.")
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", help="The address of the model's server: http://localhost:8000/v1."),
]
Program = Annotated[
    Path | None, typer.Option("--program", help="A program that optimize.py compiled.")
]
RerankerName = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        envvar="MEMORY_RERANKER",
        help="Reorder the best turns: PROVIDER/MODEL or sentence-transformers/MODEL.",
    ),
]
Over = Annotated[
    str,
    typer.Option(
        help="Spread the work over machines: ray, or ray://HOST:PORT.", callback=check_over
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
DEFAULT = "default"


def memory_location(namespace: str, db: Path | None) -> Location:
    """Where a memory is: the file given as --db, else the place of the namespace."""
    return db if db is not None else location_of(namespace)


def existing_memory(namespace: str, db: Path | None) -> Location:
    """Where an existing memory is. Raises InputError when there is none."""
    location = db or existing(namespace)
    if isinstance(location, Path) and not location.exists():
        raise InputError(f"there is no memory at {db}")
    return location


@contextmanager
def open_memory(
    namespace: str, db: Path | None, create: bool = False, read_only: bool = False
) -> Iterator[Store]:
    """Open the memory of a command. Raises InputError when it does not exist.

    A memory that cannot be written (a backup on a read-only disk) is opened read-only.
    """
    # Without `create` a namespace must exist, or a typo would make an empty memory.
    path = memory_location(namespace, db) if create else existing_memory(namespace, db)
    if isinstance(path, Path):
        make_folder(path.parent)
        if path.exists():
            read_only = read_only or not all(os.access(p, os.W_OK) for p in (path, path.parent))
    with open_store(path, read_only=read_only) as store:
        yield store


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation. Raises InputError, with nothing changed, unless the answer is yes."""
    try:
        agreed = yes or typer.confirm(clean_line(question))
    except typer.Abort:  # Ctrl-C, or no terminal to ask on
        print_clean()
        raise InputError("nothing was changed; answer y, or give --yes") from None
    if not agreed:
        raise InputError("nothing was changed")
