"""A namespace of Postgres copied into a SQLite file, with its vectors: a backup, or the past.

And such a file copied back into a namespace.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from memory.store.database import Connection
from memory.store.facts import entities
from memory.store.files.dump import DUMPED_TABLES
from memory.store.files.namespace_file import move_store
from memory.store.forgetting.forget import BACKUP, OF_THIS_FILE, part_of
from memory.store.sqlite.connection import connect, storage_errors
from memory.store.turns.turns_table import to_turns
from memory.system.files import discard

_ROWS_AT_ONCE = 1_000
# What search keeps, and vectors that are being made: arrays of bytes, the same in both databases.
_ARRAYS = {
    "speakers": ("id", "name"),
    "recent": ("turn_id", "columns", "vector"),
    "blocks": ("first_turn", "last_turn", "columns", "codes"),
    "pieces": ("first_turn", "vectors"),
    "staged_vectors": ("embedder", "turn_id", "vector"),
}
_TABLES = {**{name: columns for name, (columns, _) in DUMPED_TABLES.items()}, **_ARRAYS}
_NUMBERED = ("turns", "facts", "changes", "facts_log", "settings", "rows_log")


def write_copy(reader: Connection, path: Path) -> None:
    """Copy the namespace of a connection, within its transaction, into a new SQLite file.

    The file is complete or absent.
    """
    part = part_of(path)
    try:
        with storage_errors(path), closing(connect(part, read_only=False)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # a crash throws the part away
            copy.execute("PRAGMA foreign_keys = OFF")
            copy.execute("BEGIN")
            # A memory knows the paths of its other backups; it learns the path of this one here.
            _copy_tables(reader, copy, left_out={*OF_THIS_FILE} - {BACKUP})
            copy.execute("COMMIT")
            copy.execute("PRAGMA journal_mode = DELETE")
        move_store(part, path)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            discard(part.with_name(part.name + end))


def read_copy(path: Path, namespace: Connection) -> None:
    """Copy a SQLite file into an empty namespace, within the transaction of its connection."""
    with storage_errors(path), closing(connect(path, read_only=True)) as reader:
        namespace.defer_keys()
        _copy_tables(reader, namespace)


def _copy_tables(
    reader: Connection, copy: Connection, left_out: Collection[str] = frozenset()
) -> None:
    """Copy all rows but the settings of the names `left_out`."""
    for table, columns in _TABLES.items():
        _copy_table(reader, copy, table=table, columns=columns, left_out=left_out)
    for table in _NUMBERED:
        copy.reserve_ids(table, reader.last_id(table))
    entities.derive_all(copy)


def _copy_table(
    reader: Connection,
    copy: Connection,
    *,
    table: str,
    columns: Sequence[str],
    left_out: Collection[str],
) -> None:
    if table == "facts_log":  # writing the facts has filled it
        copy.facts.log()
        copy.run("delete_entries_after", last_entry=0)
    for batch in _batches(reader.read_rows(table, columns, order=columns[:1])):
        if table == "settings":
            batch = [row for row in batch if row[1] not in left_out]
        if table == "facts":
            copy.facts.insert(batch)
        elif table == "pending":  # no one has claimed a window of the copy
            unclaimed = [(*row, "", 0) for row in batch]
            copy.insert_rows(table, (*columns, "claimed_by", "claimed_until"), unclaimed)
        else:
            copy.insert_rows(table, columns, batch)
        if table == "turns":
            copy.words.put_turns(to_turns(batch))


def _batches(rows: Iterator[Any] | Any) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _ROWS_AT_ONCE)):
        yield batch
