"""A SQLite namespace copied while in use, and a copy put back in its place."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from memory.errors import InputError, StoreError
from memory.store import settings, vectors
from memory.store.connection import BUSY_SECONDS, connect, storage_errors
from memory.store.forget import BACKUP, Transaction, part_of
from memory.store.namespace_file import move_store

PAGES = 2_000  # copied at a time: an interruption does not wait for more


def backup(conn: sqlite3.Connection, transaction: Transaction, path: Path) -> None:
    """Copy the whole memory into a new file; `Store.backup`."""
    path = path.absolute()
    _refuse_existing(path)
    with transaction():  # first: a copy that `forget` does not know of must never lie anywhere
        settings.put(conn, BACKUP, str(path))
    part = part_of(path)
    try:
        # All of one moment, whatever others write meanwhile. `forget` waits until this is over.
        with transaction("DEFERRED"):
            conn.execute("SELECT 1 FROM turns").fetchone()
            _copy(conn, path)
            move_store(part, path)
    except BaseException:
        with transaction():
            conn.execute(
                "DELETE FROM settings WHERE id = (SELECT max(id) FROM settings"
                " WHERE name = ? AND value = ?)",
                (BACKUP, json.dumps(str(path), ensure_ascii=False)),
            )
        raise
    finally:
        part.unlink(missing_ok=True)


def restore(source: Path, target: Path, replace: bool = False) -> int:
    """Make a memory of a backup, whole or not at all; returns how many turns it holds.

    A memory that is replaced is so in one transaction: other programs may have it open, and its
    later backups stay known.
    Raises InputError when the target exists and is not to be replaced, or is the backup itself;
    StoreError when the backup is not ours, newer, or damaged.
    """
    source, target = source.absolute(), target.absolute()
    if not source.is_file():
        raise InputError(f"{source}: there is no such file")
    if there := target.exists():
        if target.samefile(source):
            raise InputError(f"{source} is this memory itself")
        if not replace:
            _refuse_existing(target)
    part = part_of(target)
    try:
        with closing(connect(source, read_only=True)) as found:
            [(said,), *_] = found.execute("PRAGMA integrity_check").fetchall()
            if said != "ok":
                raise StoreError(f"{source}: the file is damaged ({said}); choose another backup")
            _copy(found, target)
        with closing(connect(part, read_only=False)) as conn:
            if there:
                with closing(connect(target, read_only=False)) as old:
                    _keep_of_old(conn, old)
                    turns = _join(conn, source)
                    conn.backup(old, progress=_patience(target))
            else:
                turns = _join(conn, source)
        if not there:
            move_store(part, target)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + end).unlink(missing_ok=True)
    return turns


def _keep_of_old(conn: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """What a memory knows of its backups, and numbers of settings above all it has given."""
    (given,) = old.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'settings'"
    ).fetchone()
    conn.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'settings'",
        (given,),
    )
    here = {setting.value for setting in settings.history(conn, BACKUP)}
    for path in dict.fromkeys(setting.value for setting in settings.history(old, BACKUP)):
        if path not in here:
            settings.put(conn, BACKUP, path)


def _join(conn: sqlite3.Connection, source: Path) -> int:
    """Ready a copy for its place: who has read the memory before reads it again."""
    if str(source) not in {setting.value for setting in settings.history(conn, BACKUP)}:
        settings.put(conn, BACKUP, str(source))
    if made := vectors.recorded_embedder(conn):
        vectors.record_embedder(conn, made.name, made.width)
    (turns,) = conn.execute("SELECT count(*) FROM turns").fetchone()
    return int(turns)


def _copy(conn: sqlite3.Connection, path: Path) -> None:
    """Copy into the part of a path."""
    with storage_errors(path), closing(sqlite3.connect(part_of(path))) as copy:
        conn.backup(copy, pages=PAGES)
        copy.execute("PRAGMA journal_mode = DELETE")  # can be read where nothing can be written


def _patience(path: Path) -> Callable[[int, int, int], None]:
    """Ends a copying into a file that another program does not let go of."""
    end = time.monotonic() + BUSY_SECONDS

    def look(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > end:
            raise StoreError(f"{path}: another program is using it; close that and try again")

    return look


def _refuse_existing(path: Path) -> None:
    if path.exists() and (path.is_dir() or path.stat().st_size):
        raise InputError(f"{path} is there already; nothing was written")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; nothing was written")
