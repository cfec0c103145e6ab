"""What models give to tools: lists as they mean them, and faults in words that they can mend."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

from pydantic import BeforeValidator, ConfigDict, ValidationError, validate_call
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic needs it before Python 3.12

from memory.errors import InputError
from memory.system.terminal import clean
from memory.text.tokens import trim

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


RESULT_TOKENS = 2_000  # of a tool's result
P = ParamSpec("P")


class NewTurn(TypedDict):
    """Something that was said."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    text: str
    speaker: NotRequired[str]
    said_at: NotRequired[str]
    source: NotRequired[str]
    expires: NotRequired[str]


class NewFact(TypedDict):
    """A fact in one of the turns."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    subject: str
    attribute: str
    value: str
    on: NotRequired[str]
    turn: NotRequired[int]
    turn_id: NotRequired[int]
    new_attribute: NotRequired[bool]


_TAKES = {
    "int": "a whole number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "dataclass": "an object",
}
_LONGEST_VALUE = 40  # characters of what was given, in a message


def _fault_in_words(fault: "ErrorDetails", parameters: Sequence[str]) -> str:
    """A fault of an argument, for a model: `limit takes a whole number, not 'many'`."""
    first, *rest = fault["loc"] or ("",)
    name = parameters[first] if isinstance(first, int) else str(first)
    for part in rest:
        name += f" {part + 1}" if isinstance(part, int) else f", {part}"
    kind = fault["type"]
    if "missing" in kind:
        return f"{name} is missing"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        known = "" if rest else f"; there are {', '.join(parameters[1:])}"
        return f"there is no {name}{known}"
    value = repr(fault["input"])
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}..."
    takes = _TAKES.get(kind.partition("_")[0])
    return f"{name} takes {takes}, not {value}" if takes else f"{name}: {fault['msg']}"


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _listed(value: Any) -> Any:
    """A list as a model means it: its JSON, one alone, or a plain text that was said."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [{"text": value}]
    items = value if isinstance(value, (list, tuple)) else [value]
    return [without_nulls(item) if isinstance(item, Mapping) else item for item in items]


def _listed_numbers(value: Any) -> Any:
    """A list of numbers as a model means it: its JSON, or one number alone."""
    if isinstance(value, str) and value.strip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return list(value) if isinstance(value, (list, tuple)) else [value]


NewTurns = Annotated[Sequence[NewTurn], BeforeValidator(_listed)]
TurnIds = Annotated[list[int], BeforeValidator(_listed_numbers)]
NewFacts = Annotated[Sequence[NewFact], BeforeValidator(_listed)]


def checked(tool: Callable[P, str]) -> Callable[P, str]:
    """A tool with validated arguments and a result of limited length that a terminal can show."""
    checked: Callable[..., str] = validate_call(tool)
    parameters = list(signature(tool).parameters)

    @wraps(tool)
    def call(*args: P.args, **kwargs: P.kwargs) -> str:
        # Clients fill in null for what a model left out.
        given = without_nulls(kwargs)
        try:
            return trim(clean(checked(*args, **given)), RESULT_TOKENS)
        except ValidationError as error:  # not every framework checks the types
            faults = (_fault_in_words(fault, parameters) for fault in error.errors())
            raise InputError("; ".join(dict.fromkeys(faults))) from None

    return call
