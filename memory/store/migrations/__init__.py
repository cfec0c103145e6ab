"""The schema of a SQLite namespace: created and brought up to date here.

Each `NNNN_name.sql` beside this file is one migration, applied once and in order (sqlite-utils
keeps the record). `user_version` is the number of the last one, `application_id` says that the
file is ours.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

APPLICATION_ID = 0x53514D4D  # "SQMM"
_FILES = sorted(Path(__file__).parent.glob("[0-9]*.sql"))
VERSION = len(_FILES)


def migrate(conn: sqlite3.Connection) -> None:
    """Apply the migrations that a file lacks, in one transaction.

    Of several processes that open a new file at the same time, the first one does the work: the
    others wait at BEGIN IMMEDIATE and then find it done.
    """
    # Not at the top: the import takes over a second where pandas is installed, and is needed once
    # in a file's life.
    from sqlite_utils import Database, Migrations

    migrations = Migrations("sql-memory")
    for file in _FILES:
        # `text` has a default value because a closure would see the last file only.
        def apply(db: Database, text: str = file.read_text("utf-8")) -> None:
            for statement in _statements(text):
                db.execute(statement)

        migrations(name=file.stem)(apply)
    conn.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(Database(conn))
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {VERSION}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def _statements(text: str) -> Iterator[str]:
    """The statements of a script. Not split at semicolons: a trigger holds some of its own."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
