"""Commands about the past of a memory: log, undo, diff, revert."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import (
    change_line,
    diff_lines,
    edit_lines,
    fold_small_digests,
    held_lines,
    print_json,
    print_lines,
    run_line,
    undo_line,
)
from memory.errors import InputError
from memory.facts import newest_change
from memory.prompt import turn_line
from memory.records import WITHDRAWN, Change, Edit
from memory.store import Store
from memory.store.points_in_time import Diff, differences
from memory.terminal import clean_line, print_clean

_POINT = "A change (12 or #12), or a moment as exact as wanted (2017, 2017-06, 2017-06-01)."


def log(
    change: Annotated[str, typer.Argument(help="One change: show its statement too.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many changes.")] = 20,
    facts: Annotated[bool, typer.Option("--facts", help="What each did to which facts.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Show what was written to the facts, the newest change first.

    Digests of one turn each, one after the other, are one line; --facts shows each.
    """
    with open_memory(namespace, db, read_only=True) as store:
        changes = store.changes()[::-1]
        held = [] if change or as_json else [*held_lines(store.pending(), namespace, db)]
        edits = _edits(store) if facts or change else {}
    if change:
        number = _change_number(change)
        changes = [entry for entry in changes if entry.id == number]
        if not changes:
            raise InputError(f"there is no change {number}; `memory facts log` lists them")
    for line in held:
        print_clean(line)
    if not changes and not as_json:
        print_clean("nothing was written to the facts yet")
    if not (change or facts or as_json):
        for run in fold_small_digests(changes)[:limit]:
            print_clean(run_line(run))
        return
    for entry in changes[:limit]:
        entry_edits = edits[entry.id] if edits else []
        if as_json:
            details = {"edits": [*map(asdict, entry_edits)]} if facts or change else {}
            print_json(asdict(entry) | details)
            continue
        print_clean(change_line(entry))
        if change and entry.statement:
            print_clean(
                "\n".join(f"    {clean_line(line)}" for line in entry.statement.splitlines())
            )
        print_lines(edit_lines(entry_edits), "  ")


def undo(
    change: Annotated[str, typer.Argument(help="Which; without one the newest in force.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Take a change back: its facts are as they were before. An undo can be undone too."""
    with open_memory(namespace, db) as store:
        number = _change_number(change) if change else newest_change(store).id
        undo_change = store.undo(number)
        edits = store.journal(undo_change.id)
        touched = {fact.turn_id for edit in edits for fact in (edit.before, edit.after) if fact}
        turns = store.turns_by_id(sorted(touched), missing_ok=True)
    if as_json:
        _print_change_json(undo_change, edits)
    else:
        print_clean(f"change {number} is taken back:")
        print_lines(edit_lines(edits), "  ")
        for turn in turns:
            if turn.text.startswith(WITHDRAWN):
                print_clean(clean_line(turn_line(turn)))
                print_clean(
                    f"  stays, marked so wherever it is read;"
                    f" `memory forget --turn {turn.id}` removes it"
                )
        print_clean(undo_line([undo_change], namespace, db))


def diff(
    a: Annotated[str, typer.Argument(help=_POINT)],
    b: Annotated[str, typer.Argument(help="Another point; without one, now.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Show in what the facts of two points differ."""
    with open_memory(namespace, db, read_only=True) as store:
        difference = differences(store.facts(a), store.facts(b or None))
    if as_json:
        print_json(asdict(difference))
        return
    print_lines(diff_lines(difference))
    if difference == Diff():
        print_clean("nothing differs")


def revert(
    point: Annotated[str, typer.Argument(help=_POINT)],
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Make all facts as they were at a point. What was said stays, and this can be undone."""
    with open_memory(namespace, db) as store:
        revert_change = store.revert(point)
        edits = store.journal(revert_change.id)
    if as_json:
        _print_change_json(revert_change, edits)
    else:
        print_clean(f"the facts are as at {point}:")
        print_lines(edit_lines(edits), "  ")
        print_clean(undo_line([revert_change], namespace, db))


def _print_change_json(change: Change, edits: list[Edit]) -> None:
    print_json(asdict(change) | {"edits": [*map(asdict, edits)]})


def _edits(store: Store) -> Mapping[int, list[Edit]]:
    """What was done to facts, by change."""
    edits = defaultdict[int, list[Edit]](list)
    for edit in store.journal():
        edits[edit.change_id].append(edit)
    return edits


def _change_number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    # At most 18 digits: a longer number may fit no id of the database.
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise InputError(f"{text!r} is no change: give its number, as `memory facts log` shows it")
    return int(digits)
