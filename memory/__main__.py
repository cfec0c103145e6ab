"""The command line: python -m memory COMMAND."""

import os
import sys
from collections.abc import Callable

import typer

from memory.cli import (
    add,
    admin,
    audit,
    backups,
    chat,
    context,
    digest,
    export,
    facts,
    forget,
    history,
    import_,
    namespaces,
    queries,
    refine,
    serve,
    settings,
    setup,
)
from memory.errors import Stop
from memory.terminal import clean_line, print_clean, show_any_character

COMMANDS: dict[str, list[Callable[..., None]]] = {
    "Everyday": [chat.chat, queries.ask, queries.search, queries.sql, context.context],
    "What comes in and goes out": [
        add.add,
        import_.import_,
        digest.digest,
        refine.refine,
        export.export,
        backups.backup,
        backups.restore,
    ],
    "What is known": [history.undo, audit.audit],
    "For other programs": [serve.mcp, serve.serve],
    "Care": [
        forget.forget,
        settings.settings,
        setup.setup,
    ],
}

app = typer.Typer(help="A memory, at work.", add_completion=False, no_args_is_help=True)
for panel, commands in COMMANDS.items():
    for command in commands:
        name = command.__name__.strip("_")
        app.command(name, rich_help_panel=panel)(command)
app.add_typer(facts.app, name="facts", rich_help_panel="What is known")
app.add_typer(admin.app, name="admin", rich_help_panel="Care")
app.add_typer(namespaces.app, name="namespaces", rich_help_panel="Care")


@app.callback()
def main() -> None:
    """A memory that is a database."""


def run() -> None:
    """Run the command line; a `Stop`, Ctrl-C or a full disk is one line on stderr, exit code 2."""
    show_any_character()
    try:
        try:
            app()
        finally:
            # Left to the interpreter's exit, a failing flush would print a traceback.
            sys.stdout.flush()
    except (Stop, OSError) as error:
        if isinstance(error, OSError):
            # The interpreter would flush stdout once more at its exit, and fail once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # `... | head` has read enough
            sys.exit(1)
        print_clean(clean_line(f"error: {error}"), error=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code != 130:  # the exit code that Typer gives to Ctrl-C
            raise
        print_clean(
            "interrupted: what was finished is kept; the same command goes on from here",
            error=True,
        )
        sys.exit(2)


if __name__ == "__main__":
    run()
