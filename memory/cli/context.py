"""The command context: `Memory.context` on the command line."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import AsJson, Db, Namespaces, open_memories
from memory.cli.output import print_json
from memory.errors import InputError
from memory.store.files.united import stores_by_name
from memory.system.files import refuse_irregular
from memory.system.terminal import print_clean


def context(
    message: Annotated[str, typer.Argument(help="The user's message, in quotes.")],
    config: Annotated[
        Path | None, typer.Option(help="Templates and limits: an ltm_config.json.")
    ] = None,
    speaker: Annotated[str, typer.Option(help="The user's name, {name1} in templates.")] = "",
    character: Annotated[
        str, typer.Option(help="The character's name, {name2} in templates.")
    ] = "",
    character_context: Annotated[
        Path | None,
        typer.Option(help="A file that describes the character; the memories go into its text."),
    ] = None,
    now: Annotated[
        str, typer.Option(help='What "5 days ago" counts from: 2017-06-01. Else today.')
    ] = "",
    budget: Annotated[int | None, typer.Option(help="At most this many tokens.")] = None,
    session: Annotated[
        str, typer.Option(help="Leave out this session: the prompt contains it already.")
    ] = "",
    since: Annotated[
        int | None, typer.Option(help="Leave out this turn and all after it, by its id.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Do not leave out the running session.")
    ] = False,
    namespaces: Namespaces = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Print what the memory holds for a message, as text for your own prompt. Asks no model."""
    from memory.evidence.prompt_block import inject_together

    description = _text_of(character_context) if character_context else ""
    moment = _moment(now) if now else None
    with open_memories(namespaces, db) as store:
        injected = inject_together(
            stores_by_name(store),
            message,
            config=config,
            speaker=speaker,
            character=character,
            character_context=description,
            now=moment,
            budget=budget,
            session=session,
            since=since,
            reload=reload,
        )
    if as_json:
        print_json(injected.to_dict())
    elif injected.prompt:
        print_clean(injected.prompt)


def _text_of(file: Path) -> str:
    refuse_irregular(file)
    try:
        # utf-8-sig: a byte order mark, which some editors write, must not get into the prompt.
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file}: not UTF-8: {error}") from error


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--now {text!r} is no date; write 2017-06-01, or 2017-06-01 14:30"
        ) from None
