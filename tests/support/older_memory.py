"""Memories in the formats of older versions."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

from memory import Turn
from memory.store import migrations
from memory.store.connection import connect


def older_memory(path: Path, schema: int, turns: Sequence[Turn], facts: Sequence[str] = ()) -> None:
    """Make a memory of an older schema, of turns without vectors and of statements on facts."""
    with older_version(schema):
        conn = connect(path, read_only=False)
    conn.executemany(
        "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(t.kind, t.session, t.speaker, t.text, t.said_at, t.source) for t in turns],
    )
    conn.execute("INSERT INTO changes (at, cause, statement) VALUES ('', 'test', '')")
    for statement in facts:
        conn.execute(statement)
    conn.close()


@contextmanager
def older_version(schema: int) -> Iterator[None]:
    """Know the first migrations alone, as the version did whose newest one was this."""
    with (
        patch.object(migrations, "_FILES", migrations._FILES[:schema]),
        patch.object(migrations, "VERSION", schema),
    ):
        yield


def make_older(path: Path, schema: int) -> None:
    """Make a memory, which nobody has open, one of an older schema with the same rows.

    Rows and columns that this schema has no place for are lost.
    """
    newer = path.with_name(f"newer {path.name}")
    path.rename(newer)
    older_memory(path, schema, turns=[])
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("ATTACH ? AS newer", (str(newer),))
        conn.execute("BEGIN")
        triggers = _rows(conn, "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'")
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        for table in _tables(conn, "main") & _tables(conn, "newer"):
            columns = ", ".join(_columns(conn, "main", table) & _columns(conn, "newer", table))
            conn.execute(f"DELETE FROM main.{table}")
            conn.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}"
            )
        if schema == 1:  # without the tables of search there was no embedder to name
            conn.execute("DELETE FROM settings WHERE name = 'embedder'")
        for _, sql in triggers:
            conn.execute(sql)
        conn.execute("COMMIT")
    newer.unlink()


def _tables(conn: sqlite3.Connection, database: str) -> set[str]:
    """The tables that hold rows, also those in which FTS5 keeps an index."""
    select = f"SELECT name FROM {database}.sqlite_master WHERE type = 'table' AND rootpage > 0"
    return {name for (name,) in _rows(conn, select)} - {"_sqlite_migrations"}


def _columns(conn: sqlite3.Connection, database: str, table: str) -> set[str]:
    return {row[1] for row in _rows(conn, f"PRAGMA {database}.table_info({table})")}


def _rows(conn: sqlite3.Connection, select: str) -> list[tuple[str, ...]]:
    return conn.execute(select).fetchall()
