"""The commands import, export and add: what comes into a memory and what goes out."""

import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from memory.cli.opening import DEFAULT, AsJson, File, Namespace, Yes, agree, opened, place_of
from memory.cli.printing import print_json
from memory.documents import add_chunks, chunks
from memory.errors import InputError, Stop
from memory.exchange import characters, clean_date, read
from memory.exchange.exporting import Exported, format_of
from memory.exchange.exporting import export as export_into
from memory.exchange.importing import Report, import_into, load_dump
from memory.model import Turn
from memory.namespaces import make_folder, names, path_of
from memory.store.turn_validation import said_now
from memory.terminal import progress

PLACES = 3  # shown of what was skipped for one reason
INTERRUPTED = "interrupted: what was read so far is kept; the same command goes on"


# --- import -------------------------------------------------------------------------------------


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
    found = characters(path)
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
    reading = read(path, user)  # before a namespace is made for it
    with opened(namespace, file, create=True) as store, progress() as bar:
        task = bar.add_task(reading.name, total=reading.total)

        def tell(items: int) -> None:
            bar.update(task, advance=items)

        if reading.format == "dump":
            report = load_dump(store, path, tell)
        else:
            report = import_into(store, reading, progress=tell)
    _print_report(str(file or namespace), reading.format, report, as_json)


def _print_report(name: str, format: str, report: Report, as_json: bool) -> None:
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


# --- export -------------------------------------------------------------------------------------


def export(
    path: Annotated[Path, typer.Argument(help="The file to write; a folder with --all.")],
    format: Annotated[
        str | None, typer.Option(help="csv, jsonl (lossless) or md; that of the suffix.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All namespaces, a file for each.")] = False,
    namespace: Namespace = DEFAULT,
    file: File = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write a memory into a file: id, name, message and timestamp as CSV, everything as JSON
    lines, or Markdown for reading.
    """
    if every:
        _export_all(path, format or "csv", file, yes, as_json)
        return
    format = format_of(path, format)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: give a file in a folder that exists; --all takes a folder")
    _refuse_memory(path, place_of(namespace, file))
    with opened(namespace, file) as store:
        if path.exists():
            agree(f"{path} is there already. Write over it?", yes)
        title = file.stem if file else namespace
        _print_export(path, export_into(store, path, format, title), as_json)


def _export_all(folder: Path, format: str, file: Path | None, yes: bool, as_json: bool) -> None:
    if file is not None:
        raise InputError("--all is about namespaces; leave --file out")
    if not (every := names()):
        raise InputError("there is no namespace to export")
    # The file of a namespace has a name that is safe on every system.
    files = {name: folder / f"{path_of(name).stem}.{format}" for name in every}
    format_of(next(iter(files.values())), format)
    if there := [path.name for path in files.values() if path.exists()]:
        agree(f"{', '.join(there)} in {folder} are there already. Write over them?", yes)
    make_folder(folder)
    for name, path in files.items():
        with opened(name, None) as store:
            _print_export(path, export_into(store, path, format, name), as_json)


def _refuse_memory(path: Path, memory: Path) -> None:
    """A memory must not be replaced by its own export."""
    files = [memory.with_name(memory.name + end) for end in ("", "-wal", "-shm")]
    if path.exists() and any(one.exists() and one.samefile(path) for one in files):
        raise InputError(f"{path} is the memory itself; export to another file")


def _print_export(path: Path, done: Exported, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "turns": done.turns, "left_out": done.left_out})
        return
    print(f"{path}: {done.turns:,} turns, {path.stat().st_size:,} bytes")
    if done.left_out:
        print(
            f"  left out: {done.left_out:,} document chunks and tool uses; jsonl and md hold them"
        )


# --- add ----------------------------------------------------------------------------------------


def add(
    what: Annotated[
        list[str], typer.Argument(help="What was said, in quotes (- reads it); or documents.")
    ],
    kind: Annotated[str, typer.Option(help="message, or document for files.")] = "message",
    speaker: Annotated[str, typer.Option(help="Who said it.")] = "",
    session: Annotated[str, typer.Option(help="The conversation it belongs to.")] = "",
    said_at: Annotated[
        str, typer.Option(help="When: 2023-05-08 13:56 (UTC), 2023-05, 2023; now.")
    ] = "",
    namespace: Namespace = DEFAULT,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Add one message, or documents: Markdown, text, HTML, PDF.

    add "I moved to Oslo" --speaker Anna    add manual.md --kind document
    """
    if kind == "document":
        if speaker or session or said_at:
            raise InputError("a document has its title, name and date: give the file alone")
        _add_documents([Path(one) for one in what], namespace, file, as_json)
        return
    if kind != "message":
        raise InputError(f"--kind {kind}: there are message and document")
    turn = _message(what, speaker, session, said_at)
    with opened(namespace, file, create=True) as store:
        [turn_id] = store.add([turn])
    if as_json:
        print_json({"turn": turn_id})
    else:
        print(f"turn {turn_id}")


def _message(what: list[str], speaker: str, session: str, said_at: str) -> Turn:
    if not speaker:
        raise InputError("say who said it: --speaker NAME; a file is added with --kind document")
    if len(what) > 1:
        raise InputError("one message at a time, in quotes; files are added with --kind document")
    if said_at and not clean_date(said_at):
        raise InputError(f"--said-at {said_at!r} is no date; write 2023-05-08 13:56, or 2023-05")
    text = sys.stdin.read() if what == ["-"] else what[0]
    return Turn(speaker, text.strip(), session, clean_date(said_at) or said_now())


def _add_documents(paths: list[Path], namespace: str, file: Path | None, as_json: bool) -> None:
    read_all = {path: chunks(path) for path in paths}  # before a namespace is made for them
    with opened(namespace, file, create=True) as store:
        for path, turns in read_all.items():
            done = add_chunks(store, turns)
            if as_json:
                print_json({"file": str(path), **vars(done)})
                continue
            print(f"{path}: {done.new:,} chunks are new, {done.already:,} were there")
            if done.others:
                print(
                    f"  an older version, or another file of this name, is there too:"
                    f" {', '.join(done.others)}\n  `forget --session {quote(path.name)}` removes"
                    " them all; then add this one again"
                )
