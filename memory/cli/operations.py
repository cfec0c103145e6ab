"""Operations as commands: under `admin call` with their JSON, and by their own names."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import typer
from typer.core import TyperGroup

from memory.cli.memory_command import CommandMemory, on_memory
from memory.cli.options import DEFAULT, Db, ListByDefault, Namespace, open_memory
from memory.cli.output import print_json
from memory.records import Change

if TYPE_CHECKING:
    from memory.operations import Operation


class _Operations(TyperGroup):
    """The operations, read from their types when this group is first needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        from memory.operations import OPERATIONS

        return sorted(name.replace("_", "-") for name in OPERATIONS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from memory.operations import OPERATIONS

        operation = OPERATIONS.get(cmd_name.replace("-", "_"))
        return operation and _typer_command(cmd_name, f"{operation.summary}.", _call(operation))


app = typer.Typer(
    cls=_Operations,
    help="What the JSON API does, as commands that print its JSON.\n\n"
    'memory admin call search --query "which pet"',
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """The group itself has no options."""


@dataclass(frozen=True)
class EditCommand:
    """An operation that changes a memory, as a command that prints the change.

    `arguments` are the inputs that need no option, in their order. `options` name those whose
    option has another name than the input. `example` ends the help.
    """

    operation: str
    arguments: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    creates: bool = False

    @property
    def function(self) -> Callable[..., None]:
        """The command's function, for Typer."""
        from memory.operations import OPERATIONS

        operation = OPERATIONS[self.operation]

        def edit(memory: CommandMemory, **texts: Any) -> Change:
            change: Change = operation.perform(memory.opened, operation.arguments_of(texts))
            return change

        memory = Parameter("memory", Parameter.POSITIONAL_ONLY)
        inputs = _parameters(operation, self.arguments, self.options)
        edit.__signature__ = Signature([memory, *inputs])  # type: ignore[attr-defined]
        command: Callable[..., None] = on_memory(writes=True, creates=self.creates)(edit)
        return command

    @property
    def help(self) -> str:
        """What the operation does, and the example."""
        from memory.operations import OPERATIONS

        return f"{OPERATIONS[self.operation].summary}.\n\n{self.example}"


class EditingGroup(ListByDefault):
    """A group with `edits` besides its own commands."""

    edits: ClassVar[Mapping[str, EditCommand]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("Any", _WithEdits(self.commands, self.edits))

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.commands]


class _WithEdits(Mapping[str, Any]):
    """Commands by their names. An edit is made when it is looked up: pydantic takes long."""

    def __init__(self, commands: Mapping[str, Any], edits: Mapping[str, EditCommand]) -> None:
        self._commands, self._edits = commands, edits

    def __getitem__(self, name: str) -> Any:
        if name not in self._edits:
            return self._commands[name]
        edit = self._edits[name]
        return _typer_command(name, edit.help, edit.function)

    def __iter__(self) -> Iterator[str]:
        yield from (*self._commands, *self._edits)

    def __len__(self) -> int:
        return len(self._commands) + len(self._edits)


def _typer_command(name: str, description: str, function: Callable[..., None]) -> Any:
    commands = typer.Typer(add_completion=False)
    commands.command(name, help=description)(function)
    return typer.main.get_command(commands)


def _call(operation: "Operation") -> Callable[..., None]:
    """A command with an argument for the id and an option for each input of an operation."""

    def command(namespace: str, db: Any, **texts: Any) -> None:
        arguments = operation.arguments_of(texts)
        with open_memory(namespace, db, read_only=operation.right == "read") as store:
            answer = operation.call(CommandMemory(store, namespace, db).opened, arguments)
            if operation.returns_lines:
                sys.stdout.writelines(answer)
            else:
                print_json(answer)

    first = [operation.id_name] if operation.takes_id else []
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            *_parameters(operation, first, {}),
            _parameter("namespace", Namespace, DEFAULT),
            _parameter("db", Db, None),
        ]
    )
    return command


def _parameters(
    operation: "Operation", arguments: Sequence[str], options: Mapping[str, str]
) -> Iterator[Parameter]:
    """Typer's parameters of an operation's inputs, the `arguments` first."""
    inputs = operation.arguments.model_fields
    for name in [*arguments, *(name for name in inputs if name not in arguments)]:
        text = operation.descriptions[name]
        is_required = inputs[name].is_required()
        kind = _type_of(operation.schemas[name])
        if name == operation.id_name:
            parameter: Any = typer.Argument(metavar="ID", min=0)
        elif name in arguments:
            parameter = typer.Argument(help=text)
        else:
            option = options.get(name, _option(name, inputs[name].default))
            parameter = typer.Option(option, help=text, show_default=False)
        if is_required:
            yield _parameter(name, Annotated[kind, parameter])
        else:
            yield _parameter(name, Annotated[kind | None, parameter], None)


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _option(name: str, default: Any) -> str:
    """The option of an input; a switch that is on by default can be put off."""
    words = name.replace("_", "-")
    return f"--{words}/--no-{words}" if default is True else f"--{words}"


def _type_of(schema: Mapping[str, Any]) -> Any:
    """The type of a command's parameter for an input of this schema."""
    schemas = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    kind = schemas[0].get("type", "") if len(schemas) == 1 else ""
    if kind == "array":
        return list[int] if schemas[0]["items"].get("type") == "integer" else list[str]
    return {"boolean": bool, "integer": int}.get(kind, str)
