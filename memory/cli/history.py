"""The history of facts: the commands undo, facts log, facts diff and facts revert."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import (
    change_line,
    command_line,
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
from memory.records import WITHDRAWN, Change, Edit
from memory.store import Store
from memory.store.history import edits_of, revert_to
from memory.store.points_in_time import Diff, differences
from memory.system.terminal import clean_line, print_clean
from memory.text.turn_lines import turn_line

_POINT = "A change (12 or #12) or a date (2017, 2017-06, 2017-06-01)."


def log(
    change: Annotated[
        str, typer.Argument(help="The number of one change, shown with its SQL.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Changes to show.")] = 20,
    facts: Annotated[
        bool, typer.Option("--facts", help="Also show the facts that each change wrote.")
    ] = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Show the changes of facts, newest first.

    Successive digests of one turn each share a line; --facts lists them one by one.
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
        print_clean("no changes yet")
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
    change: Annotated[
        str,
        typer.Argument(
            help="The number of the change. Default: the newest that is no undo and was not undone."
        ),
    ] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Undo a change: its facts are as before. You can undo an undo too."""
    with open_memory(namespace, db) as store:
        number = _change_number(change) if change else newest_change(store).id
        undo_change = store.undo(number)
        edits = edits_of(store, undo_change.id)
        touched = {fact.turn_id for edit in edits for fact in (edit.before, edit.after) if fact}
        turns = store.turns_by_id(sorted(touched), missing_ok=True)
    if as_json:
        _print_change_json(undo_change, edits)
    else:
        print_clean(f"undid change {number}:")
        print_lines(edit_lines(edits), "  ")
        for turn in turns:
            if turn.text.startswith(WITHDRAWN):
                print_clean(clean_line(turn_line(turn)))
                words = ("forget", "--turn", str(turn.id))
                forget = command_line(*words, namespace=namespace, db=db)
                print_clean(f"  stays, marked like this; `{forget}` removes it")
        if undo_change.note:
            print_clean(undo_change.note)
        print_clean(undo_line([undo_change], namespace, db))


def diff(
    a: Annotated[str, typer.Argument(help=_POINT)],
    b: Annotated[str, typer.Argument(help="Another point. Default: now.")] = "",
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Compare the facts at two points."""
    with open_memory(namespace, db, read_only=True) as store:
        difference = differences(store.facts(a), store.facts(b or None))
    if as_json:
        print_json(asdict(difference))
        return
    print_lines(diff_lines(difference))
    if difference == Diff():
        print_clean("no differences")


def revert(
    point: Annotated[str, typer.Argument(help=_POINT)],
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Restore all facts of a point in time. Turns stay, and you can undo it."""
    with open_memory(namespace, db) as store:
        revert_change = revert_to(store, point)
        edits = edits_of(store, revert_change.id)
    if as_json:
        _print_change_json(revert_change, edits)
    else:
        print_clean(f"restored the facts of {point}:")
        print_lines(edit_lines(edits), "  ")
        print_clean(undo_line([revert_change], namespace, db))


def _print_change_json(change: Change, edits: list[Edit]) -> None:
    print_json(asdict(change) | {"edits": [*map(asdict, edits)]})


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
