"""The commands backup and restore."""

from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, Db, Namespace, Yes, confirm, memory_location, open_memory
from memory.errors import StoreError
from memory.store import namespaces, postgres_module
from memory.store.configuration.settings import settings_of
from memory.system.terminal import count, print_clean


def backup(
    backup_file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Copy the whole memory to a new file, even while it is in use.

    A later `memory forget` removes its turns from this backup too.
    """
    with open_memory(namespace, db) as store:
        store.backup(backup_file)
        location = store.location
    print_clean(f"{backup_file}: a copy of {location}, {backup_file.stat().st_size:,} bytes")


def restore(
    backup_file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that `memory admin backup` wrote.")
    ],
    namespace: Namespace = DEFAULT,
    db: Db = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the memory if there is one.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Restore a memory from a backup, completely or not at all."""
    target = memory_location(namespace, db)
    exists = target.exists() if isinstance(target, Path) else namespaces.exists(namespace)
    if exists and replace:
        try:
            with open_memory(namespace, db) as store:
                turns = store.count_turns()
                forgotten_ids: set[int] = set()
                for receipt in settings_of(store, "forgotten"):
                    forgotten_ids.update(receipt.value["turns"])
        except StoreError as error:
            # A memory in use is not damaged: moving it away would be the wrong advice.
            if "another process" in str(error) or not isinstance(target, Path):
                raise
            raise StoreError(f"{error}; move it away, then restore without --replace") from error
        from memory.store.files.backup import count_turns_of

        # A backup that `forget` could not reach brings forgotten turns back.
        returning = count_turns_of(backup_file, forgotten_ids)
        if returning:
            forgotten = "turn that was" if returning == 1 else "turns that were"
            print_clean(f"this backup brings back {returning:,} {forgotten} forgotten")
        location = namespaces.shown(target)
        confirm(f"{location} has {count(turns, 'turn')}. Replace it with the backup?", yes)
    restored = _restore(backup_file, target, replace)
    print_clean(f"{namespaces.shown(target)}: {count(restored, 'turn')}, from {backup_file}")


def _restore(backup_file: Path, target: namespaces.Location, replace: bool) -> int:
    if not isinstance(target, Path):
        return int(postgres_module("restore").restore(backup_file, target, replace))
    from memory.store.files.backup import restore as restore_file

    namespaces.make_folder(target.parent)
    return restore_file(backup_file, target, replace)
