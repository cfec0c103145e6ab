"""Named SQL statements in files, written once and read for either database.

A statement follows a header with its name, as aiosql's and procrastinate's do, and the comments
under the header say why it is written that way:

    -- turns_by_id --
    SELECT id, text FROM memory.turns WHERE namespace = :namespace AND id = ANY (:ids);

This is what Postgres runs; only its driver spells placeholders otherwise, %(ids)s. A file of SQLite
is one namespace, so SQLite runs the same without what says which one, and with its own form of a
list, a JSON array:

    SELECT id, text FROM turns WHERE id IN (SELECT value FROM json_each(:ids));

If the databases' words differ, or statements share a text, a name in braces takes its place. The
text has a header like a statement's, in the same file, in one of the database's own files, or in
facts_now.sql:

    -- {is_dated} --
    said_at ~ '^[12][0-9]{3}'

Nothing is ever added to a condition: a namespace that is not written is an error.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from memory.sql import named_sql

_PLACEHOLDER = re.compile(r"(?<![:\w]):(\w+)")
# What SQLite has in place of what is written, in this order.
_FOR_SQLITE = [
    (r"memory\.", ""),  # the schema, of tables and of functions that have the names of SQLite's
    (r"(?<=\s)(?:\w+\.)?namespace = :namespace\s+AND\s+", ""),
    (r"\s+WHERE\s+(?:\w+\.)?namespace = :namespace\b", ""),
    (r":?namespace,\s+", ""),  # in the columns, the values and the key of an INSERT
    (r"= ANY \((:\w+)\)", r"IN (SELECT value FROM json_each(\1))"),
    (r"<> ALL \((:\w+)\)", r"NOT IN (SELECT value FROM json_each(\1))"),
]
_OF_NAMESPACE = 4  # of these, the ones that take the namespace out
_NOT_OF_SQLITE = ("namespace", "::", " ANY (", " ALL (")
# What is current, as models read it too.
FACTS_NOW = Path(named_sql.__file__).with_name("facts_now.sql")
_TABLE = re.compile(r"memory\.\w+\b(?!\()")
_BINDINGS = ("namespace = :namespace", "(namespace, ")


def read_statements(*files: Path, render: Callable[[str], str]) -> Mapping[str, str]:
    """The statements of files by name, each as `render` writes it for a database.

    Raises ValueError, which names the file and the statement, for a name that occurs twice, for SQL
    above the first header, for a name in braces without a text, and for anything that `render`
    refuses.
    """
    written: dict[str, tuple[Path, str]] = {}
    for file in files:
        for name, text in named_sql.named_texts(file):
            if name in written:
                raise ValueError(f"{file}: the statement {name} occurs twice")
            written[name] = file, text

    parts = {name: text for name, (_, text) in written.items()}
    statements: dict[str, str] = {}
    for name, (file, text) in written.items():
        if not name.startswith("{"):
            try:
                statements[name] = render(named_sql.whole_text(text, parts))
            except KeyError as error:
                fault = f"names {error.args[0]}, which has no text"
                raise ValueError(f"{file}: the statement {name} {fault}") from error
            except ValueError as error:
                raise ValueError(f"{file}: the statement {name} {error}") from error
    return statements


def for_sqlite(statement: str) -> str:
    """A statement as SQLite runs it. Raises ValueError where something of Postgres is left."""
    for pattern, replacement in _FOR_SQLITE:
        statement = re.sub(pattern, replacement, statement)
    if left := [sign for sign in _NOT_OF_SQLITE if sign in statement]:
        raise ValueError(f"has {left[0].strip()!r}, which SQLite does not read")
    return statement


def for_postgres(statement: str) -> str:
    """A statement as psycopg runs it. Raises ValueError for a table without the namespace.

    They are counted here; that each is bound in its own SELECT is for the tests, which parse.
    """
    tables = _TABLE.findall(statement)
    if len(tables) > sum(statement.count(binding) for binding in _BINDINGS):
        raise ValueError(f"does not bind each of its {len(tables)} tables to the namespace")
    return for_owner(statement)


def as_select(name: str, values: Mapping[str, named_sql.Value]) -> str:
    """A statement of statements.sql with its values, as a person or a model may run it again."""
    statement = _portable_statements()[name]
    for pattern, replacement in _FOR_SQLITE[:_OF_NAMESPACE]:
        statement = re.sub(pattern, replacement, statement)
    return named_sql.with_values(statement, values).rstrip(";")


@cache
def _portable_statements() -> Mapping[str, str]:
    """The statements as written, with the shared texts as SQLite has them."""
    here = Path(__file__).parent
    names = ("statements.sql", "leases.sql", "sqlite/sqlite.sql")
    return read_statements(*(here / name for name in names), FACTS_NOW, render=str)


def for_owner(statement: str) -> str:
    """A statement about all namespaces of a database, as psycopg runs it."""
    return _PLACEHOLDER.sub(r"%(\1)s", statement.replace("%", "%%"))
