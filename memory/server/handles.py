"""Open stores of namespaces, each owned by one worker thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from memory import namespaces
from memory.errors import InputError, StoreError
from memory.rerank import load_reranker
from memory.searcher import Searcher
from memory.store import Store, open_store

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.program import MemoryProgram, Model

T = TypeVar("T")
# An open store holds its index: 60 MB at 100,000 turns. The least recently used is closed.
_MOST_OPEN = 32
# Threads for slow calls: questions, digests, imports. Each call opens its own store.
_SLOW_CALLS = 4


class NoNamespaceError(InputError):
    """There is no namespace of this name. The message does not reveal other names."""


class Handles:
    """The memories of a server, each opened on first use.

    `run` and `run_on_store` use the worker thread of a namespace, one call after another, on a
    store that stays open with its index. Slow calls use `run_slow` and `run_slow_on_store`: their
    own thread and their own store.

    Arguments:
        model: "local", or a litellm name; loaded when it is first needed.
        api_base: the address of an OpenAI-compatible server for `model`.
        program: a compiled program; the plain one by default. Searches rank by its weights.
        reranker: the name of a reranker for search results.
        read_only: whether to open stores read-only.
        path_of: the location of an existing namespace; raises InputError for another one.
    """

    def __init__(
        self,
        model: "str | Model" = "local",
        api_base: str | None = None,
        *,
        program: "MemoryProgram | None" = None,
        reranker: str | None = None,
        read_only: bool = False,
        path_of: Callable[[str], namespaces.Location] = namespaces.existing,
    ) -> None:
        self._model = model
        self._api_base = api_base
        self._model_lock = Lock()
        self._program = program
        self._reranker = load_reranker(reranker) if reranker else None
        self.read_only = read_only
        self._path_of = path_of
        self._workers: dict[str, _Worker] = {}  # the one used longest ago first
        self._slow = ThreadPoolExecutor(_SLOW_CALLS, thread_name_prefix="memory-slow")

    async def run(self, namespace: str, function: Callable[["Memory"], T]) -> T:
        """Call a function with a namespace's Memory, on the worker thread.

        Raises InputError when there is no such namespace, and what the function raises. The first
        call loads DSPy, which takes a second.
        """
        return await self.run_on_store(namespace, lambda store: function(self.memory_of(store)))

    async def run_on_store(self, namespace: str, function: Callable[[Store], T]) -> T:
        """Like `run`, without a model: DSPy is not loaded."""
        return await self._worker(namespace).call(function)

    async def run_slow(self, namespace: str, function: Callable[["Memory"], T]) -> T:
        """Like `run`, for slow calls: on another thread and another store."""
        return await self.run_slow_on_store(
            namespace, lambda store: function(self.memory_of(store))
        )

    async def run_slow_on_store(self, namespace: str, function: Callable[[Store], T]) -> T:
        """Like `run_slow`, without a model."""

        def work() -> T:
            with self._open(namespace) as store:
                return function(store)

        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    def memory_of(self, store: Store) -> "Memory":
        """The Memory on a store, with the shared model.

        Raises ModelError when the model cannot be used.
        """
        from memory.api import Memory

        return Memory(store, model=self.model(), program=self._program, reranker=self._reranker)

    @property
    def searcher(self) -> Searcher:
        """How `memory_of` searches. No model is loaded for it."""
        weights = self._program.feature_weights if self._program else None
        return Searcher(weights, self._reranker)

    def names(self) -> list[str]:
        """All namespaces, sorted."""
        return namespaces.names()

    async def create(self, name: str) -> None:
        """Create an empty namespace. Raises InputError when the name is taken."""
        await asyncio.to_thread(namespaces.create, name)

    async def rename(self, old: str, new: str) -> None:
        """Rename a namespace; raises as `namespaces.rename`."""
        await self._worker(old).call_closed(lambda: namespaces.rename(old, new))

    async def copy(self, name: str, new: str) -> None:
        """Copy a namespace; raises as `namespaces.copy`."""
        await asyncio.to_thread(namespaces.copy, name, new)

    async def delete(self, name: str) -> None:
        """Delete a namespace for good; raises as `namespaces.delete`."""
        await self._worker(name).call_closed(lambda: namespaces.delete(name))

    def close(self) -> None:
        """Close every store, after the running calls."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
        self._slow.shutdown()

    def model(self) -> "Model":
        """The model, loaded once. Raises ModelError when it cannot be used."""
        from memory.program import load_model

        with self._model_lock:
            if isinstance(self._model, str):
                self._model = load_model(self._model, self._api_base)
            return self._model

    @property
    def stores_facts(self) -> bool:
        """Whether the model stores facts. Does not load it."""
        from memory.program.model_names import stores_facts

        if isinstance(self._model, str):
            return stores_facts(self._model)
        return self._model.writes_facts

    def _open(self, namespace: str) -> Store:
        namespaces.location_of(namespace)  # raises for an invalid name
        try:
            path = self._path_of(namespace)
        except InputError:
            raise NoNamespaceError(f"there is no namespace {namespace!r}") from None
        return open_store(path, read_only=self.read_only)

    def _worker(self, namespace: str) -> "_Worker":
        worker = self._workers.pop(namespace, None)
        if worker is None:
            worker = _Worker(lambda: self._open(namespace))
        self._workers[namespace] = worker
        if len(self._workers) > _MOST_OPEN:
            self._workers.pop(next(iter(self._workers))).end(wait=False)
        return worker


class _Worker:
    """The thread that owns the open store of one namespace."""

    def __init__(self, open_namespace: Callable[[], Store]) -> None:
        self._open = open_namespace
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="memory")
        self._store: Store | None = None

    async def call(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store."""

        def work() -> T:
            if self._store is None:
                self._store = self._open()
            try:
                return function(self._store)
            except StoreError:
                # The file may have been moved or replaced: the next call opens it again.
                self._close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def call_closed(self, function: Callable[[], object]) -> None:
        """Call a function while the file is closed."""

        def work() -> None:
            self._close()
            function()

        await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def end(self, wait: bool = True) -> None:
        """Close the store after the queued calls, and end the thread."""
        self._executor.submit(self._close)
        self._executor.shutdown(wait)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
