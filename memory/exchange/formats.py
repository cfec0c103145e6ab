"""Recognises the format of a foreign export by its content, and reads its turns."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from memory.errors import InputError
from memory.exchange.character_chats import (
    is_oobabooga,
    is_sillytavern,
    read_oobabooga,
    read_sillytavern,
)
from memory.exchange.chatgpt import read_chatgpt
from memory.exchange.claude import read_claude, read_claude_memories
from memory.exchange.claude_designs import is_claude_design, read_claude_designs
from memory.exchange.claude_projects import project_names, read_claude_projects
from memory.exchange.date_order import DateOrder
from memory.exchange.discord import is_discord, read_discord
from memory.exchange.gemini import is_gemini, read_gemini
from memory.exchange.grok import is_grok, read_grok
from memory.exchange.items import ForeignExport, storable_items
from memory.exchange.json_files import (
    InputFile,
    decoded_text,
    file_names,
    input_files,
    is_of_designs,
    is_of_memories,
    is_of_projects,
    json_outlines,
    json_values,
    unread_files,
    wrapped_elements,
)
from memory.exchange.ltm import (
    DATABASE,
    character_database,
    character_name,
    read_ltm,
    vector_notes,
)
from memory.exchange.memories import read_langmem, read_mem0
from memory.exchange.message_lists import is_message_list, read_message_lists
from memory.exchange.messenger import is_messenger, read_messenger
from memory.exchange.open_webui import is_open_webui, read_open_webui
from memory.exchange.plain_files import NO_COLUMNS, TURN_COLUMNS, read_csv, read_jsonl
from memory.exchange.reading_errors import UnreadableExport
from memory.exchange.signal import is_signal, read_signal
from memory.exchange.slack import is_slack, is_slack_list, read_slack
from memory.exchange.telegram import is_telegram, read_telegram
from memory.exchange.whatsapp import is_whatsapp, read_whatsapp
from memory.records import Skipped, Turn
from memory.system.files import open_regular
from memory.text.written_dates import clean_date

_FORMATS = (
    "ltm, chatgpt, claude, claude memories, claude projects, claude designs, whatsapp, telegram,"
    " messenger, discord, slack, signal, open webui, sillytavern, oobabooga, grok, gemini,"
    " messages, mem0, langmem, jsonl, csv, dump"
)
_SQLITE_MAGIC = b"SQLite format 3\0"
# How many values of a JSON file to check: the first ones may be damaged or not objects.
_VALUES_PROBED = 20
_NAMED = 5  # files in a message
# Files that programs write, and that no reader opens: what they are, and what to export instead.
_UNREADABLE = (
    (r"(.*/)?message_\d+\.html", "Meta's chats in HTML; choose JSON as the format of the download"),
    (r"(.*/)?messages\d*\.html", "Telegram's chats in HTML; export them as machine-readable JSON"),
    (
        r"(.*/)?MyActivity\.html",
        "Google's activity in HTML; choose JSON for My Activity in Takeout",
    ),
    (r"(.*/)?chat\.html", "ChatGPT's chats in HTML; import the zip or its conversations.json"),
    (r"(.*/)?msgstore.*\.crypt\d+", "WhatsApp's encrypted backup; export the chat from its menu"),
    (
        r"(.*/)?signal-.*\.backup",
        "Signal's encrypted backup; export chats with its desktop program",
    ),
    (r"(.*/)?(main|dms|groups)\.binproto", "Signal's backup; export chats as JSON instead"),
)


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
        user: the speaker's name for the user of a chat application.
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

    if _is_ltm(path):
        database = character_database(path)
        export = _looked_through("ltm", character_name(database), lambda: read_ltm(database))
        return replace(export, notes=(*export.notes, *vector_notes(database, export.total or 0)))

    name = path.resolve().stem
    found = _recognised(path, input_files(path, encoding), columns)
    files, lists = found.files, found.lists
    memories = [file for file in files if is_of_memories(file)]
    projects = [file for file in files if is_of_projects(file)]
    designs = [file for file in files if is_of_designs(file)]
    chats = [file for file in files if file not in (*memories, *projects, *designs)]
    readers: dict[str, Callable[[], Iterator[Turn | Skipped]]] = {
        "chatgpt": lambda: read_chatgpt(chats, user),
        "claude": lambda: chain(
            read_claude(chats, user),
            read_claude_designs(designs, user),
            read_claude_memories(memories, project_names(projects)),
            read_claude_projects(projects, user),
        ),
        "claude memories": lambda: read_claude_memories(files),
        "claude projects": lambda: read_claude_projects(files, user),
        "claude designs": lambda: read_claude_designs(files, user),
        "whatsapp": lambda: read_whatsapp(files, name, dates),
        "telegram": lambda: read_telegram(files),
        "messenger": lambda: read_messenger(files),
        "discord": lambda: read_discord(files),
        "slack": lambda: read_slack(files, lists, name if path.is_dir() else path.parent.name),
        "signal": lambda: read_signal(files, user),
        "open webui": lambda: read_open_webui(files, user),
        "sillytavern": lambda: read_sillytavern(files),
        "oobabooga": lambda: read_oobabooga(files, path, user),
        "grok": lambda: read_grok(files, user),
        "gemini": lambda: read_gemini(files, user),
        "messages": lambda: read_message_lists(files, user),
        "mem0": lambda: read_mem0(files),
        "langmem": lambda: read_langmem(files),
        "jsonl": lambda: read_jsonl(files[0], user, columns, dates),
        "csv": lambda: read_csv(files[0], user, columns, dates),
        "dump": lambda: iter(()),
    }
    export = _looked_through(found.format, name, readers[found.format])
    return replace(export, notes=(*export.notes, *_unread(path, found)))


def _unread(path: Path, found: "_Recognised") -> Iterator[str]:
    """What was left out of a folder or archive, if it may matter."""
    unread = unread_files(path, {file.name for file in (*found.files, *found.lists)})
    if unread and found.format != "chatgpt":
        more = f", ... {len(unread):,} in all" if len(unread) > _NAMED else ""
        yield f"left out, no conversations: {', '.join(unread[:_NAMED])}{more}"


def _looked_through(
    format: str, name: str, reader: Callable[[], Iterator[Turn | Skipped]]
) -> ForeignExport:
    if format == "dump":
        return ForeignExport(format, name, items=iter(()))
    # The first pass counts the items for the progress bar and refuses unusable files.
    total = turns = undated = 0
    words = ""
    left_out: list[Skipped] = []
    for item in reader():
        total += 1
        turns += isinstance(item, Turn)
        if isinstance(item, Skipped) and not turns and len(left_out) < _NAMED:
            left_out.append(item)
        # A date in words stays unchanged.
        if isinstance(item, Turn) and item.said_at and not clean_date(item.said_at):
            undated += 1
            words = words or item.said_at[:40]
    if not turns:
        reasons = "; ".join(f"{item.where}: {item.why}" for item in left_out)
        raise InputError(
            f"{name}: nothing in it to store ({format})"
            + (f"; left out, {reasons}" if reasons else "")
        )
    note = (
        f"{undated:,} dates are no ISO text ({words!r}): they are kept unchanged, and no question"
        " by date finds them"
    )
    notes = (note,) if undated else ()
    return ForeignExport(format, name, items=storable_items(reader()), total=total, notes=notes)


def _is_ltm(path: Path) -> bool:
    """Whether a path is a long_term_memory character: a database or its folder."""
    if path.is_dir():
        return (path / DATABASE).is_file()
    try:
        with open_regular(path) as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


@dataclass(frozen=True)
class _Recognised:
    """The format of an export, its files, and the files that name people and channels."""

    format: str
    files: list[InputFile]
    lists: list[InputFile]


def _recognised(path: Path, files: list[InputFile], columns: Mapping[str, str]) -> _Recognised:
    """The format that most files have, with its files. Raises InputError if none has one."""
    if not path.is_dir() and len(files) == 1 and files[0].name == path.name:
        return _Recognised(_format_of_file(path, files[0], columns), files, [])
    lists = [file for file in files if is_slack_list(file)]
    by_format: dict[str, list[InputFile]] = {}
    errors: list[InputError] = []
    for file in files:
        if file in lists:
            continue
        if is_of_memories(file) or is_of_projects(file) or is_of_designs(file):
            format = "claude"
        else:
            try:
                format = _format_of_file(Path(file.name), file, columns)
            except InputError as error:
                errors.append(error)
                continue
        # A table or lines of other objects are known as turns only when they are given alone.
        if format not in ("csv", "jsonl", "dump"):
            by_format.setdefault(format, []).append(file)
    if not by_format:
        if len(files) == 1 and errors:
            raise InputError(f"{path}: {errors[0]}")
        raise _unknown(path)
    format = max(by_format, key=lambda known: len(by_format[known]))
    return _Recognised(format, by_format[format], lists)


def _unknown(path: Path) -> InputError:
    """The error for a folder or archive of no known kind, which says what is in it."""
    names = file_names(path)
    for name in names:
        for pattern, kind in _UNREADABLE:
            if re.fullmatch(pattern, name):
                return UnreadableExport(f"{path}: {name} is {kind}")
    kind = "folder" if path.is_dir() else "zip archive"
    if not names:
        return InputError(f"{path}: an empty {kind}")
    suffixes = Counter(PurePosixPath(name).suffix or "no suffix" for name in names)
    counts = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common(_NAMED))
    more = ", ..." if len(names) > _NAMED else ""
    return InputError(
        f"{path}: a {kind} of {len(names):,} files ({counts}: {', '.join(names[:_NAMED])}{more}),"
        f" and no export of the formats {_FORMATS}"
    )


def _format_of_file(path: Path, file: InputFile, columns: Mapping[str, str]) -> str:
    """The format of the first value that has one. Raises InputError if no value has."""
    beginning = next((text for text in decoded_text(file) if text.strip()), "").lstrip()
    if not beginning:
        raise InputError(f"{path}: the file is empty")
    if is_whatsapp(beginning):
        return "whatsapp"
    if beginning[0] not in "[{":
        for pattern, kind in _UNREADABLE:
            if re.fullmatch(pattern, path.name):
                raise UnreadableExport(f"{path}: {kind}")
        return "csv"

    keys: list[str] = []  # of the first object, for the error message
    for outline in json_outlines(file, _VALUES_PROBED):
        for value in _elements(outline):
            if format := _format_of_object(value):
                return format
            if {*columns.values()} & {*value}:
                return "jsonl"
            keys = keys or [str(key) for key in value]
    next(json_values(file), None)  # raises an error if anything is wrong with it
    content = f"with {', '.join(keys)[:200]}" if keys else "with nothing in it"
    raise InputError(f"{path}: JSON {content}, in a format other than {_FORMATS}")


def _elements(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a value that may show its format: itself, and the items of its list."""
    if isinstance(value, dict):
        yield value
        yield from (e for e in wrapped_elements(value) or () if isinstance(e, dict))


_PROBES: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "dump": lambda value: "sql-memory" in value,
    "chatgpt": lambda value: "mapping" in value,
    "claude": lambda value: "chat_messages" in value,
    "claude memories": lambda value: "conversations_memory" in value,
    "claude designs": is_claude_design,
    "claude projects": lambda value: (
        "uuid" in value and bool({"docs", "prompt_template"} & {*value})
    ),
    "discord": is_discord,
    "messenger": is_messenger,
    "telegram": is_telegram,
    "grok": is_grok,
    "open webui": is_open_webui,
    "sillytavern": is_sillytavern,
    "oobabooga": is_oobabooga,
    "gemini": is_gemini,
    "slack": is_slack,
    "signal": is_signal,
    "messages": is_message_list,
    "mem0": lambda value: {"id", "memory"} <= {*value},
    "langmem": lambda value: {"key", "value"} <= {*value},
    "jsonl": lambda value: bool({"speaker", "text", "role", "content", "message"} & {*value}),
}


def _format_of_object(value: dict[str, Any]) -> str | None:
    return next((format for format, probe in _PROBES.items() if probe(value)), None)
