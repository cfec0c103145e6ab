"""Memories as older versions left them."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database, Migrations

from memory.store import migrations
from memory.store.sqlite.connection import SqliteConnection

_TEXT = Path(__file__).with_name("steps_to_schema_16.sql").read_text("utf-8")
_, *_PARTS = re.split(r"^-- (\d{4}_\w+)\n", _TEXT, flags=re.MULTILINE)
STEPS = dict(zip(_PARTS[::2], _PARTS[1::2], strict=True))  # by name


def memory_by_steps(path: Path, schema: int = len(STEPS)) -> None:
    """Make an empty memory as the versions did that had a migration for each schema."""
    later = {
        file.stem: file.read_text("utf-8")
        for number, file in migrations._FILES.items()
        if number > migrations.OLDEST
    }
    steps = Migrations("sql-memory")
    for name, text in [*(STEPS | later).items()][:schema]:

        def apply(db: Database, text: str = text) -> None:
            for statement in migrations._statements(text):
                db.execute(statement)

        steps(name=name)(apply)
    with closing(sqlite3.connect(path, isolation_level=None, factory=SqliteConnection)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        steps.apply(Database(conn))
        conn.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {schema}")


def make_older(path: Path, schema: int = len(STEPS)) -> None:
    """Make a memory, which nobody has open, one that came by steps, with the same rows.

    Rows and columns that this schema has no place for are lost.
    """
    newer = path.with_name(f"newer {path.name}")
    path.rename(newer)
    memory_by_steps(path, schema)
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
