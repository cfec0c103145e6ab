"""What processes take while a day goes on: processor seconds, memory, files, connections."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
import psycopg

from memory import InputError, open_store
from memory.store.namespaces import existing
from tests.benchmarks.crowd import processor_seconds, with_children

_EVERY_SECONDS = 1.0
_LAST_LINES = 12  # of the log of a process that has died
DIGEST_WINDOW = 48  # turns of a window of a hosted model


@dataclass
class Use:
    """What a group of processes took: processor seconds, and the most of the rest at a moment."""

    cpu_seconds: float = 0.0
    resident_mb: float = 0.0
    files: int = 0


@dataclass
class Watched:
    """What was watched: each group's use, the most connections to the database, and the wall."""

    uses: dict[str, Use] = field(default_factory=dict)
    connections: int = 0
    most_connections: int = 0  # what the database allows


def database_process(database: str) -> psutil.Process | None:
    """The server of a database, where it runs on this machine."""
    with psycopg.connect(database) as conn:
        try:
            return psutil.Process(conn.info.backend_pid).parent()
        except psutil.NoSuchProcess:
            return None


@contextmanager
def watching(groups: Mapping[str, list[psutil.Process]], database: str = "") -> Iterator[Watched]:
    """Watch groups of processes, and connections to a database, while the block runs."""
    watched = Watched({name: Use() for name in groups})
    before = {name: _cpu_seconds(processes) for name, processes in groups.items()}
    ended = threading.Event()

    def watch() -> None:
        while True:
            _note(watched, groups, database)
            if ended.wait(_EVERY_SECONDS):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield watched
    finally:
        ended.set()
        watcher.join()
        for name, processes in groups.items():
            watched.uses[name].cpu_seconds = _cpu_seconds(processes) - before[name]


@contextmanager
def all_alive(processes: Mapping[Path, psutil.Process]) -> Iterator[None]:
    """End the block when one of these processes, by their logs, has ended.

    Raises InputError with the last lines of its log.
    """
    ended = threading.Event()
    dead: list[Path] = []

    def watch() -> None:
        while not ended.wait(_EVERY_SECONDS / 2):
            dead.extend(log for log, process in processes.items() if _has_ended(process))
            if dead:
                os.kill(os.getpid(), signal.SIGINT)  # whatever the block waits for
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:
        if not dead:
            raise
        lines = dead[0].read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        said = " | ".join(line for line in lines if line.strip()) or "it has logged nothing"
        raise InputError(f"{dead[0].stem} has ended; its last lines: {said}") from None
    finally:
        ended.set()
        watcher.join()


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(map(processor_seconds, processes))


def _note(watched: Watched, groups: Mapping[str, list[psutil.Process]], database: str) -> None:
    for name, processes in groups.items():
        use = watched.uses[name]
        try:
            members = [each for process in processes for each in with_children(process)]
            use.resident_mb = max(use.resident_mb, sum(map(_bytes, members)) / 1e6)
            use.files = max([use.files, *(each.num_fds() for each in members)])
        except psutil.Error:  # one of them has just ended
            continue
    if database:
        with psycopg.connect(database) as conn:
            row = conn.execute(
                "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        assert row is not None
        watched.connections = max(watched.connections, row[0])
        watched.most_connections = row[1]


def _bytes(process: psutil.Process) -> int:
    """The memory of a process; what it shares with others counts once in all of them."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)


@dataclass(frozen=True)
class Waits:
    """Seconds that windows waited: from when they were due to when they were stored.

    A full window is due with its last turn, one that is not full `settle` seconds later. `turns`
    are the seconds from a turn to its facts. What was not stored counts up to the end, and
    `left` says how many turns that were.
    """

    windows: list[float]
    turns: list[float]
    left: int


def waits(stored: Mapping[str, Mapping[int, float]], settle: float, end: float) -> Waits:
    """How long the turns of a replay waited, from the journals of their memories.

    Arguments:
        stored: of each memory the Unix seconds at which turns were acknowledged, by id.
        end: the Unix seconds of now.
    """
    windows: list[float] = []
    turns: list[float] = []
    left = 0
    for name, at in stored.items():
        with open_store(existing(name), read_only=True) as store:
            changes = store.changes(limit=100)
        waiting = dict(at)
        for change in changes:
            if change.window is None or change.window[1] < min(at):
                continue
            first, last = change.window
            of_window = [waiting.pop(turn) for turn in range(first, last + 1) if turn in waiting]
            if of_window:
                stored_at = datetime.fromisoformat(change.at).timestamp()
                is_full = last - first + 1 >= DIGEST_WINDOW
                due = max(of_window) + (0.0 if is_full else settle)
                windows.append(max(0.0, stored_at - due))
                turns += [stored_at - moment for moment in of_window]
        left += len(waiting)
        full = len(waiting) // DIGEST_WINDOW
        moments = sorted(waiting.values())
        windows += [end - moments[place * DIGEST_WINDOW - 1] for place in range(1, full + 1)]
        turns += [end - moment for moment in moments]
    return Waits(windows, turns, left)
