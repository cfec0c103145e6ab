"""Shared by the benchmark's command lines: --help-all, exit codes, tables, checks of folders."""

import contextlib
import logging
import os
import shlex
import sys
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
from rich.box import MARKDOWN, SIMPLE
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from typer.core import TyperCommand, TyperOption
from typer.models import OptionInfo

from memory import InputError, Stop
from memory.system import check_over, end_like_ctrl_c, show_any_character

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # Typer exports only the class below
Options = TypeVar("Options")
Result = TypeVar("Result")
# The default is an absolute path, which would be useless in --help.
Conversations = Annotated[
    Path,
    typer.Option(
        help="conversations in LoCoMo's format, a file or a folder", show_default="data/sample.json"
    ),
]

Over = Annotated[
    str,
    typer.Option(
        help="spread the work over machines: ray, or ray://HOST:PORT", callback=check_over
    ),
]


def with_options(
    options: Callable[..., Options], listed: Collection[str]
) -> Callable[[Callable[[Options], Result]], Callable[..., Result]]:
    """Make a command of a function: each field of a dataclass of options is an option of Typer's.

    `--help` lists the fields `listed`, `--help-all` every one. An option that is not listed works
    all the same.
    """
    parameters = [
        parameter if parameter.name in listed else _hidden(parameter)
        for parameter in signature(options).parameters.values()
    ]
    help_all = Parameter("help_all", Parameter.KEYWORD_ONLY, default=False, annotation=HelpAll)

    def decorated(function: Callable[[Options], Result]) -> Callable[..., Result]:
        @wraps(function)
        def command(**values: Any) -> Result:
            values.pop("help_all", None)  # Typer passes its default, whatever `expose_value` says
            return function(options(**values))

        command.__signature__ = Signature([*parameters, help_all])  # type: ignore[attr-defined]
        command.__annotations__ = {}  # Typer would look up the function's own, too
        return command

    return decorated


def _hidden(parameter: Parameter) -> Parameter:
    metadata = getattr(parameter.annotation, "__metadata__", ())
    options = [copy(entry) for entry in metadata if isinstance(entry, OptionInfo)]
    if not options:  # the context, which is not an option
        return parameter
    [option] = options
    option.hidden = True
    return parameter.replace(annotation=Annotated[get_args(parameter.annotation)[0], option])


def _print_every_option(context: typer.Context, value: bool) -> None:
    if value:
        for parameter in context.command.params:
            if isinstance(parameter, TyperOption):
                parameter.hidden = False
        typer.echo(context.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        help="Show every option and exit.",
        is_eager=True,
        expose_value=False,
        callback=_print_every_option,
    ),
]


@cache
def option_names() -> Mapping[str, Sequence[str]]:
    """For each option of other programs: ours for the same, the first that a script has."""
    table = tomllib.loads(Path(__file__).with_name("option_names.toml").read_text("utf-8"))
    return {typed: ours.split(", ") for ours, words in table.items() for typed in words}


class Script(TyperCommand):
    """A command that takes only options, and names its own for another program's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            typed = getattr(error, "option_name", "")
            if type(error).__name__ == "NoSuchOption":
                options = [name for parameter in self.params for name in parameter.opts]
                same = [name for name in option_names().get(typed, ()) if name in options]
                advice = f"write {same[0]}" if same else "--help-all lists what it has"
                raise InputError(f"{ctx.info_name} has no {typed}; {advice}") from None
            if "extra argument" in str(error):
                argument = str(error).rpartition("(")[2].rstrip(")")
                raise InputError(
                    f"{ctx.info_name} takes options alone, not {argument!r:.60}; conversations are"
                    " given by --data"
                ) from None
            raise


_WIDEST = 1000  # columns of characters; wider than any table


def run_command(command: typer.Typer, interrupted: str = "no file is half-written") -> None:
    """Run a command line; a `Stop` or Ctrl-C becomes one line on stderr and exit code 2.

    SIGTERM and SIGHUP end it as Ctrl-C does.
    """
    show_any_character()
    end_like_ctrl_c()
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
    """Log on stderr what models wait for: otherwise a server that hangs shows nothing."""
    logger = logging.getLogger("memory.models")
    logger.handlers = [logging.StreamHandler(sys.stderr)]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def print_table(console: Console, table: Table) -> None:
    """Print a table at its full width, even on a narrow terminal: no figure is cut.

    If the output is not a terminal, the table is Markdown, to paste, and for `locomo.published`.
    """
    if not console.is_terminal:
        table.box, table.padding, table.pad_edge = MARKDOWN, (0, 1), True
        for row in table.rows:
            row.end_section = False  # a line between rows would be a row
    wide = Console(file=console.file, width=_WIDEST)
    width = Measurement.get(wide, wide.options, table).maximum
    Console(file=console.file, width=max(width, console.width)).print(table)


def script_command(script: str, *words: object) -> str:
    """A command line to copy into a shell of this checkout."""
    return shlex.join(["uv", "run", script, *map(str, words)])


def print_line(text: str) -> None:
    """Print a line unchanged, however wide the terminal."""
    Console(file=sys.stdout).print(text, markup=False, highlight=False, soft_wrap=True)


def number_table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table: columns of names, then of numbers, without line breaks."""
    table = Table(box=SIMPLE, title=title)
    for column in names:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def check_folder(folder: Path, flag: str) -> None:
    """Raise InputError if a folder is not writable. The folder is not created."""
    absolute = folder.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"{flag} {folder}: {existing} is a file; give a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{flag} {folder}: {existing} cannot be written to; give another")


def check_enough(flag: str, number: int | None, available: int, source: str) -> None:
    """Raise InputError if an option asks for more than there is; None and 0 ask for no number."""
    if number and number > available:
        raise InputError(
            f"{flag} {number}: {source} has only {available}; give {flag} {available}, or --data"
            " with more"
        )


@contextlib.contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Create a folder for the block. Raises InputError when it or a file cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
