"""What a terminal is shown: text that cannot steer it, and the progress of a long task."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from rich.progress import Progress

# Control characters of C0 and C1, with which commands to a terminal begin, and all white space.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


@contextmanager
def progress() -> Iterator["Progress"]:
    """The progress of tasks on stderr: a bar where somebody looks at it, else lines."""
    # Imported here: most commands, and programs that use the package, show no progress.
    from rich.console import Console
    from rich.progress import TimeRemainingColumn

    from memory.progress import progress_bar

    with progress_bar(Console(stderr=True), last=TimeRemainingColumn(), transient=True) as bar:
        yield bar


def show_any_character() -> None:
    """Let stdout take characters that its encoding lacks: they are printed as `\\xe9`.

    What was said may hold any character, and a terminal or a pipe may be of ASCII or cp1252.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # a test or a program may have put another there
        sys.stdout.reconfigure(errors="backslashreplace")


def print_clean(text: str = "", error: bool = False) -> None:
    """Print text of whatever origin without what a terminal would obey; an error on stderr.

    Every command prints through this: most of what it prints, others wrote.
    """
    print(clean(text), file=sys.stderr if error else sys.stdout, flush=error)


def clean(text: str) -> str:
    """Text without what a terminal would obey; half a surrogate pair becomes U+FFFD."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in whole if c in "\n\t" or category(c) != "Cc")


def count(number: int, noun: str) -> str:
    """`1 turn`, `2,000 turns`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clean_line(text: str) -> str:
    """A text on one line, without what would steer the terminal."""
    return _CONTROL.sub(" ", text).strip()
