"""The sessions that a coding agent has kept: all of its transcripts, by project."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from memory.agents.projects import Project, project_of
from memory.errors import InputError
from memory.exchange.claude_code import is_observers
from memory.exchange.items import MINE, ForeignExport, storable_items
from memory.exchange.transcripts import (
    Agent,
    Cursor,
    read_transcript,
    transcript_files,
    transcript_start,
)
from memory.records import Skipped, Turn
from memory.store.turns.turn_validation import ME

# An agent that has written nothing for this long is not at work: what it began was interrupted.
_IDLE_S = 3_600


def sessions_by_project(agent: Agent, path: Path | None = None) -> dict[Project, list[Path]]:
    """The transcripts of an agent, or those at a path, of each project, the oldest first.

    Transcripts of programs that watch sessions belong to no project, see `observers_sessions`.
    Raises InputError when there is no such path, or no transcript.
    """
    projects: dict[Project, list[Path]] = {}
    has_sessions = False
    for file, start in _starts(agent, path):
        has_sessions = True
        if not is_observers(start.folder):
            projects.setdefault(project_of(start.folder or file.parent), []).append(file)
    if not has_sessions:
        raise InputError(f"{path or agent.home()}: no transcripts of {agent.name}")
    return projects


def observers_sessions(agent: Agent, path: Path | None = None) -> list[Path]:
    """The transcripts of programs that watch sessions: they tell of no person."""
    return [file for file, start in _starts(agent, path) if is_observers(start.folder)]


def _starts(agent: Agent, path: Path | None) -> Iterator[tuple[Path, Cursor]]:
    """Each transcript with its session and folder."""
    for file in transcript_files(agent, path):
        try:
            start = transcript_start(agent, file)
        except OSError:
            continue  # gone meanwhile, or another person's
        if start.session:
            yield file, start


def past_sessions(
    agent: Agent,
    files: Sequence[Path],
    speaker: str,
    progress: Callable[[], None] = lambda: None,
    are_ours: bool = True,
) -> ForeignExport:
    """Transcripts as an export; `progress` is called after each file.

    Wishes in transcripts that are not `are_ours`, of this machine's agent, need a person's word.
    """

    def items() -> Iterator[Turn | Skipped]:
        for file in files:
            try:
                is_over = time.time() - file.stat().st_mtime > _IDLE_S
                reading = read_transcript(agent, file, speaker=speaker, is_over=is_over)
            except (OSError, InputError) as error:
                yield Skipped(file.name, str(error))
            else:
                if are_ours:
                    yield from reading.turns
                else:
                    yield from (_by_the_person(turn, speaker) for turn in reading.turns)
                yield from reading.skipped
            progress()

    people = None if are_ours else {ME: speaker}
    return ForeignExport(agent.name, items=storable_items(items()), people=people, user=speaker)


def _by_the_person(turn: Turn, speaker: str) -> Turn:
    return replace(turn, tags={**turn.tags, **MINE}) if turn.speaker == speaker else turn
