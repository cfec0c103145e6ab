"""Commands about the past of a memory: log, undo, diff, revert."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, File, Namespace, open_memory
from memory.cli.output import (
    change_line,
    diff_lines,
    edit_lines,
    print_json,
    print_lines,
    undo_line,
)
from memory.errors import InputError
from memory.model import Change, Edit
from memory.store import Store
from memory.store.points_in_time import Diff, differences
from memory.terminal import clean_line

_POINT = "A change (12 or #12), or a moment as exact as wanted (2023, 2023-06, 2023-06-01)."


def log(
    change: Annotated[str, typer.Argument(help="One change: show its statement too.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many changes.")] = 20,
    facts: Annotated[bool, typer.Option("--facts", help="What each did to which facts.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Show what was written to the facts, the newest change first."""
    with open_memory(namespace, file, read_only=True) as store:
        changes = store.changes()[::-1]
        edits = _edits(store) if facts or change else {}
    if change:
        number = _change_number(change)
        changes = [one for one in changes if one.id == number]
        if not changes:
            raise InputError(f"there is no change {number}; `log` without a number shows them")
    if not changes and not as_json:
        print("nothing was written to the facts yet")
    for one in changes[:limit]:
        done = edits[one.id] if edits else []
        if as_json:
            print_json(asdict(one) | ({"edits": [*map(asdict, done)]} if facts or change else {}))
            continue
        print(change_line(one))
        if change and one.statement:
            print("\n".join(f"    {clean_line(line)}" for line in one.statement.splitlines()))
        print_lines(edit_lines(done), "  ")


def undo(
    change: Annotated[str, typer.Argument(help="Which; without one the newest in force.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Take a change back: its facts are as they were before. An undo can be undone too."""
    with open_memory(namespace, file) as store:
        number = _change_number(change) if change else _newest_in_force(store.changes())
        made = store.undo(number)
        _tell(store, made, f"change {number} is taken back", as_json, namespace, file)


def diff(
    a: Annotated[str, typer.Argument(help=_POINT)],
    b: Annotated[str, typer.Argument(help="Another point; without one, now.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Show in what the facts of two points differ."""
    with open_memory(namespace, file, read_only=True) as store:
        found = differences(store.facts(a), store.facts(b or None))
    if as_json:
        print_json(asdict(found))
        return
    print_lines(diff_lines(found))
    if found == Diff():
        print("nothing differs")


def revert(
    point: Annotated[str, typer.Argument(help=_POINT)],
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Make all facts as they were at a point. What was said stays, and this can be undone."""
    with open_memory(namespace, file) as store:
        made = store.revert(point)
        _tell(store, made, f"the facts are as at {point}", as_json, namespace, file)


def _tell(
    store: Store, made: Change, done: str, as_json: bool, namespace: str, file: Path | None
) -> None:
    edits = _edits(store)[made.id]
    if as_json:
        print_json(asdict(made) | {"edits": [*map(asdict, edits)]})
        return
    print(f"{done}:")
    print_lines(edit_lines(edits), "  ")
    print(undo_line([made], namespace, file))


def _edits(store: Store) -> Mapping[int, list[Edit]]:
    """What was done to facts, by change."""
    found = defaultdict[int, list[Edit]](list)
    for edit in store.journal():
        found[edit.change_id].append(edit)
    return found


def _change_number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise InputError(f"{text!r} is no change: give its number, as `log` shows it")
    return int(digits)


def _newest_in_force(changes: list[Change]) -> int:
    """The newest change of facts that is neither undone nor an undo."""
    for one in reversed(changes):
        # Only an undo and a revert have no statement, so that nobody's own words look like one.
        is_undo = not one.statement and one.cause.startswith("undo ")
        if one.facts and not one.undone_at and not is_undo:
            return one.id
    raise InputError("there is no change that could be undone")
