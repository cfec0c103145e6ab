"""The command line: python -m memory COMMAND."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from memory.embed import Hosted, load_embedder
from memory.errors import InputError, Stop
from memory.store import open_store

BYTES_PER_TOKEN = 4

app = typer.Typer(help="A memory, at work.", add_completion=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """A memory that is a database."""


@app.command("embed")
def embed_command(
    path: Path,
    embedder: Annotated[
        str,
        typer.Option(help="wordllama, sentence-transformers/MODEL, or PROVIDER/MODEL of litellm."),
    ],
    batch: Annotated[int, typer.Option(min=1, help="Turns embedded and kept at a time.")] = 96,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before anything is paid.")] = False,
) -> None:
    """Make the vectors of all turns anew by another embedder. It can be interrupted."""
    loaded = load_embedder(embedder)
    if not path.exists():
        raise InputError(f"{path}: there is no memory here")
    with open_store(path) as store:
        turns, size = store.to_embed(embedder)
        tokens = size // BYTES_PER_TOKEN
        said = f"{path}: {turns:,} turns (about {tokens:,} tokens) for {embedder}"
        if isinstance(loaded, Hosted):
            price = loaded.price()
            cost = "at an unknown price" if price is None else f"about ${price * tokens:,.4f}"
            print(f"{said}, {cost}", flush=True)
            if turns and price != 0 and not yes and not _agreed():
                raise InputError("nothing was embedded; answer y, or give --yes")
        else:
            print(said, flush=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        screen = Console(stderr=True)
        with Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        ) as progress:
            task = progress.add_task("embedding", total=turns)
            store.reembed(embedder, batch, lambda done: progress.update(task, advance=done))
        print(f"{path}: its vectors are by {store.embedder} now")


def _agreed() -> bool:
    try:
        return typer.confirm("Go on?")
    except typer.Abort:  # Ctrl-C, or nobody there to ask
        print()
        return False


def run() -> None:
    """Run the command line; a `Stop` or Ctrl-C becomes one line on stderr and exit code 2."""
    try:
        app()
    except Stop as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code != 130:  # what Typer makes of Ctrl-C
            raise
        print(
            "interrupted: the memory is as it was; the same command goes on from here",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    run()
