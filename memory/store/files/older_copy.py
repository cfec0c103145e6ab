"""The copy of a SQLite memory that is kept when a newer version brings its schema up to date."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from memory.store.configuration import settings
from memory.store.forgetting.forget import BACKUP, backups, part_of
from memory.store.sqlite.connection import SqliteConnection, open_for_reading
from memory.system.files import create_private, discard
from memory.system.logs import clean_logger

_log = clean_logger("memory.store")


def copy_of_older(conn: SqliteConnection, path: Path, schema: int) -> Callable[[], None]:
    """Prepare the copy of a memory of an older schema; returns what makes it.

    It is noted as a backup before it is made, so that no copy exists that `forget` does not know.
    """
    return partial(_write, path, _noted(conn, path, schema))


def _noted(conn: SqliteConnection, path: Path, schema: int) -> Path:
    """Choose the path of the copy and note it."""
    path = path.absolute()
    known = backups(conn)
    number = 1
    while True:
        suffix = f"-{number}" if number > 1 else ""
        copy = path.with_name(f"{path.stem}.schema-{schema}{suffix}{path.suffix}")
        if copy in known:  # of an update that was interrupted
            return copy
        if not copy.exists():
            break
        number += 1
    conn.execute("BEGIN IMMEDIATE")
    try:
        settings.add_setting(conn, BACKUP, str(copy))
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    return copy


def _write(path: Path, copy: Path) -> None:
    """Copy the last committed state of the memory, completely or not at all.

    The caller holds the write lock, so nothing is added meanwhile.
    """
    part = part_of(copy)
    discard(part)
    try:
        create_private(part)
        with (
            closing(open_for_reading(path)) as reader,
            closing(sqlite3.connect(part, isolation_level=None)) as target,
        ):
            reader.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # no log next to the copy
        part.replace(copy)
    finally:
        discard(part)
    _log.warning("%s: brought up to date; a copy of the older file is kept as %s", path, copy)
