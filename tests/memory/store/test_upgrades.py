"""Upgrades without a pause: this version beside a newer one whose migration only adds to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from memory import InputError, SqlError, Turn, open_store
from memory.errors import StoreError
from memory.store import migrations
from memory.store.changes.history import edits_of
from memory.store.postgres import store as postgres_store
from memory.store.postgres.pool import close_pools
from memory.store.protocol import Store
from tests.conftest import MOVED, SAID
from tests.support import newer_version
from tests.support.commands import run as run_command
from tests.support.postgres_server import logged_in, new_database, new_namespace

EACH = 12  # turns and facts that each of the two versions stores

# What the newer version runs: it migrates, then writes, also what this version has no place for.
NEWER = f"""
import sys
from memory import Turn, open_store
from memory.store.postgres import migrate

address = sys.argv[1]
if "://" in address:
    migrate.upgrade(address.partition("&namespace=")[0], "here")
with open_store(address) as store:
    print("ready", flush=True)
    for n in range({EACH}):
        [turn] = store.add([Turn("Cleo", f"I am newer, and this is turn {{n}}.")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            f" VALUES ('Cleo', 'said', 'newer {{n}}', {{turn}})",
            cause="newer",
        )
        with store.transaction() as conn:
            conn.insert_rows("moods", ("turn_id", "mood"), [(turn, "calm")])
    print(store.check(), len(store.facts()) >= {EACH})
"""
NEWER_FORGETS = """
import sys
from memory import open_store

with open_store(sys.argv[1]) as store:
    print(store.forget([1]).turns, store.check(), len([*store.dump()]) > 0)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, path: Path) -> str:
    """A memory whose database can be migrated."""
    return str(path) if request.param == "sqlite" else new_namespace(new_database())


