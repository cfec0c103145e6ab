"""Turns in plain files: JSON lines and CSV, also as chats and long_term_memory name columns."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from memory.errors import InputError
from memory.exchange.items import Skipped, clean_date, first_error, short_hash
from memory.exchange.json_files import InputFile, decoded_text, json_values
from memory.model import Kind, Turn

TURN_COLUMNS = ("speaker", "text", "session", "said_at", "source", "kind")
# What the long_term_memory extension of text-generation-webui exports of a character.
LTM_COLUMNS = ("id", "name", "message", "timestamp")


class _JsonLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    speaker: str = Field(validation_alias=AliasChoices("speaker", "role"))
    text: str = Field(validation_alias=AliasChoices("text", "content"))
    session: str = ""
    said_at: str | int | float = ""
    source: str = ""
    kind: Kind = "message"


def read_jsonl(file: InputFile, user: str) -> Iterator[Turn | Skipped]:
    """One object a line (or a list of them); `role` and `content` stand for speaker and text.

    A date that is not ISO text stays as it was said. A line that is no turn is Skipped. An
    unknown key raises InputError with the known keys, as every line may have the same slip.
    """
    equal_rows: Counter[str] = Counter()
    is_list = next(decoded_text(file), "").lstrip().startswith("[")
    for item in json_values(file) if is_list else _objects(file):
        if isinstance(item, Skipped):
            yield item
            continue
        place, value = item
        if not isinstance(value, dict):
            yield Skipped(place, "not an object")
            continue
        try:
            line = _JsonLine.model_validate(value)
        except ValidationError as error:
            unknown = [
                detail["loc"][0] for detail in error.errors() if detail["type"] == "extra_forbidden"
            ]
            if unknown:
                raise InputError(
                    f"{file.name}: {place}: unknown key {unknown[0]!r}; known are"
                    f" {', '.join(TURN_COLUMNS)}, and role and content"
                ) from error
            yield Skipped(place, first_error(error))
            continue
        turn = Turn(
            speaker=line.speaker,
            text=line.text,
            session=line.session,
            said_at=str(line.said_at),
            source=line.source,
        )
        if "role" not in value:
            turn = replace(turn, kind=line.kind)
        elif line.speaker == "system":
            yield Skipped(place, "system message")
            continue
        else:
            speaker = user if line.speaker == "user" else line.speaker.capitalize()
            turn = replace(turn, speaker=speaker, kind="tool" if speaker == "Tool" else line.kind)
        yield _with_source(turn, place, format="jsonl", row=value, equal_rows=equal_rows)


def _objects(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    for number, line in enumerate(_lines(file), 1):
        place = f"line {number:,}"
        if not line.strip():
            continue
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            is_last = not line.endswith("\n")
            yield Skipped(place, f"not JSON: {'the file may be cut off' if is_last else error}")


def _lines(file: InputFile) -> Iterator[str]:
    """The lines of a text, each with its end."""
    unfinished = ""
    for chunk in decoded_text(file):
        *lines, unfinished = (unfinished + chunk).split("\n")
        yield from (line + "\n" for line in lines)
    if unfinished:
        yield unfinished


def _with_source(
    turn: Turn, place: str, format: str, row: object, equal_rows: Counter[str]
) -> Turn | Skipped:
    """The turn; one without a source gets a hash of its row and its number among equal rows.

    So the same file has the same sources at the next import, and equal rows stay several turns.
    """
    if not turn.text.strip() or not turn.speaker.strip():
        return Skipped(place, "no text" if turn.speaker.strip() else "no speaker")
    if turn.source.strip():
        return replace(turn, said_at=clean_date(turn.said_at) or turn.said_at)
    row_hash = short_hash(row)
    equal_rows[row_hash] += 1
    source = f"{format}:{row_hash}:{equal_rows[row_hash]}"
    return replace(turn, said_at=clean_date(turn.said_at) or turn.said_at, source=source)


def read_csv(file: InputFile) -> Iterator[Turn | Skipped]:
    """A table with our columns, or with those of the long_term_memory extension.

    The extension's own export has no header. Cells are separated by commas, semicolons or tabs.
    Raises InputError for other columns.
    """
    delimiter, header, has_header = _columns(file)
    equal_rows: Counter[str] = Counter()
    for number, (place, row) in enumerate(_rows(_lines(file), delimiter)):
        if number == 0 and has_header:
            continue
        if isinstance(row, str):
            yield Skipped(place, row)
        elif len(row) != len(header):
            yield Skipped(place, f"{len(row)} columns where {len(header)} belong")
        else:
            cells = dict(zip(header, row, strict=True))
            cell = cells.get("kind") or "message"
            kind: Kind | None = next((kind for kind in get_args(Kind) if kind == cell), None)
            if kind is None:
                yield Skipped(place, f"kind {cell!r} is not {', '.join(get_args(Kind))}")
                continue
            turn = Turn(
                speaker=cells.get("speaker", cells.get("name", "")),
                text=cells.get("text", cells.get("message", "")),
                session=cells.get("session", clean_date(cells.get("timestamp"))[:10]),
                said_at=cells.get("said_at", cells.get("timestamp", "")),
                source=cells.get("source", ""),
                kind=kind,
            )
            yield _with_source(turn, place, format="csv", row=row, equal_rows=equal_rows)


def _columns(file: InputFile) -> tuple[str, list[str], bool]:
    """(delimiter, columns, whether the first row names them). InputError for unknown columns."""
    widest: list[str] = []  # the first row by the delimiter that fits it best
    for delimiter in ",;\t":
        _, row = next(_rows(_lines(file), delimiter), ("", "no row"))
        if isinstance(row, str):
            continue
        names = [cell.strip().casefold() for cell in row]
        is_unique = len(set(names)) == len(names)
        if is_unique and {"speaker", "text"} <= set(names) <= set(TURN_COLUMNS):
            return delimiter, names, True
        if is_unique and {"name", "message"} <= set(names) <= set(LTM_COLUMNS):
            return delimiter, names, True
        if len(row) == len(LTM_COLUMNS) and row[0].strip().isdecimal() and clean_date(row[3]):
            return delimiter, list(LTM_COLUMNS), False
        widest = max(widest, names, key=len)
    raise InputError(
        f"{file.name}: the columns are {', '.join(widest)[:200] or 'none'}; wanted are"
        f" {', '.join(TURN_COLUMNS)} (speaker and text at least), or {', '.join(LTM_COLUMNS)}"
    )


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[str, list[str] | str]]:
    """The place of every row that is not empty, and its cells or the reason why there are none."""
    csv.field_size_limit(2**31 - 1)  # a cell may be as long as a turn, and longer
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        place = f"line {reader.line_num + 1:,}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cut_off = "unexpected end" in str(error)
            unclosed = "a quotation mark opens here and nothing closes it"
            yield place, unclosed if cut_off else str(error)
            continue
        if row:
            yield place, row
