"""The schema of a database: set up, brought up to date, compared, or printed as SQL."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from memory.errors import InputError, StoreError
from memory.store.database import newer_schema
from memory.store.migrations import how_to_move
from memory.store.postgres.address import without_password
from memory.store.postgres.migrations import oldest_users

OLDEST_SERVER = 150_000  # security_invoker views came with Postgres 15
_LOCK = 5_391_171_377  # of the advisory lock that one migration holds at a time
_LONGEST_ROLE = 63  # bytes; Postgres cuts longer names


@cache
def revisions() -> list[str]:
    """The revisions that this version knows, oldest first."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return sorted(file.name.split("_")[0] for file in folder.glob("[0-9]*.py"))


def revision_of(conn: psycopg.Connection) -> str:
    """The revision of a database; "" if it holds no memory."""
    [(table,)] = conn.execute("SELECT to_regclass('memory.version')").fetchall()
    if table is None:
        return ""
    row = conn.execute("SELECT version_num FROM memory.version").fetchone()
    return str(row[0]) if row else ""


def is_newer(revision: str) -> bool:
    """Whether a newer version made this revision, which may have tables that are unknown here."""
    return bool(revision) and revision not in revisions() and not is_before_all(revision)


def is_before_all(revision: str) -> bool:
    """Whether this is one of the eleven steps that led to the first revision known here."""
    return bool(revision) and revision < revisions()[0]


def refuse_newer(conn: psycopg.Connection, location: str) -> None:
    """Raises StoreError for an act on all rows of a memory, where this version knows not all."""
    if is_newer(revision := revision_of(conn)):
        raise StoreError(newer_schema(location, revision))


def refuse_other_revision(conn: psycopg.Connection, location: str) -> None:
    """Raises StoreError for an old server, and for a schema that this version cannot use.

    An empty database passes, and a newer schema that only adds to the one of this version.
    """
    if conn.info.server_version < OLDEST_SERVER:
        raise StoreError(
            f"{location}: Postgres {conn.info.server_version // 10_000} is too old; 15 is the"
            " oldest that has the walls which a memory needs"
        )
    revision = revision_of(conn)
    if is_before_all(revision):
        raise StoreError(f"{location}: {how_to_move(revision)}")
    if is_newer(revision):
        if _oldest_user(conn, revision) in revisions():
            return
        raise StoreError(
            f"{location}: made by a newer version (schema {revision}, this one knows"
            f" {revisions()[-1]}); upgrade sql-memory to open it"
        )
    if revision and revision != revisions()[-1]:
        raise StoreError(f"{location}: made by an older version; run: memory admin migrate")


def _oldest_user(conn: psycopg.Connection, revision: str) -> str:
    """The oldest revision whose code may use this one; `usable_by` is written by migrations/env.py.

    As JSON: the column is missing where an older version migrated last.
    """
    select = "SELECT to_jsonb(version) ->> 'usable_by' FROM memory.version"
    row = conn.execute(select).fetchone()
    oldest, _, newest = str((row and row[0]) or "").partition("..")
    return oldest if newest == revision else ""


def upgrade(conninfo: str, location: str) -> tuple[str, str]:
    """Bring a database up to date; returns its revision before and after.

    One transaction: another process that migrates at the same time waits, then finds it done.
    Raises StoreError when the login may not do it, or an extension or role cannot be made.
    """
    from alembic import command

    with _alembic(conninfo, location) as (config, conn):
        before = _current(conn)
        if is_before_all(before):
            raise StoreError(f"{location}: {how_to_move(before)}")
        if is_newer(before):
            raise StoreError(
                f"{location}: schema {before} is newer than this version; nothing to do"
            )
        try:
            command.upgrade(config, "head")
        except Exception as error:
            cause = getattr(error, "orig", error)
            if not isinstance(cause, psycopg.Error):
                raise
            if isinstance(cause, psycopg.errors.InsufficientPrivilege):
                raise StoreError(
                    f"{location}: this login may not set up a memory"
                    f" ({cause.diag.message_primary}); it must own the database and may create"
                    " roles: ALTER ROLE ... CREATEROLE, or let an administrator run the output of:"
                    " memory admin migrate --sql --owner LOGIN"
                ) from error
            raise StoreError(f"{location}: {cause.diag.message_primary}") from error
        return before, _current(conn)


def differences(conninfo: str, location: str) -> list[str]:
    """What a database's tables lack or have too much, one line each."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from memory.store.postgres.tables import metadata

    with _alembic(conninfo, location) as (config, conn):
        if (current := _current(conn)) != revisions()[-1]:
            return [_difference(config, current)]
        context = MigrationContext.configure(
            conn,
            opts={
                "version_table": "version",
                "version_table_schema": "memory",
                "include_schemas": True,
                "include_name": lambda name, kind, parents: kind != "schema" or name == "memory",
            },
        )
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _difference(config: Any, current: str) -> str:
    """How a database of another revision differs, and whether its servers may run on meanwhile."""
    from alembic.script import ScriptDirectory

    if is_before_all(current):
        return how_to_move(current)
    text = f"schema {current or 'none'}, this version has {revisions()[-1]}"
    if current not in revisions():
        return text
    if oldest_users(ScriptDirectory.from_config(config))[revisions()[-1]] <= current:
        return f"{text}, which only adds to it: servers run on while it is migrated"
    return f"{text}; stop its servers and workers before it is migrated"


# Tables take their sequences along. Postgres checks that the login exists.
_OWN_ALL = """
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, {owner}) FROM pg_namespace
        WHERE nspname IN ('memory', 'memory_views')
        UNION ALL
        SELECT format(
            'ALTER %s %s OWNER TO %I',
            CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass, {owner})
        FROM pg_class WHERE relkind IN ('r', 'v')
            AND relnamespace IN ('memory'::regnamespace, 'memory_views'::regnamespace)
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, {owner}) FROM pg_proc
        WHERE pronamespace IN ('memory'::regnamespace, 'memory_views'::regnamespace)
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
"""


def script(conninfo: str, owner: str = "") -> str:
    """The SQL that brings an empty database up to date, for an administrator to run.

    All of it belongs to the login `owner` then, which needs no other right; without one, to the
    administrator.
    """
    from alembic import command

    output = io.StringIO()
    config = _config(conninfo, output)
    command.upgrade(config, "head", sql=True)
    if not owner:
        return output.getvalue()
    literal = "'{}'".format(owner.replace("'", "''"))
    everything, _, end = output.getvalue().rpartition("COMMIT;")  # one transaction
    return f"{everything}{_OWN_ALL.replace('{owner}', literal)}\nCOMMIT;{end}"


def generate(conninfo: str, location: str, message: str) -> Path:
    """Write the revision that makes a database of the newest one as the metadata says.

    For developers, in a checkout; `location` is a database to compare with. Alembic sees tables,
    columns, keys and indexes; policies, functions and grants are written by hand. Returns the file.
    Raises StoreError for a database of another revision, InputError outside of a checkout.
    """
    from alembic import command

    folder = Path(__file__).parent / "migrations" / "versions"
    if not (folder.parents[4] / "pyproject.toml").is_file():
        raise InputError("revisions are written in a checkout of the source, next to the others")
    with _alembic(conninfo, location) as (config, conn):
        if _current(conn) != revisions()[-1]:
            raise StoreError(
                f"{location}: not of revision {revisions()[-1]}; run: memory admin migrate"
            )
        number = f"{int(revisions()[-1]) + 1:04}"
        command.revision(config, message, autogenerate=True, rev_id=number)
    [file] = folder.glob(f"{number}_*.py")
    return file


def model_role(database: str) -> str:
    """The login of whatever a model wrote; a role belongs to a server with many databases."""
    name = f"memory_model_{database}"
    if len(name.encode()) <= _LONGEST_ROLE and '"' not in name and "'" not in name:
        return name
    return f"memory_model_{blake2b(database.encode(), digest_size=8).hexdigest()}"


def _config(conninfo: str, output: io.StringIO, database: str = "") -> Any:
    from alembic.config import Config

    config = Config(output_buffer=output)
    config.set_main_option("script_location", "memory.store.postgres:migrations")
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    database = database or unquote(urlsplit(conninfo).path.lstrip("/"))
    if not database:
        raise InputError("name the database in the address: postgresql://HOST/DATABASE")
    config.attributes["role"] = model_role(database)
    return config


@contextmanager
def _alembic(conninfo: str, location: str) -> Iterator[tuple[Any, Any]]:
    """Alembic's configuration and its connection, in one transaction that others wait for."""
    import sqlalchemy

    # A login called "memory" would find our schema without its name, and Alembic would miss all
    # its tables. It looks when it has connected, and later. LOCAL, since behind a pooler others use
    # the connection next.
    own_names = "SET LOCAL search_path = public"

    def connect() -> psycopg.Connection:
        conn = psycopg.connect(conninfo, connect_timeout=10, prepare_threshold=None)
        conn.execute(own_names)
        return conn

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.begin() as conn:
            conn.exec_driver_sql(own_names)
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            database: str = conn.exec_driver_sql("SELECT current_database()").scalar_one()
            config = _config(conninfo, io.StringIO(), database)
            config.attributes["connection"] = conn
            yield config, conn
    except sqlalchemy.exc.DBAPIError as error:
        message = " ".join(str(error.orig).split())
        raise StoreError(f"{location}: {without_password(message)}") from error
    finally:
        engine.dispose()


def _current(conn: Any) -> str:
    if conn.exec_driver_sql("SELECT to_regclass('memory.version')").scalar_one() is None:
        return ""
    return str(conn.exec_driver_sql("SELECT version_num FROM memory.version").scalar() or "")
