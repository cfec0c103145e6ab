"""The command import: read the exports of other programs as turns."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, cast

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
from memory.cli.output import print_json, withheld_json, withheld_line
from memory.errors import InputError, Stop
from memory.store.configuration.declared_settings import Settings, known_zone
from memory.store.configuration.setting_values import TIMEZONE
from memory.store.configuration.settings import UNNAMED
from memory.store.namespaces import home
from memory.system.machines import over_machines
from memory.system.terminal import clean_line, count, print_clean, progress

if TYPE_CHECKING:
    from memory.exchange import ForeignExport
    from memory.exchange.date_order import DateOrder
    from memory.exchange.imports import ImportReport
    from memory.exchange.transcripts import Agent
    from memory.store import Store

_MAX_PLACES_SHOWN = 3  # of those skipped for one reason
INTERRUPTED = "interrupted: the turns so far are stored; the same command continues"


def import_(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(help="An exported file, archive or folder; or claude-code, or codex."),
    ],
    transcripts: Annotated[
        Path | None,
        typer.Argument(help="Of claude-code or codex: transcripts elsewhere than in your home."),
    ] = None,
    speaker: Annotated[
        str,
        typer.Option(help="Your name in it: who wrote to the assistant, or which person you are."),
    ] = UNNAMED,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    as_json: AsJson = False,
    over: Over = "",
    encoding: Annotated[
        str, typer.Option(help="Of text that is neither UTF-8 nor UTF-16: cp1252 on Windows.")
    ] = "",
    dates: Annotated[
        str, typer.Option(help="How 05/08/2023 is meant: day-first or month-first.")
    ] = "",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="A column by its other name: speaker=Sender. Repeat it."),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option(help="Where its people lived: Europe/Berlin. Kept as the memory's setting."),
    ] = "",
    with_forgotten: Annotated[
        bool, typer.Option("--with-forgotten", help="Also what was forgotten here before.")
    ] = False,
    with_wishes: Annotated[
        bool, typer.Option("--with-wishes", help="Follow your wishes in it for all answers.")
    ] = False,
) -> None:
    """Import chats that another program exported, in any known format. Again, it adds new ones.

    A folder of several characters fills one namespace for each, with the character's name.
    `memory import claude-code` reads all sessions of that agent, into a memory for each project.
    """
    from memory.exchange import character_folders
    from memory.exchange.transcripts import AGENTS

    if dates not in ("", "day-first", "month-first"):
        raise InputError(f"--dates {dates}: give day-first or month-first")
    reading = _Reading(
        speaker,
        encoding,
        cast("DateOrder", dates),
        _columns(map_ or ()),
        timezone=known_zone(timezone) if timezone else "",
        with_forgotten=with_forgotten,
        with_wishes=with_wishes,
    )
    # MEMORY_NAMESPACE applies to all commands; only the command line names a target of this import.
    named = namespace if is_on_command_line(context, "namespace") else ""
    try:
        if (agent := AGENTS.get(str(path))) and agent.transcripts:
            _import_sessions(agent, transcripts, reading, into=named, db=db, as_json=as_json)
            return
        if transcripts:
            raise InputError(f"{transcripts}: a second path is for claude-code and codex only")
        characters = character_folders(path)
        if not characters or characters == [path] or ((db or named) and len(characters) == 1):
            if over:
                raise InputError("--over needs a folder of several characters; leave it out")
            source = characters[0] if characters else path
            _import_one(source, reading, name=namespace, db=db, as_json=as_json)
            return
        if db or named:
            raise InputError(
                f"{path} has {len(characters)} characters, each for its own namespace: leave out"
                f" --namespace and --db, or import one character, such as {characters[0]}"
            )
        if over:
            _import_over(characters, reading, over=over, as_json=as_json)
            return
        for folder in characters:
            _import_one(folder, reading, name=folder.name, db=None, as_json=as_json)
    except KeyboardInterrupt:  # every batch read so far is stored
        raise Stop(INTERRUPTED) from None


def _columns(given: Sequence[str]) -> dict[str, str]:
    pairs = [name.partition("=") for name in given]
    if wrong := [name for name, _, theirs in pairs if not theirs.strip()]:
        raise InputError(f"--map {wrong[0]}: write OURS=THEIRS, as in --map speaker=Sender")
    return {name.strip(): theirs.strip() for name, _, theirs in pairs}


@dataclass(frozen=True)
class _Imported:
    """What an import did with a memory, by its name; `facts` are new ones."""

    name: str
    format: str
    report: "ImportReport"
    facts: int


@dataclass(frozen=True)
class _Reading:
    """How a file is read and stored, as the command line says."""

    speaker: str
    encoding: str
    dates: "DateOrder"
    columns: dict[str, str]
    timezone: str
    with_forgotten: bool
    with_wishes: bool

    def store_in(
        self,
        store: "Store",
        name: str,
        export: "ForeignExport",
        *,
        dump: Path | None = None,
        advance: Callable[[int], None] = lambda items: None,
    ) -> _Imported:
        """Store an export, or the `dump` at a path, in the memory of this name.

        `advance` receives the number of items of each step.
        """
        from memory.exchange.imports import import_turns, load_dump
        from memory.store.turns.turn_reads import size_of

        if self.timezone:
            Settings(store).set(TIMEZONE, self.timezone)
        before = size_of(store).facts
        if dump and export.format == "dump":
            report = load_dump(store, dump, advance)
        else:
            report = import_turns(
                store,
                export,
                progress=advance,
                with_forgotten=self.with_forgotten,
                with_wishes=self.with_wishes,
            )
        facts = size_of(store).facts - before
        return _Imported(name, export.format, report, facts)


def _import_one(
    path: Path, reading: _Reading, *, name: str, db: Path | None, as_json: bool
) -> None:
    from memory.exchange.imports import refuse_empty

    export = _read_export(path, reading)  # before a namespace is created for it
    with open_memory(name, db, create=True) as store, progress() as bar:
        task = bar.add_task("importing", total=export.total)
        imported = reading.store_in(
            store,
            str(db or name),
            export,
            dump=path,
            advance=lambda items: bar.update(task, advance=items),
        )
    _print_report(imported, as_json)
    refuse_empty(imported.report, str(path))


def _import_sessions(
    agent: "Agent",
    path: Path | None,
    reading: _Reading,
    *,
    into: str,
    db: Path | None,
    as_json: bool,
) -> None:
    """Import an agent's transcripts into a memory for each project, or into the one named."""
    from memory.agents.past import observers_sessions, past_sessions, sessions_by_project
    from memory.exchange.imports import in_all, refuse_empty

    projects = sessions_by_project(agent, path)
    if observers := observers_sessions(agent, path):
        sessions = count(len(observers), "session")
        print_clean(f"left out, of programs that watch sessions: {sessions}", error=True)
    by_memory: dict[str, list[Path]] = {}
    for project, files in projects.items():
        by_memory.setdefault(str(db or into or project.namespace), []).extend(files)
    reports = []
    for name, files in by_memory.items():
        with open_memory(name, db, create=True) as store, progress() as bar:
            task = bar.add_task(f"importing {name}", total=len(files))
            export = past_sessions(
                agent,
                files,
                reading.speaker,
                progress=partial(bar.advance, task),
                are_ours=path is None,
            )
            imported = reading.store_in(store, name, export)
        _print_report(imported, as_json)
        reports.append(imported.report)
    refuse_empty(in_all(reports), agent.name)


