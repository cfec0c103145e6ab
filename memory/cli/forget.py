"""The command forget: turns are removed for good, with a receipt."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    File,
    Namespace,
    Yes,
    confirm,
    open_memory,
)
from memory.cli.output import diff_lines, print_lines
from memory.errors import InputError, StoreError
from memory.files import write_whole
from memory.model import Forgotten, Turn
from memory.prompt import turn_line
from memory.store import Store
from memory.store.points_in_time import Diff

SHOWN = 5  # turns and facts, before the question


def forget(
    namespace: Namespace = DEFAULT,
    file: File = None,
    speaker: Annotated[str, typer.Option(help="All that one person said.")] = "",
    session: Annotated[str | None, typer.Option(help="All of one session.")] = None,
    turn: Annotated[
        list[int] | None, typer.Option(help="One turn; may be given several times.")
    ] = None,
    matching: Annotated[
        str, typer.Option(help="Turns with this in their text, in capitals or not.")
    ] = "",
    finish: Annotated[
        bool, typer.Option("--finish", help="Overwrite what was removed, where that is due.")
    ] = False,
    receipt: Annotated[
        Path | None,
        typer.Option(help="Where the receipt goes; forgotten-TIME.json in this folder."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove turns and all that rests on them for good, from known backups too, with a receipt.

    Of several conditions all must hold. There is no undo.
    """
    chosen = bool(speaker or matching or turn) or session is not None
    if chosen == finish:
        raise InputError("say what: --speaker, --session, --turn or --matching, or --finish alone")
    if chosen and receipt and receipt.exists():
        raise InputError(f"{receipt} is there already; nothing was removed")
    with open_memory(namespace, file) as store:
        if not finish:
            going = _chosen(store, speaker, session, turn, matching)
            if not as_json:
                _show(store, going)
            confirm(f"Forget {len(going)} turns for good?", yes)
            _forget(store, [one.id for one in going], receipt, as_json)
        elif store.settings("forgetting"):
            _forget(store, [], receipt, as_json)
        elif not as_json:
            print("nothing that was removed waits to be overwritten")


def _chosen(
    store: Store, speaker: str, session: str | None, ids: list[int] | None, matching: str
) -> list[Turn]:
    for turn_id in ids or ():
        store.turn(turn_id)
    found = [
        turn
        for turn in store.turns()
        if (not speaker or turn.speaker == speaker)
        and (session is None or turn.session == session)
        and (not ids or turn.id in ids)
        and matching.casefold() in turn.text.casefold()
    ]
    if not found:
        raise InputError("no turn is like that; nothing was removed")
    return found


def _show(store: Store, going: list[Turn]) -> None:
    ids = {turn.id for turn in going}
    facts = [fact for fact in store.facts() if fact.turn_id in ids]
    print(f"{len(going):,} turns go:")
    print_lines(map(turn_line, going[:SHOWN]), "  ")
    print(f"{len(facts):,} facts that rest on them go, and what the journal says of these:")
    print_lines(diff_lines(Diff(removed=tuple(facts[:SHOWN]))), "  ")
    speakers = {turn.speaker for turn in going}
    if others := [f for f in store.facts() if f.subject in speakers and f.turn_id not in ids]:
        print(
            f"{len(others):,} facts about {', '.join(sorted(speakers))} rest on other turns: stay"
        )
    paths = dict.fromkeys(setting.value for setting in store.settings("backup"))
    print("backups that are searched: " + (", ".join(paths) or "none are known"))
    print("out of reach: settings, exports, other copies of the file, what a hosted model was sent")


def _forget(store: Store, turn_ids: list[int], receipt: Path | None, as_json: bool) -> None:
    from memory.store.forget import receipt_due

    # What was due before is finished with it; its receipt has the salt until then.
    before = [receipt_due(setting.value) for setting in store.settings("forgetting")]
    try:
        done = store.forget(turn_ids)
    except StoreError:
        for setting in store.settings("forgetting")[len(before) :]:
            _keep(receipt_due(setting.value), receipt, as_json)
        raise
    for earlier in before:
        if earlier.sha256 != done.sha256:
            _keep(earlier, None, as_json)
    _keep(done, receipt, as_json)
    if not as_json:
        print(f"{len(done.turns):,} turns and {len(done.facts):,} facts are forgotten")
        for path in done.files:
            print(f"overwritten: {path}")
        for path in done.unreached:
            print(f"not reached: {path}; when it turns up, delete it")


def _keep(done: Forgotten, receipt: Path | None, as_json: bool) -> None:
    """Write a receipt; where that cannot be it is printed, as its salt is kept nowhere else."""
    time = "".join(digit for digit in done.at if digit.isalnum())
    path = receipt or Path(f"forgotten-{time}.json")
    text = json.dumps(asdict(done), ensure_ascii=False)
    if as_json:
        print(text)
    try:
        write_whole(path, f"{text}\n".encode())
    except InputError:
        if not as_json:
            print(text)
        raise
    if not as_json:
        print(f"receipt: {path}, sha256 {done.sha256}")
