"""The command audit: contradictions, duplicates and faults of a memory, and their repair."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memory.audit import KINDS, Finding
from memory.audit import audit as findings_of
from memory.cli.options import DEFAULT, AsJson, File, Namespace, Yes, open_memory
from memory.cli.output import print_json, undo_line
from memory.errors import InputError, SqlError
from memory.model import Change
from memory.store import Store
from memory.terminal import clean_line


def audit(
    fix: Annotated[
        bool, typer.Option("--fix", help="Ask about each change proposed, and make it.")
    ] = False,
    kind: Annotated[list[str] | None, typer.Option(help=f"Only this: {', '.join(KINDS)}.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
) -> None:
    """Look for contradictions, duplicates, facts without support, faults of the file.

    Nothing is changed without --fix, and each change that it makes can be undone.
    """
    kinds = {one.replace("-", " ") for one in kind or KINDS}
    if unknown := kinds - {*KINDS}:
        raise InputError(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    if fix and as_json:
        raise InputError("--json shows what --fix would change; give one of them")
    with open_memory(namespace, file, read_only=not fix) as store:
        found = findings_of(store, kinds)
        for finding in found:
            if as_json:
                print_json(asdict(finding))
            elif not (fix and finding.sql):
                print(clean_line(f"{finding.kind}: {finding.text}"))
        if fix:
            _fix(store, [one for one in found if one.sql], yes, namespace, file)
    if not as_json:
        print(_summary(found, fix))


def _fix(
    store: Store, proposed: list[Finding], yes: bool, namespace: str, file: Path | None
) -> None:
    """Make the changes that a person agrees to, each as one change of the journal."""
    changes: list[Change] = []
    for finding in proposed:
        print(clean_line(f"{finding.kind}: {finding.text}"), f"  {finding.sql}", sep="\n")
        said = "all" if yes else _asked()
        if said == "quit":
            break
        yes = said == "all"
        if said == "no":
            continue
        try:
            change = store.write(finding.sql, cause=f"audit: {finding.kind}")
        except SqlError as error:
            raise InputError(f"{finding.sql}: {error}") from error
        print(f"  change {change.id}")
        changes.append(change)
    if changes:
        print(undo_line(changes, namespace, file))


def _asked() -> str:
    """yes, no, all or quit; whoever is not there to answer quits."""
    try:
        while True:
            said = str(typer.prompt("  yes, no, all or quit?", default="no")).strip().lower()
            for answer in ("yes", "no", "all", "quit"):
                if said and answer.startswith(said):
                    return answer
    except typer.Abort:
        print()
        return "quit"


def _summary(found: list[Finding], fix: bool) -> str:
    if not found:
        return "nothing was found"
    counts = [(kind, sum(one.kind == kind for one in found)) for kind in KINDS]
    said = ", ".join(f"{kind} {count}" for kind, count in counts if count)
    to_fix = sum(bool(one.sql) for one in found)
    more = f"; --fix proposes {to_fix} changes" if to_fix and not fix else ""
    return f"found: {said}{more}"
