"""The commands with MEMORY_HOME in Postgres; copies between databases; migrations."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from memory import InputError, open_store
from memory.errors import StoreError
from memory.store import namespaces
from memory.store.postgres import migrate, migrations
from memory.store.postgres.address import is_address, read_address, without_password
from memory.store.postgres.names import TABLES
from memory.store.waiting.pending_windows import claim_window
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support.commands import run
from tests.support.postgres_server import (
    logged_in,
    new_database,
    new_namespace,
    server_address,
    shared_database,
)

SECRET = "s3cret/p@ss"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database that all namespaces are in."""
    database = new_database()
    monkeypatch.setenv("MEMORY_HOME", database)
    return database


@pytest.mark.slow
def test_every_command_works_on_the_database_of_memory_home(home: str, tmp_path: Path) -> None:
    assert run("admin", "namespaces", "list") == ""
    assert run("add", "--speaker", "Anna", "I moved to Oslo.").startswith("turn 1")
    run("add", "--speaker", "Ben", "--namespace", "ben / ü", "A dog, Rufus.")
    listed = run("admin", "namespaces", "list")
    assert "ben / ü" in listed
    assert "default" in listed
    sizes = re.findall(r"([\d.]+) (?:bytes|kB)", listed)
    assert len(sizes) == 2
    assert all(float(size) > 0 for size in sizes), listed
    assert "Oslo" in run("search", "Oslo")
    assert "1" in run("admin", "sql", "SELECT COUNT(*) AS n FROM turns")
    memory = read_address(home, needs_namespace=False).of("default").text
    with open_store(memory) as store:
        change = store.write(MOVED, cause="test")
    assert "Oslo" in run("facts")
    assert "test" in run("facts", "log")
    run("undo", change.id)
    run("facts", "audit")
    run("admin", "settings", "user", "Anna")
    run("export", tmp_path / "out.jsonl")
    run("import", tmp_path / "out.jsonl", "--namespace", "other")
    run("admin", "backup", tmp_path / "copy.db")
    run("forget", "--turn", "1", "--yes", "--receipt", tmp_path / "receipt.json")
    run("admin", "namespaces", "copy", "ben / ü", "carl")
    run("admin", "namespaces", "rename", "carl", "dora")
    run("admin", "namespaces", "delete", "ben / ü", "--yes")
    assert namespaces.names() == ["default", "dora", "other"]
    run("search", "x", "--namespace", "dore", says="did you mean 'dora'")
    assert "restored: 0 turns" in run("admin", "restore", tmp_path / "copy.db", "-n", "restored")


@pytest.mark.slow
def test_a_copy_is_proved_equal_either_way(path: Path, tmp_path: Path) -> None:
    address = new_namespace()
    with open_store(path) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    assert "5 turns (5 of them new), equal to" in run("admin", "copy", path, address)
    assert "0 of them new" in run("admin", "copy", path, address)
    assert "5 turns" in run("admin", "copy", address, tmp_path / "back.db")
    run("admin", "copy", tmp_path / "nothing.db", address, says="no memory here to read")
    with open_store(tmp_path / "another.db") as store:
        store.add(SAID[:1])
    run("admin", "copy", address, tmp_path / "another.db", says="holds")


