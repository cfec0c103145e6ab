"""The namespaces of a database by name: listed, renamed, deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from memory.errors import InputError
from memory.store.postgres import migrate
from memory.store.postgres.address import Address
from memory.store.postgres.connection import pool, postgres_errors

TABLES = (  # of all namespaces; each names only tables before it
    *("turns", "facts", "changes", "facts_log", "pending", "settings", "shown", "speakers"),
    *("recent", "blocks", "pieces", "staged_vectors", "word_lists"),
)


def names(address: Address) -> list[str]:
    """All namespaces of a database, sorted; none of one that holds no memory yet."""
    with _connection(address) as conn:
        if not migrate.revision_of(conn):
            return []
        return [name for (name,) in conn.execute("SELECT name FROM memory.namespaces ORDER BY 1")]


def exists(address: Address) -> bool:
    """Whether the database has the namespace of an address."""
    with _connection(address) as conn:
        return bool(migrate.revision_of(conn)) and _has(conn, address.namespace)


def rename(address: Address, new: str) -> None:
    """Give a namespace another name. Raises InputError when that is taken."""
    new = address.of(new).namespace
    with _connection(address) as conn, conn.transaction():
        if _has(conn, new):
            raise InputError(f"the namespace {new!r} already exists; choose another name")
        conn.execute(
            "UPDATE memory.namespaces SET name = %s WHERE name = %s", (new, address.namespace)
        )


def delete(address: Address) -> None:
    """Delete a namespace for good, in one transaction; its backups stay."""
    with _connection(address) as conn, conn.transaction():
        row = conn.execute(
            "DELETE FROM memory.namespaces WHERE name = %s RETURNING id", (address.namespace,)
        ).fetchone()
        if row is None:
            return
        empty(conn, row[0])
        conn.execute("DELETE FROM memory.counters WHERE namespace = %s", row)


def empty(conn: psycopg.Connection, number: int) -> None:
    """Delete all rows of a namespace, within the caller's transaction; its counters stay."""
    # Whoever is writing there is waited for.
    conn.execute("SELECT FROM memory.counters WHERE namespace = %s FOR UPDATE", (number,))
    for table in reversed(TABLES):  # what names turns before the turns
        conn.execute(f"DELETE FROM memory.{table} WHERE namespace = %s", (number,))


def _has(conn: psycopg.Connection, name: str) -> bool:
    select = "SELECT FROM memory.namespaces WHERE name = %s"
    return conn.execute(select, (name,)).fetchone() is not None


@contextmanager
def _connection(address: Address) -> Iterator[psycopg.Connection]:
    with (
        postgres_errors(address.location, address.conninfo),
        pool(address.conninfo).connection() as conn,
    ):
        migrate.refuse_other_revision(conn, address.location)
        yield conn
