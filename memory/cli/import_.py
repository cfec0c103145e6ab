"""The command import: read the exports of other programs as turns."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    Db,
    Namespace,
    Over,
    is_on_command_line,
    open_memory,
)
from memory.cli.output import print_json
from memory.errors import InputError, Stop
from memory.machines import over_machines
from memory.namespaces import home
from memory.terminal import clean_line, count, print_clean, progress

if TYPE_CHECKING:
    from memory.exchange import ForeignExport
    from memory.exchange.imports import ImportReport
    from memory.store import Store

_MAX_PLACES_SHOWN = 3  # of those skipped for one reason
INTERRUPTED = "interrupted: the turns so far are stored; the same command continues"


def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="An exported file, archive or folder.")],
    speaker: Annotated[
        str, typer.Option(help="The name of the person who wrote to the assistant.")
    ] = "User",
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
    over: Over = "",
) -> None:
    """Import chats that another program exported, in any known format. Again, it adds new ones.

    A folder of several characters fills one namespace for each, with the character's name.
    """
    from memory.exchange import character_folders

    characters = character_folders(path)
    # MEMORY_NAMESPACE applies to all commands; only the command line names a target of this import.
    has_target = db or is_on_command_line(context, "namespace")
    try:
        if not characters or characters == [path] or (has_target and len(characters) == 1):
            if over:
                raise InputError("--over needs a folder of several characters; leave it out")
            source = characters[0] if characters else path
            _import_one(source, speaker, namespace=namespace, db=db, as_json=as_json)
            return
        if has_target:
            raise InputError(
                f"{path} has {len(characters)} characters, each for its own namespace: leave out"
                f" --namespace and --db, or import one character, such as {characters[0]}"
            )
        if over:
            _import_over(characters, speaker, over=over, as_json=as_json)
            return
        for folder in characters:
            _import_one(folder, speaker, namespace=folder.name, db=None, as_json=as_json)
    except KeyboardInterrupt:  # every batch read so far is stored
        raise Stop(INTERRUPTED) from None


def _import_one(
    path: Path, speaker: str, *, namespace: str, db: Path | None, as_json: bool
) -> None:
    from memory.exchange import read_export

    export = read_export(path, speaker)  # before a namespace is created for it
    with open_memory(namespace, db, create=True) as store, progress() as bar:
        task = bar.add_task("importing", total=export.total)
        report = _stored(store, export, path, lambda items: bar.update(task, advance=items))
    _print_report(report, str(db or namespace), format=export.format, as_json=as_json)


def _stored(
    store: "Store", export: "ForeignExport", path: Path, advance: Callable[[int], None]
) -> "ImportReport":
    """Store an export; `advance` receives the number of items of each step."""
    from memory.exchange.imports import import_turns, load_dump

    if export.format == "dump":
        return load_dump(store, path, advance)
    return import_turns(store, export, progress=advance)


@dataclass(frozen=True, eq=False)
class _Importer:
    """Imports a character's folder, also on another machine with the same files and home."""

    home: str
    speaker: str

    def __call__(self, folder: Path) -> tuple["ImportReport", str]:
        from memory.exchange import read_export

        os.environ["MEMORY_HOME"] = self.home
        export = read_export(folder, self.speaker)
        with open_memory(folder.name, None, create=True) as store:
            return _stored(store, export, folder, lambda items: None), export.format


def _import_over(folders: Sequence[Path], speaker: str, over: str, as_json: bool) -> None:
    """Import folders of characters over machines, each into its own namespace."""
    importer = _Importer(os.environ.get("MEMORY_HOME") or str(home()), speaker)
    paths = [folder.absolute() for folder in folders]
    with progress() as bar:
        task = bar.add_task("importing", total=len(folders))
        for index, (report, form) in over_machines(importer, paths, over):
            bar.advance(task)
            _print_report(report, folders[index].name, format=form, as_json=as_json)


def _print_report(report: "ImportReport", name: str, *, format: str, as_json: bool) -> None:
    reasons: dict[str, list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(skipped.why, []).append(skipped.where)
    if as_json:
        skipped_by_reason = [
            {"why": why, "count": len(places), "where": places[:_MAX_PLACES_SHOWN]}
            for why, places in reasons.items()
        ]
        print_json(
            {
                "into": name,
                "format": format,
                "turns": report.turns,
                "already": report.already,
                "skipped": skipped_by_reason,
                "notes": report.notes,
            }
        )
        return
    print_clean(
        f"{name}: {count(report.turns, 'new turn')}, {report.already:,} already stored ({format})"
    )
    for why, places in reasons.items():
        more = ", ..." if len(places) > _MAX_PLACES_SHOWN else ""
        named = clean_line(", ".join(places[:_MAX_PLACES_SHOWN]))
        print_clean(f"  left out, {clean_line(why)}: {len(places):,} ({named}{more})")
    for note in report.notes:
        print_clean(f"  {clean_line(note)}")
