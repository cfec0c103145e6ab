"""Reads rows of a memory, or changes a time, without the store; for both databases."""

from collections.abc import Sequence
from typing import Any

from memory import Store
from memory.store.sqlite.store import SqliteStore


def connection_of(store: Any) -> Any:
    """The connection of a store, for what only a test does with it: damage, traces, full disks."""
    return store._conn


def rows_of(store: Store, select: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a SELECT over a memory's tables, which names them as SQLite does."""
    if isinstance(store, SqliteStore):
        return store._conn.execute(select, values).fetchall()

    import psycopg

    from memory.store.postgres.names import TABLES
    from memory.store.postgres.store import PostgresStore

    assert isinstance(store, PostgresStore)
    with psycopg.connect(store._address.conninfo) as conn:
        for table in TABLES:
            conn.execute(
                f"CREATE TEMPORARY VIEW {table} AS SELECT * FROM memory.{table}"  # type: ignore[arg-type]
                f" WHERE namespace = {store._namespace}"
            )
        rows = conn.execute(select.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]
        conn.rollback()
    return rows


def set_moment_of_change(store: Any, change_id: int, at: str) -> None:
    """Let a change have been made at another time."""
    if isinstance(store, SqliteStore):
        store._conn.execute("UPDATE changes SET at = ? WHERE id = ?", (at, change_id))
    else:
        store._conn.execute(
            "UPDATE memory.changes SET at = %(at)s"
            " WHERE namespace = %(namespace)s AND id = %(change_id)s",
            at=at,
            change_id=change_id,
        )
