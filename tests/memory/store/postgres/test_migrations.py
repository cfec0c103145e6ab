"""An older database says how to move it; a migration is whole or absent; how one is written."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from alembic import command

from memory import open_store
from memory.errors import StoreError
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import settings_of
from memory.store.postgres import migrate, migrations
from tests.memory.store.postgres.test_commands import what_alembic_cannot_see
from tests.support import newer_version
from tests.support.commands import run
from tests.support.postgres_server import logged_in, new_database

CHECKOUT = Path(__file__).parents[4]
ROWS = Path(__file__).parent / "older_rows.sql"
VERSIONS = Path(migrations.__file__).parent / "versions"


def database_with_rows(revision: str = "head") -> str:
    """A database of a revision, by default the newest, with two namespaces in it."""
    database = new_database()
    upgrade = command.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, revision))
        migrate.upgrade(database, "here")
    with logged_in(database) as conn:
        for statement in migrations.statements(ROWS.read_text("utf-8")):
            conn.execute(statement.replace("%", "%%"))  # type: ignore[arg-type]
    return database


@pytest.mark.few(1)
@pytest.mark.parametrize("revision", ["0001", "0011"])
def test_a_database_of_an_older_revision_is_untouched_and_says_how_to_move_it(
    revision: str,
) -> None:
    database = database_with_rows()
    with logged_in(database) as conn:
        conn.execute("UPDATE memory.version SET version_num = %s, usable_by = NULL", [revision])
    says = f"made before the first release .schema {revision}., whose memories no release opens"
    for options in ([], ["--check"]):
        run("admin", "migrate", database, *options, says=says)
    for read_only in (True, False):
        with pytest.raises(StoreError, match="made before the first release"):
            open_store(f"{database}&namespace=anna", read_only=read_only)
    with logged_in(database) as conn:
        assert migrate.revision_of(conn) == revision


def assert_has_the_older_rows(database: str) -> None:
    """All of older_rows.sql is there, and can be worked with."""
    with open_store(f"{database}&namespace=anna") as anna:
        assert [turn.text for turn in anna.turns()] == ["I moved to Oslo.", "I have a cat."]
        [fact] = anna.facts()
        assert (fact.value, fact.turn_id) == ("Oslo", 1)
        assert [change.cause for change in anna.changes()] == ["test"]
        assert [edit.fact_id for edit in edits_of(anna)] == [1]
        assert [setting.value for setting in settings_of(anna, "user")] == ["Anna"]
        assert anna.read("SELECT value, entity FROM facts").rows == (("Oslo", "Anna"),)
        assert [pending.error for pending in anna.pending()] == ["no model"]
        anna.undo(1)
        anna.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            " VALUES ('Anna', 'pet', 'cat', 2)",
            cause="after",
        )
        assert [(fact.id, fact.value) for fact in anna.facts()] == [(2, "cat")]
        assert len({change.id for change in anna.changes()}) == 3
    with open_store(f"{database}&namespace=ben") as ben:
        assert [turn.text for turn in ben.turns()] == ["Mine alone."]


def test_nothing_but_null_stands_for_a_date_that_is_not_there() -> None:
    with logged_in(database_with_rows()) as conn:
        for column in ("happened_on", "ended_on"):
            with pytest.raises(psycopg.errors.CheckViolation, match="fact_has_one_spelling"):
                conn.execute(
                    f"INSERT INTO memory.facts (namespace, id, subject, attribute, value, turn_id,"
                    f" {column}) VALUES (1, 9, 'Anna', 'pet', 'cat', 1, '')"
                )
            conn.rollback()


def kill_before(database: str, statement: int) -> None:
    """Bring a database up to date in a process that is killed (-9) before a statement of all."""
    statements, number = migrations.statements, count()

    def and_then_killed(text: str) -> Iterator[str]:
        for each in statements(text):
            if next(number) == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            yield each

    child = os.fork()
    if child == 0:
        try:
            migrations.statements = and_then_killed
            migrate.upgrade(database, "here")
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_set_up_that_is_killed_leaves_an_empty_database(share: float) -> None:
    database = new_database()
    kill_before(database, int(share * statements_after("")))
    assert schema_of(database) == ([], [])
    assert migrate.upgrade(database, "here") == ("", migrate.revisions()[-1])
    assert migrate.differences(database, "here") == []


def statements_after(revision: str) -> int:
    """How many statements bring a database of a revision up to date."""
    scripts = [file for file in VERSIONS.glob("*.sql") if file.name[:4] > revision]
    return sum(len([*migrations.statements(script.read_text("utf-8"))]) for script in scripts)


@pytest.mark.slow
@pytest.mark.parametrize("revision", migrate.revisions()[:-1])
def test_a_migration_of_every_revision_that_is_killed_is_absent(revision: str) -> None:
    database = database_with_rows(revision)
    before = schema_of(database)
    for statement in sorted({0, statements_after(revision) // 2, statements_after(revision) - 1}):
        kill_before(database, statement)
        assert schema_of(database) == before
    assert migrate.upgrade(database, "here") == (revision, migrate.revisions()[-1])
    assert migrate.differences(database, "here") == []
    assert_has_the_older_rows(database)


def schema_of(database: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """All columns, and what Alembic cannot see; nothing for a database without a memory."""
    with logged_in(database) as conn:
        columns = conn.execute(
            "SELECT table_schema, table_name, column_name, data_type, is_nullable"
            " FROM information_schema.columns WHERE table_schema LIKE 'memory%' ORDER BY 1, 2, 3"
        ).fetchall()
    return columns, what_alembic_cannot_see(database) if columns else []


# The newer version's migration, killed before one of its statements where a number is given.
NEWER = """
import os, signal, sys
from itertools import islice
from memory.store.postgres import migrate, migrations

