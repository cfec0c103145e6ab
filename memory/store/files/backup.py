"""A SQLite namespace copied while in use, and a copy put back in its place."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from memory.errors import InputError, StoreError
from memory.store.configuration import settings
from memory.store.database import Connection
from memory.store.files import integrity
from memory.store.files.namespace_file import move_store
from memory.store.forgetting.forget import BACKUP, COPY, part_of, remove_abandoned_copies
from memory.store.search import vectors
from memory.store.sqlite.connection import BUSY_SECONDS, SqliteConnection, connect, storage_errors
from memory.store.turns import turns_table
from memory.system.files import create_private, discard

# The message of a restore over an existing memory.
REFUSED_TO_REPLACE = (
    "exists already; nothing was written. Add --replace to replace it, or restore the backup as"
    " another memory: --namespace NAME"
)
_PAGES = 2_000  # copied at a time: an interruption waits for no more than these


def backup(
    transaction: Callable[..., AbstractContextManager[SqliteConnection]],
    snapshot: Callable[[], AbstractContextManager[SqliteConnection]],
    path: Path,
) -> None:
    """Copy the whole memory into a new file; `Store.backup`."""
    path = path.absolute()
    _refuse_existing(path)
    # The path is noted before the copy is made: no copy may exist that `forget` does not know.
    with transaction() as conn:
        settings.add_setting(conn, BACKUP, str(path))
    remove_abandoned_copies([path])
    part = part_of(path)
    try:
        # A read transaction: the copy is of one moment, whatever others write meanwhile, and
        # `forget` waits until it is over. It begins with the first SELECT.
        with snapshot() as reader:
            _refuse_changed_turns(reader)
            _copy(reader, path)
            move_store(part, path)
    except BaseException:
        # When only the sync after the move fails, the copy exists, and must stay known.
        if not (path.exists() and path.stat().st_size):
            with transaction() as conn:
                conn.execute(
                    "DELETE FROM settings WHERE id = (SELECT max(id) FROM settings"
                    " WHERE name = ? AND value = ?)",
                    (BACKUP, json.dumps(str(path), ensure_ascii=False)),
                )
        raise
    finally:
        discard(part)


def _refuse_changed_turns(conn: SqliteConnection) -> None:
    """Raises StoreError: a backup of changed turns would take the place of a good one some day."""
    for fault in integrity.turn_faults(conn):
        raise StoreError(
            f"no backup was made: {fault}; restore an earlier backup, or copy this memory"
            " with `memory admin namespaces copy`"
        )


def restore(source: Path, target: Path, replace: bool = False) -> int:
    """Make a memory of a backup, whole or not at all; returns how many turns it holds.

    An existing memory is replaced in one transaction, because other programs may have it open. The
    backups that were made of it stay known. An empty file is no memory, and stays empty until the
    whole copy takes its place.
    Raises InputError when the target exists and is not to be replaced, or is the backup itself;
    StoreError when the backup is not ours, newer, or damaged, or the disk is full or fails.
    """
    # Where the target is a link, the copy takes the place of the file that it leads to.
    source, target = source.absolute(), Path(os.path.realpath(target))
    if not source.is_file():
        raise InputError(f"{source}: there is no such file")
    exists = _is_taken(target)
    if exists:
        if target.samefile(source):
            raise InputError(f"{source} is this memory itself")
        if not replace:
            raise InputError(f"{target} {REFUSED_TO_REPLACE}")
    remove_abandoned_copies([target])
    part = part_of(target)
    try:
        if exists:
            with storage_errors(target), closing(connect(target, read_only=False)) as old:
                turns = copy_for_memory(source, target, old)
                # Page by page into the file that others may have open, as one transaction: a
                # file put in its place would leave them writing into the old one.
                with closing(connect(part, read_only=False)) as conn:
                    _take_page_size(conn, old)
                    conn.backup(old, progress=_patience(target))
        else:
            turns = copy_for_memory(source, target)
            move_store(part, target)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            discard(part.with_name(part.name + end))
    return turns


def copy_for_memory(source: Path, target: Path, old: Connection | None = None) -> int:
    """Copy a backup into `part_of(target)`, fit to be a memory; returns how many turns it holds.

    It replaces the `old` memory, if there is one, in either database. The copy of an older
    version's backup is brought up to date, and the backup is not changed. Raises as `restore`.
    """
    with _open_backup(source) as backup_conn:
        [(verdict,), *_] = backup_conn.execute("PRAGMA integrity_check").fetchall()
        if verdict != "ok":
            raise StoreError(f"{source}: the file is damaged ({verdict}); choose another backup")
        _copy(backup_conn, target)
    with storage_errors(target), closing(connect(part_of(target), read_only=False)) as conn:
        # In the copy, because only that is up to date where an older version made the backup.
        for fault in integrity.turn_faults(conn):
            raise StoreError(f"{source}: {fault}; choose another backup")
        if old is not None:
            _take_over_from_old(conn, old)
        return _ready(conn, source)


def count_turns_of(source: Path, turn_ids: Iterable[int]) -> int:
    """How many of the turns with these ids a backup holds. Raises StoreError as `restore`."""
    with _open_backup(source) as conn:
        [(count,)] = conn.execute(
            "SELECT count(*) FROM turns WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([*turn_ids]),),
        ).fetchall()
    return int(count)


@contextmanager
def _open_backup(source: Path) -> Iterator[SqliteConnection]:
    """A connection to a backup, as this version or an older one made it."""
    with (
        storage_errors(source),
        closing(connect(source, read_only=True, may_be_older=True)) as conn,
    ):
        yield conn


def _take_over_from_old(conn: SqliteConnection, old: Connection) -> None:
    """Note the backups and copies that a memory knows of in the copy that replaces it.

    New settings rows get higher ids than the memory ever gave: an open store sees by the id of the
    row 'embedder' that its index is of another file's turns.
    """
    conn.reserve_ids("settings", old.last_id("settings"))
    for name in (BACKUP, COPY):
        known = {setting.value for setting in settings.setting_history(conn, name)}
        for path in dict.fromkeys(s.value for s in settings.setting_history(old, name)):
            if path not in known:
                settings.add_setting(conn, name, path)


def _ready(conn: SqliteConnection, source: Path) -> int:
    """Ready a copy for its place; returns how many turns it holds.

    It knows the backup that it comes from, and has a new row 'embedder', so that whoever has an
    index of the memory reads it again.
    """
    if str(source) not in {setting.value for setting in settings.setting_history(conn, BACKUP)}:
        settings.add_setting(conn, BACKUP, str(source))
    recorded = vectors.recorded_embedder(conn)
    if recorded:
        vectors.record_embedder(conn, recorded.name, recorded.width)
    return turns_table.count_turns(conn)


def _copy(conn: SqliteConnection, path: Path) -> None:
    """Copy into the file `part_of(path)`."""
    part = part_of(path)
    create_private(part)
    with storage_errors(path), closing(sqlite3.connect(part)) as copy:
        conn.backup(copy, pages=_PAGES)
        # A file in WAL mode cannot be read on a read-only disk.
        copy.execute("PRAGMA journal_mode = DELETE")


def _take_page_size(conn: SqliteConnection, other: SqliteConnection) -> None:
    """Give a file the pages of another one, into which SQLite copies no others: older ones."""
    (size,) = conn.execute("PRAGMA page_size").fetchone()
    (wanted,) = other.execute("PRAGMA page_size").fetchone()
    if size != wanted:
        conn.execute("PRAGMA journal_mode = DELETE")
        conn.execute(f"PRAGMA page_size = {wanted}")
        conn.execute("VACUUM")


def _patience(path: Path) -> Callable[[int, int, int], None]:
    """A progress function that ends a copying into a file which another program holds."""
    end = time.monotonic() + BUSY_SECONDS

    def give_up_in_time(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > end:
            raise StoreError(f"{path}: another program is using it; close that and try again")

    return give_up_in_time


def _is_taken(path: Path) -> bool:
    """Whether anything but an empty file is at a path: a copying that was killed leaves such."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def _refuse_existing(path: Path) -> None:
    if _is_taken(path):
        raise InputError(f"{path} exists already; nothing was written")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; nothing was written")
