"""The command audit: find contradictions, duplicates and faults, and fix them."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, Yes, open_memory
from memory.cli.output import print_json, undo_line
from memory.errors import InputError, SqlError
from memory.facts.audit import KINDS, Finding
from memory.facts.audit import audit as findings_of
from memory.records import Change
from memory.store import Store
from memory.system.terminal import clean_line, count, print_clean


def audit(
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Offer a change for each finding, and make those you accept."),
    ] = False,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Check only for this: {', '.join(KINDS)}.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
) -> None:
    """Check for contradictions, duplicates, facts without a source and damage to the file.

    Changes nothing without --fix. You can undo each change.
    """
    kinds = {name.replace("-", " ") for name in kind or KINDS}
    if unknown := kinds - {*KINDS}:
        raise InputError(
            f"--kind {', '.join(sorted(unknown))} is unknown; give one of {', '.join(KINDS)}"
        )
    if fix and as_json:
        raise InputError("--fix asks you about each change; leave out --json")
    # Read-only without --fix: an audit alone can change nothing.
    with open_memory(namespace, db, read_only=not fix) as store:
        findings = findings_of(store, kinds)
        if "index" in kinds:
            _note_version(store, as_json)
        for finding in findings:
            if as_json:
                print_json(asdict(finding))
            elif not (fix and finding.sql):
                print_clean(clean_line(f"{finding.kind}: {finding.text}"))
        if fix:
            proposals = [finding for finding in findings if finding.sql]
            _fix(store, proposals, yes=yes, namespace=namespace, db=db)
    if not as_json:
        print_clean(_summary(findings, fix))


def _note_version(store: Store, as_json: bool) -> None:
    """Say what is known to be wrong with this version of SQLite, which is no fault of the file."""
    from memory.store.files.integrity import version_fault
    from memory.store.sqlite.store import SqliteStore

    if not isinstance(store, SqliteStore) or not (fault := version_fault()):
        return
    if as_json:
        print_json({"kind": "note", "text": fault, "facts": [], "turns": [], "sql": ""})
    else:
        print_clean(f"note: {fault}", error=True)


def _fix(
    store: Store, proposals: list[Finding], *, yes: bool, namespace: str, db: Path | None
) -> None:
    """Make the changes that a person accepts, each as one change of the journal."""
    changes: list[Change] = []
    for finding in proposals:
        print_clean(clean_line(f"{finding.kind}: {finding.text}"))
        print_clean(f"  {finding.sql}")
        reply = "all" if yes else _prompt_for_reply()
        if reply == "quit":
            break
        yes = reply == "all"
        if reply == "no":
            continue
        try:
            change = store.write(finding.sql, cause=f"audit: {finding.kind}", by_person=True)
        except SqlError as error:
            raise InputError(f"{finding.sql}: {error}") from error
        print_clean(f"  change {change.id}")
        changes.append(change)
    if changes:
        print_clean(undo_line(changes, namespace, db))


def _prompt_for_reply() -> str:
    """Ask for yes, no, all or quit, or their first letters; quit if no one can answer."""
    try:
        while True:
            typed = str(typer.prompt("  yes, no, all or quit?", default="no")).strip().lower()
            for reply in ("yes", "no", "all", "quit"):
                if typed and reply.startswith(typed):
                    return reply
    except typer.Abort:
        print_clean()
        return "quit"


def _summary(findings: list[Finding], fix: bool) -> str:
    if not findings:
        return "found nothing"
    counts = Counter[str](finding.kind for finding in findings)
    by_kind = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind])
    fixable = sum(bool(finding.sql) for finding in findings)
    advice = f"; --fix offers {count(fixable, 'change')}" if fixable and not fix else ""
    return f"found: {by_kind}{advice}"
