"""The schema of a SQLite namespace: created and brought up to date here.

Each `NNNN_name.sql` next to this file is one migration, applied once and in order (sqlite-utils
keeps the record). None is ever changed or removed: files of every released schema open.
`user_version` is the number of the last one, `application_id` says that the file is ours. The first
one has the number of the last of sixteen steps that it took the place of, and makes to the letter
what they made: a memory that came by them is of its schema.

A migration whose name ends with `_additive` only adds things that the previous version's code can
ignore: see docs/scaling.md, "Upgrades without a pause". Then the upper half of `user_version` is
the number of the oldest schema whose code may use the file.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from memory.sql.tables import TABLES

APPLICATION_ID = 0x53514D4D  # "SQMM"
_FILES = {int(file.name[:4]): file for file in sorted(Path(__file__).parent.glob("[0-9]*.sql"))}
OLDEST = min(_FILES)
VERSION = max(_FILES)
# In the record it is the last of the steps, which memories have there that came by them.
_RECORDED_AS = {"0016_schema": "0016_one_spelling"}
ADDITIVE = "_additive"
# Before the name of a table: what another program reads when it tries to write in it.
COLLATION = "only_the_command_memory_and_its_api_write_"
_HALF = 16  # bits of user_version


class Stamp(NamedTuple):
    """What `user_version` says: the schema, and the oldest one whose code may use it."""

    version: int
    usable_by: int


# `user_version` of a memory that was deleted while others had it open: newer than any schema.
DELETED = 0x7FFF_FFFF


def read_stamp(user_version: int) -> Stamp:
    version = user_version & (1 << _HALF) - 1
    return Stamp(version, user_version >> _HALF or version)


def is_usable(stamp: Stamp) -> bool:
    """Whether this version may use a file: not a newer one, unless its schema only adds to ours."""
    return stamp.usable_by <= VERSION


def how_to_move(version: int | str) -> str:
    """What a person does with a memory of a schema that is older than the first migration here."""
    return (
        f"made before the first release (schema {version}), whose memories no release opens; let"
        " the code that made it run `memory export`, and `memory import` the .jsonl file here"
    )


# Each of 74 tables and indexes has a page even without rows: with pages of 1,024 bytes a memory of
# one turn would have a third of its size. But then SQLite takes three times as long to write a
# large file anew, as forgetting does (decision 231).
PAGE_BYTES = 4096


def _user_version() -> int:
    oldest = VERSION
    while oldest > OLDEST and _FILES[oldest].stem.endswith(ADDITIVE):
        oldest -= 1
    return VERSION if oldest == VERSION else oldest << _HALF | VERSION


def migrate(conn: sqlite3.Connection, keep_copy: Callable[[], None] = lambda: None) -> None:
    """Apply the migrations that a file lacks, in one transaction; `keep_copy` copies it before.

    Of several processes that open a new file at the same time, the first one does the work: the
    others wait at BEGIN IMMEDIATE and then find it done.
    """
    # Not at the top: the import takes over a second where pandas is installed, and is needed once
    # in a file's life.
    from sqlite_utils import Database, Migrations

    migrations = Migrations("sql-memory")
    for file in _FILES.values():
        # `text` has a default value because a closure would see the last file only.
        def apply(db: Database, text: str = file.read_text("utf-8")) -> None:
            for statement in _statements(text):
                db.execute(statement)

        migrations(name=_RECORDED_AS.get(file.stem, file.stem))(apply)
    conn.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a file that is empty; no other changes
    conn.execute("BEGIN IMMEDIATE")
    try:
        (user_version,) = conn.execute("PRAGMA user_version").fetchone()
        if read_stamp(user_version).version < VERSION:  # no other process was faster
            keep_copy()
        migrations.apply(Database(conn))
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {_user_version()}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


class _Part(NamedTuple):
    """A table, index, trigger or view of a schema, and the table that it belongs to."""

    kind: str
    table: str
    sql: str


Schema = dict[str, _Part]  # by name


def schema_of(conn: sqlite3.Connection) -> Schema:
    """What a database is made of, without what SQLite makes by itself."""
    rows = conn.execute("SELECT name, type, tbl_name, sql FROM sqlite_master WHERE sql <> ''")
    return {name: _Part(*part) for name, *part in rows if not name.startswith("sqlite_")}


def foreign_part(present: Schema, version: int) -> str:
    """What in a schema is not as this version makes it, as "trigger NAME", or "".

    Tables and views that a user added are theirs: nothing in them runs by itself. A trigger does,
    and so does an expression in an index of our tables. A schema newer than this version may have
    further columns and indexes in our tables, if they compute nothing.
    """
    expected = _schema(min(version, VERSION))
    is_newer = version > VERSION
    indexes = [name for name, part in expected.items() if part.sql.startswith("CREATE VIRTUAL")]
    for name, part in expected.items():
        if name not in present:
            return f"{part.kind} {name}"
        # FTS5 makes the tables of its index itself, and their SQL depends on its version.
        is_kept_by_index = any(name.startswith(f"{index}_") for index in indexes)
        if present[name] == part or (is_kept_by_index and present[name].kind == "table"):
            continue
        # A model's SELECT * would name columns that this version's walls refuse.
        is_for_models = part.table in TABLES
        if is_for_models or not (is_newer and _only_adds_columns(part, present[name])):
            return f"{part.kind} {name}"
    for name, part in present.items():
        runs = part.kind == "trigger" or (part.kind == "index" and part.table in expected)
        if is_newer and _PLAIN_INDEX.fullmatch(part.sql):
            continue
        if runs and name not in expected:
            return f"{part.kind} {name}"
    return ""


_COLUMN = r"\s*\w+ (?:TEXT|INTEGER|REAL|BLOB)(?: NOT NULL)?(?: DEFAULT (?:'[^']*'|-?[\d.]+))?\s*"
_COLUMNS = re.compile(f"{_COLUMN}(?:,{_COLUMN})*", re.ASCII)
_PLAIN_INDEX = re.compile(r"CREATE INDEX \w+ ON \w+ ?\(\w+(?:, \w+)*\)", re.ASCII)


def _only_adds_columns(ours: _Part, present: _Part) -> bool:
    """Whether a table is ours with columns that ALTER TABLE put in, before its constraints."""
    if (ours.kind, ours.table) != (present.kind, present.table) or ours.kind != "table":
        return False
    length = len(present.sql) - len(ours.sql)
    return any(
        present.sql == ours.sql[:at] + present.sql[at : at + length] + ours.sql[at:]
        and _COLUMNS.fullmatch(present.sql[at + 1 : at + length])
        and present.sql[at] == ","
        for at in range(len(ours.sql))
        if length > 0
    )


@cache
def _schema(version: int) -> Schema:
    """The schema that the first migrations make, as far as this version."""
    with closing(sqlite3.connect(":memory:")) as conn:
        for name, arguments in (
            ("words", 1),
            ("turn_checksum", 7),
            ("is_date", 1),
            ("is_span", 1),
        ):
            conn.create_function(name, arguments, lambda *values: None)  # there are no rows
        for table in ("turns", "facts"):
            conn.create_collation(COLLATION + table, lambda one, other: 0)
        for number, file in _FILES.items():
            if number > version:
                break
            for statement in _statements(file.read_text("utf-8")):
                conn.execute(statement)
        return schema_of(conn)


def _statements(text: str) -> Iterator[str]:
    """The statements of a script. Not split at semicolons: a trigger contains some."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
