"""The command import: what another program exported becomes turns of a memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import DEFAULT, AsJson, File, Namespace, open_memory
from memory.cli.output import print_json
from memory.errors import InputError, Stop
from memory.terminal import progress

if TYPE_CHECKING:
    from memory.exchange.imports import ImportReport

PLACES = 3  # shown of what was skipped for one reason
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

    found = character_folders(path)
    said = context.get_parameter_source("namespace")
    named = file or (said and said.name == "COMMANDLINE")
    try:
        if not found or found == [path] or (named and len(found) == 1):
            _import_one(found[0] if found else path, user, namespace, file, as_json)
            return
        if named:
            raise InputError(
                f"{path} holds {len(found)} characters, each for a namespace of its own: leave"
                f" --namespace and --file out, or give one of them, such as {found[0]}"
            )
        for character in found:
            _import_one(character, user, character.name, None, as_json)
    except KeyboardInterrupt:
        raise Stop(INTERRUPTED) from None


def _import_one(path: Path, user: str, namespace: str, file: Path | None, as_json: bool) -> None:
    from memory.exchange import read_export
    from memory.exchange.imports import import_turns, load_dump

    export = read_export(path, user)  # before a namespace is made for it
    with open_memory(namespace, file, create=True) as store, progress() as bar:
        task = bar.add_task(export.name, total=export.total)

        def tell(items: int) -> None:
            bar.update(task, advance=items)

        if export.format == "dump":
            report = load_dump(store, path, tell)
        else:
            report = import_turns(store, export, progress=tell)
    _print_report(str(file or namespace), export.format, report, as_json)


def _print_report(name: str, format: str, report: "ImportReport", as_json: bool) -> None:
    reasons: dict[str, list[str]] = {}
    for one in report.skipped:
        reasons.setdefault(one.why, []).append(one.where)
    if as_json:
        skipped = [
            {"why": why, "count": len(places), "where": places[:PLACES]}
            for why, places in reasons.items()
        ]
        counts = {"turns": report.turns, "already": report.already}
        rest = {"skipped": skipped, "notes": report.notes}
        print_json({"into": name, "format": format, **counts, **rest})
        return
    print(f"{name}: {report.turns:,} turns are new, {report.already:,} were there ({format})")
    for why, places in reasons.items():
        more = ", ..." if len(places) > PLACES else ""
        print(f"  left out, {why}: {len(places):,} ({', '.join(places[:PLACES])}{more})")
    for note in report.notes:
        print(f"  {note}")
