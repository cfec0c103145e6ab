"""Memories to measure with: namespaces that are made for a measurement and gone after it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from memory import InputError
from memory.store import namespaces

_HOME = "MEMORY_HOME"
_numbers = count(1)


@dataclass(frozen=True)
class Scratch:
    """A home with only a measurement's memories, or with these added to others.

    `folder` is for files; in SQLite it also holds the memories.
    """

    folder: Path
    in_postgres: bool

    def new_name(self) -> str:
        """The name of a memory that is not there yet, for `Memory(name)`."""
        return f"{_prefix()}{next(_numbers)}"


@contextmanager
def scratch(store: str = "") -> Iterator[Scratch]:
    """Make new memories for a block, and delete them after it, whatever ends it.

    Arguments:
        store: the address of a database of Postgres; "" for files of SQLite in a temporary folder.

    Raises InputError for another kind of address, StoreError where the database cannot be used.
    """
    if store and not store.startswith(("postgresql://", "postgres://")):
        raise InputError(f"--store {store.split('://')[0]}: give postgresql://USER@HOST/DATABASE")
    with tempfile.TemporaryDirectory(prefix="scorecard-") as folder:
        before = os.environ.get(_HOME)
        os.environ[_HOME] = store or folder
        try:
            if store:
                namespaces.names()  # an unusable database is reported before any work
            yield Scratch(Path(folder), in_postgres=bool(store))
        finally:
            try:
                if store:
                    _delete_ours()
            finally:
                if before is None:
                    del os.environ[_HOME]
                else:
                    os.environ[_HOME] = before


def _prefix() -> str:
    return f"scorecard-{os.getpid()}-"


def _delete_ours() -> None:
    for name in namespaces.names():
        if name.startswith(_prefix()):
            namespaces.delete(name)
