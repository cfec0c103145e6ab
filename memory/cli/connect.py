"""The command connect: coding agents that remember by themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import DEFAULT, Yes, confirm
from memory.errors import InputError
from memory.system.terminal import clean_line, print_clean

if TYPE_CHECKING:
    from memory.agents.connections import Edit


def connect(
    agent: Annotated[str, typer.Argument(help="claude-code, codex or opencode.")] = "",
    project: Annotated[
        bool, typer.Option("--project", help="In this project's own settings, not in yours.")
    ] = False,
    speaker: Annotated[str, typer.Option(help="Your name in memories.")] = "User",
    person: Annotated[
        str, typer.Option(help="The namespace of your personal memory, next to the project's.")
    ] = DEFAULT,
    status: Annotated[bool, typer.Option("--status", help="List what is connected.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the hooks out again. Memories stay.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let a coding agent remember: hooks in its settings, and a memory for each project.

    Shows the change first. `--remove` undoes it.
    """
    from memory.agents.connections import (
        agent_of,
        apply,
        connecting,
        connection_at,
        is_in_force,
        settings_file,
    )
    from memory.agents.server import stop_server

    if status:
        _print_status()
        return
    if not agent:
        raise InputError("name an agent: memory connect claude-code")
    if remove:
        _disconnect(agent, project=project, yes=yes)
        return
    known = agent_of(agent)
    root = Path.cwd() if project else None
    before = connection_at(settings_file(known, root))
    if before and is_in_force(before):
        print_clean(f"{agent} is connected already: {clean_line(before.path)}")
        return
    edit = connecting(known, root, {"speaker": speaker, "person": person})
    _confirm(edit, yes)
    apply(edit, connects=True)
    stop_server()
    print_clean(f"{agent} is connected; its next session begins to remember")
    if agent == "codex":
        print_clean("Codex runs new hooks once you have trusted them: /hooks in Codex")
    if known.transcripts:
        print_clean(f"what you did before: memory import {agent}")


def _disconnect(agent: str, *, project: bool, yes: bool) -> None:
    from memory.agents.connections import (
        agent_of,
        apply,
        connection_at,
        disconnecting,
        settings_file,
    )
    from memory.agents.server import stop_server

    path = settings_file(agent_of(agent), Path.cwd() if project else None)
    connection = connection_at(path)
    if connection is None:
        raise InputError(f"{agent} is not connected in {path}; see memory connect --status")
    edit = disconnecting(connection)
    _confirm(edit, yes)
    apply(edit, connects=False)
    stop_server()
    print_clean(f"{agent} is disconnected; its memories stay")


def _confirm(edit: "Edit", yes: bool) -> None:
    print_clean(edit.diff().rstrip("\n"))
    confirm(f"Change {edit.path}?", yes)


def _print_status() -> None:
    from memory.agents.connections import connections, is_in_force, state_folder

    listed = connections()
    for connection in listed:
        force = "connected" if is_in_force(connection) else "its hooks were removed"
        print_clean(f"{connection.agent}: {force}, {clean_line(connection.path)}")
    if not listed:
        print_clean("no agent is connected; memory connect claude-code connects one")
    log = state_folder() / "hook.log"
    if log.exists():
        lines = log.read_text("utf-8", "replace").splitlines()
        for line in lines[-3:]:
            print_clean(f"  {clean_line(line)}")
        print_clean(f"  log: {clean_line(str(log))}")
