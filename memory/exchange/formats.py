"""Recognises the format of a foreign export by its content, and reads its turns."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from memory.errors import InputError
from memory.exchange.date_order import DateOrder
from memory.exchange.importer import ExportFiles, Importer, importers
from memory.exchange.imports import DUMP_HEAD
from memory.exchange.input_files import (
    Contents,
    InputFile,
    contents_of,
    decoded_text,
    input_files,
)
from memory.exchange.items import ForeignExport, identity_of, storable_items
from memory.exchange.json_files import json_values, outlined_objects
from memory.exchange.people import person_called
from memory.exchange.plain_files import TURN_COLUMNS
from memory.exchange.reading_errors import UnreadableExport
from memory.records import Skipped, Turn
from memory.store.configuration.settings import UNNAMED
from memory.store.turns.turn_validation import ME
from memory.text.written_dates import clean_date

_NAMED = 5  # files in a message
_HEAD_CHARACTERS = 100  # of the first line of a dump
NO_COLUMNS: Mapping[str, str] = {}


def read_export(
    path: Path,
    user: str = "User",
    *,
    encoding: str = "",
    dates: DateOrder = "",
    columns: Mapping[str, str] = NO_COLUMNS,
) -> ForeignExport:
    """Recognise a file or folder by its content and check it; its items come later.

    Reads everything once before it returns: InputError refuses an unusable file as a whole, before
    anything is stored. A dump of ours yields no items: `Store.load` reads its records.

    Arguments:
        user: the name of the person who imports: of the user of a chat application, or the one
            of a chat's people who it is, also by an id. InputError if there is no such person.
        encoding: of text that is neither UTF-8 nor UTF-16.
        dates: whether dates in numbers have the day or the month first; "": as the file shows, and
            DateOrderError if it does not.
        columns: our names for columns, each with the name that a table or JSON lines use.
    """
    if unknown := {*columns} - {*TURN_COLUMNS}:
        raise InputError(f"there is no {min(unknown)!r}; map {', '.join(TURN_COLUMNS)}")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: read twice, so it must be a file or folder; save it in one")
    importer = next((i for i in importers() if i.is_path and i.is_path(path)), None)
    if importer:
        return _looked_through(importer, ExportFiles(path, user=user), ())
    contents = contents_of(path)
    files = _input_files(path, contents, encoding)
    if contents is None and _is_dump(files[0]):
        return ForeignExport("dump", items=iter(()))
    names = contents.names if contents else ()
    importer, chosen = _recognised(path, files, names, columns)
    lists = [name for name in names if importer.lists and importer.lists.fullmatch(name)]
    export = ExportFiles(
        path,
        files=chosen,
        lists=[InputFile(name, partial(contents.open, name)) for name in lists if contents],
        user=user,
        dates=dates,
        columns=columns,
    )
    read = {*lists, *(file.name for file in chosen)}
    unread = [name for name in names if name.endswith((".json", ".jsonl")) and name not in read]
    return _looked_through(importer, export, unread)


def _input_files(path: Path, contents: Contents | None, encoding: str) -> list[InputFile]:
    names = [importer.files for importer in importers() if importer.files]
    archives = [importer.archives for importer in importers() if importer.archives]
    return input_files(path, contents, encoding, names, archives)


def _looked_through(
    importer: Importer, export: ExportFiles, unread: Sequence[str]
) -> ForeignExport:
    """The export, after a first reading that counts its items and refuses an unusable file."""
    total = turns = undated = 0
    people: dict[str, str] = {}
    words = ""
    left_out: list[Skipped] = []
    for item in importer.read(export):
        total += 1
        turns += isinstance(item, Turn)
        if isinstance(item, Turn) and item.kind == "message":
            people.setdefault(identity_of(item, importer.name), item.speaker)
        if isinstance(item, Skipped) and not turns and len(left_out) < _NAMED:
            left_out.append(item)
        # A date in words stays unchanged.
        if isinstance(item, Turn) and item.said_at and not clean_date(item.said_at):
            undated += 1
            words = words or item.said_at[:40]
    if not turns:
        reasons = "; ".join(f"{item.where}: {item.why}" for item in left_out)
        raise InputError(
            f"{export.name}: nothing in it to store ({importer.name})"
            + (f"; left out, {reasons}" if reasons else "")
        )
    notes = [*(importer.notes(export, total) if importer.notes else ())]
    if undated:
        notes.append(
            f"{undated:,} dates are no ISO text ({words!r}): they are kept unchanged, and no"
            " question by date finds them"
        )
    if unread:
        more = f", ... {len(unread):,} in all" if len(unread) > _NAMED else ""
        notes.append(f"left out, no conversations: {', '.join(unread[:_NAMED])}{more}")
    user = "" if export.user == UNNAMED else export.user
    return ForeignExport(
        importer.name,
        items=storable_items(importer.read(export)),
        total=total,
        notes=tuple(notes),
        people=people,
        me=person_called(user, people) if user and ME not in people else "",
        user=user,
    )


def _recognised(
    path: Path, files: Sequence[InputFile], names: Sequence[str], columns: Mapping[str, str]
) -> tuple[Importer, list[InputFile]]:
    """The importer for most of some files, with these. Raises InputError if there is none.

    `names` are the names of all files in the folder or archive; empty for a file alone.
    """
    if not names and files:
        return _importer_of(Path(path.name), files[0], columns), [*files]
    by_importer: dict[str, tuple[Importer, list[InputFile]]] = {}
    unknown: list[InputFile] = []
    reason = ""  # in words: an error holds this frame, and with it the archive, open
    for file in files:
        try:
            importer = _importer_of(Path(file.name), file, columns)
        except InputError as error:
            unknown.append(file)
            reason = str(error)
            continue
        if not importer.is_plain:
            by_importer.setdefault(importer.name, (importer, []))[1].append(file)
    if not by_importer:
        if len(files) == 1 and reason:
            raise InputError(f"{path}: {reason}")
        raise _unknown(path, names)
    importer, chosen = max(by_importer.values(), key=lambda found: len(found[1]))
    # What has a name of its files is one: the reader says what is wrong with it.
    named = [file for file in unknown if importer.files and importer.files.fullmatch(file.name)]
    return importer, [*chosen, *named]


def _unknown(path: Path, names: Sequence[str]) -> InputError:
    """The error for a folder or archive of no known kind, which says what is in it."""
    for name in names:
        _refuse_unreadable(name, f"{path}: {name} is ")
    kind = "folder" if path.is_dir() else "zip archive"
    if not names:
        return InputError(f"{path}: an empty {kind}")
    suffixes = Counter(PurePosixPath(name).suffix or "no suffix" for name in names)
    counts = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common(_NAMED))
    more = ", ..." if len(names) > _NAMED else ""
    return InputError(
        f"{path}: a {kind} of {len(names):,} files ({counts}: {', '.join(names[:_NAMED])}{more}),"
        f" and no export of the formats {_formats()}"
    )


def _refuse_unreadable(name: str, before: str) -> None:
    """Raises UnreadableExport for a file of a program's that its importer cannot read."""
    for importer in importers():
        for pattern, kind in importer.unreadable:
            if re.fullmatch(pattern, name):
                raise UnreadableExport(f"{before}{kind}")


