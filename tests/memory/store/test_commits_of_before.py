"""Memories that earlier commits made: this one opens them, or what it says of them can be done.

From the history of this repository; what is asked of a commit that is not there is skipped.
"""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlite_utils import Database, Migrations

from memory import open_store
from memory.errors import StoreError
from memory.store import migrations
from memory.store.postgres import migrate
from memory.store.sqlite import connection
from tests.conftest import INSERT, SAID
from tests.memory.store.postgres.test_migrations import ROWS, assert_has_the_older_rows
from tests.memory.store.test_migrations import schema_in
from tests.support.commands import run
from tests.support.postgres_server import logged_in, new_database, new_namespace

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]

# The code that exports memories of schemas before the first release: the last commit that had all
# steps. Steps 4 to 7 were renumbered one day; each is exported by its own commit.
LAST_WITH_STEPS = "3b0ff066"
EXPORTS = {"4": "3737f4b9", "5": "fbf33e93", "6": "5583621e", "7": "1f7c7477"}

# Of main: each at which the migrations were others than before, but for the last.
HEADS = [
    *("6af61711", "a507b3d4", "7b0b42f3", "ccb52b0a", "f5ef8ec9", "3737f4b9", "fbf33e93"),
    *("5583621e", "14a6e3d1", "1f7c7477", "0f9511ae", "a793240f", "663607ba"),
]


@cache
def package_of(commit: str) -> "TemporaryDirectory[str]":
    """A folder with the package as it was at a commit, to run it in."""
    archive = subprocess.run(
        ["git", "archive", commit, "memory"], cwd=CHECKOUT, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"this checkout has no commit {commit}")
    folder = TemporaryDirectory(prefix=f"memory-{commit}-")
    subprocess.run(["tar", "-x", "-C", folder.name], input=archive.stdout, check=True)
    return folder


def run_in(commit: str, *arguments: object, **environment: str) -> str:
    """What Python prints that runs with the package of a commit."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=package_of(commit).name,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def memory_of(commit: str, path: Path) -> None:
    """Make a memory by the migrations of a commit: five turns, and a fact that was corrected."""
    folder = Path(package_of(commit).name, "memory", "store", "migrations")
    files = sorted(folder.glob("[0-9]*.sql"))
    steps = Migrations("sql-memory")
    for file in files:

        def apply(db: Database, text: str = file.read_text("utf-8")) -> None:
            for statement in migrations._statements(text):
                db.execute(statement)

        steps(name=file.stem)(apply)
    conn = sqlite3.connect(path, isolation_level=None, factory=connection.SqliteConnection)
    with closing(conn):
        connection._add_functions(conn)
        conn.execute("PRAGMA journal_mode = WAL")
        steps.apply(Database(conn))
        conn.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {len(files)}")
        for turn in SAID:
            values = (turn.kind, turn.session, turn.speaker, turn.text, turn.said_at, turn.source)
            conn.execute(f"INSERT INTO turns VALUES (NULL{', ?' * 6})", values)
        for statement in (
            INSERT + "('Anna', 'lives_in', 'Bergen', '2017-05', 1)",
            "UPDATE facts SET value = 'Oslo' WHERE id = 1",
        ):
            conn.execute("INSERT INTO changes (at, cause, statement) VALUES ('2024', 'test', '')")
            conn.execute(statement)


@pytest.mark.parametrize("commit", HEADS)
def test_a_memory_of_each_older_commit_moves_here_as_it_says(
    tmp_path: Path, path: Path, commit: str
) -> None:
    old = tmp_path / "home" / "old.db"
    old.parent.mkdir()
    memory_of(commit, old)
    with pytest.raises(StoreError, match="memory export") as says:
        open_store(old)
    schema = str(says.value).partition("(schema ")[2].partition(")")[0]
    converter = EXPORTS.get(schema, LAST_WITH_STEPS)
    moved = tmp_path / "moved.jsonl"
    home = str(old.parent)
    run_in(converter, "-m", "memory", "export", moved, "-n", "old", MEMORY_HOME=home)
    run("import", moved, "--db", path)
    with open_store(path) as store:
        assert [turn.text for turn in store.turns()] == [turn.text for turn in SAID]
        assert store.search("Oslo", 1)[0].turn_id == 1
        assert [(fact.value, fact.turn_id) for fact in store.facts()] == [("Oslo", 1)]
        assert [change.cause for change in store.changes()] == ["test", "test"]
        store.undo(2)
        assert [fact.value for fact in store.facts()] == ["Bergen"]
        store.undo(1)
        assert store.facts() == []
        assert store.check() == []


# A life of a memory by the commit's own code; prints all that the memory holds then.
LIFE = """
import json, sys
from memory import Turn, open_store

with open_store(sys.argv[1]) as store:
    store.add([Turn("Anna", f"I moved to Oslo, {n}.", "s1", "2017-05-07") for n in range(9)])
    insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
    store.write(insert + "('Anna', 'lives_in', 'Oslo', 1), ('Anna', 'pet', 'cat', 2)", cause="a")
    store.write("UPDATE facts SET ended_on = '2018' WHERE id = 2", cause="b")
    store.undo(store.write("DELETE FROM facts WHERE id = 1", cause="c").id)
    store.set("user", "Anna")
    store.forget([3])
    print(json.dumps([*store.dump()]))
