"""The commands copy, migrate and distribute: between databases, and a database's tables."""

from typing import Annotated, Any

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
        turns = copied.count_turns()
        print_clean(
            f"{copied.location}: {count(turns, 'turn')} ({new_turns:,} of them new), equal to"
            f" {store.location}"
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
    generate: Annotated[
        str,
        typer.Option(
            metavar="MESSAGE", help="For developers: write the next revision from the metadata."
        ),
    ] = "",
) -> None:
    """Bring a Postgres database up to date. SQLite files do so when they are opened."""
    from memory.store import postgres_module

    address = _address(database)
    migrations = postgres_module("migrate")
    if generate:
        print_clean(str(migrations.generate(address.conninfo, address.location, generate)))
    elif as_sql:
        print_clean(migrations.script(address.conninfo))
    elif check:
        differences = migrations.differences(address.conninfo, address.location)
        if differences:
            raise StoreError(f"{address.location}: {differences[0]}")
        print_clean(f"{address.location}: as this version makes it")
    else:
        before, after = migrations.upgrade(address.conninfo, address.location)
        print_clean(f"{address.location}: schema {after}" + ("" if before == after else ", new"))


def distribute(
    database: Annotated[
        str, typer.Argument(help="postgresql://...; without it, that of MEMORY_HOME.")
    ] = "",
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print what it would run, and run nothing.")
    ] = False,
) -> None:
    """Spread a Postgres database over the servers of its Citus cluster, by the namespace.

    One transaction; again after servers were added. See docs/scaling.md.
    """
    from memory.store import postgres_module

    address = _address(database)
    distribution = postgres_module("distribute")
    if as_sql:
        print_clean("\n".join(f"{statement};" for statement in distribution.script(address)))
        return
    spread, servers = distribution.distribute(address)
    tables = count(spread, "table") + " spread" if spread else "all tables are spread"
    print_clean(f"{address.location}: {tables} over {count(servers, 'server')}")


def _address(database: str) -> Any:
    """The address of a whole database. Raises InputError where none is named."""
    from memory.home import home_address
    from memory.store import postgres_module

    text = database or home_address()
    if not text:
        raise InputError("which database? Give its address, or set MEMORY_HOME=postgresql://...")
    return postgres_module("address").read_address(text, needs_namespace=False)
