"""Named SQL statements, kept as SQL in a file for each database.

A statement follows a header with its name, and the comments under the header say why it is written
as it is:

    -- turns_between --
    -- At most :most of them, the oldest first.
    SELECT ... WHERE id BETWEEN :first AND :last ...;

The placeholders are those of the database's own driver, :first for SQLite and %(first)s for
Postgres. Nothing is translated: what stands in the file is what runs.
"""

from collections.abc import Mapping
from pathlib import Path


def read_statements(file: Path) -> Mapping[str, str]:
    """The statements of a file by name, without their comments.

    Raises ValueError for a name that stands there twice, and for SQL above the first header.
    """
    lines: dict[str, list[str]] = {}
    name = ""
    for line in file.read_text("utf-8").splitlines():
        if _is_header(line):
            name = _name(line)
            if name in lines:
                raise ValueError(f"{file}: the statement {name} stands there twice")
            lines[name] = []
        elif line.strip() and not line.lstrip().startswith("--"):
            if not name:
                raise ValueError(f"{file}: SQL above the first header: {line}")
            lines[name].append(line)
    return {name: "\n".join(text) for name, text in lines.items()}


def _is_header(line: str) -> bool:
    return line.startswith("-- ") and line.endswith(" --") and _name(line).isidentifier()


def _name(header: str) -> str:
    return header.removeprefix("-- ").removesuffix(" --")
