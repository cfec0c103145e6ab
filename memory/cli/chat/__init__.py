"""The command chat: talk with a character that remembers."""

from typing import Annotated

import typer

from memory.cli import options
from memory.cli.options import (
    DEFAULT,
    ApiBase,
    Db,
    ModelName,
    Namespace,
    ShownBudget,
)
from memory.system.providers import refuse_unreachable


def chat(
    namespace: Namespace = DEFAULT,
    db: Db = None,
    model: ModelName = "",
    api_base: ApiBase = None,
    speaker: Annotated[
        str | None, typer.Option(help="Your name; remembered. Another name later is a guest.")
    ] = None,
    character: Annotated[
        str | None, typer.Option(help="The name of the character; remembered.")
    ] = None,
    persona: Annotated[
        str | None,
        typer.Option(help="The character; it is remembered. Larger models only."),
    ] = None,
    budget: ShownBudget = None,
    digest: Annotated[
        bool, typer.Option("--digest/--no-digest", help="Store facts in the background.")
    ] = True,
) -> None:
    """Chat with a character that remembers you. `bye` ends the chat, /help lists commands."""
    refuse_unreachable(model, api_base)
    from memory.api import Memory
    from memory.cli.chat.background import Background
    from memory.cli.chat.commands import talk
    from memory.cli.chat.screen import terminal
    from memory.cli.chat.session import Chat
    from memory.store.turns.turn_reads import last_turn

    loaded = options.loaded_model(model, api_base)
    options.check_budget(loaded, budget)
    path = options.memory_location(namespace, db)
    with options.open_memory(namespace, db, create=True) as store:
        background = Background(path, loaded, since=last_turn(store) + 1, digests=digest)
        try:
            session = Chat(
                Memory(store, model=loaded, budget=budget),
                background,
                terminal(),
                memory_name=namespace if db is None else db.stem,
                speaker=speaker,
                character=character,
                persona=persona,
            )
            talk(session)
        finally:
            background.end()  # after the window under way
