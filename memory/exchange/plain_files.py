"""Turns in JSON lines and CSV, including the column names of chats and long_term_memory."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from memory.errors import InputError
from memory.exchange.date_order import DateOrder, date_order, ordered_date
from memory.exchange.items import first_error, short_hash, skipped_counts, with_date
from memory.exchange.json_files import InputFile, decoded_text, json_values, refuse_long_value
from memory.exchange.reading_errors import ColumnsError
from memory.records import Kind, Skipped, Turn
from memory.store.temporary_tables import KeyCounts
from memory.text.message_parts import THOUGHTS, TOOLS, joined_parts, reason_not_said
from memory.text.speakers import speaker_by_role
from memory.text.written_dates import clean_date

TURN_COLUMNS = ("speaker", "text", "session", "said_at", "source", "kind")
# The columns that the long_term_memory extension of text-generation-webui exports.
LTM_COLUMNS = ("id", "name", "message", "timestamp")


# What Excel writes as the first line of a table, for itself.
_SEPARATOR = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)
NO_COLUMNS: Mapping[str, str] = {}
_DATES = ("timestamp", "created_at", "time", "date", "ts")
# Other programs' names for the columns.
_SYNONYMS = {
    "speaker": ("role", "name"),
    "text": ("content", "message"),
    "said_at": _DATES,
}
# Keys of chat messages that hold no one's words. Reports count the ones that may hold a lot.
_ASIDE = frozenset({"id", "name", "type", "status", "tool_call_id", "refusal", "annotations"})
_COUNTED = {"tool_calls": TOOLS, "function_call": TOOLS, "reasoning_content": THOUGHTS}
_KNOWN_NAMES = (
    f"{', '.join(TURN_COLUMNS)}, tags; role or name for speaker, content or message for text,"
    f" {', '.join(_SYNONYMS['said_at'])} for said_at"
)


class _JsonLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    speaker: str
    text: str
    session: str = ""
    said_at: str | int | float | None = ""
    source: str = ""
    kind: Kind = "message"
    tags: dict[str, str | list[str]] = {}


def read_jsonl(
    file: InputFile,
    user: str,
    columns: Mapping[str, str] = NO_COLUMNS,
    order: DateOrder = "",
) -> Iterator[Turn | Skipped]:
    """One object per line (or a list of them); `role` and `content` mean speaker and text.

    `columns` are other names for ours; with them, keys without a name of ours are left out. Joins
    OpenAI's content in parts: a picture becomes `[image]`. Leaves out and counts tool calls. Dates
    in numbers have the day or the month first as `order` says, or as the others in the file show;
    if nothing shows it, they stay unchanged. Yields a Skipped for a line that is not a turn. An
    unknown key raises InputError with the known keys, as every line may have the same mistake.
    """
    equal_rows = KeyCounts()
    left_out: Counter[str] = Counter()
    order = order or date_order(_dates_of_objects(file, columns)) or ""
    for item in _json_items(file):
        if isinstance(item, Skipped):
            yield item
            continue
        location, value = item
        if not isinstance(value, dict):
            yield Skipped(location, "not an object")
            continue
        row, reasons = row_of_message(_mapped(value, columns))
        left_out.update(reasons)
        if reasons and not row.get("text"):
            continue  # `left_out` counts it
        try:
            line = _JsonLine.model_validate(row)
        except ValidationError as error:
            unknown = [
                detail["loc"][0] for detail in error.errors() if detail["type"] == "extra_forbidden"
            ]
            if unknown:
                raise InputError(
                    f"{file.name}: {location}: unknown key {unknown[0]!r}; known are {_KNOWN_NAMES}"
                ) from error
            yield Skipped(location, first_error(error))
            continue
        turn = Turn(
            speaker=line.speaker,
            text=line.text,
            session=line.session,
            said_at=_date("" if line.said_at is None else str(line.said_at), order),
            source=line.source,
            kind=line.kind,
            tags=line.tags,
        )
        yield from _with_source(
            with_role(turn, value, user), location, format="jsonl", row=value, equal_rows=equal_rows
        )
    yield from skipped_counts(left_out)


def _json_items(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    is_list = next(decoded_text(file), "").lstrip().startswith("[")
    return json_values(file) if is_list else _objects(file)


def _dates_of_objects(file: InputFile, columns: Mapping[str, str]) -> Iterator[str]:
    for item in _json_items(file):
        if not isinstance(item, Skipped) and isinstance(item[1], dict):
            row, _ = row_of_message(_mapped(item[1], columns))
            yield str(row.get("said_at", ""))


def _date(text: str, order: DateOrder) -> str:
    return (order and ordered_date(text, order)) or text


def row_of_message(value: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """A message with our names and its content as one text; and the reasons for omitted parts."""
    reasons = {reason for name, reason in _COUNTED.items() if value.get(name)}
    if "role" not in value and (reason := reason_not_said(value)):
        return {}, {reason}  # a separate item between messages
    names = _our_names(value)
    row = {names[name]: content for name, content in value.items() if name not in _COUNTED}
    if "role" in value:
        row = {name: content for name, content in row.items() if name not in _ASIDE}
    if isinstance(row.get("text"), list):
        row["text"] = joined_parts(row["text"], reasons)
    return row, reasons


def _our_names(names: Iterable[str]) -> dict[str, str]:
    """Each name with ours for it. A second name for one column stays unchanged, and is unknown."""
    ours_by_name = {name: name for name in names}
    for ours, synonyms in _SYNONYMS.items():
        synonym = next((name for name in synonyms if name in ours_by_name), None)
        if synonym and ours not in ours_by_name:
            ours_by_name[synonym] = ours
    return ours_by_name


def with_role(turn: Turn, message: Mapping[str, Any], user: str) -> Turn | str:
    """The turn of a chat message with the speaker of its role, or the reason to leave it out."""
    role = message.get("role")
    if role is None:
        return turn
    if role in ("system", "developer"):
        return "system message"
    name = str(message.get("name") or "")
    if role in ("tool", "function"):
        return replace(turn, speaker=speaker_by_role("Tool", name, [user]), kind="tool")
    by_role = user if role == "user" else turn.speaker.capitalize()
    return replace(turn, speaker=speaker_by_role(by_role, name, [user]))


def _objects(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    for number, line in enumerate(lines_of(file), 1):
        location = f"line {number:,}"
        if not line.strip():
            continue
        try:
            yield location, json.loads(line)
        except (ValueError, RecursionError) as error:
            is_last = not line.endswith("\n")
            yield Skipped(location, f"not JSON: {'the file may be cut off' if is_last else error}")


def lines_of(file: InputFile) -> Iterator[str]:
    """The lines of a text, each with its line end."""
    unfinished: list[str] = []  # joined once: otherwise every chunk would copy a long line
    characters = 0
    for chunk in decoded_text(file):
        first, *others = chunk.split("\n")
        unfinished.append(first)
        characters += len(first)
        if others:
            yield "".join(unfinished) + "\n"
            yield from (line + "\n" for line in others[:-1])
            unfinished = [others[-1]]
            characters = len(others[-1])
        refuse_long_value(file, characters)
    if characters:
        yield "".join(unfinished)


def _with_source(
    turn: Turn | str, location: str, format: str, row: object, equal_rows: KeyCounts
) -> Iterator[Turn | Skipped]:
    """The turn; without a source, it gets a hash of its row and its number among equal rows.

    The same file then gets the same sources at the next import, and equal rows stay several turns.
    """
    if isinstance(turn, str):
        yield Skipped(location, turn)
        return
    if not turn.text.strip() or not turn.speaker.strip():
        yield Skipped(location, "no text" if turn.speaker.strip() else "no speaker")
        return
    if not turn.source.strip():
        row_hash = short_hash(row)
        turn = replace(turn, source=f"{format}:{row_hash}:{equal_rows.add(row_hash)}")
    yield from with_date(turn, location)


# Text that a spreadsheet reads as a formula (OWASP, "CSV Injection").
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def as_cell(text: str) -> str:
    """A text as a CSV cell that no spreadsheet computes: a "'" goes before a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _text_of(cell: str) -> str:
    """The text of a cell; undoes `as_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_csv(
    file: InputFile,
    user: str,
    columns: Mapping[str, str] = NO_COLUMNS,
    order: DateOrder = "",
) -> Iterator[Turn | Skipped]:
    """A table with our columns, or with the columns of a chat or the long_term_memory extension.

    Removes the "'" that our exports put before formulas. The extension's own export has no header.
    Commas, semicolons or tabs separate the cells, or the character in a first line `sep=;`.
    `columns` are other names for ours; with them, columns without a name of ours are left out.
    Dates in numbers have the day or the month first as `order` says, or as the others in the file
    show. Raises InputError for other columns.
    """
    delimiter, header, has_header = _columns(file, columns)
    order = order or date_order(_dates_of_table(file, delimiter, header, columns)) or ""
    equal_rows = KeyCounts()
    for number, (location, row) in enumerate(_rows(_table_lines(file), delimiter)):
        if number == 0 and has_header:
            continue
        if isinstance(row, str):
            yield Skipped(location, row)
        elif len(row) != len(header):
            yield Skipped(location, f"{len(row)} columns where {len(header)} belong")
        else:
            named_cells = _mapped(dict(zip(header, row, strict=True)), columns)
            names = _our_names(named_cells)
            cells = {names[name]: cell for name, cell in named_cells.items()}
            cell = cells.get("kind") or "message"
            kind: Kind | None = next((kind for kind in get_args(Kind) if kind == cell), None)
            if kind is None:
                yield Skipped(location, f"kind {cell!r} is not {', '.join(get_args(Kind))}")
                continue
            said_at = _date(cells.get("said_at", ""), order)
            # A session of the extension's messages is a day.
            day = clean_date(said_at)[:10] if "message" in header else ""
            turn = Turn(
                speaker=_text_of(cells["speaker"]),
                text=_text_of(cells["text"]),
                session=cells.get("session", day),
                said_at=said_at,
                source=cells.get("source", ""),
                kind=kind,
            )
            turn_or_reason = with_role(turn, named_cells, user)
            yield from _with_source(
                turn_or_reason, location, format="csv", row=row, equal_rows=equal_rows
            )


def _dates_of_table(
    file: InputFile, delimiter: str, header: Sequence[str], columns: Mapping[str, str]
) -> Iterator[str]:
    for _, row in _rows(_table_lines(file), delimiter):
        if not isinstance(row, str) and len(row) == len(header):
            named_cells = _mapped(dict(zip(header, row, strict=True)), columns)
            names = _our_names(named_cells)
            yield next((named_cells[name] for name in names if names[name] == "said_at"), "")


def _table_lines(file: InputFile) -> Iterator[str]:
    """The lines of a table, without the one that tells Excel the separator of its cells."""
    lines = lines_of(file)
    first = next(lines, "")
    if not _SEPARATOR.fullmatch(first):
        yield first
    yield from lines


def _mapped(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    """A row with our names for the named columns, without the unnamed ones."""
    if not columns:
        return row
    theirs = {name.casefold(): ours for ours, name in columns.items()}
    named = {theirs.get(name.casefold(), name): value for name, value in row.items()}
    known = {*TURN_COLUMNS, "tags", *(name for names in _SYNONYMS.values() for name in names)}
    known -= {name for ours in columns for name in _SYNONYMS.get(ours, ())}
    return {name: value for name, value in named.items() if name in known}


def _columns(
    file: InputFile, columns: Mapping[str, str] = NO_COLUMNS
) -> tuple[str, list[str], bool]:
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
        ours = {*_our_names(_mapped(dict.fromkeys(names), columns)).values()}
        is_unique = len({*names}) == len(names)
        aside = {"id", "name"} if "role" in names else {"id"}
        if is_unique and {"speaker", "text"} <= ours <= {*TURN_COLUMNS, *aside}:
            return delimiter, names, True
        if len(row) == len(LTM_COLUMNS) and row[0].strip().isdecimal() and clean_date(row[3]):
            return delimiter, list(LTM_COLUMNS), False
        widest = max(widest, names, key=len)
    raise ColumnsError(
        f"{file.name}: the columns are {', '.join(widest)[:200] or 'none'}; wanted are"
        f" speaker and text at least, of {_KNOWN_NAMES}",
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
