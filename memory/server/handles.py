"""Open stores of namespaces: warm within a number of bytes, each used by one call at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from memory.errors import InputError, StoreError
from memory.store import Store, namespaces, open_store
from memory.store.configuration.declared_settings import set_owner
from memory.store.configuration.limits import Limits, Served
from memory.store.configuration.settings import owner_of
from memory.store.files.united import open_united, refuse_repeated
from memory.system.files import most_open_files

if TYPE_CHECKING:
    from dspy import Module

    from memory.api import Memory
    from memory.models import Model

T = TypeVar("T")
CACHE_BYTES = 1_000_000_000  # of open stores, by default
# The size of an open store without its index: connections, their pages, SQLite's statements.
HANDLE_BYTES = 400_000
_FILES_OF_HANDLE = 6  # database, log and its index, of our connection and of the model's
_OTHER_FILES = 600  # clients' connections, the slow calls' stores
_FAST_CALLS = 32  # threads; a call may wait for the disk, or for another program's lock
# Threads for slow calls: questions, digests, imports. Each call opens its own store. Those of a
# hosted model wait for it: at 2 s a call, four answer two questions a second.
_SLOW_CALLS, _SLOW_CALLS_OF_HOSTED = 4, 32


class NoNamespaceError(InputError):
    """No namespace has this name. The message does not reveal other names."""


class Handles:
    """The memories of a server, each opened on first use.

    `run` and `run_on_store` make the calls of a namespace one after another, on a store that stays
    open with its index while there is room for it. Slow calls use `run_slow` and
    `run_slow_on_store`: their own thread and their own store.

    Arguments:
        model: "" for none, or a name as `load_model` takes it; loaded when it is first needed.
        api_base: the address of an OpenAI-compatible server for `model`.
        program: a compiled program; the plain one by default. Searches rank by its weights.
        budget: at most this many tokens of memory are shown to the model, as for a Memory.
        read_only: whether to open stores read-only.
        cache_bytes: how many bytes the open stores may take; the one in use may take more.
        owner: the owner of memories that name none.
        limits: how much each memory may hold.
        path_of: the location of a namespace; None or an InputError if there is none.
    """

    def __init__(
        self,
        model: "str | Model" = "",
        api_base: str | None = None,
        *,
        program: "Module | None" = None,
        budget: int | None = None,
        read_only: bool = False,
        cache_bytes: int = CACHE_BYTES,
        owner: str = "",
        limits: Limits | None = None,
        path_of: Callable[[str], namespaces.Location | None] = namespaces.find,
    ) -> None:
        self._model = model
        self._api_base = api_base
        self._model_lock = Lock()
        self._program = program
        self._budget = budget
        self.read_only = read_only
        self._owner = owner
        self._path_of = path_of
        self._cache_bytes = cache_bytes
        self._limits = limits
        self._open_stores: dict[str, _OpenStore] = {}  # the one used longest ago first
        self.cached_bytes = 0  # of all open stores
        self._fast = ThreadPoolExecutor(_FAST_CALLS, thread_name_prefix="memory")
        slow_calls = _SLOW_CALLS_OF_HOSTED if self.stores_facts else _SLOW_CALLS
        self._slow = ThreadPoolExecutor(slow_calls, thread_name_prefix="memory-slow")

    async def run(self, namespace: str, function: Callable[["Memory"], T]) -> T:
        """Call a function with a namespace's Memory.

        Raises InputError when there is no such namespace, and the function's own errors. The first
        call loads DSPy, which takes a second.
        """
        return await self.run_on_store(namespace, lambda store: function(self.memory_of(store)))

    async def run_on_store(self, namespace: str, function: Callable[[Store], T]) -> T:
        """Like `run`, without a model: DSPy is not loaded."""
        opened = await self._opened(namespace)
        try:
            return await opened.call(function)
        finally:
            self._measure(namespace, opened)

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

        return await self._run_slow(work)

    async def run_united(self, names: Sequence[str], function: Callable[[Store], T]) -> T:
        """Like `run_slow_on_store`, on several namespaces as one, which are written to by no other
        name than the first: the others are opened for reading only.

        No store stays open, so a namespace that is deleted is gone at once.
        """
        refuse_repeated(names)
        opens = {name: partial(self._open, name) for name in names}

        def work() -> T:
            with open_united(opens) as store:
                return function(store)

        return await self._run_slow(work)

    def refuse_missing(self, names: Iterable[str]) -> None:
        """Raise InputError when there is no namespace of one of these names."""
        for name in names:
            self._location(name)

    def memory_of(self, store: Store) -> "Memory":
        """The Memory on a store, with the shared model.

        Raises ModelError when the model cannot be used.
        """
        from memory.api import Memory

        return Memory(store, self.model(), self._program, budget=self._budget)

    @property
    def weights(self) -> Mapping[str, float] | None:
        """By which weights `memory_of` ranks, None for the packaged ones. No model is loaded."""
        return getattr(self._program, "feature_weights", None)

    def names(self) -> list[str]:
        """All namespaces, sorted."""
        return namespaces.names()

    async def create(self, name: str) -> None:
        """Create an empty namespace. Raises InputError when the name is taken."""
        await asyncio.to_thread(namespaces.create, name)

    async def rename(self, old: str, new: str) -> None:
        """Rename a namespace; raises as `namespaces.rename`."""
        await self._call_closed(old, lambda: namespaces.rename(old, new))

    async def copy(self, name: str, new: str) -> None:
        """Copy a namespace; raises as `namespaces.copy`."""
        await asyncio.to_thread(namespaces.copy, name, new)

    async def delete(self, name: str) -> None:
        """Delete a namespace for good; raises as `namespaces.delete`."""
        await self._call_closed(name, lambda: namespaces.delete(name))

    def close(self) -> None:
        """Close every store, after the running calls."""
        for ended in [opened.end() for opened in self._open_stores.values()]:
            ended.result()
        self._open_stores.clear()
        for threads in (self._fast, self._slow):
            threads.shutdown()

    def model(self) -> "Model | None":
        """The model, loaded once; None for none. Raises ModelError when it cannot be used."""
        with self._model_lock:
            if not self._model:
                return None
            if isinstance(self._model, str):
                from memory.models import load_model

                self._model = load_model(self._model, self._api_base)
            return self._model

    @property
    def model_name(self) -> str:
        """The name of the model in use, as `load_model` takes it, "" for none. Loads nothing."""
        return self._model if isinstance(self._model, str) else self._model.name

    @property
    def stores_facts(self) -> bool:
        """Whether a digest asks a model for facts. Does not load it."""
        model = self._model
        if isinstance(model, str):
            from memory.models.model_names import stores_facts

            return bool(model) and stores_facts(model)
        from memory.program import program_for

        return bool(program_for(model).stores_facts)

    def _open(self, namespace: str, read_only: bool = False) -> Store:
        store = open_store(self._location(namespace), read_only=read_only or self.read_only)
        if self._owner and not store.read_only and not owner_of(store):
            set_owner(store, self._owner)
        store.served = Served(self._limits)
        return store

    def _location(self, namespace: str) -> namespaces.Location:
        namespaces.location_of(namespace)  # raises for an invalid name
        location = None
        with suppress(InputError):
            location = self._path_of(namespace)
        if location is None:
            raise NoNamespaceError(f"there is no namespace {namespace!r}")
        return location

    async def _run_slow(self, work: Callable[[], T]) -> T:
        call = partial(copy_context().run, work)
        return await asyncio.get_running_loop().run_in_executor(self._slow, call)

    # ---------------------------------------------------------------- open stores
    # All of it in the thread of the event loop.

    async def _opened(self, namespace: str) -> "_OpenStore":
        """The open store of a namespace, now the last one used; opens none without a name."""
        if namespace not in self._open_stores:
            # Anyone may ask for any name: a name without a memory must not displace another.
            await asyncio.to_thread(self._location, namespace)
        opened = self._open_stores.pop(namespace, None)
        if opened is None:
            opened = _OpenStore(self._fast, partial(self._open, namespace))
        self._open_stores[namespace] = opened
        return opened

    def _measure(self, namespace: str, opened: "_OpenStore") -> None:
        """Count a store's size after a call, and close the least recently used if needed."""
        if self._open_stores.get(namespace) is not opened:
            return  # closed meanwhile
        self.cached_bytes += opened.bytes - opened.counted_bytes
        opened.counted_bytes = opened.bytes
        if not (opened.is_open or opened.is_busy):
            del self._open_stores[namespace]
        most = max(1, (most_open_files() - _OTHER_FILES) // _FILES_OF_HANDLE)
        while self.cached_bytes > self._cache_bytes or len(self._open_stores) > most:
            idle = next(
                (
                    name
                    for name, each in self._open_stores.items()
                    if each is not opened and not each.is_busy
                ),
                None,
            )
            if idle is None:
                return
            self._drop(idle).end()

    def _drop(self, namespace: str) -> "_OpenStore":
        opened = self._open_stores.pop(namespace)
        self.cached_bytes -= opened.counted_bytes
        return opened

    async def _call_closed(self, namespace: str, function: Callable[[], object]) -> None:
        """Call a function while this server has no open store of a namespace."""
        if namespace not in self._open_stores:
            await asyncio.to_thread(function)
            return
        opened = self._open_stores[namespace]
        try:
            await opened.call_closed(function)
        finally:
            self._measure(namespace, opened)


class _OpenStore:
    """The store of one namespace, and the calls that wait for it."""

    def __init__(self, threads: ThreadPoolExecutor, open_namespace: Callable[[], Store]) -> None:
        self._threads = threads
        self._open = open_namespace
        self._store: Store | None = None
        self._lock = Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.is_busy = False
        self.bytes = 0  # after the last call
        self.counted_bytes = 0  # of them in the sum of all

    async def call(self, function: Callable[[Store], T]) -> T:
        """Call a function with the store, after the calls before."""

        def work() -> T:
            if self._store is not None and not self._store.is_current():
                self._close()
            if self._store is None:
                self._store = self._open()
            try:
                result = function(self._store)
                self.bytes = HANDLE_BYTES + self._store.cached_bytes
            except StoreError:
                # The file may have been moved or replaced: the next call opens it again.
                self._close()
                raise
            return result

        return await asyncio.wrap_future(self._submit(partial(copy_context().run, work)))

    async def call_closed(self, function: Callable[[], object]) -> None:
        """Call a function while the file is closed, after the calls before."""

        def work() -> None:
            self._close()
            function()

        await asyncio.wrap_future(self._submit(work))

    @property
    def is_open(self) -> bool:
        """Whether the store is open."""
        return self._store is not None

    def end(self) -> "Future[None]":
        """Close the store after the calls that wait."""
        return self._submit(self._close)

    def _submit(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, work))
            if self.is_busy:
                return future
            self.is_busy = True
        self._threads.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        """Make one call. The next one waits for a thread anew: no memory keeps one to itself."""
        future, work = self._waiting.popleft()
        if future.set_running_or_notify_cancel():
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
                outcome = partial(future.set_exception, error)
            else:
                outcome = partial(future.set_result, result)
        else:
            outcome = None
        with self._lock:
            self.is_busy = bool(self._waiting)
            goes_on = self.is_busy
        if outcome:
            outcome()
        if goes_on:
            self._threads.submit(self._run_next)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
            self.bytes = 0
