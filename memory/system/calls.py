"""How a call of Memory is taken: whose memory it is for, and the names of other libraries in it."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, cast

from memory.system.other_libraries import groups_of, own_keywords, refuse_namespace
from memory.system.users import UserId


class _HasUsers(Protocol):
    def _for_itself(self, act: Callable[[Self], Any]) -> Any: ...

    def _for_user(self, user_id: UserId, act: Callable[[Self], Any]) -> Any: ...


_P = ParamSpec("_P")
_R = TypeVar("_R")
_Memory = TypeVar("_Memory", bound=_HasUsers)


def refuses_others(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """A call that also takes the words of other libraries, and says what to write for the rest."""
    parameters = [*signature(method).parameters.values()][1:]
    taken = tuple(parameter.name for parameter in parameters)
    places = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    name = "Memory" if method.__name__ == "__init__" else method.__name__

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        memory, *values = args
        if len(values) > len(places) or {*places[: len(values)]} & {*kwargs}:
            refuse_namespace(name, values)
            return method(*args, **kwargs)  # which raises TypeError
        has_reranker = name != "Memory" and getattr(memory, "reranker", None) is not None
        named = dict(zip(places, values, strict=False)) | kwargs
        arguments: dict[str, Any] = own_keywords(name, named, taken, has_reranker)
        return cast(Callable[..., _R], method)(memory, **arguments)

    for path, group in groups_of(name).items():
        setattr(call, path, group)
    return call


def for_user(
    method: Callable[Concatenate[_Memory, _P], _R],
) -> Callable[Concatenate[_Memory, _P], _R]:
    """A call that with `user_id` goes to the memory of this user, taken as by `refuses_others`.

    The method itself never sees the id. None is an id, too, that nobody has: `user_name`.
    """

    @wraps(method)
    def call(self: _Memory, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        result: _R
        if "user_id" not in kwargs:
            result = self._for_itself(lambda memory: method(memory, *args, **kwargs))
            return result
        user_id: Any = kwargs.pop("user_id")
        result = self._for_user(user_id, lambda memory: method(memory, *args, **kwargs))
        return result

    return refuses_others(call)
