"""What an agent's session stores in its project's memory, and what it gets from there."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from memory.agents.blocks import prompt_block, start_block
from memory.agents.projects import SESSIONS, project_of
from memory.errors import InputError
from memory.exchange.imports import import_turns
from memory.exchange.items import ForeignExport, session_name, storable_items
from memory.exchange.transcripts import AGENTS, Cursor, Reading, read_records, read_transcript
from memory.records import Turn
from memory.search.embed import load_embedder
from memory.store import Store, open_store
from memory.store.namespaces import exists, location_of, make_folder
from memory.system.files import write_whole
from memory.vocabulary import INSTRUCTION, default_vocabulary
from memory.vocabulary.templates import assertions_in

START_TOKENS = 1_500
PROMPT_TOKENS = 600
_BATCH = 256  # turns stored together
_OVER = "SessionEnd"
_FOR_ALL = re.compile(
    r"\b(?:in|for|across) (?:all|every) (?:my )?(?:projects?|repositor(?:y|ies))\b", re.I
)
_MOST_SESSIONS = 50  # that one start looks after


@dataclass(frozen=True)
class HookCall:
    """What a hook was called with. `options` are the ones that `memory connect` wrote."""

    agent: str
    event: str
    session: str
    folder: str
    transcript: str = ""
    prompt: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "HookCall":
        """From a request of the hook. Raises InputError if something is missing."""
        payload = request["payload"]
        if request.get("agent") not in AGENTS or not payload.get("session_id"):
            raise InputError("no agent or session is named")
        return cls(
            agent=request["agent"],
            event=str(payload.get("hook_event_name", "")),
            session=str(payload["session_id"]),
            folder=str(payload.get("cwd") or ""),
            transcript=str(payload.get("transcript_path") or ""),
            prompt=str(payload.get("prompt") or ""),
            options=request.get("options") or {},
            records=tuple(payload.get("records") or ()),
        )

    @property
    def state(self) -> str:
        """The folder of cursors and of the log."""
        return self.options.get("state", "")

    @property
    def speaker(self) -> str:
        """The person's name in memories."""
        return self.options.get("speaker") or "User"

    @property
    def person(self) -> str:
        """The namespace of the person's own memory."""
        return self.options.get("person") or "default"


@dataclass(frozen=True)
class _Session:
    """What is known of a session between two hooks."""

    agent: str
    namespace: str
    folder: str
    transcript: str
    cursor: Cursor = field(default_factory=Cursor)


# --- what an agent gets ---------------------------------------------------------------------------


def start_context(call: HookCall) -> str:
    """The block for a session's start; "" if there is nothing to show."""
    with _memories(call) as (project, person):
        return start_block(
            project,
            person,
            session=_name_in_memory(call),
            speaker=call.speaker,
            tokens=START_TOKENS,
        )


def prompt_context(call: HookCall) -> str:
    """The block that fits a prompt; "" if nothing does."""
    if not call.prompt.strip():
        return ""
    with _memories(call) as (project, person):
        return prompt_block(
            project,
            person,
            call.prompt,
            session=_name_in_memory(call),
            speaker=call.speaker,
            tokens=PROMPT_TOKENS,
        )


_WARMING = "whether the embedder understands vectors"


def warm_up(call: HookCall) -> None:
    """Search once, so that the embedder and the project's vectors are in this process's memory."""
    prompt_context(replace(call, prompt=_WARMING))


def load() -> None:
    """Load the embedder, with all that this module imports."""
    load_embedder()([_WARMING])


def has_begun(call: HookCall) -> bool:
    """Whether a hook of this session has told the block of its start, also to an earlier server."""
    return bool(call.state) and _mark_of_beginning(call).exists()


def note_begun(call: HookCall) -> None:
    """Note that a session has the block of its start."""
    mark = _mark_of_beginning(call)
    if call.state and not mark.exists():
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)


def _mark_of_beginning(call: HookCall) -> Path:
    return _file_of(call).with_suffix(".begun")


_opened: dict[str, Store] = {}  # by location, of the thread that answers


@contextmanager
def _memories(call: HookCall) -> Iterator[tuple[Store | None, Store | None]]:
    """The memories of the project and of the person, if they exist, open for reading."""
    yield _reading(_namespace(call)), _reading(call.person)


