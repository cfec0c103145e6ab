"""The commands copy and migrate: a memory into another database, and a database's schema."""

from typing import Annotated

import typer

from memory.errors import InputError, StoreError
from memory.store import open_store
from memory.terminal import count, print_clean


def copy(
    source: Annotated[str, typer.Argument(help="A file, or an address of Postgres.")],
    target: Annotated[str, typer.Argument(help="Where the copy is to be; it must be empty.")],
) -> None:
    """Copy a memory between SQLite and Postgres, journal and all, and prove that it is equal."""
    from memory.store.transfer import transfer

    with open_store(source, read_only=True) as store, open_store(target) as copied:
        new_turns = transfer(store, copied)
        turns = len(copied.turns())
        print_clean(
            f"{copied.place}: {count(turns, 'turn')} ({new_turns:,} of them new), equal to"
            f" {store.place}"
        )


def migrate(
    database: Annotated[
        str, typer.Argument(help="postgresql://...; without it, that of MEMORY_HOME.")
    ] = "",
    check: Annotated[
        bool,
        typer.Option("--check", help="Only say what differs; exit code 2 when a table does."),
    ] = False,
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL for an administrator, and run nothing.")
    ] = False,
) -> None:
    """Bring a Postgres database up to date. SQLite files do so when they are opened."""
    from memory.home import home_address
    from memory.store import postgres_module

    text = database or home_address()
    if not text:
        raise InputError("which database? Give its address, or set MEMORY_HOME=postgresql://...")
    address = postgres_module("address").read_address(text, needs_namespace=False)
    migrations = postgres_module("migrate")
    if as_sql:
        print_clean(migrations.script(address.conninfo))
    elif check:
        differences = migrations.differences(address.conninfo, address.place)
        if differences:
            raise StoreError(f"{address.place}: {differences[0]}")
        print_clean(f"{address.place}: as this version makes it")
    else:
        before, after = migrations.upgrade(address.conninfo, address.place)
        print_clean(f"{address.place}: schema {after}" + ("" if before == after else ", new"))
