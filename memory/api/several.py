"""Several memories opened as one."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from memory.errors import InputError
from memory.store import Store, namespaces, open_store
from memory.store.files.united import memory_name, refuse_repeated, unite
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


def with_others(
    name: str, store: Store, places: Sequence[Place], opened: ExitStack
) -> dict[str, Store]:
    """A memory and others by their names; `opened` closes the ones opened here, for reading only.

    A namespace that does not exist has nothing to show, as a user without turns. Raises StoreError
    for a file that does not exist, InputError for a memory named twice and for too many.
    """
    place_of = places_by_name(places)
    refuse_repeated([name, *place_of])
    stores = {name: store}
    for further, place in place_of.items():
        if not isinstance(place, (str, Path)):
            stores[further] = place
            continue
        is_name = isinstance(place, str) and namespaces.is_name(place)
        location = namespaces.find(str(place)) if is_name else namespaces.place_of(place)
        if location is not None:
            stores[further] = opened.enter_context(open_store(location, read_only=True))
    addresses = [opened_store.address for opened_store in stores.values()]
    if len({*addresses}) < len(addresses):
        raise InputError("also= names the memory itself, or one memory twice")
    return stores


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
