"""A namespace of Postgres made of a backup, which is a SQLite file."""

from pathlib import Path
from tempfile import TemporaryDirectory

from memory.errors import InputError
from memory.store.files.backup import REFUSED_TO_REPLACE, copy_for_memory
from memory.store.forgetting.forget import part_of
from memory.store.postgres import names, sqlite_copy
from memory.store.postgres.address import read_address
from memory.store.postgres.connection import NamespaceConnection, postgres_errors
from memory.store.postgres.store import looked_at, number_of


def restore(source: Path, target: str, replace: bool = False) -> int:
    """Make the namespace of an address of a backup, whole or not at all, in one transaction.

    Stores that are open on a replaced namespace continue with the backup's rows. Returns how many
    turns it holds. Raises InputError when the namespace exists and is not to be replaced,
    StoreError when the backup is not ours, newer, or damaged, or the server fails.
    """
    source = source.absolute()
    if not source.is_file():
        raise InputError(f"{source}: there is no such file")
    address = read_address(target)
    with (
        TemporaryDirectory(prefix="memory-restore-") as folder,
        postgres_errors(address.location, address.conninfo),
    ):
        database = looked_at(address, may_set_up=True)
        exists = names.exists(address)
        if exists and not replace:
            raise InputError(f"{address.location} {REFUSED_TO_REPLACE}")
        with database.own.connection() as conn, conn.transaction():
            number = number_of(conn, address, may_make=True)
            namespace = NamespaceConnection(database.own, number)
            with namespace.bound(conn):
                # The lock of its one writer: the rows taken over from it cannot change.
                namespace.lock_writer()
                file = Path(folder) / "memory.db"
                turns = copy_for_memory(source, file, old=namespace if exists else None)
                if exists:
                    names.empty(conn, number, address.location)
                sqlite_copy.read_copy(part_of(file), namespace)
                namespace.finish()
    return turns
