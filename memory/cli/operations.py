"""The group call: each operation of memory.operations as a command that prints JSON."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from memory.cli.options import DEFAULT, Db, Namespace, open_memory
from memory.cli.output import print_json
from memory.store import Store
from memory.system.home import default_model

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.operations import Operation


class _Operations(TyperGroup):
    """The operations, read from their types when this group is first needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        from memory.operations import OPERATIONS

        return sorted(name.replace("_", "-") for name in OPERATIONS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from memory.operations import OPERATIONS

        operation = OPERATIONS.get(cmd_name.replace("-", "_"))
        return operation and typer.main.get_command(_app_of(operation))


app = typer.Typer(
    cls=_Operations,
    help="What the JSON API does, as commands that print its JSON.\n\n"
    'memory admin call search --query "which pet"',
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """The group itself has no options."""


def _app_of(operation: "Operation") -> typer.Typer:
    """A command with an argument for the id and an option for each input of an operation."""
    schemas = operation.arguments.model_json_schema().get("properties", {})

    def command(namespace: str, db: Any, **options: Any) -> None:
        from memory.operations import OpenMemory
        from memory.store.declared_settings import Settings

        arguments = {
            name: _value(value, schemas.get(name, {}))
            for name, value in options.items()
            if value not in (None, [])
        }
        is_read = operation.right == "read"
        with open_memory(namespace, db, read_only=is_read) as store:
            by = str(Settings(store).get("user", "user"))
            answer = operation.call(OpenMemory(store, by, _memory_of), arguments)
            if operation.returns_lines:
                sys.stdout.writelines(answer)
            else:
                print_json(answer)

    command.__signature__ = Signature([*_parameters(operation, schemas)])  # type: ignore[attr-defined]
    app_of_one = typer.Typer(add_completion=False)
    app_of_one.command(operation.name.replace("_", "-"), help=f"{operation.summary}.")(command)
    return app_of_one


def _memory_of(store: Store) -> "Memory":
    """The Memory on a store, with the model that `memory setup` has chosen."""
    from memory.api import Memory

    return Memory(store, default_model() or None)


def _parameters(operation: "Operation", schemas: Mapping[str, Any]) -> Iterator[Parameter]:
    def parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

    required = {
        name for name, field in operation.arguments.model_fields.items() if field.is_required()
    }
    for name, text in operation.descriptions.items():
        if name == operation.id_name:
            yield parameter(name, Annotated[int, typer.Argument(metavar="ID", min=0)])
            continue
        option = typer.Option("--" + name.replace("_", "-"), help=text, show_default=False)
        kind: Any = {"boolean": bool | None, "array": list[str]}.get(schemas[name].get("type"), str)
        if name in required:
            yield parameter(name, Annotated[kind, option])
        else:
            yield parameter(name, Annotated[kind | None, option], None)
    yield parameter("namespace", Namespace, DEFAULT)
    yield parameter("db", Db, None)


def _value(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value of an option: text if it takes text, else the value of its JSON, if any."""
    if isinstance(value, list):
        return [_value(part, schema.get("items", {})) for part in value]
    if isinstance(value, str) and schema.get("type") != "string":
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value
