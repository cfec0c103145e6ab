"""What an operation is: a function on an open memory, from which every door makes its own form."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails, to_jsonable_python

from memory.errors import InputError
from memory.store import Store
from memory.store.files.united import MOST_MEMORIES

if TYPE_CHECKING:
    from memory.api import Memory

Right = Literal["read", "write", "forget"]
LARGEST_ID = 2**63 - 1  # what a database can hold
MOST_LISTED = 200
LINES = "lines"  # the parameter of an operation that reads a file of them


def _no_truth(value: object) -> object:
    if isinstance(value, bool):  # to Python a number
        raise ValueError("Input should be a valid integer")  # noqa: TRY004 - what pydantic reads
    return value


# The last of an annotation: before a Field, schemas say `ge` and `le`, which JSON Schema lacks.
NO_TRUTH = BeforeValidator(_no_truth)
WholeNumber = Annotated[int, NO_TRUTH]
Id = Annotated[int, Field(ge=0, le=LARGEST_ID), NO_TRUTH]
Limit = Annotated[int, Field(ge=1, le=MOST_LISTED, description="How many at most."), NO_TRUTH]
After = Annotated[Id, Field(description="The `after` of the previous page.")]
AsOf = Annotated[str, Field(description="State on this date: 2017-06-01, 2017-06 or 2017.")]
Seen = Annotated[
    Id | None,
    Field(
        description="The newest change that you have seen. If others changed the fact later, the"
        " answer is the present fact and their change (409 over HTTP); with the id of that change,"
        " yours is put over it."
    ),
]


def _without_defaults(schema: dict[str, Any]) -> None:
    """Say nothing of defaults: generators of clients take what has one for always given."""
    for described in schema.get("properties", {}).values():
        described.pop("default", None)


class Inputs(BaseModel):
    """The inputs of an operation: query parameters for GET, else a JSON object."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)


class OfSeveral(Inputs):
    """The inputs of an operation that reads several memories as one."""

    also: list[str] = Field(
        [],
        max_length=MOST_MEMORIES - 1,
        description="More namespaces to ask with this one; the token needs `read` in each.",
    )


@dataclass(frozen=True)
class OpenMemory:
    """A memory that is open, and what a door brings to work on it.

    Arguments:
        store: the memory; several as one for an operation that reads several.
        by: who changes it, as its history says.
        weights: of the ranking's features; None means the packaged ones.
        memory_of: the Memory on a store, for what asks a model.
        may_forget: whether who calls has the right to forget; if not, no write leads to it.
    """

    store: Store
    by: str
    memory_of: Callable[[Store], Memory]
    weights: Mapping[str, float] | None = None
    may_forget: bool = True


