"""Turns in CSV, including the columns of chats and of the long_term_memory extension."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from memory.exchange.date_order import date_order
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.plain_files import (
    KNOWN_NAMES,
    TURN_COLUMNS,
    date_in_order,
    in_our_columns,
    lines_of,
    our_names,
    with_role,
    with_source,
)
from memory.exchange.reading_errors import ColumnsError
from memory.records import Kind, Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.text.cells import text_of_cell
from memory.text.written_dates import clean_date

# The columns that the long_term_memory extension of text-generation-webui exports.
LTM_COLUMNS = ("id", "name", "message", "timestamp")
# What Excel writes as the first line of a table, for itself.
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)


def read_csv(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """A table with our columns, or with the columns of a chat or the long_term_memory extension.

    In the columns that our exports have, which are the extension's, it removes the "'" that they
    put before formulas; other tables are read word for word. The extension's own export has no
    header.
    Commas, semicolons or tabs separate the cells, or the character in a first line `sep=;`.
    With `export.columns`, columns without a name of ours are left out. Dates in numbers have the
    day or the month first as `export.dates` says, or as the others in the file show. Raises
    InputError for other columns.
    """
    [file] = export.files
    columns = export.columns
    delimiter, header, has_header = _columns(file, columns)
    order = export.dates or date_order(_dates_of_table(file, delimiter, header, columns)) or ""
    text_of = text_of_cell if "message" in header else str
    equal_rows = KeyCounts()
    for number, (location, row) in enumerate(_rows(_table_lines(file), delimiter)):
        if number == 0 and has_header:
            continue
        if isinstance(row, str):
            yield Skipped(location, row)
        elif len(row) != len(header):
            yield Skipped(location, f"{len(row)} columns where {len(header)} belong")
        else:
            named_cells = in_our_columns(dict(zip(header, row, strict=True)), columns)
            names = our_names(named_cells)
            cells = {names[name]: cell for name, cell in named_cells.items()}
            cell = cells.get("kind") or "message"
            kind: Kind | None = next((kind for kind in get_args(Kind) if kind == cell), None)
            if kind is None:
                yield Skipped(location, f"kind {cell!r} is not {', '.join(get_args(Kind))}")
                continue
            said_at = date_in_order(text_of(cells.get("said_at", "")), order)
            # A session of the extension's messages is a day.
            day = clean_date(said_at)[:10] if "message" in header else ""
            turn = Turn(
                speaker=text_of(cells["speaker"]),
                text=text_of(cells["text"]),
                session=cells.get("session", day),
                said_at=said_at,
                source=cells.get("source", ""),
                kind=kind,
            )
            turn_or_reason = with_role(turn, named_cells, export.user)
            yield from with_source(
                turn_or_reason, location, format="csv", row=row, equal_rows=equal_rows
            )


def _dates_of_table(
    file: InputFile, delimiter: str, header: Sequence[str], columns: Mapping[str, str]
) -> Iterator[str]:
    for _, row in _rows(_table_lines(file), delimiter):
        if not isinstance(row, str) and len(row) == len(header):
            named_cells = in_our_columns(dict(zip(header, row, strict=True)), columns)
            names = our_names(named_cells)
            yield next((named_cells[name] for name in names if names[name] == "said_at"), "")


def _table_lines(file: InputFile) -> Iterator[str]:
    """The lines of a table, without the line that tells Excel its separator."""
    lines = lines_of(file)
    first = next(lines, "")
    if not _SEPARATOR.fullmatch(first):
        yield first
    yield from lines


def _columns(file: InputFile, columns: Mapping[str, str]) -> tuple[str, list[str], bool]:
    """(delimiter, columns, whether the first row names them). InputError for unknown columns."""
    widest: list[str] = []  # the first row, split by the delimiter that gives most columns
    told = _SEPARATOR.fullmatch(next(lines_of(file), ""))
    for delimiter in told[1] if told else ",;\t":
        _, row = next(_rows(_table_lines(file), delimiter), ("", "no row"))
        if isinstance(row, str):
            continue
        names = [cell.strip().casefold() for cell in row]
        missing = {name.casefold() for name in columns.values()} - {*names}
        if missing and len(names) > len(widest):
            widest = names
        if missing:
            continue
        ours = {*our_names(in_our_columns(dict.fromkeys(names), columns)).values()}
        is_unique = len({*names}) == len(names)
        aside = {"id", "name"} if "role" in names else {"id"}
        if is_unique and {"speaker", "text"} <= ours <= {*TURN_COLUMNS, *aside}:
            return delimiter, names, True
        if len(row) == len(LTM_COLUMNS) and row[0].strip().isdecimal() and clean_date(row[3]):
            return delimiter, list(LTM_COLUMNS), False
        widest = max(widest, names, key=len)
    raise ColumnsError(
        f"{file.name}: the columns are {', '.join(widest)[:200] or 'none'}; wanted are"
        f" speaker and text at least, of {KNOWN_NAMES}",
        ". Name others with --map, as in --map speaker=Sender --map text=Message",
    )


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[str, list[str] | str]]:
    """The location of each row that is not empty, with its cells or the reason to skip it."""
    csv.field_size_limit(2**31 - 1)  # a cell may be longer than a turn
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        location = f"line {reader.line_num + 1:,}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cut_off = "unexpected end" in str(error)
            unclosed = "a quotation mark opens here and nothing closes it"
            yield location, unclosed if cut_off else str(error)
            continue
        if row:
            yield location, row


# Any text may be a table: this comes after all other texts.
IMPORTER = Importer("csv", read_csv, is_text=lambda beginning: True, is_plain=True)