@pytest.mark.slow
def test_a_deleted_namespace_leaves_no_row(home: str) -> None:
    address = f"{home}&namespace=gone"
    with open_store(address) as store:
        store.add(SAID * 300)
        store.write(f"{MOVED}; {CAT}", cause="test")
        claim_window(store, 2)
    namespaces.delete("gone")
    with logged_in(home) as conn:
        for table in (*TABLES, "counters", "namespaces"):
            assert conn.execute(f"SELECT count(*) FROM memory.{table}").fetchone() == (0,), table


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "namespace", "place"),
    [
        ("postgresql://h/d?namespace=anna", "anna", "postgresql://h/d?namespace=anna"),
        (
            f"postgres://u:{SECRET.replace('/', '%2F').replace('@', '%40')}@h:5/d?sslmode=require"
            "&namespace=a%20b",
            "a b",
            "postgres://u@h:5/d?sslmode=require&namespace=a%20b",
        ),
        (
            "postgresql:///d?host=/run/pg&namespace=x&password=s3cret",
            "x",
            "postgresql:///d?host=/run/pg&password=***&namespace=x",
        ),
    ],
)
def test_an_address_is_read_and_shown_without_its_password(
    text: str, namespace: str, place: str
) -> None:
    assert is_address(text)
    address = read_address(text)
    assert (address.namespace, address.location) == (namespace, place)
    assert read_address(address.text) == address
    assert "s3cret" not in without_password(f"error in {text}: no")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.split("&namespace")[0], "names no namespace"),
        (lambda a: a.split("&namespace")[0] + "&namespace=%20", "blank"),
        (lambda a: a.replace("host=/", "host=/nowhere/"), "no server answers there"),
        (lambda a: "postgresql://u:s3cret@127.0.0.1:1/d?namespace=a", "no server answers there"),
        (lambda a: "postgresql://u:s3cret@no.such.invalid/d?namespace=a", "not known"),
        (lambda a: a.replace("/postgres?", "/nothing?"), 'database "nothing" does not exist'),
        (lambda a: a.replace("postgres@", "nobody:s3cret@"), 'role "nobody" does not exist'),
        (lambda a: "postgresql://u:s3cret@[::1/d?namespace=a", "cannot be read"),
        (lambda a: a + "&nonsense=1", "nonsense"),
    ],
)
def test_a_wrong_address_is_one_clear_line_without_the_password(
    change: Callable[[str], str], says: str
) -> None:
    address = change(f"{server_address()}&namespace=anna")
    with pytest.raises((InputError, StoreError), match=says) as caught:
        open_store(address)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_namespace_that_is_not_there_is_not_made_to_be_read() -> None:
    with pytest.raises(StoreError, match="no memory here to read"):
        open_store(new_namespace(name="never made"), read_only=True)
    with pytest.raises(StoreError, match="no memory here to read"):
        open_store(new_namespace(new_database()), read_only=True)


# --- migrations -----------------------------------------------------------------------------------


def test_a_database_is_as_its_metadata_says() -> None:
    with open_store(new_namespace()):
        assert migrate.differences(shared_database(), "here") == []
    assert ": up to date" in run("admin", "migrate", shared_database(), "--check")


def test_a_login_that_may_not_make_roles_is_told_what_it_lacks() -> None:
    database = new_database()
    with logged_in(database) as conn:
        conn.execute("DROP ROLE IF EXISTS plain")
        conn.execute("CREATE ROLE plain LOGIN")
    with pytest.raises(StoreError, match="may not set up a memory") as caught:
        open_store(new_namespace(database.replace("postgres@", "plain@")))
    assert "migrate --sql" in str(caught.value)


@pytest.mark.slow
def test_an_owner_without_superuser_sets_a_memory_up_and_uses_it() -> None:
    with logged_in(server_address()) as conn:
        conn.execute("DROP ROLE IF EXISTS owner_of_all")
        conn.execute("CREATE ROLE owner_of_all LOGIN CREATEROLE CREATEDB")
    database = new_database().replace("postgres@", "owner_of_all@")
    with psycopg.connect(server_address(), autocommit=True) as conn:
        name = read_address(database, needs_namespace=False).conninfo.split("/")[3].split("?")[0]
        conn.execute(f"ALTER DATABASE {name} OWNER TO owner_of_all")  # type: ignore[arg-type]
    with open_store(new_namespace(database)) as store:
        store.add(SAID)
        store.write(MOVED, cause="test")
        assert store.read("SELECT value FROM facts").rows == (("Oslo",),)


@pytest.mark.slow
def test_the_printed_sql_makes_the_same_database() -> None:
    database = new_database()
    script = run("admin", "migrate", database, "--sql")
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(script)  # type: ignore[arg-type]
    assert migrate.differences(database, "here") == []
    with open_store(new_namespace(database)) as store:
        assert store.add(SAID[:1]) == [1]
    assert what_alembic_cannot_see(database) == what_alembic_cannot_see(shared_database())


