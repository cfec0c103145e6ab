"""The commands copy, migrate, distribute and vacuum: move memories, and look after Postgres."""

from pathlib import Path
from typing import Annotated, Any

import typer

from memory.cli.options import DEFAULT, Db, Namespace, existing_memory, open_memory
from memory.errors import InputError, StoreError
from memory.store import open_store
from memory.system.terminal import count, print_clean


def copy(
    source: Annotated[str, typer.Argument(help="A file, or postgresql://...?namespace=NAME.")],
    target: Annotated[str, typer.Argument(help="The same for the copy; it must be empty.")],
) -> None:
    """Copy a memory between SQLite and Postgres with its journal, and check that they are equal."""
    from memory.store.files.transfer import transfer

    with open_store(source, read_only=True) as store, open_store(target) as copied:
        new_turns = transfer(store, copied)
        turns = copied.count_turns()
        print_clean(
            f"{copied.location}: {count(turns, 'turn')} ({new_turns:,} of them new), equal to"
            f" {store.location}"
        )


def migrate(
    database: Annotated[str, typer.Argument(help="postgresql://...; by default MEMORY_HOME.")] = "",
    check: Annotated[
        bool,
        typer.Option("--check", help="Report differences only; exit code 2 if there are any."),
    ] = False,
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL for an administrator; run nothing.")
    ] = False,
    owner: Annotated[
        str, typer.Option(metavar="LOGIN", help="With --sql: the login that uses the tables.")
    ] = "",
    generate: Annotated[
        str,
        typer.Option(
            metavar="MESSAGE", help="For developers: write the next revision from the metadata."
        ),
    ] = "",
) -> None:
    """Create or update the tables in a Postgres database. SQLite files update when opened."""
    from memory.store import postgres_module

    if owner and not as_sql:
        raise InputError("--owner says whose the tables of --sql are; give both")
    address = _address(database)
    migrations = postgres_module("migrate")
    if generate:
        print_clean(str(migrations.generate(address.conninfo, address.location, generate)))
    elif as_sql:
        print_clean(migrations.script(address.conninfo, owner))
    elif check:
        differences = migrations.differences(address.conninfo, address.location)
        if differences:
            raise StoreError(f"{address.location}: {differences[0]}")
        print_clean(f"{address.location}: up to date")
    else:
        before, after = migrations.upgrade(address.conninfo, address.location)
        print_clean(f"{address.location}: schema {after}" + ("" if before == after else ", new"))


def distribute(
    database: Annotated[str, typer.Argument(help="postgresql://...; by default MEMORY_HOME.")] = "",
    as_sql: Annotated[bool, typer.Option("--sql", help="Print the SQL; run nothing.")] = False,
) -> None:
    """Distribute a Postgres database over a Citus cluster, by namespace.

    Runs in one transaction. Run it again after you add servers. See docs/scaling.md.
    """
    from memory.store import postgres_module

    address = _address(database)
    distribution = postgres_module("distribute")
    if as_sql:
        print_clean("\n".join(f"{statement};" for statement in distribution.script(address)))
        return
    spread, servers = distribution.distribute(address)
    tables = count(spread, "table") + " distributed" if spread else "all tables are distributed"
    print_clean(f"{address.location}: {tables} over {count(servers, 'server')}")


def vacuum(namespace: Namespace = DEFAULT, db: Db = None) -> None:
    """Postgres: drop the bytes of removed rows. Locks the tables of all memories meanwhile."""
    if isinstance(existing_memory(namespace, db), Path):
        raise InputError("vacuum is for Postgres; `memory forget` overwrites a file at once")
    with open_memory(namespace, db) as store:
        print_clean(f"vacuumed: {store.vacuum()}")


def _address(database: str) -> Any:
    """The address of a whole database. Raises InputError without one."""
    from memory.store import postgres_module
    from memory.system.home import home_address

    text = database or home_address()
    if not text:
        raise InputError("give the address of a database, or set MEMORY_HOME=postgresql://...")
    return postgres_module("address").read_address(text, needs_namespace=False)
