"""Reads the transcripts of coding agents, which grow while a session runs, as turns.

A turn's source is the transcript's own id, so that reading again stores nothing twice. A cursor
says where reading goes on. Prompts are turns of the person, replies turns of the agent. A tool use
is one turn of kind `tool` with its outcome: nothing that it says is an instruction.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

from memory.errors import InputError
from memory.exchange.agent_events import (
    SUBAGENT,
    Event,
    LeftOut,
    Said,
    SessionInfo,
    ToolCall,
    ToolResult,
)
from memory.exchange.claude_code import claude_code_events
from memory.exchange.codex import codex_events
from memory.exchange.items import session_name, short_hash, skipped_counts
from memory.exchange.json_files import LONGEST_VALUE
from memory.exchange.opencode import opencode_events
from memory.exchange.tool_texts import PLAN_TAG, command_of, is_plan, tool_text, touched_files
from memory.records import Skipped, Turn
from memory.system.files import open_regular
from memory.system.folders import folder_name
from memory.text.secrets import mask
from memory.text.tool_uses import FAILED_OUTCOME, FILE_TAG, FIXED_TAG, OUTCOME_TAG
from memory.text.written_dates import clean_date

_SESSION = re.compile(r"[\w-]{8,80}")  # allowed in the name of a file
_FIRST_LINES = 200  # within which a transcript names its folder
_MOST_FAILING = 10  # commands
_MOST_FILES = 20  # of one tool use, as tags


@dataclass(frozen=True)
class Agent:
    """A coding agent: its name in commands, its name as a speaker, and where its transcripts lie.

    `home_variable` is the environment variable that moves its folder. Where `transcripts` is "", it
    hands its messages over.
    """

    name: str
    speaker: str
    events: Callable[[Mapping[str, Any]], Iterator[Event]]
    folder: str
    home_variable: str
    transcripts: str

    def home(self) -> Path:
        """The agent's own folder, with its settings and transcripts."""
        named = os.environ.get(self.home_variable)
        return Path(named).expanduser() if named else Path.home() / self.folder


AGENTS = {
    agent.name: agent
    for agent in (
        Agent(
            "claude-code", "Claude", claude_code_events, ".claude", "CLAUDE_CONFIG_DIR", "projects"
        ),
        Agent("codex", "Codex", codex_events, ".codex", "CODEX_HOME", "sessions"),
        Agent(
            "opencode", "OpenCode", opencode_events, ".config/opencode", "OPENCODE_CONFIG_DIR", ""
        ),
    )
}


@dataclass(frozen=True)
class Cursor:
    """Where reading a transcript goes on: a byte, and what earlier lines said of the session."""

    offset: int = 0
    session: str = ""
    folder: str = ""
    prompt: str = ""  # the hash of the last one
    # Commands that failed, by their hash, with the files that were changed since.
    failing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # The session that this one copies, "" from its first own message on; and where in it we are.
    forked_from: str = ""
    copied: int = 0
    is_subagents: bool = False


@dataclass(frozen=True)
class Reading:
    """What was new in a transcript. `cursor` is where the next reading begins."""

    turns: tuple[Turn, ...]
    skipped: tuple[Skipped, ...]
    cursor: Cursor


def transcript_files(agent: Agent, path: Path | None = None) -> list[Path]:
    """All transcripts of an agent, the oldest first; or those at a path.

    Raises InputError when there is no such path.
    """
    root = path or agent.home() / agent.transcripts
    if not root.exists():
        raise InputError(f"{root}: no such file or folder; give the path of the transcripts")
    files = [root] if root.is_file() else [file for file in root.rglob("*.jsonl") if file.is_file()]
    return sorted(files, key=lambda file: (file.stat().st_mtime, str(file)))


def transcript_start(agent: Agent, path: Path) -> Cursor:
    """The session and the folder of a transcript, read from its first lines."""
    reader = _Reader(agent, path.name, Cursor(), "User")
    with open_regular(path) as file:
        for line in islice(iter(partial(file.readline, LONGEST_VALUE), b""), _FIRST_LINES):
            reader.read_line(line)
            if reader.reading().cursor.folder:
                break
    return reader.reading().cursor


def read_transcript(
    agent: Agent,
    path: Path,
    cursor: Cursor = Cursor(),
    speaker: str = "User",
    is_over: bool = False,
    forks: tuple[str, ...] = (),
) -> Reading:
    """The turns that a transcript has after the cursor.

    A line that is not finished yet waits for the next reading, and so does a tool use without its
    result, unless a prompt came after it or the session `is_over`. A damaged line is skipped.
    Secrets in tools' inputs and results are masked before any of it is cut; secrets in messages by
    the store, as the memory's policy says. Turns that a fork copied from another session belong to
    that session, if its transcript is found; `forks` are the sessions that led here.

    Raises InputError when the file cannot be read.
    """
    messages_of = partial(_messages_of, agent, path, speaker, forks)
    reader = _Reader(agent, path.name, cursor, speaker, messages_of)
    try:
        with open_regular(path) as file:
            if cursor.offset > os.fstat(file.fileno()).st_size:
                # another file by now
                reader = _Reader(agent, path.name, Cursor(), speaker, messages_of)
            else:
                file.seek(cursor.offset)
            while line := file.readline(LONGEST_VALUE):
                if not line.endswith(b"\n") and not is_over:
                    break
                reader.read_line(line)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if is_over:
        reader.close_calls()
    return reader.reading()


def _messages_of(
    agent: Agent, path: Path, speaker: str, forks: tuple[str, ...], session: str
) -> list[Turn]:
    """The messages of another session, whose transcript is next to the one at `path`."""
    root = next(
        (parent for parent in path.parents if parent.name == agent.transcripts), path.parent
    )
    if session in forks or not _SESSION.fullmatch(session):
        return []
    for file in root.rglob(f"*{session}.jsonl"):
        with suppress(InputError):
            reading = read_transcript(agent, file, speaker=speaker, forks=(*forks, session))
            return [turn for turn in reading.turns if turn.kind == "message"]
    return []


def read_records(
    agent: Agent,
    records: Iterable[Mapping[str, Any]],
    cursor: Cursor = Cursor(),
    speaker: str = "User",
) -> Reading:
    """The turns in records that an agent handed over, in the place of lines of a transcript."""
    reader = _Reader(agent, agent.name, cursor, speaker)
    for record in records:
        reader.read_record(record)
    return reader.reading()