def what_alembic_cannot_see(database: str) -> list[tuple[object, ...]]:
    """Policies, functions, views, triggers, constraints and grants, as one sorted list."""
    with logged_in(database) as conn:
        role = migrate.model_role(conn.info.dbname)
        queries = [
            "SELECT 'policy', polrelid::regclass::text, polname, polcmd::text,"
            " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy",
            "SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc"
            " WHERE pronamespace = 'memory'::regnamespace",
            "SELECT 'view', viewname, definition FROM pg_views WHERE schemaname LIKE 'memory%'",
            "SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE NOT tgisinternal",
            "SELECT 'constraint', conrelid::regclass::text, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'memory'::regnamespace",
            "SELECT 'grant', table_name, privilege_type, grantee FROM"
            " information_schema.role_table_grants WHERE table_schema LIKE 'memory%'",
            "SELECT 'column', table_name, column_name, privilege_type, grantee FROM"
            " information_schema.role_column_grants WHERE table_schema LIKE 'memory%'",
            "SELECT 'routine', routine_name, privilege_type, grantee FROM"
            " information_schema.role_routine_grants WHERE routine_schema LIKE 'memory%'",
        ]
        rows = [row for query in queries for row in conn.execute(query)]  # type: ignore
    plain = [tuple(str(cell).replace(role, "MODEL") for cell in row) for row in rows]
    return sorted(plain)


@pytest.mark.slow
def test_a_newer_and_an_older_schema_are_refused() -> None:
    older = migrate.revisions()[-2]
    for revision, says in (
        ("9999", "newer version"),
        (older, "made by an older version; run: memory admin migrate"),
        ("0011", r"made before the first release \(schema 0011\)"),
    ):
        database = new_database()
        migrate.upgrade(database, "here")
        with logged_in(database) as conn:
            conn.execute("UPDATE memory.version SET version_num = %s", [revision])
        with pytest.raises(StoreError, match=says):
            open_store(new_namespace(database))
    assert migrate.revisions() == sorted(migrate.revisions())


def test_the_first_key_of_every_table_is_the_namespace() -> None:
    """So that Citus can distribute them: each primary, unique and foreign key begins with it."""
    with open_store(new_namespace()), logged_in(shared_database()) as conn:
        keys = conn.execute(
            "SELECT conrelid::regclass::text, contype::text, (SELECT attname FROM pg_attribute"
            " WHERE attrelid = conrelid AND attnum = conkey[1]) FROM pg_constraint"
            " WHERE connamespace = 'memory'::regnamespace AND contype IN ('p', 'u', 'f')"
        ).fetchall()
    own = ("memory.namespaces", "memory.secrets", "memory.version")
    assert {(kind, column) for table, kind, column in keys if table not in own} == {
        ("p", "namespace"),
        ("u", "namespace"),
        ("f", "namespace"),
    }


@pytest.mark.slow
def test_ten_processes_that_start_at_once_set_up_one_schema() -> None:
    database = new_database()
    code = "import sys; from memory import *; s = open_store(sys.argv[1]);"
    code += "print(s.add([Turn('Anna', 'hi')]))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"{database}&namespace=n{n % 2}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(10)
    ]
    ids = [process.communicate()[0].strip() for process in started]
    assert sorted(ids) == sorted(f"[{n}]" for n in (1, 2, 3, 4, 5) for _ in range(2))


def test_a_script_is_split_where_its_statements_end() -> None:
    text = "-- a comment;\nSELECT 1;\nDO $$\nBEGIN\n  x;\nEND\n$$;\nSELECT ';'\n  , 2;\n"
    assert [*migrations.statements(text)] == [
        "SELECT 1",
        "DO $$\nBEGIN\n  x;\nEND\n$$",
        "SELECT ';'\n  , 2",
    ]


@pytest.mark.slow
def test_what_an_administrators_sql_makes_is_the_login_s_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = new_database()
    parts = urlsplit(database)
    login = f"it's {parts.path[1:]}"
    run("admin", "migrate", database, "--owner", login, says="give both")
    with logged_in(database) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(login)))
        conn.execute(run("admin", "migrate", database, "--sql", "--owner", login).encode())
    try:
        host = parts.netloc.rpartition("@")[2]
        as_login = f"postgresql://{quote(login)}@{host}{parts.path}?{parts.query}"
        with open_store(f"{as_login}&namespace=anna") as store:
            store.add(SAID)
            store.write(MOVED, cause="test")
            assert store.read("SELECT COUNT(*) AS n FROM facts").rows == ((1,),)
            assert store.search("Oslo")
            assert store.check() == []
        monkeypatch.setenv("MEMORY_HOME", as_login)
        assert "up to date" in run("admin", "migrate", "--check")
    finally:
        with logged_in(database) as conn:
            conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(login)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))
