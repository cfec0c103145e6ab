"""The turn of a coding agent's tool use: its files, its command, its outcome."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

# Of a long output the end says how it went, and the beginning what it was.
_BEGINNING, _ENDING = 300, 700  # characters
_PATCHED = re.compile(r"\*\*\* (?:Add|Update|Delete) File: (.+?)(?=\\n|[\"'`]|\s*$)", re.MULTILINE)
_MOVED = re.compile(r"\*\*\* Move to: (.+?)(?=\\n|[\"'`]|\s*$)", re.MULTILINE)
_WRITES = re.compile(
    r"(?:multi|notebook|str_?replace_?)?(?:edit|write|patch|create|replace)(?:_?(?:file|tool|based"
    r"_edit_tool))*|apply_patch|edit_file|write_file|update_file",
    re.IGNORECASE,
)
_READS = re.compile(r"read(?:_?file)?|view(?:_image)?|notebookread|open_file", re.IGNORECASE)
_FILE_KEYS = ("file_path", "notebook_path", "filePath", "path", "file")
_COMMAND_KEYS = ("command", "cmd", "script")
_PLANS = ("todos", "plan", "items")
_STATES = {"completed": "x", "done": "x", "in_progress": "~"}
# The shell that a command is wrapped in says nothing of it.
_WRAPPED = re.compile(
    r"^(?:/\S*/)?(?:ba|z|da)?sh -l?c (?P<quote>['\"]?)(?P<command>.*)(?P=quote)$", re.S
)
PLAN_TAG = "plan"  # of a turn with a list of tasks, which OPEN_ITEM reads
FAILED = "It failed."
NO_RESULT = "It was interrupted."
OPEN_ITEM = re.compile(r"^\[[ ~]\] (.+)$", re.MULTILINE)


def tool_text(
    name: str, arguments: Mapping[str, Any], folder: str, result: str, failed: bool | None
) -> str:
    """`Bash: pytest -q`, the ends of its output, and `It failed.` if it did.

    `failed` is None if there is no result: the tool was interrupted.
    """
    lines = [_head(name, arguments, folder)]
    items = _plan_items(arguments)
    lines += items
    # Text that it read is in the file, and plans are listed.
    is_quiet = not failed and (_READS.fullmatch(name) or items)
    if result.strip() and not is_quiet:
        lines.append(ends(result.strip()))
    if failed is not False:
        lines.append(NO_RESULT if failed is None else FAILED)
    return "\n".join(lines)


def touched_files(name: str, arguments: Mapping[str, Any], folder: str) -> list[str]:
    """The files that a tool use wrote, relative to the session's folder if they are in it."""
    paths = []
    if _WRITES.fullmatch(name.rsplit("__", 1)[-1]):
        paths += [str(arguments[key]) for key in _FILE_KEYS if arguments.get(key)]
    for text in _texts(arguments):
        if "*** Begin Patch" in text:
            paths += _PATCHED.findall(text) + _MOVED.findall(text)
    return list(dict.fromkeys(_below(path.strip(), folder) for path in paths))


def command_of(arguments: Mapping[str, Any]) -> str:
    """The command that a tool ran; "" for none."""
    for key in _COMMAND_KEYS:
        command = arguments.get(key)
        if isinstance(command, list):
            words = list(map(str, command))
            is_wrapped = len(words) == 3 and words[1] in ("-c", "-lc")
            command = words[2] if is_wrapped else " ".join(words)
        if isinstance(command, str) and command.strip():
            match = _WRAPPED.match(command.strip())
            return match["command"].strip() if match else command.strip()
    return ""


def is_plan(arguments: Mapping[str, Any]) -> bool:
    """Whether a tool wrote a list of tasks."""
    return bool(_plan_items(arguments))


def ends(text: str) -> str:
    """A text, of a long one the beginning and the end."""
    if len(text) <= _BEGINNING + _ENDING + 20:
        return text
    left_out = len(text) - _BEGINNING - _ENDING
    return f"{text[:_BEGINNING]}\n[... {left_out:,} characters ...]\n{text[-_ENDING:]}"


def _head(name: str, arguments: Mapping[str, Any], folder: str) -> str:
    files = touched_files(name, arguments, folder)
    command = "" if files else command_of(arguments)
    if command:
        return f"{name}: {ends(command)}"
    if not files:
        files = [_below(str(arguments[key]), folder) for key in _FILE_KEYS if arguments.get(key)]
    further = {
        key: value
        for key, value in arguments.items()
        if key not in (*_FILE_KEYS, *_PLANS) and isinstance(value, (str, int, float, bool))
    }
    if files:
        head = f"{name}: {', '.join(files)}"
        changes = [text for text in map(str, further.values()) if len(text) > 1]
        return "\n".join([head, *map(ends, changes)]) if changes else head
    words = json.dumps(further, ensure_ascii=False) if further else ""
    return f"{name}: {ends(words)}" if words else name


def _plan_items(arguments: Mapping[str, Any]) -> list[str]:
    """The lines of a list of tasks: `[x] done`, `[~] begun`, `[ ] open`."""
    for key in _PLANS:
        tasks = arguments.get(key)
        if isinstance(tasks, list) and all(isinstance(task, Mapping) for task in tasks):
            return [
                f"[{_STATES.get(str(task.get('status')), ' ')}] {words}"
                for task in tasks
                if (words := str(task.get("content") or task.get("step") or "").strip())
            ]
    return []


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _below(path: str, folder: str) -> str:
    """A path without the folder of the session, with slashes."""
    is_windows = "\\" in folder or "\\" in path
    kind = PureWindowsPath if is_windows else PurePosixPath
    try:
        return kind(path).relative_to(kind(folder)).as_posix() if folder else kind(path).as_posix()
    except ValueError:
        return kind(path).as_posix()
