"""SQL in files: texts under headers with their names, and texts with their values written out.

    -- turns_by_id --
    -- Comments are left out.
    SELECT id, text FROM turns WHERE id = ANY (:ids);

A name in braces means a shared part of statements.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from memory.sql.tokens import quoted

_HEADER = re.compile(r"-- (\w+|\{\w+\}) --")
_PLACEHOLDER = re.compile(r"(= ANY \(|<> ALL \()?(?<![:\w]):(\w+)(?(1)\))")
_PART = re.compile(r"\{[a-z]\w*\}")
_LISTS = {"= ANY (": "IN", "<> ALL (": "NOT IN"}

Value = str | int | Sequence[str] | Sequence[int]


def named_texts(file: Path) -> Iterator[tuple[str, str]]:
    """The names of a file and the SQL under each, without comments.

    Raises ValueError for SQL above the first header.
    """
    name = ""
    lines: list[str] = []
    for line in file.read_text("utf-8").splitlines():
        if header := _HEADER.fullmatch(line):
            if name:
                yield name, "\n".join(lines)
            name, lines = header[1], []
        elif line.strip() and not line.lstrip().startswith("--"):
            if not name:
                raise ValueError(f"{file}: SQL above the first header: {line}")
            lines.append(line)
    if name:
        yield name, "\n".join(lines)


def whole_text(text: str, parts: Mapping[str, str]) -> str:
    """A text with the parts that it names in braces. Raises KeyError if one is missing."""
    return _PART.sub(lambda name: whole_text(parts[name[0]], parts), text)


def with_values(text: str, values: Mapping[str, Value]) -> str:
    """A text with the values of its placeholders (`:day`) in their places, as a model writes them.

    A list goes into `= ANY (:names)` or `<> ALL (:names)`, which become IN and NOT IN.
    """

    def written(match: re.Match[str]) -> str:
        value = values[match[2]]
        if match[1] is None:
            return quoted(value) if isinstance(value, str) else str(value)
        assert not isinstance(value, int)
        # No name is empty, and an empty list is not valid SQL.
        texts = [str(one) if isinstance(one, int) else quoted(one) for one in value or [""]]
        return f"{_LISTS[match[1]]} ({', '.join(texts)})"

    return _PLACEHOLDER.sub(written, text)
