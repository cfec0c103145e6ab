"""The history of facts: the commands undo, facts log, facts diff and facts revert."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.memory_command import CommandMemory, Printed, change_record, on_memory
from memory.cli.output import (
    change_line,
    command_line,
    cut_lines,
    diff_lines,
    edit_lines,
    fold_small_digests,
    held_lines,
    run_line,
)
from memory.errors import InputError
from memory.facts import newest_change
from memory.records import WITHDRAWN, Edit
from memory.store import Store
from memory.store.changes.history import edits_of, revert_to
from memory.store.changes.points_in_time import differences
from memory.system.terminal import clean_line
from memory.text.turn_lines import turn_line

_POINT = "A change (12 or #12) or a date (2017, 2017-06, 2017-06-01)."


@on_memory()
def log(
    memory: CommandMemory,
    change: Annotated[
        str, typer.Argument(help="The number of one change, shown with its SQL.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Changes to show.")] = 20,
    facts: Annotated[
        bool, typer.Option("--facts", help="Also show the facts that each change wrote.")
    ] = False,
) -> Printed:
    """Show the changes of facts, newest first.

    Successive digests of one turn each share a line; --facts lists them one by one.
    """
    changes = memory.store.changes()[::-1]
    if change:
        number = _change_number(change)
        changes = [entry for entry in changes if entry.id == number]
        if not changes:
            raise InputError(f"there is no change {number}; `memory facts log` lists them")
    edits = _edits(memory.store) if facts or change else {}
    lines: list[str] = []
    if not change:
        lines += held_lines(memory.store.pending(), memory.namespace, memory.db)
    if not changes:
        lines.append("no changes yet")
    if not (change or facts):
        lines += map(run_line, fold_small_digests(changes)[:limit])
        return Printed([asdict(entry) for entry in changes[:limit]], lines)
    for entry in changes[:limit]:
        lines.append(change_line(entry))
        if change:
            lines += [f"    {clean_line(line)}" for line in entry.statement.splitlines()]
        lines += cut_lines(edit_lines(edits[entry.id]), "  ")
    return Printed([change_record(entry, edits[entry.id]) for entry in changes[:limit]], lines)


@on_memory(writes=True)
def undo(
    memory: CommandMemory,
    change: Annotated[
        str,
        typer.Argument(
            help="The number of the change. Default: the newest that is no undo and was not undone."
        ),
    ] = "",
) -> Printed:
    """Undo a change: its facts are as before. You can undo an undo too."""
    store = memory.store
    number = _change_number(change) if change else newest_change(store).id
    undo_change = store.undo(number)
    edits = edits_of(store, undo_change.id)
    touched = {fact.turn_id for edit in edits for fact in (edit.before, edit.after) if fact}
    lines = [f"undid change {number}:", *cut_lines(edit_lines(edits), "  ")]
    for turn in store.turns_by_id(sorted(touched), missing_ok=True):
        if turn.text.startswith(WITHDRAWN):
            words = ("forget", "--turn", str(turn.id))
            forget = command_line(*words, namespace=memory.namespace, db=memory.db)
            lines.append(clean_line(turn_line(turn)))
            lines.append(f"  stays, marked like this; `{forget}` removes it")
    lines += [undo_change.note] if undo_change.note else []
    return memory.changed(undo_change, lines)


@on_memory()
def diff(
    memory: CommandMemory,
    a: Annotated[str, typer.Argument(help=_POINT)],
    b: Annotated[str, typer.Argument(help="Another point. Default: now.")] = "",
) -> Printed:
    """Compare the facts at two points."""
    difference = differences(memory.store.facts(a), memory.store.facts(b or None))
    lines = list(cut_lines(diff_lines(difference))) or ["no differences"]
    return Printed([asdict(difference)], lines)


@on_memory(writes=True)
def revert(memory: CommandMemory, point: Annotated[str, typer.Argument(help=_POINT)]) -> Printed:
    """Restore all facts of a point in time. Turns stay, and you can undo it."""
    change = revert_to(memory.store, point)
    lines = cut_lines(edit_lines(edits_of(memory.store, change.id)), "  ")
    return memory.changed(change, [f"restored the facts of {point}:", *lines])


def _edits(store: Store) -> Mapping[int, list[Edit]]:
    """The edits of facts, by change."""
    edits = defaultdict[int, list[Edit]](list)
    for edit in edits_of(store):
        edits[edit.change_id].append(edit)
    return edits


def _change_number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    # At most 18 digits: a longer number may fit no id of the database.
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise InputError(
            f"{text!r} is not a change; give its number, as `memory facts log` shows it"
        )
    return int(digits)