class _Reader:
    """Puts the events of a transcript together to turns."""

    def __init__(
        self,
        agent: Agent,
        name: str,
        cursor: Cursor,
        speaker: str,
        messages_of: Callable[[str], Sequence[Turn]] = lambda _: (),
    ) -> None:
        self._agent = agent
        self._messages_of = cache(messages_of)
        self._name = name
        self._cursor = cursor
        self._speaker = speaker
        self._turns: list[Turn] = []
        self._left_out: Counter[str] = Counter()
        self._skipped: list[Skipped] = []
        self._calls: dict[str, tuple[ToolCall, Cursor]] = {}  # the ones without a result, in order

    def read_line(self, line: bytes) -> None:
        before = self._cursor
        self._cursor = replace(before, offset=before.offset + len(line))
        if not line.strip():
            return
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            self._skipped.append(Skipped(f"{self._name}, byte {before.offset:,}", "not JSON"))
            return
        if not isinstance(record, dict):
            self._skipped.append(Skipped(f"{self._name}, byte {before.offset:,}", "not an object"))
            return
        self.read_record(record, before)

    def read_record(self, record: Mapping[str, Any], line_start: Cursor | None = None) -> None:
        for event in self._agent.events(record):
            self._take(event, line_start or self._cursor)

    def _take(self, event: Event, line_start: Cursor) -> None:
        match event:
            case SessionInfo():
                if not self._cursor.session:  # later ones are copies
                    self._cursor = replace(
                        self._cursor,
                        forked_from=event.forked_from,
                        is_subagents=event.is_subagents,
                    )
                self._cursor = replace(
                    self._cursor,
                    session=self._cursor.session or event.session,
                    folder=self._cursor.folder or event.folder,
                )
            case Said() | ToolCall() | ToolResult() if self._cursor.is_subagents:
                self._left_out[SUBAGENT] += 1
            case Said():
                self._say(event)
            case ToolCall():
                self._calls[event.identity] = (event, line_start)
            case ToolResult():
                call, _ = self._calls.pop(event.identity, (None, None))
                if call:
                    self._use(call, event.text, event.failed)
            case LeftOut():
                self._left_out[event.why] += 1

    def _say(self, message: Said) -> None:
        if message.by_person:
            prompt = short_hash(message.text.strip())
            if not message.identity and prompt == self._cursor.prompt:
                return  # the same prompt in its other form
            self._cursor = replace(self._cursor, prompt=prompt)
            self.close_calls()
        elif not message.identity:
            self._cursor = replace(self._cursor, prompt="")
        if original := self._original_of(message):
            self._turns.append(original)
            return
        identity = message.identity
        if not identity:
            identity = short_hash(
                self._cursor.session, message.said_at, message.by_person, message.text
            )
        self._add(
            Turn(
                speaker=self._speaker if message.by_person else self._agent.speaker,
                text=message.text,
                said_at=clean_date(message.said_at),
                source=identity,
            )
        )

    def _original_of(self, message: Said) -> Turn | None:
        """The turn of the session that was forked, where this message is a copy of it.

        A copy has no id, and the time of the fork. All of them come first, in order.
        """
        if not self._cursor.forked_from:
            return None
        speaker = self._speaker if message.by_person else self._agent.speaker
        originals = self._messages_of(self._cursor.forked_from)
        for position in range(self._cursor.copied, len(originals)):
            original = originals[position]
            if (original.speaker, original.text) == (speaker, message.text):
                self._cursor = replace(self._cursor, copied=position + 1)
                return original
        self._cursor = replace(self._cursor, forked_from="")
        return None

    def close_calls(self) -> None:
        """Store the tool uses that will have no result any more."""
        for call, _ in self._calls.values():
            self._use(call, "", failed=None)
        self._calls.clear()

    def _use(self, call: ToolCall, result: str, failed: bool | None) -> None:
        folder = self._cursor.folder
        arguments = _masked(call.arguments)
        files = touched_files(call.name, arguments, folder)
        tags: dict[str, str | list[str]] = {"tool": call.name}
        if failed is not False:
            tags[OUTCOME_TAG] = FAILED_OUTCOME if failed else "interrupted"
        elif files:
            tags[FILE_TAG] = files[:_MOST_FILES]
        if command := command_of(arguments):
            tags |= self._fixed(short_hash(command), failed)
        elif files and not failed:
            self._changed(files)
        if is_plan(arguments) and failed is False:
            tags[PLAN_TAG] = "yes"
        self._add(
            Turn(
                speaker=self._agent.speaker,
                text=tool_text(call.name, arguments, folder, mask(result).text, failed),
                said_at=clean_date(call.said_at),
                source=call.identity,
                kind="tool",
                tags=tags,
            )
        )

    def _fixed(self, command: str, failed: bool | None) -> dict[str, list[str]]:
        """The tag of a command that works again: the files that were changed since it failed."""
        failing = dict(self._cursor.failing)
        files = failing.pop(command, None)
        if failed:
            failing[command] = files or ()
            failing = dict(list(failing.items())[-_MOST_FAILING:])
        self._cursor = replace(self._cursor, failing=failing)
        return {FIXED_TAG: list(files)} if files and failed is False else {}

    def _changed(self, files: Sequence[str]) -> None:
        failing = {
            command: list(dict.fromkeys([*before, *files]))[:_MOST_FILES]
            for command, before in self._cursor.failing.items()
        }
        self._cursor = replace(self._cursor, failing=failing)

    def _add(self, turn: Turn) -> None:
        project = folder_name(self._cursor.folder) or "project"
        self._turns.append(
            replace(
                turn,
                session=session_name(project, self._cursor.session or self._name),
                source=f"{self._agent.name}:{turn.source}",
                tags={**turn.tags, "agent": self._agent.name, "project": project},
            )
        )

    def reading(self) -> Reading:
        """What was read. The next reading begins with the first tool use that lacks its result."""
        waiting = [start for _, start in self._calls.values()]
        cursor = min([self._cursor, *waiting], key=lambda cursor: cursor.offset)
        skipped = (*self._skipped, *skipped_counts(self._left_out))
        return Reading(tuple(self._turns), skipped, cursor)


def _masked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a tool without the secrets in their texts."""

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return mask(value).text
        if isinstance(value, Mapping):
            return {key: masked(item) for key, item in value.items()}
        return [masked(item) for item in value] if isinstance(value, list) else value

    return {key: masked(value) for key, value in arguments.items()}
