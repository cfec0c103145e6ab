"""A namespace's file moved, copied or deleted.

SQLite in WAL mode keeps the newest commits in a second file next to the first, found by its name: a
file that is moved under an open connection loses them. So a file is moved only while no one has it
open, with everything in the one file, in a single step of the file system. A deleted file is
marked, so that every process that has it open notices.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from memory.errors import InputError, StoreError
from memory.store import migrations
from memory.store.configuration import settings
from memory.store.forgetting.forget import BACKUP, COPY
from memory.store.sqlite.connection import (
    BUSY_SECONDS,
    LOG_ENDS,
    SqliteConnection,
    connect,
    storage_errors,
)
from memory.system.files import create_private, discard, folder_lock

_SECONDS_TO_WAIT = 2.0  # for a command that has the file open for a moment


def move_store(path: Path, new: Path) -> None:
    """Give a namespace's file another path on the same disk.

    Raises StoreError, with nothing changed, when a process has it open or the file is not ours;
    InputError when there is a memory at the new path.
    """
    _check_movable(path)
    with _held_alone(path), _held_free(new):
        if os.name != "nt":
            _durable_step(lambda: path.replace(new), path)
    if os.name == "nt":  # Windows moves no open file, and refuses while another process has it open
        _durable_step(lambda: path.replace(new), path)


def copy_store(path: Path, new: Path) -> None:
    """Copy a namespace, also while others write to it, into a memory that knows nothing of it.

    The copy is complete or absent. It does not know the backups of the first: forgetting a turn in
    one must not reach the other's files. Each notes the path of the other, so that `forget` can
    name it. Raises as `move_store`.
    """
    path, new = path.absolute(), new.absolute()
    part = new.with_name(f".{new.name}.part")
    with _held_free(new):
        discard(part)
        try:
            create_private(part)  # VACUUM INTO takes an empty file too
            # Noted before the copy is made, because no copy may exist that `forget` cannot name. If
            # this fails, the path leads nowhere, or to a memory without these turns.
            with storage_errors(path), closing(connect(path, read_only=False)) as conn:
                settings.add_setting(conn, COPY, str(new))
                conn.execute(f"PRAGMA page_size = {migrations.PAGE_BYTES}")  # of the copy
                conn.execute("VACUUM INTO ?", (str(part),))
            with (
                storage_errors(part),
                closing(sqlite3.connect(part, factory=SqliteConnection)) as copy,
            ):
                copy.execute("PRAGMA journal_mode = MEMORY")  # no log file next to the copy
                with copy:
                    copy.execute("DELETE FROM settings WHERE name IN (?, ?)", (BACKUP, COPY))
                    settings.add_setting(copy, COPY, str(path))
            with storage_errors(part), part.open("rb+") as file:
                os.fsync(file.fileno())
            if os.name != "nt":
                _durable_step(lambda: part.replace(new), new)
        except BaseException:
            discard(part)
            raise
    if os.name == "nt":
        _durable_step(lambda: part.replace(new), new)


def remove_store(path: Path) -> None:
    """Delete a namespace's file and what SQLite keeps next to it, also while it is open.

    Every process that has it open gets a DeletedError with the next call, so nothing is added to a
    deleted memory. A memory that cannot be opened because of its settings or tables is deleted too,
    but a file that is not SQLite's is not. Raises StoreError where someone writes to it for too
    long, and on Windows, which deletes no open file, where it is open.
    """
    if path.is_symlink():
        raise StoreError(f"{path}: a link to {path.readlink()}; delete that one")
    if os.name == "nt":
        with _held_alone(path):
            pass
        _durable_step(path.unlink, path)
        return
    end = time.monotonic() + BUSY_SECONDS
    while not _is_removed(path):
        if time.monotonic() > end:
            raise StoreError(f"{path}: another process is writing to it; try again")
        time.sleep(0.01)


def _is_removed(path: Path) -> bool:
    """Delete a namespace's file, unless someone writes to it now or opens it."""
    with folder_lock(path.parent, is_exclusive=True) as is_free, storage_errors(path):
        if not path.exists():
            return True  # another one was faster
        if not is_free:
            return False
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as conn:
            try:
                conn.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                return False
            # For those who have it open; seen by them once the files are gone from their paths.
            conn.execute(f"PRAGMA user_version = {migrations.DELETED}")
            # The log first: without its file, it would be taken for the next memory's.
            for log in LOG_ENDS:
                path.with_name(path.name + log).unlink(missing_ok=True)
            _durable_step(path.unlink, path)
            with suppress(sqlite3.OperationalError):
                conn.execute("COMMIT")
    return True


def _check_movable(path: Path) -> None:
    """Raises InputError where no file is, StoreError for a link or a file that is not ours."""
    if not path.exists():
        raise InputError(f"{path}: there is no memory here")
    if path.is_symlink():
        raise StoreError(f"{path}: a link to {path.readlink()}; move that one")
    with storage_errors(path):
        connect(path, read_only=False).close()


@contextmanager
def _held_alone(path: Path) -> Iterator[None]:
    """Hold a file alone, with everything committed in it and no other file next to it.

    Whoever opens it meanwhile waits; when it has moved by then, SQLite lets them write nothing.
    """
    create_private(path)
    with (
        storage_errors(path),
        closing(sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None)) as conn,
    ):
        try:
            # Leaving WAL writes the log back and removes it. SQLite refuses while any other
            # connection has the file open, even an idle one.
            conn.execute("PRAGMA journal_mode = DELETE")
            conn.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise StoreError(
                f"{path}: open elsewhere (a chat, another process); close it and try again"
            ) from error
        yield


@contextmanager
def _held_free(new: Path) -> Iterator[None]:
    """Hold a path where no memory is; an empty file there counts as none."""
    refusal = f"{new}: there is a memory already; choose another name, or delete that one"
    if new.exists() and (new.is_dir() or new.stat().st_size):
        raise InputError(refusal)
    with _held_alone(new):  # makes an empty file
        # Another process may have made a memory here between the look above and the lock.
        if new.stat().st_size:
            raise InputError(refusal)
        try:
            yield
        except BaseException:
            if not new.stat().st_size:
                discard(new)
            raise


def _durable_step(change: Callable[[], object], path: Path) -> None:
    """One step of the file system, which is on disk afterwards.

    A rename or a removal changes the folder, so the folder is synced.
    """
    try:
        change()
        if os.name != "nt":  # Windows opens no folders
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; close what uses it and try again") from error
