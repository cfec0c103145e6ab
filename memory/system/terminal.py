"""Terminal output: text without control characters, and the progress of a long task."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

import typer

from memory.text.characters import one_line, sound_text, visible_text

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def progress() -> Iterator["Progress"]:
    """The progress of tasks on stderr: a bar in a terminal, otherwise lines."""
    # Imported here: most commands and programs show no progress.
    from rich.console import Console
    from rich.progress import TimeRemainingColumn

    from memory.system.progress import progress_bar

    with progress_bar(Console(stderr=True), last=TimeRemainingColumn(), transient=True) as bar:
        yield bar


def show_any_character() -> None:
    """Let stdout print characters that its encoding lacks, as `\\xe9`.

    A turn may contain any character, and a terminal or pipe may use ASCII or cp1252.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # a test or a program may have replaced it
        sys.stdout.reconfigure(errors="backslashreplace")


def print_clean(text: str = "", error: bool = False) -> None:
    """Print text of any origin without control characters; an error goes to stderr.

    Every command prints with this, because others wrote most of the text.
    """
    print(clean(text), file=sys.stderr if error else sys.stdout, flush=error)


def print_dim(line: str) -> None:
    """Print a line without control characters, on a terminal dim and cut to its width."""
    if not sys.stdout.isatty():
        print_clean(line)
        return
    width = shutil.get_terminal_size().columns
    shown = line if len(line) <= width else line[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
    typer.secho(clean(shown), dim=True)


def clean(text: str) -> str:
    """Text without what no reader sees; half a surrogate pair becomes U+FFFD."""
    return visible_text(sound_text(text)).replace("\r", "")


def count(number: int, noun: str) -> str:
    """`1 turn`, `2,000 turns`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clean_line(text: str) -> str:
    """A text on one line, without what no reader sees."""
    return one_line(text)
