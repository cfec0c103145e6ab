"""The options that commands share: which memory, which model, how to confirm and print."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer
from typer.core import TyperGroup

from memory.agents.projects import HERE, project_of
from memory.cli.habits import refuse_habit
from memory.errors import InputError
from memory.records import FormChoice
from memory.store import Store, open_store
from memory.store.files.united import refuse_repeated, unite
from memory.store.namespaces import DEFAULT as DEFAULT
from memory.store.namespaces import Location, existing, location_of, make_folder
from memory.system.home import NO_MODEL, default_model
from memory.system.machines import check_over
from memory.system.terminal import clean_line, print_clean

if TYPE_CHECKING:
    from memory.models import Model
    from memory.program import MemoryProgram


def is_on_command_line(context: typer.Context, name: str) -> bool:
    """Whether the command line has this option; a default or the environment does not count."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_options_before(context: typer.Context) -> None:
    """Refuse a group's options before one of its commands, which does not read them."""
    for option in context.command.params:
        if option.name and is_on_command_line(context, option.name):
            command = f"memory {context.info_name} {context.invoked_subcommand}"
            raise InputError(f"options of `{command}` come after its name: {command} --help")


class ListByDefault(TyperGroup):
    """A group whose command `list` may be left out: `memory facts Anna` lists, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            refuse_habit(ctx.command_path.partition(" ")[2], args)
            args = ["list", *args]
        return super().parse_args(ctx, args)


T = TypeVar("T")


def _one_memory(context: typer.Context, value: T) -> T:
    """Refuse a command line that names two memories; Typer calls this for both options."""
    # MEMORY_NAMESPACE applies to all commands, so --db may override it.
    is_named = any(is_on_command_line(context, name) for name in ("namespace", "namespaces"))
    if is_named and is_on_command_line(context, "db"):
        raise InputError("--db and --namespace name two memories; give one of them")
    if isinstance(value, list):
        return cast(T, [_named(name) for name in value])
    return cast(T, _named(value)) if isinstance(value, str) else value


def _named(namespace: str) -> str:
    """A namespace by its name; "." is the namespace of the project around the working folder."""
    return project_of(Path.cwd()).namespace if namespace == HERE else namespace


NAMESPACE_VARIABLE = "MEMORY_NAMESPACE"
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        envvar=NAMESPACE_VARIABLE,
        help="The memory's name in MEMORY_HOME; . for that of this project.",
        callback=_one_memory,
    ),
]


Asker = Annotated[
    str, typer.Option(help='Who asks, for "I" and "my". Default: the user of the chat.')
]
Seen = Annotated[
    int | None,
    typer.Option(
        metavar="CHANGE",
        help="The newest change you have seen: what others changed later is not overwritten.",
    ),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        # Not as `envvar`: of a list that would be split at each blank.
        help="The memory's name in MEMORY_HOME, . for this project; repeat it for several."
        f" [env var: {NAMESPACE_VARIABLE}]",
        callback=_one_memory,
    ),
]
Db = Annotated[
    Path | None,
    typer.Option("--db", help="The memory's file, instead of a namespace.", callback=_one_memory),
]


def _model(context: typer.Context, name: str) -> str:
    """The named model, else the choice of `memory setup`; "" for none."""
    if is_on_command_line(context, "model"):
        return "" if name == NO_MODEL else name
    return default_model()


ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        help="PROVIDER/MODEL (openai/gpt-4o-mini), gguf:NAME or gguf:FILE, local (packaged), or"
        " none.",
        callback=_model,
        show_default="what `memory setup` has chosen, or none",
    ),
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", help="The address of the model's server: http://localhost:8000/v1."),
]
Prompts = Annotated[
    FormChoice,
    typer.Option(
        "--prompts",
        help="full, brief (for up to 8 billion parameters), or auto, by the model's context and"
        " size.",
        show_default="what the memory's settings say, or auto",
    ),
]
Program = Annotated[
    Path | None, typer.Option("--program", help="A program that optimize.py compiled.")
]
ShownBudget = Annotated[
    int | None, typer.Option("--budget", help="Show the model at most this many tokens of memory.")
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option("--allowed-host", help="Another host name of this server; repeatable."),
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 picks a free one.")]
Over = Annotated[
    str,
    typer.Option(
        help="Spread the work over machines: ray, or ray://HOST:PORT.", callback=check_over
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


_MISSING_EXTRA = "the server needs more packages: pip install '.[server]' in the clone"


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which packages a server needs, if they are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{_MISSING_EXTRA} ({error.name} is missing)") from None


def loaded_model(
    name: str, api_base: str | None = None, prompts: FormChoice = "auto"
) -> "Model | None":
    """The model of the option `ModelName`; None for none.

    Raises InputError for options of a model without one, and as `load_model` does.
    """
    if not name:
        given = [("--api-base", api_base), ("--prompts", prompts != "auto")]
        for option, value in given:
            if value:
                raise InputError(f"{option} is for a model: name one with --model")
        return None
    from memory.models import load_model  # takes a second

    return load_model(name, api_base, prompts=prompts)


def compiled_program(path: Path | None) -> "MemoryProgram | None":
    """The program of the option `Program`, if any."""
    if path is None:
        return None
    from memory.program import load_program  # takes a second

    return load_program(path)


def check_budget(model: "Model | None", budget: int | None) -> None:
    """Raise InputError for a budget larger than our own models' context."""
    if model and budget and model.limits.are_own and budget > model.limits.budget:
        raise InputError(f"--budget {budget}: give {model.name} at most {model.limits.budget}")


