"""Turns in JSON lines, or in a list of objects, including the messages of chat protocols."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from memory.errors import InputError
from memory.exchange.date_order import date_order
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile, decoded_text
from memory.exchange.items import first_error, skipped_counts
from memory.exchange.json_files import json_values
from memory.exchange.plain_files import (
    KNOWN_NAMES,
    date_in_order,
    in_our_columns,
    lines_of,
    row_of_message,
    with_role,
    with_source,
)
from memory.records import Kind, Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.system.bounded_json import decoded


class _JsonLine(BaseModel):
    model_config = ConfigDict(strict=True)

    speaker: str
    text: str
    session: str = ""
    said_at: str | int | float | None = ""
    source: str = ""
    kind: Kind = "message"
    tags: dict[str, str | list[str]] = {}


def is_row(value: Mapping[str, Any]) -> bool:
    """Whether an object names a speaker or a text, by our name or another program's."""
    return bool({"speaker", "text", "role", "content", "message"} & {*value})


def read_jsonl(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """One object per line (or a list of them); `role` and `content` mean speaker and text.

    With `export.columns`, keys without a name of ours are left out. Joins OpenAI's content in
    parts: a picture becomes `[image]`. Leaves out and counts tool calls. Dates in numbers have the
    day or the month first as `export.dates` says, or as the others in the file show; if nothing
    shows it, they stay unchanged. Yields a Skipped for a line that is not a turn. An
    unknown key raises InputError with the known keys, as every line may have the same mistake.
    """
    [file] = export.files
    columns, user = export.columns, export.user
    equal_rows = KeyCounts()
    left_out: Counter[str] = Counter()
    order = export.dates or date_order(_dates_of_objects(file, columns)) or ""
    for item in _json_items(file):
        if isinstance(item, Skipped):
            yield item
            continue
        location, value = item
        if not isinstance(value, dict):
            yield Skipped(location, "not an object")
            continue
        row, reasons = row_of_message(in_our_columns(value, columns))
        left_out.update(reasons)
        if reasons and not row.get("text"):
            continue  # `left_out` counts it
        if unknown := [name for name in row if name not in _JsonLine.model_fields]:
            raise InputError(
                f"{file.name}: {location}: unknown key {unknown[0]!r:.60}; known are {KNOWN_NAMES}"
            )
        try:
            line = _JsonLine.model_validate(row)
        except ValidationError as error:
            yield Skipped(location, first_error(error))
            continue
        turn = Turn(
            speaker=line.speaker,
            text=line.text,
            session=line.session,
            said_at=date_in_order("" if line.said_at is None else str(line.said_at), order),
            source=line.source,
            kind=line.kind,
            tags=line.tags,
        )
        yield from with_source(
            with_role(turn, value, user), location, format="jsonl", row=value, equal_rows=equal_rows
        )
    yield from skipped_counts(left_out)


def _json_items(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    is_list = next(decoded_text(file), "").lstrip().startswith("[")
    return json_values(file) if is_list else _objects(file)


def _dates_of_objects(file: InputFile, columns: Mapping[str, str]) -> Iterator[str]:
    for item in _json_items(file):
        if not isinstance(item, Skipped) and isinstance(item[1], dict):
            row, _ = row_of_message(in_our_columns(item[1], columns))
            yield str(row.get("said_at", ""))


def _objects(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    for number, line in enumerate(lines_of(file), 1):
        location = f"line {number:,}"
        if not line.strip():
            continue
        try:
            yield location, decoded(line, file.name)
        except (ValueError, RecursionError) as error:
            is_last = not line.endswith("\n")
            yield Skipped(location, f"not JSON: {'the file may be cut off' if is_last else error}")


IMPORTER = Importer("jsonl", read_jsonl, is_object=is_row, is_plain=True)
