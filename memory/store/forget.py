"""Forgetting in a SQLite namespace: turns and all that rests on them, down to the bytes.

First one transaction removes them, with a settings row "forgetting": overwriting is due. Then all
files are written anew without them, backups included, and the row becomes "forgotten", the
receipt. Whatever happens in between, the next `forget` goes on from there. What a file system or
a disk keeps of a file's older blocks is beyond this.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, replace
from glob import escape
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.embed import load_embedder
from memory.errors import InputError, ModelError, Stop, StoreError
from memory.model import Forgotten, Turn
from memory.store import (
    journal,
    pending_windows,
    settings,
    turn_removal,
    turns_table,
)
from memory.store.connection import connect
from memory.store.vectors import RecordedEmbedder

DUE, DONE, BACKUP = "forgetting", "forgotten", "backup"  # settings of the store's own
# Of this file and this machine: no other memory's backups, and no overwriting that is due there.
OURS = (BACKUP, DUE)
PAST = "memory-as-of-*/memory.*.db"  # copies of the past, among temporary files
PATIENCE_MS = 5_000  # to wait for another program's reading or writing
_STILL = "but their bytes are still in"

Transaction = Callable[..., AbstractContextManager[sqlite3.Connection]]
Embed = Callable[[Sequence[str], RecordedEmbedder | None], NDArray[np.float32]]


def forget(
    conn: sqlite3.Connection, transaction: Transaction, embed: Embed, turn_ids: Sequence[int]
) -> Forgotten:
    """Remove turns and all that rests on them, then overwrite where they were; `Store.forget`.

    Without any turns, the overwriting that is due is finished; the last receipt is returned.
    """
    conn.execute("PRAGMA secure_delete = ON")
    done = None
    if turn_ids:
        with transaction():
            turns = _turns(conn, turn_ids)
            salt = secrets.token_hex(16)
            facts, changes = remove(conn, turn_ids, embed)
            done = Forgotten(
                at=journal.now(),
                turns=tuple(turn.id for turn in turns),
                facts=facts,
                changes=changes,
                sha256=proof(salt, turns),
                salt=salt,
            )
            marks = [proof(salt, [turn]) for turn in turns]
            settings.put(conn, DUE, {**asdict(done), "marks": marks})
    return _finish(conn, transaction, done)


def remove(
    conn: sqlite3.Connection, turn_ids: Sequence[int], embed: Embed
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Remove turns and all that rests on them, inside the caller's transaction.

    `embed` is asked for the vectors of their successors, unless it is one on the network.
    Returns the facts that are gone, and the changes whose statements are.
    Raises InputError for an id that is no turn's.
    """
    gone = _turns(conn, turn_ids)
    ids = [turn.id for turn in gone]
    conn.execute("PRAGMA defer_foreign_keys = ON")
    traces = turn_removal.take_facts(conn, ids)
    turn_removal.take_turns(conn, gone)
    touched = turn_removal.take_from_windows(conn, ids) | traces.changes
    changes = turn_removal.take_sayings(conn, gone, traces, touched)
    turn_removal.take_columns(conn, gone, embed)
    return traces.facts, changes


