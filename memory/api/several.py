"""Several memories opened as one."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from memory.errors import InputError
from memory.store import Store, namespaces, open_store
from memory.store.files.united import memory_name, unite
from memory.store.store_source import OpenStore

Place = Store | str | Path


def places_by_name(places: Sequence[Place]) -> dict[str, Place]:
    """Memories by the names that their namespaces or files give them.

    Raises InputError for two of one name.
    """
    named: dict[str, Place] = {}
    for place in places:
        name = memory_name(place if isinstance(place, (str, Path)) else place.address)
        if name in named:
            raise InputError(
                f"two memories are called {name!r}; name them: Memory.over({{'NAME': ..., ...}})"
            )
        named[name] = place
    return named


def open_together(places: Mapping[str, Place], opened: ExitStack) -> OpenStore:
    """Several memories by name as one store, which closes the ones opened here.

    They are opened read-only, except the first; until the caller takes them out of `opened`, it
    closes them too. Raises InputError for no memory, for more than MOST_MEMORIES, and for a memory
    given twice; StoreError when one cannot be used.
    """
    stores: dict[str, Store] = {}
    owned: list[Store] = []
    for name, place in places.items():
        if isinstance(place, (str, Path)):
            store = open_store(namespaces.place_of(place), read_only=len(stores) > 0)
            owned.append(opened.enter_context(store))
        else:
            store = place
        stores[name] = store
    return OpenStore(unite(stores), owned)
