"""A command on one memory: it is opened for the command, and the answer is printed or is JSON."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import change_line, edit_lines, print_json, print_rows, undo_line
from memory.records import Change, Edit, Rows
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.configuration.declared_settings import Settings
from memory.system.home import default_model
from memory.system.terminal import clean_line, print_clean

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.operations import OpenMemory


_MOST_EDITS = 40  # of facts, shown one by one


@dataclass(frozen=True)
class Printed:
    """What a command prints: JSON objects, or a table and lines that say the same.

    The lines have no control characters (`memory.system.terminal.clean_line`). `notes` go to
    stderr, so that stdout has nothing but records.
    """

    records: Sequence[Mapping[str, Any]]
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    notes: Sequence[str] = ()

    def show(self, as_json: bool) -> None:
        """Print it."""
        if as_json:
            for record in self.records:
                print_json({**record})
            return
        if self.rows:
            print_rows(Rows(tuple(self.columns), tuple(map(tuple, self.rows))))
        for line in self.lines:
            print_clean(line)
        for note in self.notes:
            print_clean(note, error=True)


@dataclass(frozen=True)
class CommandMemory:
    """The open memory of a command, and how its command line names it."""

    store: Store
    namespace: str
    db: Path | None

    @property
    def opened(self) -> "OpenMemory":
        """The memory as operations take it, with the model that `memory setup` has chosen."""
        from memory.operations import OpenMemory

        return OpenMemory(self.store, self.user, _memory_of)

    @property
    def user(self) -> str:
        """Who makes a change at the command line."""
        return str(Settings(self.store).get("user", "user"))

    def undo_line(self, change: Change) -> str:
        """The command that undoes a change."""
        return undo_line([change], self.namespace, self.db)

    def changed(self, change: Change, first: Sequence[str] = ()) -> Printed:
        """A change with its edits of facts, or with other first lines, and what undoes it."""
        edits = edits_of(self.store, change.id)
        in_full = len(edits) <= _MOST_EDITS
        lines = first or (
            [*map(clean_line, edit_lines(edits))] if in_full else [change_line(change)]
        )
        if change.note and not first:
            lines = [*lines, change.note]
        return Printed([change_record(change, edits)], [*lines, self.undo_line(change)])


def _memory_of(store: Store) -> "Memory":
    from memory.api import Memory  # takes a second

    return Memory(store, default_model() or None)


def change_record(change: Change, edits: Iterable[Edit]) -> dict[str, Any]:
    """A change as JSON, the same at every command."""
    return asdict(change) | {"edits": [*map(asdict, edits)]}


def on_memory(*, writes: bool = False, creates: bool = False) -> Callable[..., Any]:
    """Make a function of a CommandMemory a command: it gets --json, --namespace and --db.

    What it returns is printed when the memory is closed again: a Change with its edits, or
    what else it has put together.
    """

    def decorate(function: Callable[..., Change | Printed]) -> Callable[..., None]:
        def command(namespace: str, db: Path | None, as_json: bool, **arguments: Any) -> None:
            is_read = not (writes or creates)
            with open_memory(namespace, db, create=creates, read_only=is_read) as store:
                memory = CommandMemory(store, namespace, db)
                answer = function(memory, **arguments)
                shown = memory.changed(answer) if isinstance(answer, Change) else answer
            shown.show(as_json)

        update_wrapper(command, function)
        _, *own = inspect.signature(function).parameters.values()
        keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [
            inspect.Parameter("as_json", keyword, annotation=AsJson, default=False),
            inspect.Parameter("namespace", keyword, annotation=Namespace, default=DEFAULT),
            inspect.Parameter("db", keyword, annotation=Db, default=None),
        ]
        parameters = [parameter.replace(kind=keyword) for parameter in own] + shared
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate
