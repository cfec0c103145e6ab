"""What the command lines of the benchmark share: how they end, print tables and check folders."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from memory import InputError, Stop
from memory.machines import check_over
from memory.terminal import show_any_character

# Its default is a path on the machine of whoever asks for --help, which says nothing to others.
Conversations = Annotated[
    Path,
    typer.Option(help="conversations in LoCoMo's format", show_default="data/sample.json"),
]

Over = Annotated[
    str, typer.Option(help="ray, or ray://HOST:PORT: on many machines", callback=check_over)
]

_WIDEST = 1000  # columns of characters; wider than any table


def run_command(command: typer.Typer, interrupted: str = "no file is half-written") -> None:
    """Run a command line; a `Stop` or Ctrl-C becomes one line on stderr and exit code 2."""
    show_any_character()
    _print_waits()
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


def _print_waits() -> None:
    """Let the models say on stderr what they wait for: a server that hangs is silence otherwise."""
    logger = logging.getLogger("memory.program.lm")
    logger.handlers = [logging.StreamHandler(sys.stderr)]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def print_table(console: Console, table: Table) -> None:
    """Print a table at its full width: nothing that was measured is cut for a narrow terminal."""
    wide = Console(file=console.file, width=_WIDEST)
    width = Measurement.get(wide, wide.options, table).maximum
    Console(file=console.file, width=max(width, console.width)).print(table)


def check_folder(folder: Path, flag: str) -> None:
    """Raise InputError when nothing can be written to a folder; the folder is not made."""
    absolute = folder.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"{flag} {folder}: {existing} is a file; give a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {folder}: {existing} cannot be written to; give another")


@contextlib.contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Make a folder to write to in the block; InputError when it or a file cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
