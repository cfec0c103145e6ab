"""The store of a memory: open from the start, or a namespace by name that opens when it is used."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Protocol

from memory.errors import DeletedError, StoreError
from memory.store import namespaces, open_store
from memory.store.files.united import open_united, stores_by_name
from memory.store.protocol import Store


class StoreSource(Protocol):
    """Gives a memory its store."""

    def to_read(self) -> Store:
        """The store to look at, which holds nothing where no memory was created yet."""

    def to_write(self) -> Store:
        """The store to add to; creates the memory if needed."""

    def renew(self) -> None:
        """Open anew with the next call what was opened by a name: the memory was deleted."""

    def close(self) -> None:
        """Close what was opened here."""


class OpenStore:
    """A store that is open already; it closes the stores of `owned`, and no other's."""

    def __init__(self, store: Store, owned: Iterable[Store] = ()) -> None:
        self._store, self._owned = store, [*owned]

    def to_read(self) -> Store:
        return self._store

    def to_write(self) -> Store:
        return self._store

    def renew(self) -> None:
        """Nothing: whoever opened the store opens it again."""

    def close(self) -> None:
        for store in self._owned:
            store.close()


class NamedStore:
    """The namespace of a name: opened when it is first used, created when something is added.

    One that was deleted meanwhile is opened anew. Threads may share it.
    """

    def __init__(self, name: str, embedder: str | None = None) -> None:
        """Raises InputError for a name that no namespace can have."""
        namespaces.location_of(name)
        self._name, self._embedder = name, embedder
        self._store: Store | None = None
        self._is_closed = False
        self._lock = Lock()

    def to_read(self) -> Store:
        with self._lock:
            if self._opened() is not None or namespaces.exists(self._name):
                return self._open()
            return _empty_store(os.getpid())[0]

    def to_write(self) -> Store:
        with self._lock:
            return self._open()

    def renew(self) -> None:
        with self._lock:
            self._store = None

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            store, self._store = self._store, None
        if store is not None:
            store.close()

    def _opened(self) -> Store | None:
        """The open store, unless its memory was deleted.

        That one is not closed: it closes when the threads that use it let it go.
        """
        if self._is_closed:
            raise StoreError("the memory is closed")
        if self._store is not None and _is_deleted(self._store):
            self._store = None
        return self._store

    def _open(self) -> Store:
        store = self._opened()
        if store is None:
            place = namespaces.named_place(self._name)
            store = self._store = open_store(place, embedder=self._embedder)
        return store


def _is_deleted(store: Store) -> bool:
    """Whether a namespace was deleted while it was open, and not only moved by someone.

    What a file that was moved held is still read, and nothing is written to it. In Postgres a
    namespace that has gone from its name was deleted or renamed: no row says which.
    """
    if store.is_current():
        return False
    try:
        store.count_turns()
    except DeletedError:
        return True
    return "://" in store.address


@cache
def _empty_store(process: int) -> tuple[Store, TemporaryDirectory[str]]:
    """A memory without turns for a process, and its folder, which goes when that ends."""
    folder = TemporaryDirectory(prefix="memory-empty-")
    return open_store(Path(folder.name) / "empty.db"), folder


def off_the_record(store: Store) -> Store:
    """The same memory, or several as one, opened anew for reading only: nothing is left in it."""
    opens = {
        name: lambda _, address=each.address: open_store(address, read_only=True)
        for name, each in stores_by_name(store).items()
    }
    return opens[""](True) if [*opens] == [""] else open_united(opens)
