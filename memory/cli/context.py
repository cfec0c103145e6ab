"""The command context: what a memory holds for a message, as a block for a prompt."""

from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, File, Namespace, open_memory
from memory.cli.output import print_json
from memory.errors import InputError
from memory.terminal import print_clean


def context(
    message: Annotated[str, typer.Argument(help="What the user says, in quotes.")],
    namespace: Namespace = DEFAULT,
    file: File = None,
    config: Annotated[Path | None, typer.Option(help="An ltm_config.json.")] = None,
    character_context: Annotated[
        Path | None, typer.Option(help="The character's context, to put the memories into.")
    ] = None,
    user: Annotated[str, typer.Option(help="The user's name, {name1} in templates.")] = "",
    character: Annotated[str, typer.Option(help="The character's name, {name2}.")] = "",
    budget: Annotated[
        int | None, typer.Option(help="The most tokens that the memories may have.")
    ] = None,
    session: Annotated[
        str, typer.Option(help="The running session, which the prompt holds already.")
    ] = "",
    reload: Annotated[
        bool, typer.Option("--reload", help="Fetch from the running session too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a prompt's context with the memories a message brings up. No model is asked."""
    from memory.injection import inject, load_config

    try:
        # utf-8-sig: a byte order mark, which some editors write, must not get into the prompt.
        context_text = character_context.read_text("utf-8-sig") if character_context else ""
    except OSError as error:
        raise InputError(f"{character_context}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{character_context}: not UTF-8: {error}") from error
    ltm_config = load_config(config) if config else None
    with open_memory(namespace, file) as store:
        injected = inject(
            store,
            message,
            ltm_config,
            name1=user,
            name2=character,
            context=context_text,
            budget=budget,
            session=session,
            reload=reload,
        )
    if as_json:
        print_json(vars(injected))
    elif injected.prompt:
        print_clean(injected.prompt)