database, *numbers = sys.argv[1:]
statements = migrations.statements

def and_then_killed(text):
    yield from islice(statements(text), int(numbers[0]))
    os.kill(os.getpid(), signal.SIGKILL)

if numbers:
    migrations.statements = and_then_killed
print(migrate.upgrade(database, "here"))
"""


@pytest.mark.slow
def test_a_migration_that_is_killed_leaves_the_older_revision_whole(tmp_path: Path) -> None:
    newer = newer_version.newer_version(tmp_path / "newer")
    revisions = (migrate.revisions()[-1], newer_version.next_revision())
    for statement in (1, 5):
        database = database_with_rows()
        before = schema_of(database)
        with newer_version.start(newer, NEWER, database, str(statement)) as process:
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert schema_of(database) == before
        assert newer_version.run(newer, NEWER, database) == str(revisions)
        assert schema_of(database) != before
        assert_has_the_older_rows(database)


@pytest.mark.slow
def test_a_developer_generates_and_runs_the_revision_of_a_new_column(tmp_path: Path) -> None:
    """In a copy of the checkout, whose metadata gets a column, with the commands of the docs."""
    shutil.copytree(CHECKOUT / "memory", tmp_path / "memory")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    tables = tmp_path / "memory" / "store" / "postgres" / "tables.py"
    text = tables.read_text("utf-8")
    tables.write_text(
        text.replace('_text("set_at"),', '_text("set_at"),\n    _text("note", True),')
    )
    database = new_database()
    migrate.upgrade(database, "here")

    def memory(*words: str) -> str:
        command = [sys.executable, "-m", "memory", "admin", "migrate", database, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert "note" in memory("--check")
    written = memory("--generate", "a note on settings")
    number = f"{int(migrate.revisions()[-1]) + 1:04}"
    assert f"{number}_a_note_on_settings.py" in written.replace("\n", "")
    assert f"schema {number}, new" in memory()
    assert ": up to date" in memory("--check")
    with logged_in(database) as conn:
        columns = conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'memory.settings'::regclass"
        ).fetchall()
    assert ("note",) in columns
    assert migrate.revisions()[-1] < number  # nothing was written into this checkout


def test_a_revision_is_generated_for_a_database_of_the_newest_one_only() -> None:
    run("admin", "migrate", new_database(), "--generate", "x", says="run: memory admin migrate")
