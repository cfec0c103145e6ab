"""The commands backup and restore: a whole memory as one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from memory import namespaces
from memory.cli.options import DEFAULT, Db, Namespace, Yes, confirm, memory_location, open_memory
from memory.errors import StoreError
from memory.store import open_store, postgres_module
from memory.terminal import print_clean


def backup(to: Path, namespace: Namespace = DEFAULT, db: Db = None) -> None:
    """Copy the whole memory into one new file, also while others write. `forget` will know it."""
    with open_memory(namespace, db) as store:
        store.backup(to)
        location = store.location
    print_clean(f"{to}: a copy of {location}, {to.stat().st_size:,} bytes")


def restore(
    backup_file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when there is a memory already: it goes.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make a memory of a backup, whole or not at all."""
    target = memory_location(namespace, db)
    exists = target.exists() if isinstance(target, Path) else namespaces.exists(namespace)
    if exists and replace:
        try:
            with open_memory(namespace, db) as store:
                turns = store.count_turns()
                forgotten_ids: set[int] = set()
                for receipt in store.settings("forgotten"):
                    forgotten_ids.update(receipt.value["turns"])
        except StoreError as error:
            # A memory that is in use is whole: to move it away would be the wrong advice.
            if "another process" in str(error) or not isinstance(target, Path):
                raise
            raise StoreError(f"{error}; move it away, then restore without --replace") from error
        # A backup that no `forget` could reach brings back what was to be gone for good.
        with open_store(backup_file, read_only=True) as backup_store:
            returning = len(backup_store.turns_by_id([*forgotten_ids], missing_ok=True))
        if returning:
            print_clean(f"{returning:,} turns that were forgotten are in this backup and come back")
        location = namespaces.shown(target)
        confirm(f"{location} holds {turns:,} turns. Put the backup in its place?", yes)
    restored = _restore(backup_file, target, replace)
    print_clean(f"{namespaces.shown(target)}: {restored:,} turns, from {backup_file}")


def _restore(backup_file: Path, target: namespaces.Location, replace: bool) -> int:
    if not isinstance(target, Path):
        return int(postgres_module("restore").restore(backup_file, target, replace))
    from memory.store.backup import restore as restore_file

    namespaces.make_folder(target.parent)
    return restore_file(backup_file, target, replace)
