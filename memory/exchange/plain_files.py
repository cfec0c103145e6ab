"""Turns in plain files: JSON lines and CSV, under our names or those of chats and of seed 001."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from memory.errors import InputError
from memory.exchange.json_files import Document, decoded, values
from memory.exchange.reading import Skipped, clean_date, digest, reason
from memory.model import Kind, Turn

COLUMNS = ("speaker", "text", "session", "said_at", "source", "kind")
LTM_COLUMNS = ("id", "name", "message", "timestamp")


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    speaker: str = Field(validation_alias=AliasChoices("speaker", "role"))
    text: str = Field(validation_alias=AliasChoices("text", "content"))
    session: str = ""
    said_at: str | int | float = ""
    source: str = ""
    kind: Kind = "message"


def read_jsonl(document: Document, user: str) -> Iterator[Turn | Skipped]:
    """One object a line (or a list of them); `role` and `content` stand for speaker and text.

    A date that is not ISO text stays as it was said. A line that is no turn is Skipped; an
    unknown key is a slip that all lines may have: InputError, with the keys that there are.
    """
    equals: Counter[str] = Counter()
    is_list = next(decoded(document), "").lstrip().startswith("[")
    for item in values(document) if is_list else _objects(document):
        if isinstance(item, Skipped):
            yield item
            continue
        place, value = item
        if not isinstance(value, dict):
            yield Skipped(place, "not an object")
            continue
        try:
            line = _Line.model_validate(value)
        except ValidationError as error:
            unknown = [e["loc"][0] for e in error.errors() if e["type"] == "extra_forbidden"]
            if unknown:
                raise InputError(
                    f"{document.name}: {place}: unknown key {unknown[0]!r}; known are"
                    f" {', '.join(COLUMNS)}, and role and content"
                ) from error
            yield Skipped(place, reason(error))
            continue
        turn = Turn(line.speaker, line.text, line.session, str(line.said_at), line.source)
        if "role" not in value:
            turn = replace(turn, kind=line.kind)
        elif line.speaker == "system":
            yield Skipped(place, "system message")
            continue
        else:
            speaker = {"user": user}.get(line.speaker, line.speaker.capitalize())
            turn = replace(turn, speaker=speaker, kind="tool" if speaker == "Tool" else line.kind)
        yield _sourced(turn, place, "jsonl", value, equals)


def _objects(document: Document) -> Iterator[tuple[str, Any] | Skipped]:
    for number, line in enumerate(_lines(document), 1):
        place = f"line {number:,}"
        if not line.strip():
            continue
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            ends = not line.endswith("\n")
            yield Skipped(place, f"not JSON: {'the file may be cut off' if ends else error}")


def _lines(document: Document) -> Iterator[str]:
    """The lines of a text, each with its end."""
    rest = ""
    for chunk in decoded(document):
        *lines, rest = (rest + chunk).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest


def _sourced(
    turn: Turn, place: str, format: str, row: object, equals: Counter[str]
) -> Turn | Skipped:
    """The turn; one without a source gets its row's digest and its number among equal rows."""
    if not turn.text.strip() or not turn.speaker.strip():
        return Skipped(place, "no text" if turn.speaker.strip() else "no speaker")
    if turn.source.strip():
        return replace(turn, said_at=clean_date(turn.said_at) or turn.said_at)
    same = digest(row)
    equals[same] += 1
    source = f"{format}:{same}:{equals[same]}"
    return replace(turn, said_at=clean_date(turn.said_at) or turn.said_at, source=source)


def read_csv(document: Document) -> Iterator[Turn | Skipped]:
    """A table with our columns, or seed 001's (which its own export writes without a header).

    Commas, semicolons or tabs. Raises InputError for other columns.
    """
    delimiter, header, is_first = _columns(document)
    equals: Counter[str] = Counter()
    for place, row in _rows(_lines(document), delimiter):
        if is_first:
            is_first = False
            continue
        if isinstance(row, str):
            yield Skipped(place, row)
        elif len(row) != len(header):
            yield Skipped(place, f"{len(row)} columns where {len(header)} belong")
        else:
            cells = dict(zip(header, row, strict=True))
            asked = cells.get("kind") or "message"
            kind: Kind | None = next((kind for kind in get_args(Kind) if kind == asked), None)
            if kind is None:
                yield Skipped(place, f"kind {asked!r} is not {', '.join(get_args(Kind))}")
                continue
            said_at = cells.get("said_at", cells.get("timestamp", ""))
            turn = Turn(
                speaker=cells.get("speaker", cells.get("name", "")),
                text=cells.get("text", cells.get("message", "")),
                session=cells.get("session", clean_date(cells.get("timestamp"))[:10]),
                said_at=said_at,
                source=cells.get("source", ""),
                kind=kind,
            )
            yield _sourced(turn, place, "csv", row, equals)


def _columns(document: Document) -> tuple[str, list[str], bool]:
    """(delimiter, columns, whether the first row names them). InputError for unknown ones."""
    found: list[str] = []
    for delimiter in ",;\t":
        _, row = next(_rows(_lines(document), delimiter), ("", "no row"))
        if isinstance(row, str):
            continue
        names = [cell.strip().casefold() for cell in row]
        for needed, known in (({"speaker", "text"}, COLUMNS), ({"name", "message"}, LTM_COLUMNS)):
            if needed <= set(names) <= set(known) and len(set(names)) == len(names):
                return delimiter, names, True
        if len(row) == len(LTM_COLUMNS) and row[0].strip().isdecimal() and clean_date(row[3]):
            return delimiter, list(LTM_COLUMNS), False
        found = max(found, names, key=len)
    raise InputError(
        f"{document.name}: the columns are {', '.join(found)[:200] or 'none'}; wanted are"
        f" {', '.join(COLUMNS)} (speaker and text at least), or {', '.join(LTM_COLUMNS)}"
    )


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[str, list[str] | str]]:
    """(place, cells, or why they cannot be told) of every row that is not empty."""
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
            why = "a quotation mark opens here and nothing closes it" if cut_off else str(error)
            yield place, why
            continue
        if row:
            yield place, row