def _read_export(path: Path, reading: _Reading) -> "ForeignExport":
    """The export at a path; asks how its dates are meant if it does not show that.

    Raises InputError, which names the right command for a document.
    """
    from memory.exchange import read_export
    from memory.exchange.documents import is_document
    from memory.exchange.reading_errors import DateOrderError, UnreadableExport

    def read(dates: "DateOrder") -> "ForeignExport":
        # A million messages take a minute to read, and a terminal should show progress.
        with progress() if sys.stderr.isatty() else nullcontext() as bar:
            if bar:
                bar.add_task(f"reading {clean_line(path.name)}", total=None)
            return read_export(
                path,
                reading.speaker,
                encoding=reading.encoding,
                dates=dates,
                columns=reading.columns,
            )

    try:
        return read(reading.dates)
    except DateOrderError as doubt:
        if not sys.stdin.isatty():
            raise
        print_clean(doubt.problem)
        return read("day-first" if typer.confirm("Does the day come first?") else "month-first")
    except UnreadableExport:
        raise  # its message says what to do
    except InputError as error:
        if reading.columns or reading.encoding:
            raise  # these options mean a table
        if path.is_file() and is_document(path):
            files = quote(str(path))
        elif path.is_dir() and any(is_document(file) for file in path.iterdir()):
            files = f"{quote(str(path))}/*"
        else:
            raise
        raise InputError(
            f"{path}: no export of chats; for documents: memory add {files}"
        ) from error


@dataclass(frozen=True, eq=False)
class _Importer:
    """Imports a character's folder, also on another machine with the same files and home."""

    home: str
    reading: _Reading

    def __call__(self, folder: Path) -> _Imported:
        from memory.exchange import read_export

        os.environ["MEMORY_HOME"] = self.home
        export = read_export(folder, self.reading.speaker)
        with open_memory(folder.name, None, create=True) as store:
            return self.reading.store_in(store, folder.name, export, dump=folder)


def _import_over(folders: Sequence[Path], reading: _Reading, over: str, as_json: bool) -> None:
    """Import folders of characters over machines, each into its own namespace."""
    from memory.exchange.imports import in_all, refuse_empty

    importer = _Importer(os.environ.get("MEMORY_HOME") or str(home()), reading)
    paths = [folder.absolute() for folder in folders]
    reports = []
    with progress() as bar:
        task = bar.add_task("importing", total=len(folders))
        for _, imported in over_machines(importer, paths, over):
            bar.advance(task)
            _print_report(imported, as_json)
            reports.append(imported.report)
    refuse_empty(in_all(reports), "the characters")


def _print_report(imported: _Imported, as_json: bool) -> None:
    report = imported.report
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
                "into": imported.name,
                "format": imported.format,
                "turns": report.turns,
                "already": report.already,
                "facts": imported.facts,
                "skipped": skipped_by_reason,
                "notes": report.notes,
                **withheld_json(report.withheld),
            }
        )
        return
    print_clean(
        f"{imported.name}: {count(report.turns, 'new turn')}, {report.already:,} already stored"
        f" ({imported.format})"
    )
    if imported.facts:
        print_clean(f"  {count(imported.facts, 'fact')} by rules; `memory facts` lists them")
    if line := withheld_line(report.withheld):
        print_clean(f"  {line}")
    for why, places in reasons.items():
        more = ", ..." if len(places) > _MAX_PLACES_SHOWN else ""
        named = clean_line(", ".join(places[:_MAX_PLACES_SHOWN]))
        print_clean(f"  left out, {clean_line(why)}: {len(places):,} ({named}{more})")
    for note in report.notes:
        print_clean(f"  {clean_line(note)}")