@pytest.fixture
def running(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that this version has opened before the upgrade."""
    monkeypatch.setattr(postgres_store, "CURRENT_SECONDS", 0.0)
    with open_store(address) as store:
        store.add(SAID)
        yield store


def write_beside(stores: list[Store]) -> None:
    """Add, write, search and undo by stores of this version, in turn."""
    for n in range(EACH):
        store = stores[n % len(stores)]
        [turn] = store.add([Turn("Anna", f"I am older, and this is turn {n}.")])
        for value in (f"older {n}", f"a mistake {n}"):
            change = store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id)"
                f" VALUES ('Anna', 'said', '{value}', {turn})",
                cause="older",
            )
        store.undo(change.id)
        assert store.search("Oslo", 3)[0].turn_id == 1


@pytest.mark.slow
def test_two_versions_read_and_write_one_memory_at_once(
    tmp_path: Path, address: str, running: Store
) -> None:
    newer = newer_version.newer_version(tmp_path / "newer")
    with newer_version.start(newer, NEWER, address) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with open_store(address) as fresh:
            write_beside([running, fresh])
            assert process.communicate()[0] == "[] True\n"
    assert process.returncode == 0

    with open_store(address) as store:
        values = {fact.value for fact in store.facts()}
        assert values == {f"{name} {n}" for name in ("older", "newer") for n in range(EACH)}
        assert [turn.id for turn in store.turns()] == [*range(1, len(SAID) + 2 * EACH + 1)]
        # The journal has each fact of both versions, and each that was undone twice.
        assert len([*edits_of(store)]) == 4 * EACH
        assert [change.cause for change in store.changes()].count("newer") == EACH
        assert store.check() == []
        newest = max(change.id for change in store.changes() if change.cause == "newer")
        store.undo(newest)
        assert len(store.facts()) == 2 * EACH - 1
        for query in ("SELECT * FROM moods", "SELECT tone FROM changes"):
            with pytest.raises(SqlError):
                store.read(query)
        assert store.read("SELECT * FROM facts LIMIT 1").columns[-1] == "value_entity"
        assert store.as_of("2030-01-01").count_turns() == len(SAID) + 2 * EACH


@pytest.mark.slow
def test_what_is_about_a_whole_memory_is_left_to_the_newer_version(
    tmp_path: Path, address: str, running: Store
) -> None:
    newer = newer_version.newer_version(tmp_path / "newer")
    newer_version.run(newer, NEWER, address)
    with open_store(address) as fresh:
        for store in (running, fresh):
            for act in (lambda: store.forget([1]), lambda: [*store.dump()]):  # noqa: B023
                with pytest.raises(StoreError, match="newer than this version"):
                    act()
            assert store.count_turns() == len(SAID) + EACH
    if "://" in address:
        with pytest.raises(StoreError, match="newer than this version"):
            running.backup(tmp_path / "backup.db")
        with pytest.raises(StoreError, match="newer than this version"):
            running.vacuum()
    else:  # all of the file, also what this version does not know
        running.backup(tmp_path / "backup.db")
        with closing(sqlite3.connect(tmp_path / "backup.db")) as conn:
            assert conn.execute("SELECT count(*) FROM moods").fetchone() == (EACH,)
    assert newer_version.run(newer, NEWER_FORGETS, address) == "(1,) [] True"
    assert running.count_turns() == len(SAID) + EACH - 1


@pytest.mark.slow
def test_a_migration_that_does_not_only_add_stops_this_version(
    tmp_path: Path, address: str, running: Store
) -> None:
    newer = newer_version.newer_version(tmp_path / "newer", is_additive=False)
    newer_version.run(newer, NEWER, address)
    with pytest.raises(StoreError, match="upgrade sql-memory"):
        open_store(address)
    # Also where it is open: a file at its next write, a server when it next asks.
    with pytest.raises(StoreError, match="upgrade sql-memory"):
        running.is_current() and running.add(SAID)


@pytest.mark.slow
def test_the_command_says_whether_servers_run_on(tmp_path: Path) -> None:
    database = new_database()
    assert "new" in run_command("admin", "migrate", database)
    for is_additive, says in ((True, "servers run on"), (False, "stop its servers")):
        newer = newer_version.newer_version(tmp_path / str(is_additive), is_additive)
        code = (
            "import sys; from memory.store.postgres import migrate;"
            "print(migrate.differences(sys.argv[1], 'here'))"
        )
        assert says in newer_version.run(newer, code, database)


# --- the walls of a newer schema ----------------------------------------------------------------


def stamped(path: Path, script: str) -> None:
    """Make a file that says it is of an additive newer schema, after a script."""
    open_store(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(script)
        version = migrations.VERSION
        conn.execute(f"PRAGMA user_version = {version << 16 | version + 1}")


def test_a_file_of_a_newer_schema_that_only_adds_is_used(path: Path) -> None:
    stamped(path, newer_version.ADDED)
    with open_store(path) as store:
        store.add(SAID)
        assert store.search("Oslo", 1)
        store.write(MOVED, cause="test")
        assert store.read("SELECT * FROM facts").columns[-1] == "value_entity"
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("SELECT DISTINCT tone FROM changes").fetchall() == [("plain",)]


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON turns BEGIN DELETE FROM facts; END",
        "CREATE TABLE x (y); CREATE TRIGGER t AFTER INSERT ON x BEGIN DELETE FROM facts; END",
        "CREATE INDEX i ON turns (hex(zeroblob(100000000)))",
        "CREATE INDEX i ON turns (speaker) WHERE length(hex(zeroblob(100000000))) > 1",
        "CREATE UNIQUE INDEX i ON turns (speaker)",
        "ALTER TABLE facts ADD COLUMN x TEXT",
        "ALTER TABLE changes ADD COLUMN x TEXT AS (hex(zeroblob(100000000)))",
        "ALTER TABLE changes ADD COLUMN x TEXT CHECK (length(x) < 3)",
        "ALTER TABLE changes ADD COLUMN x TEXT REFERENCES facts (id)",
        "ALTER TABLE pending DROP COLUMN statement",
        "DROP TRIGGER turns_are_immutable",
        "DROP TABLE summaries",
        "DROP INDEX facts_by_turn; CREATE INDEX facts_by_turn ON facts (value)",
    ],
)
def test_a_file_whose_newer_schema_could_do_anything_else_is_refused(
    path: Path, script: str
) -> None:
    stamped(path, script)
    with pytest.raises(StoreError, match="is not as sql-memory makes it"):
        open_store(path)


@pytest.mark.slow
def test_a_newer_table_without_a_wall_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = new_namespace(new_database())
    database = address.partition("&namespace=")[0]
    monkeypatch.setattr(postgres_store, "CURRENT_SECONDS", 0.0)
    open_store(address).close()
    following = newer_version.next_revision()
    with logged_in(database) as conn:
        role = f"memory_model_{conn.info.dbname}"
        refusal_of_moods = r"may read or write memory\.moods"
        conn.execute(
            f"UPDATE memory.version SET version_num = '{following}',"
            f" usable_by = version_num || '..{following}'"
        )
        conn.execute("CREATE TABLE memory.moods (namespace bigint, mood text)")
        for statement, refusal in (
            (f"GRANT SELECT ON memory.moods TO {role}", refusal_of_moods),
            (
                "ALTER TABLE memory.moods ENABLE ROW LEVEL SECURITY",
                "may read or write memory.moods",
            ),
            ("CREATE POLICY reads ON memory.moods USING (namespace = memory.entered('r'))", ""),
            (f"GRANT SELECT ON memory.secrets TO {role}", r"may read or write memory\.secrets"),
        ):
            conn.execute(statement)
            close_pools()  # as a process that begins
            with pytest.raises(StoreError, match=refusal) if refusal else nullcontext():
                open_store(address).close()


def test_a_change_of_a_table_that_is_unknown_is_not_taken_back(path: Path) -> None:
    stamped(path, newer_version.ADDED)
    with open_store(path) as store:
        store.add(SAID)
        change = store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('A', 'b', 'c', 1)",
            cause="newer",
        )
        with closing(sqlite3.connect(path)) as conn, conn:
            conn.execute(
                "INSERT INTO rows_log (change_id, table_name, turn_id, after)"
                " VALUES (?, 'moods', 1, '{}')",
                (change.id,),
            )
        with pytest.raises((StoreError, InputError), match="its table moods"):
            store.undo(change.id)
        assert len(store.facts()) == 1
