"""The namespaces of a database by name: listed, renamed, deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from memory.errors import InputError, StoreError
from memory.store.postgres import migrate
from memory.store.postgres.address import Address
from memory.store.postgres.connection import postgres_errors
from memory.store.postgres.pool import pool

TABLES = (  # of all namespaces; each names only tables before it
    *("turns", "facts", "changes", "facts_log", "pending", "settings", "shown", "speakers"),
    *("recent", "blocks", "pieces", "staged_vectors", "word_lists"),
    *("newer_words", "tags", "attributes", "entities", "aliases", "contradictions", "summaries"),
    *("rows_log", "work", "traces"),
)

# Plain VACUUM leaves the bytes in the pages until other rows need the room.
VACUUM = f"VACUUM (FULL) {', '.join(f'memory.{table}' for table in TABLES)}"


def names(address: Address, most: int | None = None) -> list[str]:
    """The namespaces of a database, sorted, up to a limit; empty if it has no memories yet."""
    with _connection(address) as conn:
        if not migrate.revision_of(conn):
            return []
        select = "SELECT name FROM memory.namespaces ORDER BY 1 LIMIT %s"
        return [name for (name,) in conn.execute(select, (most,))]


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
        empty(conn, row[0], address.location)
        conn.execute("DELETE FROM memory.counters WHERE namespace = %s", row)


def empty(conn: psycopg.Connection, number: int, location: str) -> None:
    """Delete all rows of a namespace, within the caller's transaction; its counters stay.

    Raises StoreError where there may be tables that this version does not know.
    """
    migrate.refuse_newer(conn, location)
    # Whoever is writing there is waited for.
    conn.execute("SELECT FROM memory.counters WHERE namespace = %s FOR UPDATE", (number,))
    for table in reversed(TABLES):  # what names turns before the turns
        conn.execute(f"DELETE FROM memory.{table} WHERE namespace = %s", (number,))


def vacuum(conn: psycopg.Connection, location: str) -> None:
    """Write all tables of memories anew, without the bytes of removed rows.

    Raises StoreError for a table that this login may not vacuum: Postgres only warns of it.
    """
    migrate.refuse_newer(conn, location)
    nodes = (
        "SELECT relname, pg_relation_filenode(oid) FROM pg_class"
        " WHERE relnamespace = 'memory'::regnamespace AND relkind = 'r' AND relname = ANY (%s)"
    )
    before = {*conn.execute(nodes, ([*TABLES],)).fetchall()}
    conn.commit()  # of the transaction that a pool begins behind a pooler: VACUUM takes none
    conn.execute(VACUUM)
    conn.execute("VACUUM (FULL) pg_catalog.pg_statistic")  # a warning for who may not
    if untouched := sorted(before.intersection(conn.execute(nodes, ([*TABLES],)).fetchall())):
        raise StoreError(
            f"{location}: this login may not vacuum memory.{untouched[0][0]}; the owner of the"
            f" tables can: {VACUUM}"
        )


def refresh_statistics(conn: psycopg.Connection) -> None:
    """Make the planner's statistics, which hold whole values of columns, from the rows there are.

    The locks wait for an ANALYZE of the server's own that has read removed rows. Of a table without
    rows ANALYZE keeps what it had, which Postgres 18 drops and an older one does not: `forget
    verify` looks for itself. To a login that does not own the tables the server says warnings.
    """
    columns = """
        SELECT tablename, attname FROM pg_stats
        JOIN pg_class ON relname = tablename AND relkind = 'r'
        WHERE schemaname = 'memory' AND relnamespace = 'memory'::regnamespace
    """
    tables = ", ".join(f"memory.{table}" for table in TABLES)
    columns_of: dict[str, list[str]] = {}
    with conn.transaction():
        conn.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
        for table, column in conn.execute(columns).fetchall():
            columns_of.setdefault(table, []).append(column)
        for table in columns_of:
            conn.execute(f"ANALYZE memory.{table}")
            has_rows = conn.execute(f"SELECT FROM memory.{table} LIMIT 1").fetchone()
            if has_rows is None and conn.info.server_version >= 180000:
                for column in columns_of[table]:
                    clear = "SELECT pg_clear_attribute_stats('memory', %s, %s, false)"
                    conn.execute(clear, (table, column))


def size(address: Address) -> int:
    """How many bytes the rows of a namespace take, without indexes and free space."""
    columns = (
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'memory'::regnamespace AND relname = ANY (%s)"
        " AND attnum > 0 AND NOT attisdropped"
    )
    with _connection(address) as conn:
        select = "SELECT id FROM memory.namespaces WHERE name = %s"
        row = conn.execute(select, (address.namespace,)).fetchone()
        if row is None:
            return 0
        # Of each column: the size of a whole row would read data stored outside the table.
        columns_of: dict[str, list[str]] = {}
        for table, column in conn.execute(columns, ([*TABLES],)):
            columns_of.setdefault(table, []).append(f"coalesce(pg_column_size({column}), 0)")
        sums = " + ".join(
            f"(SELECT coalesce(sum({' + '.join(sizes)}), 0) FROM memory.{table}"
            " WHERE namespace = %(number)s)"
            for table, sizes in columns_of.items()
        )
        [(total,)] = conn.execute(f"SELECT {sums}", {"number": row[0]})
        return int(total)


def _has(conn: psycopg.Connection, name: str) -> bool:
    select = "SELECT FROM memory.namespaces WHERE name = %s"
    return conn.execute(select, (name,)).fetchone() is not None


@contextmanager
def _connection(address: Address) -> Iterator[psycopg.Connection]:
    with (
        postgres_errors(address.location, address.conninfo),
        pool(address).connection() as conn,
    ):
        migrate.refuse_other_revision(conn, address.location)
        yield conn
