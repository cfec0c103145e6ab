"""How a call of Memory is taken: whose memory it is for, and the names of other libraries in it."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from memory.system.other_libraries import refuse_keywords
from memory.system.users import UserId


class _HasUsers(Protocol):
    def _for_user(self, user_id: UserId, act: Callable[[Self], Any]) -> Any: ...


_P = ParamSpec("_P")
_R = TypeVar("_R")
_Memory = TypeVar("_Memory", bound=_HasUsers)


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
    method: Callable[Concatenate[_Memory, _P], _R],
) -> Callable[Concatenate[_Memory, _P], _R]:
    """A call that with `user_id` goes to the memory of this user, and refuses as `refuses_others`.

    The method itself never sees the id. None is an id, too, that nobody has: `user_name`.
    """

    @wraps(method)
    def call(self: _Memory, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if "user_id" not in kwargs:
            return method(self, *args, **kwargs)
        user_id: Any = kwargs.pop("user_id")
        result: _R = self._for_user(user_id, lambda memory: method(memory, *args, **kwargs))
        return result

    return refuses_others(call)
