"""The tables of all namespaces spread over the servers of a Citus cluster, by their namespace.

Rows of one namespace lie together on one server, so that whatever a store does stays there.
"""

from collections.abc import Iterator

import psycopg

from memory.errors import StoreError
from memory.store.postgres import migrate
from memory.store.postgres.address import Address
from memory.store.postgres.connection import postgres_errors
from memory.store.postgres.names import TABLES
from memory.store.postgres.pool import CONNECT_SECONDS

# Where a ticket is checked there must be the key: a table of each server's own, which no statement
# of another server reaches.
_KEY_TABLE = (
    "SELECT * FROM run_command_on_workers("
    "'CREATE TABLE IF NOT EXISTS memory.secrets (name text PRIMARY KEY, value text NOT NULL)')"
)
_KEY = (
    "SELECT result.* FROM memory.secrets, run_command_on_workers(format("
    "'INSERT INTO memory.secrets VALUES (%L, %L)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value', name, value)) AS result"
    " WHERE name = 'ticket key'"
)
_FIRST = "counters"  # the other tables' rows lie where this one's do


def distribute(address: Address) -> tuple[int, int]:
    """Spread the tables of a database over the servers of its cluster, as far as that is to do.

    Again after servers were added: they get what they lack. Returns how many tables were spread,
    and how many servers hold rows. Raises StoreError for a database without Citus, of another
    version, or whose walls would not stand; then nothing is changed.
    """
    with postgres_errors(address.location, address.conninfo), _connection(address) as conn:
        spread = 0
        for statement in _statements(conn, address):
            spread += "create_distributed_table" in statement
            cursor = conn.execute(statement)
            for host, port, is_done, message in cursor if "run_command" in statement else ():
                if not is_done:
                    raise StoreError(
                        f"{address.location}: the server {host}:{port} says: {message}"
                    )
        [(servers,)] = conn.execute(
            "SELECT count(*) FROM pg_dist_node WHERE shouldhaveshards AND isactive"
        ).fetchall()
    return spread, int(servers)


def script(address: Address) -> list[str]:
    """The statements that `distribute` would run now."""
    with postgres_errors(address.location, address.conninfo), _connection(address) as conn:
        return [*_statements(conn, address)]


def _connection(address: Address) -> psycopg.Connection:
    """A connection whose block is one transaction."""
    return psycopg.connect(address.conninfo, connect_timeout=CONNECT_SECONDS)


def _statements(conn: psycopg.Connection, address: Address) -> Iterator[str]:
    """What is to be run, in this order; all but the key only where it was not yet."""
    location = address.location
    if conn.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is None:
        raise StoreError(
            f"{location}: this database has no Citus, nothing was changed; on each of its servers:"
            " CREATE EXTENSION citus"
        )
    if not migrate.revision_of(conn):
        raise StoreError(f"{location}: there is no memory here; run: memory admin migrate")
    migrate.refuse_other_revision(conn, location)
    role = migrate.model_role(conn.info.dbname)
    yield from _settings(conn, role, location)
    yield _KEY_TABLE
    yield _KEY
    spread = {name for (name,) in conn.execute("SELECT logicalrelid::text FROM pg_dist_partition")}
    if "memory.turns" not in spread:
        # Citus runs triggers only as "unsafe". No statement of ours changes a turn, and the second
        # login may not.
        yield "DROP TRIGGER IF EXISTS turns_are_immutable ON memory.turns"
    for table in (_FIRST, *TABLES):
        if f"memory.{table}" not in spread:
            place_of_rows = "none" if table == _FIRST else f"memory.{_FIRST}"
            yield (
                f"SELECT create_distributed_table('memory.{table}', 'namespace',"
                f" colocate_with => '{place_of_rows}')"
            )


def _settings(conn: psycopg.Connection, role: str, location: str) -> Iterator[str]:
    """Let a ticket go with its transaction to the server of the rows, unseen by other sessions."""
    row = conn.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    settings = (row and row[0]) or []
    if "track_activities=off" not in settings:
        if conn.info.parameter_status("is_superuser") != "on":
            raise StoreError(
                f"{location}: other sessions could see a ticket on its way to another server, and"
                " only a superuser can prevent it, nothing was changed; let one run: ALTER ROLE"
                f' "{role}" SET track_activities = off'
            )
        yield f'ALTER ROLE "{role}" SET track_activities = off'
    if "citus.propagate_set_commands=local" not in settings:
        yield f"ALTER ROLE \"{role}\" SET citus.propagate_set_commands = 'local'"
