"""The command import: what another program exported becomes turns of a memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    File,
    Namespace,
    is_on_command_line,
    open_memory,
)
from memory.cli.output import print_json
from memory.errors import InputError, Stop
from memory.terminal import clean_line, count, print_clean, progress

if TYPE_CHECKING:
    from memory.exchange.imports import ImportReport

_MAX_PLACES_SHOWN = 3  # of what was skipped for one reason
INTERRUPTED = "interrupted: what was read so far is kept; the same command goes on"


def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, archive or folder that was exported.")],
    user: Annotated[str, typer.Option(help="The name of who wrote to the assistant.")] = "User",
    namespace: Namespace = DEFAULT,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Read what another program exported; the format is recognised. Again, it adds what is new.

    A folder of several characters fills a namespace for each, named after it.
    """
    from memory.exchange import character_folders

    characters = character_folders(path)
    # The environment variable names a namespace for all commands; only the command line names
    # the target of this import.
    has_target = file or is_on_command_line(context, "namespace")
    try:
        if not characters or characters == [path] or (has_target and len(characters) == 1):
            source = characters[0] if characters else path
            _import_one(source, user, namespace=namespace, file=file, as_json=as_json)
            return
        if has_target:
            raise InputError(
                f"{path} holds {len(characters)} characters, each for a namespace of its own: leave"
                f" --namespace and --file out, or give one of them, such as {characters[0]}"
            )
        for folder in characters:
            _import_one(folder, user, namespace=folder.name, file=None, as_json=as_json)
    except KeyboardInterrupt:  # each batch that was read is stored by now
        raise Stop(INTERRUPTED) from None


def _import_one(path: Path, user: str, *, namespace: str, file: Path | None, as_json: bool) -> None:
    from memory.exchange import read_export
    from memory.exchange.imports import import_turns, load_dump

    export = read_export(path, user)  # before a namespace is created for it
    with open_memory(namespace, file, create=True) as store, progress() as bar:
        task = bar.add_task("importing", total=export.total)

        def advance(items: int) -> None:
            bar.update(task, advance=items)

        if export.format == "dump":
            report = load_dump(store, path, advance)
        else:
            report = import_turns(store, export, progress=advance)
    _print_report(report, str(file or namespace), format=export.format, as_json=as_json)


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
        f"{name}: {count(report.turns, 'new turn')}, {report.already:,} were there ({format})"
    )
    for why, places in reasons.items():
        more = ", ..." if len(places) > _MAX_PLACES_SHOWN else ""
        named = clean_line(", ".join(places[:_MAX_PLACES_SHOWN]))
        print_clean(f"  left out, {clean_line(why)}: {len(places):,} ({named}{more})")
    for note in report.notes:
        print_clean(f"  {clean_line(note)}")
