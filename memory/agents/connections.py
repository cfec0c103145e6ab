"""Connects a coding agent: puts our hooks into its settings and takes them out, byte for byte."""

import difflib
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memory.agents import hook
from memory.agents.settings_text import Insertion, with_list_item, without
from memory.errors import InputError
from memory.exchange.transcripts import AGENTS, Agent
from memory.system.files import open_regular, write_whole
from memory.system.home import AGENTS_FOLDER, home, home_address

_CONNECTIONS = "connections"  # the folder with the record of insertions
_HOOK_SECONDS = 5  # after which the agent ends the hook; it ends by itself after two
_EVENTS = {
    "claude-code": ("SessionStart", "UserPromptSubmit", "Stop", "PreCompact", "SessionEnd"),
    "codex": ("SessionStart", "UserPromptSubmit", "Stop", "PreCompact"),
}
_PROJECT_FILES = {
    "claude-code": ".claude/settings.local.json",
    "codex": ".codex/hooks.json",
    "opencode": ".opencode/plugins/sql-memory.js",
}
_PERSON_FILES = {
    "claude-code": "settings.json",
    "codex": "hooks.json",
    "opencode": "plugins/sql-memory.js",
}
_OURS = "agents/hook.py"  # in the command of each of our hooks


@dataclass(frozen=True)
class Connection:
    """What was written into a settings file. `insertions` undo it; `folders` were made for it."""

    agent: str
    path: str
    is_new: bool
    insertions: tuple[Insertion, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """A settings file before and after; None if there is no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    connection: Connection

    def diff(self) -> str:
        """What changes, as a unified diff."""
        before, after = (
            (text or b"").decode("utf-8", "replace").splitlines(keepends=True)
            for text in (self.before, self.after)
        )
        lines = difflib.unified_diff(before, after, str(self.path), str(self.path))
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def state_folder() -> Path:
    """Where hooks keep their cursors and their log."""
    return home().absolute() / AGENTS_FOLDER


def settings_file(agent: Agent, project: Path | None) -> Path:
    """The settings file of the person, or of a project."""
    if project:
        return project / _PROJECT_FILES[agent.name]
    return agent.home() / _PERSON_FILES[agent.name]


def hook_command(agent: Agent, options: Mapping[str, str]) -> list[str]:
    """The command of a hook: Python without site packages and without the project's folder."""
    words = [sys.executable, "-I", "-S", str(Path(hook.__file__).absolute()), agent.name]
    values = {"state": str(state_folder()), **options}
    if home_address():
        values["needs-home"] = "yes"
    for name, value in values.items():
        words += [f"--{name}", value]
    return words


def connecting(agent: Agent, project: Path | None, options: Mapping[str, str]) -> Edit:
    """The edit that connects an agent. Raises InputError for settings that cannot be read."""
    if os.name != "posix":
        raise InputError("hooks need Unix sockets, which Python lacks on this system")
    path = settings_file(agent, project)
    before = _content(path)
    command = hook_command(agent, options)
    folders = tuple(str(parent) for parent in reversed(path.parents) if not parent.exists())
    if agent.name == "opencode":
        if before is not None:
            raise InputError(f"{path} exists already")
        template = Path(__file__).with_name("opencode_plugin.js").read_text("utf-8")
        text = template.replace('["COMMAND"]', json.dumps(command))
        return Edit(path, None, text.encode(), Connection(agent.name, str(path), True, (), folders))
    text = "{}\n" if before is None or not before.strip() else _decoded(path, before)
    insertions = []
    handler = {"type": "command", "command": shlex.join(command), "timeout": _HOOK_SECONDS}
    try:
        json.loads(text)
        for event in _EVENTS[agent.name]:
            text, inserted = with_list_item(text, ("hooks", event), {"hooks": [handler]})
            insertions.append(inserted)
        json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: no settings of {agent.name}: {error}; mend it first") from error
    is_new = before is None or not before.strip()
    connection = Connection(agent.name, str(path), is_new, tuple(insertions), folders)
    return Edit(path, before, text.encode(), connection)


def connection_at(path: Path) -> Connection | None:
    """What `memory connect` wrote into a settings file; None if it wrote nothing."""
    try:
        record = json.loads(_record(path).read_bytes())
        record["insertions"] = tuple((start, text) for start, text in record["insertions"])
        record["folders"] = tuple(record["folders"])
        return Connection(**record)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def connections() -> list[Connection]:
    """All connections of this home."""
    records = sorted((state_folder() / _CONNECTIONS).glob("*.json"))
    paths = []
    for record in records:
        with suppress(OSError, ValueError, KeyError, TypeError):
            paths.append(Path(json.loads(record.read_bytes())["path"]))
    return [found for path in paths if (found := connection_at(path))]


def disconnecting(connection: Connection) -> Edit:
    """The edit that takes our hooks out. Later changes by others stay."""
    path = Path(connection.path)
    before = _content(path)
    if before is None:
        return Edit(path, None, None, connection)
    if connection.agent == "opencode":
        return Edit(path, before, None, connection)
    text = _decoded(path, before)
    after = without(text, connection.insertions)
    if after is None:
        after = _without_hooks(path, text)
    is_gone = connection.is_new and not after.strip("{} \t\r\n")
    return Edit(path, before, None if is_gone else after.encode(), connection)


def apply(edit: Edit, connects: bool) -> None:
    """Write an edit, whole or not at all. Raises InputError when the file changed meanwhile."""
    if _content(edit.path) != edit.before:
        raise InputError(f"{edit.path} was changed meanwhile; run the command again")
    record = _record(edit.path)
    if connects:
        # First: with this record alone, disconnecting does nothing.
        write_whole(record, json.dumps(asdict(edit.connection)).encode())
    if edit.after is not None:
        _write(edit.path, edit.after)
    elif edit.before is not None:
        edit.path.resolve().unlink()
    if not connects:
        for folder in reversed(edit.connection.folders):
            with suppress(OSError):  # something else lies in it by now
                Path(folder).rmdir()
        record.unlink(missing_ok=True)


def agent_of(name: str) -> Agent:
    """An agent by its name in commands. Raises InputError for another name."""
    if name not in AGENTS:
        raise InputError(f"unknown agent {name!r}; there are {', '.join(AGENTS)}")
    return AGENTS[name]


def is_in_force(connection: Connection) -> bool:
    """Whether the settings still have our hooks."""
    content = _content(Path(connection.path))
    return content is not None and _OURS.encode() in content


def _record(path: Path) -> Path:
    digest = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()
    return state_folder() / _CONNECTIONS / f"{digest[:32]}.json"


def _content(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8") from error


def _write(path: Path, content: bytes) -> None:
    """Write where a link points to, with the rights that the file had."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    write_whole(target, content)
    if mode is not None:
        target.chmod(mode)


def _without_hooks(path: Path, text: str) -> str:
    """Settings that were written anew since, without our hooks."""
    try:
        settings: dict[str, Any] = json.loads(text)
        hooks = settings["hooks"]
        for event in list(hooks):
            groups = []
            for group in hooks[event]:
                handlers = [
                    handler
                    for handler in group["hooks"]
                    if _OURS not in str(handler.get("command"))
                ]
                if handlers:
                    groups.append({**group, "hooks": handlers})
            hooks[event] = groups
            if not groups:
                del hooks[event]
        if not hooks:
            del settings["hooks"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot find our hooks in it; remove them yourself") from error
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
