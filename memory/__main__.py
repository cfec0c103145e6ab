"""The command line: memory COMMAND, or python -m memory COMMAND."""

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from typing import Annotated, Any

import typer
from typer.main import get_command

from memory.cli.habits import AnswersHabits
from memory.errors import Stop
from memory.system.signals import end_like_ctrl_c
from memory.system.terminal import clean_line, print_clean, show_any_character

# The commands and groups as --help lists them: by what a person does, the commonest first. Each is
# a module of `memory.cli` and a name in it, imported when it is run or listed.
COMMANDS = {
    "Remember and ask": {
        "add": "add.add",
        "ask": "queries.ask",
        "chat": "chat.chat",
        "search": "queries.search",
        "context": "context.context",
        "upcoming": "upcoming.upcoming",
    },
    "Facts": {
        "facts": "facts.app",
        "digest": "digest.digest",
        "undo": "history.undo",
    },
    "Import, export and forget": {
        "import": "import_.import_",
        "export": "export.export",
        "forget": "forget.app",
    },
    "Connect other programs": {
        "connect": "connect.connect",
        "serve": "serve.app",
    },
    "Set up": {
        "setup": "setup.setup",
        "admin": "admin.app",
    },
}
# Commands of the first level that are below their subject now. Other programs' settings name
# these, so they run as before; --help does not list them.
HIDDEN = {
    "mcp": "serve.mcp",
    "proxy": "proxy.proxy",
    "worker": "worker.worker",
}
SERVING = ("serve", "mcp", "proxy", "worker")


class _Commands(Mapping[str, Any]):
    """The commands by their names, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if name in HIDDEN:
            return _command(name, HIDDEN[name], hidden=True)
        for panel, commands in COMMANDS.items():
            if name in commands:
                return _command(name, commands[name], rich_help_panel=panel)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from chain(*COMMANDS.values(), HIDDEN)

    def __len__(self) -> int:
        return sum(map(len, (*COMMANDS.values(), HIDDEN)))


class _InOrder(AnswersHabits):
    """A group that lists its commands in the order of COMMANDS; Typer would list groups last."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _Commands()})

    def list_commands(self, ctx: Any) -> list[str]:
        return [*chain(*COMMANDS.values())]


def _command(name: str, place: str, **options: Any) -> Any:
    """The command or group of this place in `memory.cli`, as Typer makes it of a function."""
    module, _, attribute = place.rpartition(".")
    command = getattr(import_module(f"memory.cli.{module}"), attribute)
    app = typer.Typer(add_completion=False)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, **options)
    else:
        app.command(name, **options)(command)
    made: Any = get_command(app)
    return made.commands[name] if isinstance(command, typer.Typer) else made


def _print_version(is_requested: bool) -> None:
    if is_requested:
        print_clean(f"sql-memory {version('sql-memory')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """The options of the program itself."""


def _command_line() -> typer.Typer:
    app = typer.Typer(
        cls=_InOrder,
        help="A long-term memory for chats: store what people say, ask it, correct it.\n\n"
        'memory add "I moved to Oslo." --speaker Anna\n\n'
        'memory ask "Where does Anna live?"',
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_options)
    return app


app = _command_line()


def run() -> None:
    """Run the command line; a `Stop`, Ctrl-C or a full disk is one line on stderr, exit code 2.

    SIGTERM ends a command as Ctrl-C does; servers and the worker handle it themselves.
    """
    show_any_character()
    if not sys.argv[1:2] or sys.argv[1] not in SERVING:
        end_like_ctrl_c()
    try:
        try:
            app()
        finally:
            # Left to the interpreter's exit, a failing flush would print a traceback.
            sys.stdout.flush()
    except (Stop, OSError) as error:
        if isinstance(error, OSError):
            # The interpreter would flush stdout again at its exit, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # `... | head` has read enough
            sys.exit(1)
        print_clean(clean_line(f"error: {error}"), error=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code != 130:  # the exit code that Typer gives to Ctrl-C
            raise
        print_clean("interrupted: finished work is stored; the same command continues", error=True)
        sys.exit(2)


if __name__ == "__main__":
    run()
