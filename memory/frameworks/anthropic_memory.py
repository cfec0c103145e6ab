"""Anthropic's memory tool: the files that Claude keeps about a person are documents of a memory.

A file is a turn of kind "document". Each new version is another turn and hides the one before, so
`memory` shows how it was, and an undo brings it back. A deleted file is hidden; `memory forget`
removes it. The file `facts.md` is made of the memory's current facts and can only be read.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from anthropic.lib.tools import BetaAbstractMemoryTool, ToolError

from memory.frameworks.store_thread import StoreThread, hide, supersede
from memory.records import Minted, Turn
from memory.store import Store
from memory.store.facts.fact_reads import current_facts
from memory.store.turns.turn_reads import visible_turns
from memory.store.turns.turn_validation import HIDDEN, local_now, session_label
from memory.text.characters import is_visible
from memory.vocabulary.fact_lines import fact_line

_BY = "memory tool"
_SESSION = "memory tool "  # before the path
_ROOT = "/memories"
_FACTS = f"{_ROOT}/facts.md"
# The tag of a file without a visible character, which no turn can be.
_BLANK = Minted("memory tool blank")
_BLANK_TEXT = "(an empty file)"
_NUMBER_WIDTH = 6
_MOST_LINES_NAMED = 100
_SNIPPET_LINES = 2  # shown above and below a replaced line


class MemoryTool(BetaAbstractMemoryTool):
    """A tool for `client.beta.messages.tool_runner(tools=[...])`, whose files are in a memory.

    Its answers and errors have the words of the SDK's own tool for a folder.

    Arguments:
        location: the memory's name, path or address.
        speaker: the writer of the files, as the memory shows it.
    """

    def __init__(self, location: str | Path, *, speaker: str = "assistant", **options: Any) -> None:
        super().__init__(**options)
        self._thread = StoreThread(location)
        self._speaker = speaker

    def view(self, command: Any) -> str:
        """The numbered lines of a file, or the files below a folder."""
        return self._thread.call(lambda store: _view(store, command.path, command.view_range))

    def create(self, command: Any) -> str:
        """Make a file."""

        def create(store: Store) -> str:
            path = _new_path(store, command.path, f"File {command.path} already exists")
            left_out = self._write(store, path, command.file_text)
            return f"File created successfully at: {command.path}{left_out}"

        return self._thread.call(create)

    def str_replace(self, command: Any) -> str:
        """Replace a text that a file has once."""

        def replace(store: Store) -> str:
            path, text = _file(store, command.path)
            position = _only_position(text, command.old_str, command.path)
            new = text[:position] + command.new_str + text[position + len(command.old_str) :]
            left_out = self._write(store, path, new)
            line = text[:position].count("\n")
            first = max(0, line - _SNIPPET_LINES)
            snippet = _numbered(new.split("\n")[first : line + _SNIPPET_LINES + 1], first + 1)
            return (
                "The memory file has been edited. Here is the snippet showing the change (with line"
                f" numbers):\n{snippet}{left_out}"
            )

        return self._thread.call(replace)

    def insert(self, command: Any) -> str:
        """Insert lines behind a line of a file; 0 is before the first."""

        def insert(store: Store) -> str:
            path, text = _file(store, command.path)
            lines = text.removesuffix("\n").split("\n") if text else []
            if not 0 <= command.insert_line <= len(lines):
                raise ToolError(
                    f"Invalid `insert_line` parameter: {command.insert_line}. It should be within"
                    f" the range [0, {len(lines)}]."
                )
            lines.insert(command.insert_line, command.insert_text.rstrip("\n"))
            left_out = self._write(store, path, "\n".join(lines).removesuffix("\n") + "\n")
            return f"The file {command.path} has been edited.{left_out}"

        return self._thread.call(insert)

    def delete(self, command: Any) -> str:
        """Hide a file, or a folder with all its files."""

        def delete(store: Store) -> str:
            path = _path(command.path)
            if path == _ROOT:
                raise ToolError("Cannot delete the /memories directory itself")
            _refuse_facts(path)
            paths = _below(_contents(store), path)
            if not paths:
                raise ToolError(f"The path {command.path} does not exist")
            _hide(store, paths)
            return f"Successfully deleted {command.path}"

        return self._thread.call(delete)

    def rename(self, command: Any) -> str:
        """Give a file or a folder another path."""

        def rename(store: Store) -> str:
            old = _path(command.old_path)
            if old == _ROOT:
                raise ToolError("Cannot rename the /memories directory itself")
            _refuse_facts(old)
            new = _new_path(
                store, command.new_path, f"The destination {command.new_path} already exists"
            )
            contents = _contents(store)
            paths = _below(contents, old)
            if not paths:
                raise ToolError(f"The path {command.old_path} does not exist")
            if new.startswith(f"{old}/"):
                raise ToolError(f"Cannot move {command.old_path} into itself")
            moved = {new + path.removeprefix(old): contents[path] for path in paths}
            turns = [_turn(path, text, self._speaker) for path, text in moved.items()]
            supersede(store, _versions(store, paths), turns, _BY)
            return f"Successfully renamed {command.old_path} to {command.new_path}"

        return self._thread.call(rename)

    def clear_all_memory(self) -> str:
        """Hide all files."""
        self._thread.call(lambda store: _hide(store, _contents(store)))
        return "All memory cleared"

    def close(self) -> None:
        """Close the memory."""
        self._thread.close()

    def _write(self, store: Store, path: str, text: str) -> str:
        """Store a version of a file; a remark if the memory withheld a part of it, else ""."""
        old = _versions(store, [path])
        turn = _turn(path, text, self._speaker)
        [turn_id] = supersede(store, old, [turn], _BY)
        is_whole = store.turn(turn_id).text == turn.text
        return "" if is_whole else " The memory left secrets out of it."


def _turn(path: str, text: str, speaker: str) -> Turn:
    session = Minted(_SESSION + path)
    if session_label(session) != session:
        raise ToolError(
            f"{path!r:.80} is no path here: use one line of at most 480 characters, without double"
            " spaces and without invisible characters"
        )
    is_blank = not is_visible(text)
    tags: dict[str, str] = {_BLANK: "yes"} if is_blank else {}
    content = _BLANK_TEXT if is_blank else text
    return Turn(speaker, content, session, local_now(), kind="document", tags=tags)


def _versions(store: Store, paths: Collection[str]) -> list[Turn]:
    """The turns in view that are files at these paths."""
    turns = visible_turns(store, HIDDEN, session=f"{_SESSION}{_ROOT}/", is_prefix=True)
    return [turn for turn in turns if turn.session.removeprefix(_SESSION) in paths]


def _hide(store: Store, paths: Collection[str]) -> None:
    hide(store, _versions(store, paths), _BY)


def _contents(store: Store) -> dict[str, str]:
    """The text of each file, by its path."""
    turns = visible_turns(store, HIDDEN, session=f"{_SESSION}{_ROOT}/", is_prefix=True)
    contents = {
        turn.session.removeprefix(_SESSION): "" if _BLANK in turn.tags else turn.text
        for turn in turns  # the newest version last
    }
    if facts := current_facts(store):
        contents[_FACTS] = "".join(f"- {fact_line(fact)}\n" for fact in facts)
    return contents


def _path(path: str) -> str:
    """A path without what can be left out of it. Raises ToolError outside of the root."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not path.startswith("/") or parts[:1] != [_ROOT[1:]]:
        raise ToolError(f"Path must start with /memories, got: {path}")
    if ".." in parts:
        raise ToolError(f"Path {path} would escape /memories directory")
    return "/" + "/".join(parts)