def _reading(namespace: str) -> Store | None:
    location = location_of(namespace)
    is_there = location.exists() if isinstance(location, Path) else exists(namespace)
    key = str(location)
    if not is_there:
        if gone := _opened.pop(key, None):
            gone.close()
        return None
    if key not in _opened:
        _opened[key] = open_store(location, read_only=True)
    return _opened[key]


def _namespace(call: HookCall) -> str:
    known = _known_session(call)
    return known.namespace if known else _namespace_of(call, call.folder)


def _namespace_of(call: HookCall, folder: str) -> str:
    return call.options.get("namespace") or project_of(folder or ".").namespace


def _name_in_memory(call: HookCall) -> str:
    known = _known_session(call)
    folder = (known and known.cursor.folder) or call.folder
    return session_name(Path(folder).name or "project", call.session)


# --- what is stored -------------------------------------------------------------------------------


def capture(call: HookCall) -> str:
    """Store what is new in the session's transcript; returns a line for the log."""
    known = _known_session(call)
    if not (call.transcript or call.records or (known and known.transcript)):
        return "no transcript"
    session = known or _begun(call)
    if call.records:
        reading = read_records(AGENTS[call.agent], call.records, session.cursor, call.speaker)
    else:
        reading = read_transcript(
            AGENTS[call.agent],
            Path(call.transcript or session.transcript),
            session.cursor,
            call.speaker,
            is_over=call.event == _OVER,
        )
    stored = _store_turns(call, session.namespace, reading)
    transcript = call.transcript or session.transcript
    _write_session(_file_of(call), replace(session, transcript=transcript, cursor=reading.cursor))
    return f"{stored} turns stored"


def catch_up(call: HookCall) -> str:
    """Store the rest of sessions that were cut off: their transcripts have grown since.

    The session itself is noted, so that a later start finds it.
    """
    if not _known_session(call) and call.transcript:
        _write_session(_file_of(call), _begun(call))
    stored = 0
    files = sorted((Path(call.state) / SESSIONS).glob("*.json"), key=_modified, reverse=True)
    for file in files[:_MOST_SESSIONS]:
        known = _read_session(file)
        if known is None:
            continue
        transcript = Path(known.transcript)
        if not known.transcript or not transcript.is_file():
            continue
        if transcript.stat().st_size <= known.cursor.offset:
            continue
        reading = read_transcript(AGENTS[known.agent], transcript, known.cursor, call.speaker)
        stored += _store_turns(call, known.namespace, reading)
        _write_session(file, replace(known, cursor=reading.cursor))
    return f"{stored} turns of earlier sessions stored" if stored else ""


def _store_turns(call: HookCall, namespace: str, reading: Reading) -> int:
    if not reading.turns:
        return 0
    for_all = [turn for turn in reading.turns if _is_for_all_projects(turn, call.speaker)]
    if for_all and call.person != namespace:
        _add(call.person, for_all)
    return _add(namespace, reading.turns)


def _is_for_all_projects(turn: Turn, speaker: str) -> bool:
    """Whether a prompt asserts an instruction "in all my projects"."""
    if turn.kind != "message" or turn.speaker != speaker:
        return False
    return any(
        assertion.attribute == INSTRUCTION and _FOR_ALL.search(assertion.value)
        for assertion in assertions_in(turn, default_vocabulary())
    )


def _add(namespace: str, turns: Sequence[Turn]) -> int:
    location = location_of(namespace)
    if isinstance(location, Path):
        make_folder(location.parent)
    with open_store(location) as store:
        export = ForeignExport("session", items=storable_items(iter(turns)))
        report = import_turns(store, export, batch=_BATCH)
    return report.turns


# --- cursors --------------------------------------------------------------------------------------


def _file_of(call: HookCall) -> Path:
    digest = hashlib.sha256(call.session.encode("utf-8", "replace")).hexdigest()[:32]
    return Path(call.state) / SESSIONS / f"{digest}.json"


def _begun(call: HookCall) -> _Session:
    """A session that has not been read yet."""
    return _Session(call.agent, _namespace_of(call, call.folder), call.folder, call.transcript)


def _known_session(call: HookCall) -> _Session | None:
    return _read_session(_file_of(call))


def _read_session(file: Path) -> _Session | None:
    try:
        record = json.loads(file.read_bytes())
        return _Session(**{**record, "cursor": Cursor(**record["cursor"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # a damaged cursor: the transcript is read again, and stored once


def _write_session(file: Path, session: _Session) -> None:
    write_whole(file, json.dumps(asdict(session)).encode())


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
