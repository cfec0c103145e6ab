"""The memories of users by their ids: opened when they are named, closed when others are used."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from threading import Lock
from typing import Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar

from memory.errors import StoreError
from memory.system.other_libraries import refuse_keywords

# Each open one has connections, files and an index in memory.
MOST_IDLE = 32


class _Closable(Protocol):
    def close(self) -> None: ...


class _Users(Protocol):
    def _of_user(self, user_id: str) -> AbstractContextManager[Self]: ...


_P = ParamSpec("_P")
_R = TypeVar("_R")
_HasUsers = TypeVar("_HasUsers", bound=_Users)
_Opened = TypeVar("_Opened", bound=_Closable)


@dataclass
class _Entry(Generic[_Opened]):
    memory: _Opened
    calls: int = 0  # under way


class UserMemories(Generic[_Opened]):
    """Open memories by user id, for threads to share; those used last stay open.

    Arguments:
        open_memory: opens the memory of a user.
        most_idle: how many stay open that no call uses.
    """

    def __init__(self, open_memory: Callable[[str], _Opened], most_idle: int = MOST_IDLE) -> None:
        self._open_memory, self._most_idle = open_memory, most_idle
        self._entries: OrderedDict[str, _Entry[_Opened]] = OrderedDict()
        self._lock = Lock()
        self._is_closed = False

    @contextmanager
    def of(self, user_id: str) -> Iterator[_Opened]:
        """The memory of a user, open for a call. Raises what opening it raises."""
        with self._lock:
            if self._is_closed:
                raise StoreError("the memory is closed")
            entry = self._entries.get(user_id) or _Entry(self._open_memory(user_id))
            self._entries[user_id] = entry
            self._entries.move_to_end(user_id)
            entry.calls += 1
        try:
            yield entry.memory
        finally:
            with self._lock:
                entry.calls -= 1
                idle = [name for name, entry in self._entries.items() if not entry.calls]
                for name in idle[: max(0, len(idle) - self._most_idle)]:
                    self._entries.pop(name).memory.close()

    def close(self, user_id: str | None = None) -> None:
        """Close the memory of a user; without an id, all."""
        with self._lock:
            self._is_closed = self._is_closed or user_id is None
            for name in [*self._entries] if user_id is None else [user_id]:
                if entry := self._entries.pop(name, None):
                    entry.memory.close()


def refuses_others(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """A call that answers a keyword of another library, or a misspelt one, with what to write."""
    taken = tuple(signature(method).parameters)[1:]
    name = "Memory" if method.__name__ == "__init__" else method.__name__

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        refuse_keywords(name, (keyword for keyword in kwargs if keyword not in taken), taken)
        return method(*args, **kwargs)

    return call


def for_user(
    method: Callable[Concatenate[_HasUsers, _P], _R],
) -> Callable[Concatenate[_HasUsers, _P], _R]:
    """A call that with `user_id` goes to the memory of this user, and refuses as `refuses_others`.

    The method itself never sees the id.
    """

    @wraps(method)
    def call(self: _HasUsers, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        user_id = kwargs.pop("user_id", None)
        if user_id is None:
            return method(self, *args, **kwargs)
        with self._of_user(str(user_id)) as memory:
            return method(memory, *args, **kwargs)

    return refuses_others(call)
