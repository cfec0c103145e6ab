"""How a call of Memory is taken: whose memory it is for, and the names of other libraries in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from inspect import Parameter, signature
from numbers import Integral
from types import NoneType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, cast

from memory.api.other_libraries import AnswersOthersNames, own_keywords
from memory.api.users import UserId
from memory.errors import DeletedError, InputError
from memory.records import Turn
from memory.system.terminal import count

_DELETIONS = 20  # of one user's memory, that a call survives


class _HasUsers(Protocol):
    def of(self, user_id: UserId) -> Self: ...

    def _renew(self) -> None: ...


_P = ParamSpec("_P")
_R = TypeVar("_R")
_Memory = TypeVar("_Memory", bound=_HasUsers)


@dataclass(frozen=True)
class _Kind:
    """The types that a parameter takes, and what they are called."""

    types: tuple[type, ...]
    words: str

    def takes(self, value: object) -> bool:
        is_number = isinstance(value, bool) and bool not in self.types
        return isinstance(value, self.types) and not is_number


_KINDS = {
    "str": _Kind((str,), "a text"),
    "int": _Kind((Integral,), "a whole number"),
    "bool": _Kind((bool,), "True or False"),
    "Turn": _Kind((Turn,), 'Turn("user", text)'),
}


def _kind_of(parameter: Parameter) -> _Kind | None:
    """What a parameter takes, if its annotation is one of _KINDS, or that or None."""
    name, _, other = str(parameter.annotation).partition(" | ")
    kind = _KINDS.get(name) if other in ("", "None") else None
    return replace(kind, types=(*kind.types, NoneType)) if kind and other else kind


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
    kinds = {parameter.name: _kind_of(parameter) for parameter in parameters}
    needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    form = f"it takes {', '.join(taken)}"

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not args or not isinstance(args[0], AnswersOthersNames):
            raise InputError(f"{name} is a memory's call: memory = Memory(); memory.{name}(...)")
        memory, *values = args
        if {*places[: len(values)]} & {*kwargs}:
            return method(*args, **kwargs)  # which raises TypeError
        if len(values) > len(places):
            raise InputError(f"{name} takes {count(len(places), 'value')} without a name; {form}")
        named = dict(zip(places, values, strict=False)) | kwargs
        arguments: dict[str, Any] = own_keywords(name, named, taken)
        for parameter, value in arguments.items():
            if (kind := kinds.get(parameter)) and not kind.takes(value):
                advice = f"; {form}" if parameter in places[1 : len(values)] else ""
                raise InputError(
                    f"{name} takes {parameter}= as {kind.words}, not {value!r:.60}{advice}"
                )
        if missing := [parameter for parameter in needed if parameter not in arguments]:
            raise InputError(f"{name} lacks {'=, '.join(missing)}=; {form}")
        return cast(Callable[..., _R], method)(memory, **arguments)

    return call


def for_user(
    method: Callable[Concatenate[_Memory, _P], _R],
) -> Callable[Concatenate[_Memory, _P], _R]:
    """A call that with `user_id` goes to the memory of this user, taken as by `refuses_others`.

    The method itself never sees the id. None is an id, too, that no one has: `user_name`.
    """

    @wraps(method)
    def call(self: _Memory, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if "user_id" not in kwargs:
            return _survives_deletion(
                lambda: self, 1, lambda memory: method(memory, *args, **kwargs)
            )
        user_id: Any = kwargs.pop("user_id")
        return _survives_deletion(
            lambda: self.of(user_id), _DELETIONS, lambda user: method(user, *args, **kwargs)
        )

    return refuses_others(call)


def _survives_deletion(
    opened: Callable[[], _Memory], most: int, act: Callable[[_Memory], _R]
) -> _R:
    """What a call on a memory gives; if that was deleted meanwhile, a new one of its name begins.

    Up to `most` times. A server is not asked before each call whether the memory is still there.
    """
    for _ in range(most):
        memory = opened()
        try:
            return act(memory)
        except DeletedError:
            memory._renew()
    return act(opened())
