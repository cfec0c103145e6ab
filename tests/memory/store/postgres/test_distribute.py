"""Tables that can be spread over servers, and a cluster where MEMORY_TEST_CITUS names one."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from memory import Store, Turn, open_store
from memory.errors import StoreError
from memory.store import namespaces
from memory.store.changes.history import edits_of, revert_to
from memory.store.configuration.settings import set_setting
from memory.store.postgres import distribute, migrate
from memory.store.postgres.address import read_address
from memory.store.postgres.names import TABLES
from memory.store.waiting.pending_windows import claim_window, fail_window, reclaim_window
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support.commands import run, run_in_process
from tests.support.postgres_server import logged_in, new_database, new_namespace, shared_database
from tests.support.rows import rows_of

CITUS = os.environ.get("MEMORY_TEST_CITUS", "")
SPREAD = {*TABLES, "counters"}
on_citus = pytest.mark.skipif(not CITUS, reason="MEMORY_TEST_CITUS names no database with Citus")


# --- what the tables are like -------------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> str:
    migrate.upgrade(shared_database(), "here")
    return shared_database()


def test_every_key_and_index_begins_with_the_namespace(database: str) -> None:
    with logged_in(database) as conn:
        rows = conn.execute(
            "SELECT indrelid::regclass::text, indexrelid::regclass::text, attname"
            " FROM pg_index JOIN pg_class AS t ON t.oid = indrelid JOIN pg_attribute"
            " ON attrelid = indrelid AND attnum = indkey[0]"
            " WHERE t.relnamespace = 'memory'::regnamespace"
            " UNION ALL SELECT conrelid::regclass::text, conname, attname FROM pg_constraint"
            " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE connamespace = 'memory'::regnamespace AND contype IN ('p', 'u', 'f')"
            " UNION ALL SELECT confrelid::regclass::text, conname, attname FROM pg_constraint"
            " JOIN pg_attribute ON attrelid = confrelid AND attnum = confkey[1]"
            " WHERE connamespace = 'memory'::regnamespace AND contype = 'f'"
        ).fetchall()
    first_columns = {
        (table, key): column
        for table, key, column in rows
        if table.removeprefix("memory.") in SPREAD
    }
    assert len(first_columns) > 40
    assert set(first_columns.values()) == {"namespace"}
    assert {table.removeprefix("memory.") for table, _ in first_columns} == SPREAD


def test_every_key_and_index_of_the_metadata_begins_with_the_namespace() -> None:
    from memory.store.postgres.tables import metadata

    local = {"namespaces", "secrets"}
    assert {table.name for table in metadata.tables.values()} == SPREAD | local
    for table in metadata.tables.values():
        if table.name not in local:
            keys = [table.primary_key, *table.foreign_key_constraints, *table.indexes]
            for key in keys:
                assert next(iter(key.columns)).name == "namespace", (table.name, key)


def test_the_only_trigger_is_one_that_nothing_rests_on(database: str) -> None:
    with logged_in(database) as conn:
        triggers = conn.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND relnamespace = 'memory'::regnamespace"
        ).fetchall()
    triggers = [row for row in triggers if not row[0].startswith("truncate_trigger")]  # of Citus
    assert triggers == ([] if CITUS else [("turns_are_immutable",)])


# --- what is sent to them -----------------------------------------------------------------------


def do_everything(address: str, folder: Path) -> None:
    with open_store(address) as store:
        store.add(SAID * 4, once=True)
        store.add([Turn("Ben", f"Number {n}.", source=f"s {n}") for n in range(1_030)], once=True)
        store.search("number cat")
        store.read("SELECT f.value FROM facts f JOIN search('cat', 3) s ON s.turn_id = f.turn_id")
        first = store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        store.write("UPDATE facts SET value = value || '!' WHERE id > 1", cause="test")
        store.write("DELETE FROM facts WHERE id = 3", cause="test")
        window = claim_window(store, 4)
        assert window
        fail_window(store, window, "no model", statement=f"{MOVED};")
        reclaim_window(store, window)
        fail_window(store, window, "no model", statement=MOVED)
        store.apply_held(window)
        assert claim_window(store, 4)
        revert_to(store, first.id)
        store.undo(len(store.changes()))
        set_setting(store, "user", "Anna")
        store.catalog(200)
        store.backup(folder / "copy.db")
        store.as_of("2017-06").close()
        records = [*store.dump()]
        store.vectors.reembed("wordllama")
        store.forget([1, 7])
        assert store.check() == []
        store.facts(len(store.changes()))
        assert edits_of(store)
        assert store.pending()
    with open_store(f"{address} copy") as copy:
        copy.load(records)
        assert copy.search("number cat")
    base = read_address(address)
    namespaces.delete(f"{base.namespace} copy")


@pytest.mark.slow
def test_every_statement_names_the_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database()
    with logged_in(database) as conn:
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET log_statement = 'all'")  # type: ignore
        [(folder,)] = conn.execute("SHOW data_directory").fetchall()
    log = Path(folder) / "log"
    migrate.upgrade(database, "here")
    start = log.stat().st_size
    monkeypatch.setenv("MEMORY_HOME", database)
    do_everything(f"{database}&namespace=anna", tmp_path)
    with log.open("rb") as file:
        file.seek(start)
        sent = [*statements_of(file.read().decode(errors="replace"))]
    about_rows = [text for text in dict.fromkeys(sent) if re.search(r"\bmemory\.\w", text)]
    assert len(about_rows) > 80
    assert {table for text in about_rows for table in SPREAD if f"memory.{table}" in text} == SPREAD
    assert unbound_tables("SELECT 1 FROM memory.turns WHERE id = 1") == ["turns"]
    joined = "SELECT 1 FROM memory.turns JOIN memory.facts ON turn_id = turns.id"
    assert unbound_tables(f"{joined} WHERE turns.namespace = $1") == ["facts"]
    for text in about_rows:
        assert unbound_tables(text) == [], text


def statements_of(log: str) -> Iterator[str]:
    for entry in re.split(r"\n(?!\t)", log):
        if match := re.search(r"LOG:  (?:statement|execute [^:]*): (.*)", entry, re.DOTALL):
            yield re.sub(r"^DECLARE \w+ NO SCROLL CURSOR FOR ", "", match[1].replace("\n\t", "\n"))


def unbound_tables(statement: str) -> list[str]:
    """The shared tables of a statement whose rows it does not take of one namespace."""
    if statement.startswith("COPY "):
        return [] if re.match(r"COPY memory\.\w+ \(namespace, ", statement) else [statement]
    # The parser takes some parameters for quotes.
    tree = sqlglot.parse_one(re.sub(r"\$\d+", "7", statement), read="postgres")
    tables = [t for t in tree.find_all(exp.Table) if t.db == "memory" and t.name in SPREAD]
    return [table.name for table in tables if not is_bound(table)]


def is_bound(table: Any) -> bool:
    scope = table.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    if isinstance(scope, exp.Insert):
        return bool(scope.this.expressions[0].name == "namespace")
    where = scope.args.get("where")
    # With others beside it, the table's own namespace must be given, by its name.
    is_alone = not any(isinstance(join.this, exp.Table) for join in scope.args.get("joins") or ())
    return where is not None and any(
        equal.this.name == "namespace"
        and (is_alone or equal.this.table == table.alias_or_name)
        and isinstance(equal.expression, exp.Literal)
        and equal.find_ancestor(exp.Select, exp.Update, exp.Delete) is scope
        for equal in where.find_all(exp.EQ)
    )


# --- the journal --------------------------------------------------------------------------------


def journal_of(store: Any) -> list[Any]:
    """All that is kept of facts, byte by byte but for the moments."""
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    selects = [f"SELECT {columns} FROM {table} ORDER BY 1" for table, columns in COLUMNS.items()]
    return [[moment.sub("NOW", str(row)) for row in rows_of(store, select)] for select in selects]


COLUMNS = {
    "facts": "id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at",
    "facts_log": "id, change_id, fact_id, before, after",
    "changes": "id, at, cause, statement, undone_at, undoes, first_turn, last_turn",
    "pending": "first_turn, last_turn, error, attempts",
}


def change_facts(store: Store) -> None:
    store.add([*SAID, Turn("Zoë", 'She said "\\" \u2028 🐈 \x7f </b>\t.')])
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    odd = "'a\"b\\ \u2028 🐈 \x7f </b>\t\n'"
    store.write(
        f"INSERT INTO facts (subject, attribute, value, ended_on, turn_id) VALUES ({odd}, 'says',"
        f" {odd}, NULL, 6), ('Anna', 'number', -20.50, '', 2);"
        f" UPDATE facts SET value = value || '{'!' * 3}', turn_id = turn_id + 1 WHERE id < 3;"
        " UPDATE facts SET value = length(value), happened_on = NULL WHERE subject LIKE 'a%';"
        " DELETE FROM facts WHERE id IN (2, 4)",
        cause="all kinds",
    )
    store.undo(2)
    store.undo(3)
    revert_to(store, 1)
    window = claim_window(store, 3)
    store.write(CAT, cause="window", window=window)
    store.forget([2])


@pytest.mark.slow
def test_the_journal_is_that_of_sqlite_byte_by_byte(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as sqlite, open_store(new_namespace()) as postgres:
        for store in (sqlite, postgres):
            change_facts(store)
        assert journal_of(postgres) == journal_of(sqlite)
        assert postgres.check() == []
        assert len(edits_of(postgres)) > 5


def test_what_is_rolled_back_leaves_nothing_for_the_next_write(tmp_path: Path) -> None:
    with open_store(new_namespace()) as store:
        store.add(SAID)
        with pytest.raises(Exception, match="turn_id names no turn"):
            store.write(f"{CAT}; {MOVED.replace(', 1)', ', 99)')}", cause="test")
        store.write(DOG, cause="test")
        assert [edit.fact_id for edit in edits_of(store)] == [fact.id for fact in store.facts()]
        assert store.check() == []


# --- the command --------------------------------------------------------------------------------


def test_a_server_without_citus_is_told_so_and_nothing_changes() -> None:
    from memory.__main__ import app

    database = new_database()
    if CITUS:
        pytest.skip("this server has it")
    for options in ((), ("--sql",)):
        done = run_in_process(app, "admin", "distribute", database, *options)
        assert done.returncode == 2
        assert "no Citus, nothing was changed" in " ".join(done.stderr.split())
    with logged_in(database) as conn:
        assert migrate.revision_of(conn) == ""


@on_citus
def test_a_cluster_serves_namespaces_as_one_server_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = shared_database()
    address = read_address(database, needs_namespace=False)
    assert "all tables are distributed" in run("admin", "distribute", database)
    assert distribute.distribute(address)[0] == 0
    assert not any("create_distributed" in line for line in distribute.script(address))
    monkeypatch.setenv("MEMORY_HOME", database)
    do_everything(new_namespace(), tmp_path)
    with logged_in(database) as conn:
        tables = conn.execute(
            "SELECT logicalrelid::text, colocationid FROM pg_dist_partition"
        ).fetchall()
    assert {f"memory.{table}" for table in SPREAD} == {table for table, _ in tables}
    assert len({place for _, place in tables}) == 1


@on_citus
def test_a_server_that_has_lost_the_key_gets_it_again() -> None:
    database = shared_database()
    with logged_in(database) as conn:
        conn.execute("SELECT run_command_on_workers('DROP TABLE memory.secrets')")
    with open_store(new_namespace()) as store:
        store.add(SAID)
        with pytest.raises(StoreError):
            store.write(MOVED, cause="test")
    run("admin", "distribute", database)
    with open_store(new_namespace()) as store:
        store.add(SAID)
        assert store.write(MOVED, cause="test").facts == 1