def proof(salt: str, turns: Sequence[Turn]) -> str:
    """The hash of turns that a receipt names: SHA-256 in hex, over UTF-8.

    Over the salt followed by JSON: the list of turns in the order of their ids, each an object of
    id, kind, said_at, session, source, speaker, text; keys sorted, no blanks, characters as they
    are. Who has a receipt and an export from before can do this again: `jq -cjS` writes it so,
    but for U+007F.
    """
    ordered = [asdict(turn) for turn in sorted(turns, key=lambda turn: turn.id)]
    written = json.dumps(ordered, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((salt + written).encode()).hexdigest()


def backups(conn: sqlite3.Connection) -> list[Path]:
    """The files that `backup` made of this memory, oldest first, wherever they are by now."""
    return [Path(value) for value in dict.fromkeys(s.value for s in settings.history(conn, BACKUP))]


def _turns(conn: sqlite3.Connection, turn_ids: Sequence[int]) -> list[Turn]:
    wanted = sorted(set(turn_ids))
    found = {
        turn.id: turn
        for turn_id in wanted
        for turn in turns_table.read_turns(conn, turn_id, turn_id)
    }
    if missing := [turn_id for turn_id in wanted if turn_id not in found]:
        raise InputError(f"there is no turn {missing[0]}; nothing was removed")
    return list(found.values())


# --- overwriting ------------------------------------------------------------------------------


def _finish(
    conn: sqlite3.Connection, transaction: Transaction, done: Forgotten | None
) -> Forgotten:
    due = _due(conn)
    if not due and not done:
        raise InputError("no turns were named, and there is nothing to overwrite")
    _overwrite(conn)  # first: then a backup that began before the removal is in its place
    files, unreached, busy = [_file(conn)], list[str](), list[StoreError]()
    for path in backups(conn):
        if path.exists() and path.samefile(files[0]):  # a backup that is used as a memory
            continue
        try:
            reached = _forget_in_backup(path, due)
        except StoreError as error:
            busy.append(error)
        else:
            (files if reached else unreached).append(str(path))
    _remove_left(map(Path, [*files, *unreached]))
    if busy:
        raise busy[0]
    _close(conn, transaction, due)
    return replace(done or read_due(due[-1]), files=tuple(files), unreached=tuple(unreached))


def read_due(value: Mapping[str, Any]) -> Forgotten:
    """The receipt in a settings row "forgetting", whose files are still to be overwritten."""
    lists = {name: tuple(value[name]) for name in ("turns", "facts", "changes")}
    return Forgotten(at=value["at"], sha256=value["sha256"], salt=value["salt"], **lists)


def _due(conn: sqlite3.Connection) -> list[dict[str, Any]]:
    return [setting.value for setting in settings.history(conn, DUE)]


def _close(
    conn: sqlite3.Connection, transaction: Transaction, due: Sequence[dict[str, Any]]
) -> None:
    """Make receipts of what was due: they keep neither the salt nor what rests on it."""
    with transaction():
        for receipt in due:
            value = json.dumps(receipt, ensure_ascii=False)
            row = "DELETE FROM settings WHERE name = ? AND value = ?"
            if conn.execute(row, (DUE, value)).rowcount:  # else another process was faster
                kept = ("at", "turns", "facts", "changes", "sha256")
                settings.put(conn, DONE, {name: receipt[name] for name in kept})
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # the salt only: it may wait


def _overwrite(conn: sqlite3.Connection) -> None:
    """Write the file anew, with nothing but what is in its tables, and empty its log."""
    (patience,) = conn.execute("PRAGMA busy_timeout").fetchone()
    conn.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    try:
        for table in ("turns_words", "facts_words"):  # what is removed is only marked so
            conn.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        conn.execute("VACUUM")
        (busy, *_) = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise _still_there(_file(conn), str(error)) from error
    finally:
        conn.execute(f"PRAGMA busy_timeout = {patience}")
    if busy:
        raise _still_there(_file(conn), "another program reads or writes it")


def _still_there(file: str, why: str) -> StoreError:
    return StoreError(
        f"the turns are removed, {_STILL} {file} or its -wal: {why};"
        " close what uses it and run: python -m memory forget --finish"
    )


def _file(conn: sqlite3.Connection) -> str:
    return str(conn.execute("PRAGMA database_list").fetchone()[2])


# --- backups and other copies -----------------------------------------------------------------


def part_of(path: Path) -> Path:
    """Where a copy is made before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _remove_left(paths: Iterable[Path]) -> None:
    """Remove the copies that killed processes left half made, and those of a past."""
    for path in paths:
        for part in path.parent.glob(f".{escape(path.name)}.*.part*"):
            if _is_left(part):
                part.unlink(missing_ok=True)
    for past in Path(gettempdir()).glob(PAST):
        if _is_left(past):
            rmtree(past.parent, ignore_errors=True)


def _is_left(copy: Path) -> bool:
    """Whether the process is gone whose number stands before the last dot of a name."""
    number = copy.name.split(".")[-2]
    return number.isdigit() and not pending_windows.is_running(int(number))


def _forget_in_backup(path: Path, due: Sequence[dict[str, Any]]) -> bool:
    """Remove what is due from a backup too; False when none of ours is to be had at its path.

    Raises StoreError when that can be had later: another program holds the file, the disk is
    full, or its embedder is not here.
    """
    try:
        if not path.is_file() or not path.stat().st_size:
            return False
        with closing(connect(path, read_only=False)) as conn:
            if path not in backups(conn):  # another memory lies there by now
                return False
            conn.execute("PRAGMA secure_delete = ON")

            def transaction() -> sqlite3.Connection:
                return conn.execute("BEGIN IMMEDIATE").connection

            with transaction():
                for receipt in due:
                    _remove_same(conn, receipt)
            if here := _due(conn):
                _overwrite(conn)
                _close(conn, transaction, here)
            conn.execute("PRAGMA journal_mode = DELETE")  # as `backup` left it
    except (Stop, sqlite3.DatabaseError, OSError) as error:
        if _STILL in str(error):
            raise
        later = isinstance(error, (InputError, ModelError))
        if later or "locked" in str(error) or "is full" in str(error):
            raise _still_there(str(path), str(error)) from error
        return False
    return True


def _remove_same(conn: sqlite3.Connection, receipt: dict[str, Any]) -> None:
    """Remove the turns of a receipt from a backup: those whose salted hash is the same."""
    marks = dict(zip(receipt["turns"], receipt["marks"], strict=True))
    same = [
        turn.id
        for turn_id in marks
        for turn in turns_table.read_turns(conn, turn_id, turn_id)
        if proof(receipt["salt"], [turn]) == marks[turn_id]
    ]
    if same:
        facts, changes = remove(conn, same, _embed)
        now = {"turns": same, "facts": facts, "changes": changes}
        settings.put(conn, DUE, {**receipt, **now, "marks": [marks[n] for n in same]})


def _embed(texts: Sequence[str], made: RecordedEmbedder | None) -> NDArray[np.float32]:
    assert made is not None
    return load_embedder(made.name)(texts)