def _formats() -> str:
    return ", ".join([*(importer.name for importer in importers()), "dump"])


def _is_dump(file: InputFile) -> bool:
    """Whether a file is a memory that `write_dump` wrote: its first line says so."""
    first = next(decoded_text(file), "").lstrip().partition("\n")[0]
    return first.startswith("{") and f'"{DUMP_HEAD}"' in first[:_HEAD_CHARACTERS]


def _importer_of(path: Path, file: InputFile, columns: Mapping[str, str]) -> Importer:
    """The importer for the first value that one knows. Raises InputError if there is none."""
    beginning = next((text for text in decoded_text(file) if text.strip()), "").lstrip()
    if not beginning:
        raise InputError(f"{path}: the file is empty")
    of_text = [i for i in importers() if i.is_text and i.is_text(beginning)]
    if of_text and not (of_text[0].is_plain and beginning[0] in "[{"):
        if of_text[0].is_plain:
            _refuse_unreadable(path.name, f"{path}: ")
        return of_text[0]

    keys: list[str] = []  # of the first object, for the error message
    for value in outlined_objects(file):
        for importer in importers():
            if importer.is_object and importer.is_object(value):
                return importer
            if importer.is_plain and importer.is_object and {*columns.values()} & {*value}:
                return importer
        keys = keys or [str(key) for key in value]
    next(json_values(file), None)  # raises an error if anything is wrong with it
    content = f"with {', '.join(keys)[:200]}" if keys else "with nothing in it"
    raise InputError(f"{path}: JSON {content}, in a format other than {_formats()}")