def _new_path(store: Store, path: str, refusal: str) -> str:
    """The path of a file to be made. Raises ToolError if it is taken, or below a file."""
    new = _path(path)
    contents = _contents(store)
    if new in (_ROOT, _FACTS) or _below(contents, new):
        raise ToolError(refusal)
    if parent := next((file for file in contents if new.startswith(f"{file}/")), None):
        raise ToolError(f"The path {parent} is not a directory.")
    return new


def _file(store: Store, path: str) -> tuple[str, str]:
    """The path and the text of a file that can be edited. Raises ToolError for none."""
    clean = _path(path)
    contents = _contents(store)
    _refuse_facts(clean)
    if clean in contents:
        return clean, contents[clean]
    if clean == _ROOT or _below(contents, clean):
        raise ToolError(f"The path {path} is not a file.")
    raise ToolError(f"The path {path} does not exist. Please provide a valid path.")


def _refuse_facts(path: str) -> None:
    if path == _FACTS:
        raise ToolError(f"{path} is made of the memory's facts and can only be read.")


def _below(contents: Collection[str], path: str) -> list[str]:
    """The files at a path: the file, or all files of a folder."""
    return [file for file in contents if file == path or file.startswith(f"{path}/")]


def _only_position(text: str, part: str, path: str) -> int:
    """Where a file has a text. Raises ToolError if it does not, or in several places."""
    position = text.find(part) if part else -1
    if position < 0:
        raise ToolError(
            f"No replacement was performed, old_str `{part}` did not appear verbatim in {path}."
        )
    lines = _lines_with(text, part)
    if len(lines) > 1:
        named = ", ".join(map(str, lines[:_MOST_LINES_NAMED]))
        raise ToolError(
            f"No replacement was performed. Multiple occurrences of old_str `{part}` in lines:"
            f" {named}. Please ensure it is unique"
        )
    return position


