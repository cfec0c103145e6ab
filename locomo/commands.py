"""What the command lines of the benchmark share: how they end, show progress and check folders."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from memory import (
    InputError,
    Stop,
)


def run_command(command: typer.Typer, interrupted: str = "no file is half-written") -> None:
    """Run a command line; a `Stop` or Ctrl-C becomes one line on stderr and exit code 2."""
    try:
        command()
    except Stop as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code != 130:  # what Typer makes of Ctrl-C
            raise
        print(f"interrupted: {interrupted}", file=sys.stderr)
        sys.exit(2)


def progress_bar(console: Console) -> Progress:
    """A line for each of several things that go on: what, how far, how many, how long."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)


def check_folder(folder: Path, flag: str) -> None:
    """Raise InputError for a folder that nothing can be written to; nothing is."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{flag} {folder}: {there} is a file; give a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {folder}: {there} cannot be written to; give another")


@contextlib.contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
