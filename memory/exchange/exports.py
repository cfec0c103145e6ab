"""Exports of a memory: CSV, lossless JSON lines, or Markdown to read."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from memory.errors import InputError, StoreError
from memory.exchange.csv_tables import LTM_COLUMNS
from memory.exchange.imports import DUMP_HEAD, DUMP_VERSION
from memory.records import Fact, Turn
from memory.store import Store
from memory.store.configuration.setting_values import EXPORT
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.turns.turn_reads import batches_of_turns
from memory.store.turns.turn_validation import SPEAKS_OF
from memory.system.files import whole
from memory.system.logs import clean_logger
from memory.text.cells import as_cell
from memory.text.dates import spoken_date
from memory.text.turn_filter import texts_of

_log = clean_logger("memory.export")
EXPORT_FORMATS = ("csv", "jsonl", "md")
_TURNS_AT_ONCE = 1_000  # the process's memory must not grow with the namespace


@dataclass(frozen=True)
class ExportCounts:
    """How many turns a file holds, and how many it leaves out: CSV holds only messages."""

    turns: int
    left_out: int = 0


def export_format(path: Path, format: str | None = None) -> str:
    """The given format, or that of the suffix. Raises InputError for an unknown one."""
    format = format or path.suffix.removeprefix(".").lower()
    if format not in EXPORT_FORMATS:
        formats = ", ".join(EXPORT_FORMATS)
        raise InputError(f"{path}: give --format {formats}, or one of these suffixes")
    return format


def export_memory(store: Store, path: Path, format: str, title: str) -> ExportCounts:
    """Write a memory to a file, whole or not at all. Replaces an existing file.

    "csv" holds the messages under LTM_COLUMNS, as the long_term_memory extension exports them.
    "jsonl" holds everything: `load_dump` makes an equal memory of it. "md" holds all turns and
    facts to read, below the heading `title`. The memory notes the file, for `forget`.
    Raises InputError when the file cannot be written.
    """
    with whole(path) as raw:
        file = TextIOWrapper(raw, "utf-8", newline="")
        counts = write_memory(store, file, format, title)
        file.detach()  # flushes, and leaves the file open for `whole` to move
    _note_export(store, path)
    return counts


def _note_export(store: Store, path: Path) -> None:
    """Note a file that holds this memory's words, if the memory can be written."""
    name = str(path.absolute())
    if store.read_only or any(note.value == name for note in settings_of(store, EXPORT)):
        return
    try:
        set_setting(store, EXPORT, name)
    except StoreError as error:  # of a full disk, the export is what saves the memory
        _log.warning("%s is not noted, so `forget` will not name it: %s", path, error)


def write_memory(store: Store, file: TextIO, format: str, title: str) -> ExportCounts:
    """Write a memory to an open file, in one of the formats of `export_memory`."""
    write = {"csv": _write_csv, "jsonl": write_dump}.get(format, partial(_write_markdown, title))
    return write(store, file)


def _turns(store: Store) -> Iterator[Turn]:
    return chain.from_iterable(batches_of_turns(store, _TURNS_AT_ONCE))


def _write_csv(store: Store, file: TextIO) -> ExportCounts:
    # Lines end in CR LF: then every version of the writer quotes a lone CR or LF in a text.
    rows = csv.writer(file, lineterminator="\r\n")
    rows.writerow(LTM_COLUMNS)
    written = left_out = 0
    for turn in _turns(store):
        if turn.kind == "message":
            rows.writerow((turn.id, *map(as_cell, (turn.speaker, turn.text, turn.said_at))))
            written += 1
        else:
            left_out += 1
    return ExportCounts(written, left_out)


def write_dump(store: Store, file: TextIO) -> ExportCounts:
    """Write everything in a memory to an open file, as JSON lines."""
    turns = 0
    for record in _records(store):
        file.write(_as_line(record))
        turns += record.get("table") == "turns"
    return ExportCounts(turns)


def dump_lines(store: Store) -> Iterator[str]:
    """Everything in a memory, as lines of JSON with their ends."""
    return map(_as_line, _records(store))


def _records(store: Store) -> Iterator[dict[str, Any]]:
    yield {DUMP_HEAD: DUMP_VERSION}
    yield from store.dump()


def _as_line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


# --- Markdown -----------------------------------------------------------------------------------

_MARKS = re.compile(r"([\\`*_\[\]<>&|~$#])")
# Marks of a list or a heading, which count only at the beginning of a line.
_FIRST_MARK = re.compile(r"[-+=]|\d+(?=[.)])")


def _write_markdown(title: str, store: Store, file: TextIO) -> ExportCounts:
    file.write(f"# {_line(title)}\n")
    turns = 0
    session = None
    for turn in _turns(store):
        if turn.session != session:
            session = turn.session
            day = f" ({_line(spoken_date(turn.said_at))})" if turn.said_at else ""
            file.write(f"\n## {_line(session) or 'No session'}{day}\n")
        file.write(f"\n{_turn_paragraphs(turn)}\n")
        turns += 1
    if facts := store.facts():
        file.write("\n## Facts\n\n| subject | attribute | value | from | until | turn |\n")
        file.write("|---|---|---|---|---|---|\n")
        for fact in facts:
            file.write(f"| {' | '.join(map(_line, _cells(fact)))} |\n")
    return ExportCounts(turns)


def _turn_paragraphs(turn: Turn) -> str:
    """`[12] **Anna** (2017-05-08 13:56): text`, with the lines and paragraphs of the text."""
    date = f" ({_line(turn.said_at.replace('T', ' '))})" if turn.said_at else ""
    kind = "" if turn.kind == "message" else f" {turn.kind}"
    tags = "".join(
        f" ({_line(key)}: {_line(', '.join(texts_of(value)))})"
        for key, value in turn.tags.items()
        if key != SPEAKS_OF  # its words say it
    )
    head = rf"\[{turn.id}\] **{_line(turn.speaker)}**{kind}{date}{tags}: "
    paragraphs = re.split(r"\n\s*\n", "\n".join(turn.text.strip().splitlines()))
    texts = ["\\\n".join(map(_escape, paragraph.split("\n"))) for paragraph in paragraphs]
    return head + "\n\n".join(texts)


def _cells(fact: Fact) -> tuple[str, ...]:
    return (
        fact.subject,
        fact.attribute,
        fact.value,
        fact.happened_on,
        fact.ended_on,
        f"[{fact.turn_id}]",
    )


def _line(text: str) -> str:
    return _escape(" ".join(text.split()))


def _escape(line: str) -> str:
    """A line without meaning to Markdown. Keeps its indentation."""
    bare = line.strip()
    # No-break spaces: four plain spaces would begin a block of code.
    indent = "\N{NO-BREAK SPACE}" * (len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip()))
    plain = _MARKS.sub(r"\\\1", bare)
    if mark := _FIRST_MARK.match(plain):
        # In "12." the escape goes before the full stop: before a digit, a backslash shows.
        index = mark.end() if mark[0].isdigit() else 0
        plain = f"{plain[:index]}\\{plain[index:]}"
    return indent + plain