"""


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_memory_of_the_last_commit_with_steps_is_opened_with_all_in_it(
    path: Path, database: str
) -> None:
    address = str(path) if database == "sqlite" else new_namespace(new_database())
    records = json.loads(run_in(LAST_WITH_STEPS, "-c", LIFE, address))
    if database == "postgres":  # whose schema is brought up to date by an act of its own
        with pytest.raises(StoreError, match="memory admin migrate"):
            open_store(address)
        run("admin", "migrate", address)
    else:  # by being opened for writing
        before = path.read_bytes()
        with pytest.raises(StoreError, match="open it once for writing"):
            open_store(address, read_only=True)
        assert path.read_bytes() == before
    with open_store(address) as store:
        assert [*store.dump()] == records
        assert store.check() == []
        store.undo(2)
        assert [fact.value for fact in store.facts()] == ["Oslo", "cat"]
        assert [fact.ended_on for fact in store.facts()] == ["", ""]
        store.undo(1)
        assert store.facts() == []
        assert store.forget([1]).turns == (1,)
        assert store.check() == []
    if database == "sqlite":
        assert schema_in(path) == migrations._schema(migrations.VERSION)


BY_ALEMBIC = """
import sys
from alembic import command
from memory.store.postgres import migrate

with migrate._alembic(sys.argv[1], "here") as (config, _):
    command.upgrade(config, sys.argv[2])
"""


@pytest.mark.parametrize("revision", ["0001", "0003", "0009", "0010", "0011"])
def test_a_database_of_each_older_revision_moves_here_as_it_says(revision: str) -> None:
    database = new_database()
    run_in(LAST_WITH_STEPS, "-c", BY_ALEMBIC, database, revision)
    with logged_in(database) as conn:
        conn.execute(ROWS.read_bytes())
    with pytest.raises(StoreError, match="made before the first release"):
        open_store(f"{database}&namespace=anna")
    run_in(LAST_WITH_STEPS, "-m", "memory", "admin", "migrate", database)
    says = rf"schema {migrate.revisions()[0]}, this version has {migrate.revisions()[-1]}"
    run("admin", "migrate", database, "--check", says=says)
    run("admin", "migrate", database)
    assert ": up to date" in run("admin", "migrate", database, "--check")
    assert_has_the_older_rows(database)


_HERE = "::regnamespace::text LIKE 'memory%'"
_OF_TABLE = f"FROM pg_class WHERE relnamespace{_HERE}"
# What pg_dump would print of a schema, and who may do what. Names of tables lead.
CATALOGS = {
    "relation": "SELECT relname, relkind, relrowsecurity, relforcerowsecurity, reloptions,"
    f" relowner::regrole {_OF_TABLE}",
    "column": "SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod),"
    " attnotnull, attidentity, attcollation::regcollation::text, attacl,"
    " pg_get_expr(adbin, adrelid) FROM pg_attribute"
    " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
    f" WHERE attrelid IN (SELECT oid {_OF_TABLE}) AND attnum > 0",
    "constraint": "SELECT conrelid::regclass::text, conname, condeferrable, condeferred,"
    f" convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace{_HERE}",
    "index": "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index"
    f" WHERE indrelid IN (SELECT oid {_OF_TABLE})",
    "policy": "SELECT polrelid::regclass::text, polname, polcmd, polpermissive,"
    " polroles::regrole[]::text, pg_get_expr(polqual, polrelid),"
    " pg_get_expr(polwithcheck, polrelid) FROM pg_policy",
    "function": "SELECT pg_get_functiondef(oid), proowner::regrole, proacl IS NULL FROM pg_proc"
    f" WHERE pronamespace{_HERE}",
    "trigger": "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "view": "SELECT viewname, definition FROM pg_views WHERE schemaname LIKE 'memory%'",
    "schema": "SELECT nspname, grantee::regrole, privilege_type"
    f" FROM pg_namespace, aclexplode(nspacl) WHERE oid{_HERE}",
    "grant": "SELECT relname, grantee::regrole, privilege_type, is_grantable"
    f" FROM pg_class, aclexplode(relacl) WHERE relnamespace{_HERE}",
    "execute": "SELECT p.oid::regprocedure::text, grantee::regrole, privilege_type"
    f" FROM pg_proc AS p, aclexplode(proacl) WHERE pronamespace{_HERE}",
    "connect": "SELECT grantee::regrole, privilege_type FROM pg_database, aclexplode(datacl)"
    " WHERE datname = current_database()",
    "role": "SELECT rolname, rolsuper, rolcanlogin, rolbypassrls, rolconfig FROM pg_roles"
    " WHERE rolname = 'memory_model_' || current_database()",
    "version": "SELECT * FROM memory.version",
}


def catalogs_of(database: str) -> list[str]:
    """All catalogs of a database, a line for each row, without its name."""
    with logged_in(database) as conn:
        return sorted(
            f"{kind}: {row}".replace(conn.info.dbname, "DATABASE")
            for kind, query in CATALOGS.items()
            for row in conn.execute(query)  # type: ignore[arg-type]
        )


def test_the_catalogs_are_those_that_the_steps_made() -> None:
    from alembic import command

    by_steps, at_once = new_database(), new_database()
    run_in(LAST_WITH_STEPS, "-c", BY_ALEMBIC, by_steps, "head")
    with migrate._alembic(at_once, "here") as (config, _):
        command.upgrade(config, migrate.revisions()[0])
    catalogs = catalogs_of(at_once)
    assert catalogs == catalogs_of(by_steps)
    assert {line.partition(":")[0] for line in catalogs} == {*CATALOGS}
    with logged_in(at_once) as conn:  # the comparison finds the smallest gap
        conn.execute("GRANT EXECUTE ON FUNCTION memory.set_keys TO PUBLIC")
    assert catalogs != catalogs_of(at_once)