@dataclass(frozen=True)
class Operation:
    """An operation: its function, the right that it requires, and its address.

    The function takes an OpenMemory, then the id that `path` has for `{id}`, if any, then its
    inputs, each with a type and a description. Its docstring is the help of every door.

    `path` is the JSON API's, below the memory's address. A slow operation gets its own store and
    thread; a job goes on after its request, and returns counts. An operation over several memories
    gets them as one store. If it returns an iterator of texts, it answers with lines of JSON; if it
    takes `lines`, it reads them from that file, or from the body of a request at a door without
    files.
    """

    function: Callable[..., Any]
    right: Right
    method: str
    path: str
    is_slow: bool = False
    is_job: bool = False
    reads_several: bool = False

    @property
    def name(self) -> str:
        """What it is called at every door."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """The first line of its docstring, without the full stop."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")

    @cached_property
    def answer(self) -> Any:
        """The type of what it returns."""
        return get_type_hints(self.function)["return"]

    @property
    def returns_lines(self) -> bool:
        """Whether it answers with lines of JSON."""
        return get_origin(self.answer) is Iterator

    @property
    def takes_lines(self) -> bool:
        """Whether it reads a file of lines of JSON."""
        return any(parameter.name == LINES for parameter in self.parameters)

    @property
    def takes_id(self) -> bool:
        """Whether its address has the id of a turn, fact or change."""
        return "{id}" in self.path

    @property
    def id_name(self) -> str:
        """What the function calls the id of its address; "" where it has none."""
        return self.parameters[0].name if self.takes_id else ""

    @cached_property
    def parameters(self) -> Sequence[inspect.Parameter]:
        """The id of its address, if any, and its inputs, with their types."""
        _, *parameters = inspect.signature(self.function).parameters.values()
        types = get_type_hints(self.function, include_extras=True)
        return [parameter.replace(annotation=types[parameter.name]) for parameter in parameters]

    @cached_property
    def inputs(self) -> type[Inputs]:
        """Its inputs as a type that validates them, without the id."""
        return self._model(OfSeveral if self.reads_several else Inputs, (self.id_name, LINES))

    @property
    def descriptions(self) -> dict[str, str]:
        """What each parameter is, for a person or a model."""
        return {
            name: field.description or name.replace("_", " ")
            for name, field in self.arguments.model_fields.items()
        }

    def run(
        self, memory: OpenMemory, inputs: Inputs, number: int = 0, lines: Path | None = None
    ) -> Any:
        """Call it with inputs that are valid, and the id of its address; its answer as JSON."""
        values = {name: getattr(inputs, name) for name in type(inputs).model_fields}
        values.pop("also", None)  # which memories: the ones that `memory` has
        if self.takes_id:
            values[self.id_name] = number
        if self.takes_lines:
            values[LINES] = lines
        return self._as_json(self.function(memory, **values))

    def call(self, memory: OpenMemory, arguments: Mapping[str, Any]) -> Any:
        """Call it with the id and the inputs by their names; its answer as JSON.

        Raises InputError in words for what is not valid.
        """
        return self._as_json(self.perform(memory, arguments))

    def perform(self, memory: OpenMemory, arguments: Mapping[str, Any]) -> Any:
        """Call it as `call` does; its answer is the record itself."""
        try:
            valid = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise InputError("; ".join(map(_in_words, error.errors()))) from None
        values = {name: getattr(valid, name) for name in type(valid).model_fields}
        return self.function(memory, **values)

    def _as_json(self, answer: Any) -> Any:
        return answer if self.returns_lines else to_jsonable_python(answer)

    @cached_property
    def schemas(self) -> Mapping[str, Any]:
        """The JSON Schema of each argument."""
        described: Mapping[str, Any] = self.arguments.model_json_schema().get("properties", {})
        return described

    def arguments_of(self, texts: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that a command line or a form has as texts, without the empty ones."""
        return {
            name: _value(value, self.schemas.get(name, {}))
            for name, value in texts.items()
            if value not in (None, [])
        }

    @cached_property
    def arguments(self) -> type[Inputs]:
        """The id, the inputs and the file of lines as one type."""
        return self._model(Inputs, skipped=())

    def _model(self, base: type[Inputs], skipped: Collection[str]) -> type[Inputs]:
        fields: dict[str, Any] = {
            parameter.name: (
                parameter.annotation,
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for parameter in self.parameters
            if parameter.name not in skipped
        }
        name = "".join(part.capitalize() for part in self.name.split("_"))
        return create_model(f"{name}Inputs", __base__=base, __doc__=self.summary, **fields)


def _value(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value of a text: itself where text is taken, else the value of its JSON, if any."""
    if isinstance(value, list):
        return [_value(part, schema.get("items", {})) for part in value]
    if isinstance(value, str) and not _takes_text(schema):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _takes_text(schema: Mapping[str, Any]) -> bool:
    """Whether an argument is text, or text or nothing."""
    kinds = {part.get("type") for part in schema.get("anyOf", [schema])}
    return kinds <= {"string", "null"}


OPERATIONS: dict[str, Operation] = {}
Function = TypeVar("Function", bound=Callable[..., Any])


def operation(
    right: Right,
    address: str,
    *,
    is_slow: bool = False,
    is_job: bool = False,
    reads_several: bool = False,
) -> Callable[[Function], Function]:
    """Make a function an operation: `address` is the method and path of it in the JSON API."""
    method, path = address.split()

    def register(function: Function) -> Function:
        registered = Operation(function, right, method, path, is_slow, is_job, reads_several)
        OPERATIONS[registered.name] = registered
        return function

    return register


def _in_words(fault: ErrorDetails) -> str:
    """What is wrong with an input: `limit: Input should be greater than 0`."""
    return "{}: {}".format(".".join(map(str, fault["loc"])), fault["msg"])
