"""The command export: write a memory to a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    AsJson,
    Db,
    Namespace,
    Yes,
    confirm,
    is_on_command_line,
    memory_location,
    open_memory,
)
from memory.cli.output import print_json
from memory.errors import InputError
from memory.store.namespaces import Location, make_folder, names, path_of
from memory.system.terminal import count, print_clean

if TYPE_CHECKING:
    from memory.exchange.exports import ExportCounts


def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The file to write; a folder with --all.")],
    format: Annotated[
        str | None, typer.Option(help="csv, jsonl (lossless) or md. Default: by the suffix.")
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all", help="Export all namespaces, one file each.")
    ] = False,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write a memory to a file: messages as CSV, everything as JSON lines, or Markdown to read."""
    from memory.exchange.exports import export_format, export_memory

    if all_namespaces:
        if db is not None or is_on_command_line(context, "namespace"):
            raise InputError("--all exports all namespaces; leave --namespace and --db out")
        _export_all(path, format or "csv", yes=yes, as_json=as_json)
        return
    format = export_format(path, format)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: give a file in an existing folder; --all takes a folder")
    _refuse_memory(path, memory_location(namespace, db))
    with open_memory(namespace, db) as store:
        # Ask only when there is a memory to write.
        if path.exists():
            confirm(f"{path} exists. Overwrite it?", yes)
        title = db.stem if db else namespace
        _print_export(path, export_memory(store, path, format=format, title=title), as_json)


def _export_all(folder: Path, format: str, *, yes: bool, as_json: bool) -> None:
    from memory.exchange.exports import export_format, export_memory

    namespaces = names()
    if not namespaces:
        raise InputError("there is no namespace to export")
    # File names of namespaces are safe on every system.
    files = {name: folder / f"{path_of(name).stem}.{format}" for name in namespaces}
    export_format(
        next(iter(files.values())), format
    )  # raises before the question for an unknown one
    existing = [path.name for path in files.values() if path.exists()]
    if existing:
        confirm(f"{', '.join(existing)} in {folder} exist. Overwrite them?", yes)
    make_folder(folder)
    for name, path in files.items():
        with open_memory(name, None) as store:
            _print_export(path, export_memory(store, path, format=format, title=name), as_json)


def _refuse_memory(path: Path, memory: Location) -> None:
    """Raise InputError when the export would overwrite the memory itself."""
    if not isinstance(memory, Path):
        return
    files = [memory.with_name(memory.name + suffix) for suffix in ("", "-wal", "-shm")]
    if path.exists() and any(file.exists() and file.samefile(path) for file in files):
        raise InputError(f"{path} is the memory itself; export to another file")


def _print_export(path: Path, counts: "ExportCounts", as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "turns": counts.turns, "left_out": counts.left_out})
        return
    print_clean(f"{path}: {count(counts.turns, 'turn')}, {path.stat().st_size:,} bytes")
    if counts.left_out:
        print_clean(
            f"  left out: {counts.left_out:,} document chunks and tool uses;"
            " export them as jsonl or md"
        )
