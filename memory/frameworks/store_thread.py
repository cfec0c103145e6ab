"""A store that one thread owns, for frameworks that call from any thread and from event loops."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from memory.records import Turn, TurnIds
from memory.store import Store, namespaces, open_store
from memory.store.database import Connection
from memory.store.turns.tags import replace_tags_of_those_there
from memory.store.turns.turn_validation import HIDDEN

T = TypeVar("T")


class StoreThread:
    """Calls functions with one open store, one after another.

    Arguments:
        location: a namespace's name, a path or an address, as for a Memory; opened with the first
            call.
    """

    def __init__(self, location: str | Path) -> None:
        self._location = location
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="memory-framework")
        self._store: Store | None = None

    def call(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store, and wait for it."""
        return self._executor.submit(self._work, function).result()

    async def acall(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store, without holding up the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._work, function)

    def close(self) -> None:
        """Close the store, after the running calls."""
        self._executor.submit(self._close).result()
        self._executor.shutdown()

    def _work(self, function: Callable[[Store], T]) -> T:
        if self._store is None:
            self._store = open_store(namespaces.place_of(self._location))
        return function(self._store)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def hide(store: Store, turns: list[Turn], by: str) -> None:
    """Take turns out of a framework's view."""
    if turns:
        with store.transaction() as conn:
            _hide_in(conn, [turn.id for turn in turns], by)


def supersede(store: Store, old: list[Turn], new: Sequence[Turn], by: str) -> TurnIds:
    """Add turns and take others out of view, in one transaction; returns the new ones' ids."""
    ids = [turn.id for turn in old]
    return store.add(new, also=partial(_hide_in, turn_ids=ids, by=by) if ids else None)


def _hide_in(conn: Connection, turn_ids: Sequence[int], by: str) -> None:
    # The transaction forgets what has expired since the turns were read.
    replace_tags_of_those_there(conn, turn_ids, {HIDDEN: {"yes"}}, by)