def _lines_with(text: str, part: str) -> list[int]:
    """The numbers of the lines where a text begins, in linear time; one for each time."""
    lines: list[int] = []
    number, counted = 1, 0
    position = text.find(part)
    while position >= 0 and len(lines) <= _MOST_LINES_NAMED:
        number += text.count("\n", counted, position)
        counted = position
        lines.append(number)
        position = text.find(part, position + 1)
    return lines


def _view(store: Store, path: str, view_range: list[int] | None) -> str:
    clean = _path(path)
    contents = _contents(store)
    if clean in contents:
        lines = contents[clean].split("\n")
        first, last = view_range if view_range and len(view_range) == 2 else (1, -1)
        first = max(1, first)
        numbered = _numbered(lines[first - 1 : None if last == -1 else last], first)
        return f"Here's the content of {path} with line numbers:\n{numbered}"
    files = _below(contents, clean)
    if not files and clean != _ROOT:
        raise ToolError(f"The path {path} does not exist. Please provide a valid path.")
    sizes: dict[tuple[str, ...], int] = {(): 0}
    folders: set[tuple[str, ...]] = set()
    for file in files:
        parts = tuple(file.removeprefix(f"{clean}/").split("/"))
        folders.update(parts[:depth] for depth in range(1, len(parts)))
        for depth in range(len(parts) + 1):
            size = len(contents[file].encode())
            sizes[parts[:depth]] = sizes.get(parts[:depth], 0) + size
    listing = "\n".join(
        f"{_size(sizes[parts])}\t{'/'.join([path, *parts])}{'/' if parts in folders else ''}"
        for parts in sorted(sizes)
        if len(parts) <= 2 and not any(part.startswith(".") for part in parts)
    )
    return (
        f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden"
        f" items:\n{listing}"
    )


def _numbered(lines: list[str], first: int) -> str:
    return "\n".join(
        f"{number:{_NUMBER_WIDTH}}\t{line}" for number, line in enumerate(lines, first)
    )


def _size(count: float) -> str:
    for unit in "BKM":
        if count < 1024:
            return f"{count:.1f}".removesuffix(".0") + unit
        count /= 1024
    return f"{count:.1f}G"
