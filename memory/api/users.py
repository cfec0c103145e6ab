"""Whose memory it is: users by their ids, whose memories open when they are named."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from threading import Lock
from typing import Generic, Protocol, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from memory.errors import InputError, StoreError
from memory.store import namespaces
from memory.store.store_source import NamedStore, StoreSource

# Each open one has connections, files and an index in memory.
MOST_IDLE = 32


UserId = str | int | UUID  # any text, even if it could not be a file's name


class _Closable(Protocol):
    def close(self) -> None: ...


_Opened = TypeVar("_Opened", bound=_Closable)


def user_name(user_id: object) -> str:
    """The name of a user's namespace. Raises InputError for anything but a text, number or UUID.

    None above all: it comes from a sign-in that failed, and means no user.
    """
    if isinstance(user_id, str):
        return str.__str__(user_id)  # of an Enum, its value
    if isinstance(user_id, (Integral, UUID)) and not isinstance(user_id, bool):
        return str(user_id)
    raise InputError(
        f"user_id is {user_id if user_id is None else type(user_id).__name__}; give the user's id,"
        " a text or a number, or leave user_id= out for the memory itself"
    )


@dataclass(frozen=True)
class Place:
    """Where a memory is, and whose it is.

    `name` is its namespace's; a file, an address and an open store have none. `is_default`: of
    `Memory()`, which names none. `owns_source`: the memory closes it.
    """

    source: StoreSource
    name: str = ""
    is_default: bool = False
    is_of_user: bool = False
    owns_source: bool = True

    def user(self, user_id: UserId) -> str:
        """The name of a user's namespace next to this one.

        Raises InputError if this is not a namespace by name, and for an invalid id.
        """
        name = user_name(user_id)
        if not self.name:
            raise InputError(
                "this memory is one file or store, and takes no user_id=; write Memory(), which"
                " has a namespace for each user"
            )
        return name

    def of_user(self, name: str, embedder: str | None) -> "Place":
        """The place of a user's memory, which may be this one by its own name."""
        if name == self.name:
            return Place(self.source, name, is_of_user=True, owns_source=False)
        return Place(NamedStore(name, embedder), name, is_of_user=True)

    def refuse_ids_of_no_user(self, call: str, users_are_in_use: bool) -> None:
        """Raises InputError for turn ids if several users' turns may have these ids."""
        is_shared = users_are_in_use or (self.is_default and len(namespaces.names()) > 1)
        if is_shared and not self.is_of_user:
            raise InputError(
                "each user's turns have their own ids; say whose turn it is:"
                f" memory.{call}, user_id=user_id), or user_id={self.name!r} for a turn of this"
                " memory itself"
            )


class UserMemories(Generic[_Opened]):
    """Open memories by user id, for threads to share; the ones used last stay open.

    One that makes room for others is dropped, not closed: it closes when nothing uses it any more.

    Arguments:
        open_memory: opens the memory of a user.
        most_idle: how many stay open that nothing uses.
    """

    def __init__(self, open_memory: Callable[[str], _Opened], most_idle: int = MOST_IDLE) -> None:
        self._open_memory, self._most_idle = open_memory, most_idle
        self._used_last: OrderedDict[str, _Opened] = OrderedDict()
        self._open: WeakValueDictionary[str, _Opened] = WeakValueDictionary()
        self._lock = Lock()
        self._is_closed = False

    def of(self, user_id: str) -> _Opened:
        """The memory of a user. Raises what opening it raises, StoreError once all are closed."""
        with self._lock:
            if self._is_closed:
                raise StoreError("the memory is closed")
            memory = self._open.get(user_id) or self._open_memory(user_id)
            self._open[user_id] = self._used_last[user_id] = memory
            self._used_last.move_to_end(user_id)
            if len(self._used_last) > self._most_idle:
                self._used_last.popitem(last=False)
            return memory

    @property
    def are_in_use(self) -> bool:
        """Whether a user was named before."""
        return bool(self._used_last)

    def discard(self, user_id: str) -> None:
        """Open the memory of this user anew when it is next named."""
        with self._lock:
            self._open.pop(user_id, None)
            self._used_last.pop(user_id, None)

    def close(self) -> None:
        """Close all, even ones still in use."""
        with self._lock:
            self._is_closed = True
            memories = [*self._open.values()]
            self._open.clear()
            self._used_last.clear()
        for memory in memories:
            memory.close()