def refuse_open_address(host: str, allowed_hosts: Sequence[str]) -> None:
    """Raise InputError for a server that other machines reach, without a name and a token."""
    from memory.server.listen import LOOPBACK
    from memory.server.tokens import Tokens

    if host not in LOOPBACK and not (allowed_hosts and Tokens().grants()):
        raise InputError(
            f"other machines can reach {host}: give --allowed-host NAME, the name that clients use,"
            " and create a token first (`memory admin tokens create NAME`)"
        )


def print_address(address: str, advice: str) -> None:
    """Print where a server is, at once, and to a person what to do with it."""
    print_clean(address)
    sys.stdout.flush()
    print_clean(advice, error=True)


def memory_location(namespace: str, db: Path | None) -> Location:
    """Where a memory is: the file given as --db, else the place of the namespace."""
    return db if db is not None else location_of(namespace)


def existing_memory(namespace: str, db: Path | None) -> Location:
    """Where an existing memory is. Raises InputError when there is none."""
    location = db or existing(namespace)
    if isinstance(location, Path) and not location.exists():
        raise InputError(f"there is no memory at {db}")
    return location


@contextmanager
def open_memory(
    namespace: str, db: Path | None, create: bool = False, read_only: bool = False
) -> Iterator[Store]:
    """Open the memory of a command. Raises InputError when it does not exist.

    A memory that cannot be written (a backup on a read-only disk) is opened read-only.
    """
    # Without `create` a namespace must exist, or a typo would make an empty memory.
    path = memory_location(namespace, db) if create else existing_memory(namespace, db)
    if isinstance(path, Path):
        if db is None:
            make_folder(path.parent)
        elif not path.parent.is_dir():
            raise InputError(f"the folder {path.parent} is not there; make it first, or mend --db")
        if path.exists():
            read_only = read_only or not all(os.access(p, os.W_OK) for p in (path, path.parent))
    with open_store(path, read_only=read_only) as store:
        yield store


def names_of(namespaces: Sequence[str] | None) -> Sequence[str]:
    """The names of the option `Namespaces`: the given ones, else the default."""
    return namespaces or [_named(os.environ.get(NAMESPACE_VARIABLE) or DEFAULT)]


@contextmanager
def open_memories(namespaces: Sequence[str] | None, db: Path | None) -> Iterator[Store]:
    """Open the memory of a command, or several as one: all but the first for reading only.

    Raises InputError as `open_memory` does, and for a name given twice.
    """
    first, *others = names_of(namespaces)
    if not others:
        with open_memory(first, db) as store:
            yield store
        return
    refuse_repeated([first, *others])
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(open_memory(name, None, read_only=name != first))
            for name in (first, *others)
        }
        yield unite(stores)


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation. Raises InputError, with nothing changed, unless the answer is yes."""
    try:
        agreed = yes or typer.confirm(clean_line(question))
    except typer.Abort:  # Ctrl-C, or no terminal to ask on
        print_clean()
        raise InputError("nothing was changed; answer y, or give --yes") from None
    if not agreed:
        raise InputError("nothing was changed")
