"""From each revision to the newest, with rows; how a developer writes the next one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from memory import open_store
from memory.errors import StoreError
from memory.store.history import edits_of
from memory.store.postgres import migrate, migrations
from memory.store.settings import settings_of
from tests.memory.store.postgres.test_commands import what_alembic_cannot_see
from tests.support.commands import run
from tests.support.postgres_server import logged_in, new_database, shared_database

CHECKOUT = Path(__file__).parents[4]
ROWS = Path(__file__).parent / "older_rows.sql"
VERSIONS = Path(migrations.__file__).parent / "versions"
OLDER = migrate.revisions()[:-1]


def database_of(revision: str) -> str:
    """A database as the version with this revision made it, with two namespaces in it."""
    from alembic import command

    database = new_database()
    with migrate._alembic(database, "here") as (config, _):
        command.upgrade(config, revision)
    with logged_in(database) as conn:
        for statement in migrations.statements(ROWS.read_text("utf-8")):
            conn.execute(statement.replace("%", "%%"))  # type: ignore[arg-type]
    return database


@pytest.mark.slow
@pytest.mark.parametrize("revision", OLDER)
def test_a_database_of_each_older_revision_is_brought_up_to_date_with_its_rows(
    revision: str,
) -> None:
    database = database_of(revision)
    with pytest.raises(StoreError, match="run: memory admin migrate"):
        open_store(f"{database}&namespace=anna")
    assert (
        run("admin", "migrate", database).strip().endswith(f"schema {migrate.revisions()[-1]}, new")
    )
    assert migrate.differences(database, "here") == []
    assert ": up to date" in run("admin", "migrate", database, "--check")
    assert_has_the_older_rows(database)


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


def test_a_date_that_is_not_there_becomes_null_in_facts_and_journal() -> None:
    database = database_of("0011")
    image = '[1,"Anna","lives_in","Oslo","","",1,"2017-05-08T00:00:00.000Z"]'
    ended = image.replace('"","",', '"","2017",')
    with logged_in(database) as conn:
        conn.execute("UPDATE memory.facts SET happened_on = '', ended_on = ''")
        conn.execute("UPDATE memory.facts_log SET after = %s", (image,))
        conn.execute(
            "INSERT INTO memory.changes (namespace, id, at, cause, statement)"
            " VALUES (1, 2, '2017-05-09', 'end', ''), (1, 3, '2017-05-10', 'reopen', '')"
        )
        conn.execute(
            "INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, before, after)"
            " VALUES (1, 2, 2, 1, %(open)s, %(ended)s), (1, 3, 3, 1, %(ended)s, %(open)s)",
            {"open": image, "ended": ended},
        )
        conn.execute("UPDATE memory.counters SET changes = 3, facts_log = 3 WHERE namespace = 1")
    run("admin", "migrate", database)
    with open_store(f"{database}&namespace=anna") as anna:
        dates = "SELECT happened_on, ended_on FROM facts WHERE ended_on IS NULL"
        assert anna.read(dates).rows == ((None, None),)
        assert [change.cause for change in anna.changes()] == ["test", "end", "reopen"]
        assert len(edits_of(anna)) == 3
        # The rows were never indexed, so that the lists of words are all that check misses.
        assert all("lists of words" in fault for fault in anna.check())
        anna.undo(3)
        assert [fact.ended_on for fact in anna.facts()] == ["2017"]
        anna.undo(2)
        assert anna.read(dates).rows == ((None, None),)
        anna.undo(1)
        assert anna.facts() == []
        assert all("lists of words" in fault for fault in anna.check())
    with logged_in(database) as conn:
        for column in ("happened_on", "ended_on"):
            with pytest.raises(psycopg.errors.CheckViolation, match="fact_has_one_spelling"):
                conn.execute(
                    f"INSERT INTO memory.facts (namespace, id, subject, attribute, value, turn_id,"
                    f" {column}) VALUES (1, 9, 'Anna', 'pet', 'cat', 1, '')"
                )
            conn.rollback()


@pytest.mark.slow
def test_kept_answers_go_and_the_change_that_kept_them_can_be_undone() -> None:
    database = database_of("0009")
    with logged_in(database) as conn:
        conn.execute(
            "INSERT INTO memory.answers VALUES (1, 'Where is she?', '', 'In Oslo, it seems.',"
            " '[1]', '[1, 2]', 'local', '2024', 2, 1)"
        )
        conn.execute(
            "INSERT INTO memory.rows_log (namespace, id, change_id, table_name, turn_id, after)"
            " VALUES (1, 1, 1, 'answers', 0, '{\"text\": \"In Oslo, it seems.\"}')"
        )
    migrate.upgrade(database, "here")
    assert migrate.differences(database, "here") == []
    with open_store(f"{database}&namespace=anna", read_only=True) as anna:
        assert "it seems" not in str([*anna.dump()])
    assert_has_the_older_rows(database)


def kill_in_the_migration(database: str, statement: int) -> None:
    """Migrate in a process that is killed (-9) before a statement of the newest revision."""
    statements = migrations.statements

    def and_then_killed(text: str) -> Iterator[str]:
        yield from islice(statements(text), statement)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            migrations.statements = and_then_killed
            migrate.upgrade(database, "here")
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def columns_of(database: str) -> list[tuple[object, ...]]:
    with logged_in(database) as conn:
        return conn.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema LIKE 'memory%' ORDER BY 1, 2"
        ).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 1])
def test_a_migration_that_is_killed_leaves_the_older_revision_whole(share: float) -> None:
    database = database_of(OLDER[-1])
    before = columns_of(database), what_alembic_cannot_see(database)
    [script] = VERSIONS.glob(f"{migrate.revisions()[-1]}_*.sql")
    count = len([*migrations.statements(script.read_text("utf-8"))])
    kill_in_the_migration(database, int(share * count))
    with logged_in(database) as conn:
        assert migrate.revision_of(conn) == OLDER[-1]
    assert (columns_of(database), what_alembic_cannot_see(database)) == before
    assert migrate.upgrade(database, "here") == (OLDER[-1], migrate.revisions()[-1])
    assert migrate.differences(database, "here") == []
    assert_has_the_older_rows(database)


@pytest.mark.slow
@pytest.mark.parametrize("revision", OLDER)
def test_what_alembic_cannot_see_is_the_same_from_empty_and_from_each_revision(
    revision: str,
) -> None:
    database = database_of(revision)
    migrate.upgrade(database, "here")
    with open_store(f"{new_database_at_head()}&namespace=x"):
        pass
    assert what_alembic_cannot_see(database) == what_alembic_cannot_see(shared_database())


def new_database_at_head() -> str:
    database = shared_database()
    migrate.upgrade(database, "here")
    return database


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
