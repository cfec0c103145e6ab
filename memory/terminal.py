"""What a terminal is shown: text of others that steers nothing, and how far a long task is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unicodedata import category

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")  # of a terminal, among them


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on stderr, where somebody looks at it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    screen = Console(stderr=True)
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    with bar:
        yield bar


def clean(text: str) -> str:
    """Text without what a terminal would obey; half a surrogate pair becomes U+FFFD."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in whole if c in "\n\t" or category(c) != "Cc")


def clean_line(text: str) -> str:
    """A text on one line, without what would steer the terminal."""
    return _CONTROL.sub(" ", text).strip()
