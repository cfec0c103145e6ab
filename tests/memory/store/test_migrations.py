"""A memory opens, whichever way it came to this schema, and an older one says how to move it.

Kills and failing disks in the middle of a migration: tests/support/acts.py, "migration".
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, open_store
from memory.errors import StoreError
from memory.store import migrations, namespaces
from memory.store.changes.history import edits_of
from memory.store.files import backup, integrity, older_copy
from memory.store.sqlite.connection import connect
from tests.conftest import MOVED, SAID
from tests.memory.store.files.test_backup import run, without_embedder
from tests.memory.store.forgetting.test_forget import lived, opened
from tests.support import commands
from tests.support.newer_version import one_more_migration
from tests.support.older_memory import STEPS, make_older, memory_by_steps
from tests.support.released_memory import FOLDER, contents, unpacked

OLDER = range(1, migrations.OLDEST)
NEWEST = migrations.VERSION  # a test may add one
RELEASED = sorted(file.name.split(".")[0] for file in FOLDER.glob("*.db.gz"))
WAYS = ["at once", "by steps"]


def rows_in(path: Path, select: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute(select).fetchall()


def schema_in(path: Path) -> migrations.Schema:
    """What a file is made of, without the record of migrations."""
    with closing(sqlite3.connect(path)) as conn:
        schema = migrations.schema_of(conn)
    return {name: part for name, part in schema.items() if part.table != "_sqlite_migrations"}


def version_of(path: Path) -> int:
    return migrations.read_stamp(rows_in(path, "PRAGMA user_version")[0][0]).version


def used_memory(path: Path, way: str = "at once") -> list[dict[str, Any]]:
    """Make a memory that was used for a while; returns the records of what it holds."""
    store, _ = lived(path)
    with store:
        records = [*store.dump()]
    if way == "by steps":
        make_older(path)
    return records


def test_the_steps_made_this_schema_to_the_letter(tmp_path: Path, path: Path) -> None:
    by_steps = tmp_path / "steps.db"
    memory_by_steps(by_steps)
    connect(path, read_only=False).close()
    assert len(STEPS) == migrations.OLDEST
    assert migrations._schema(migrations.OLDEST) == schema_in(by_steps)
    for table in ("turns_words_config", "facts_words_config"):
        select = f"SELECT * FROM {table} ORDER BY k"
        assert rows_in(path, select) == rows_in(by_steps, select)


def test_a_memory_that_came_by_steps_opens_with_all_in_it(tmp_path: Path, path: Path) -> None:
    records = used_memory(path)
    shutil.copy(path, tmp_path / "steps.db")
    make_older(tmp_path / "steps.db")
    before = (tmp_path / "steps.db").read_bytes()
    with pytest.raises(StoreError, match="open it once for writing"):
        open_store(tmp_path / "steps.db", read_only=True)
    assert (tmp_path / "steps.db").read_bytes() == before
    with opened(path) as new, opened(tmp_path / "steps.db") as store:
        assert [*store.dump()] == records
        assert store.check() == []
        for question in ("Where is the cat?", "Anna Oslo", "xylophones"):
            assert store.search(question, 50) == new.search(question, 50)
        with store.as_of("2100") as past:
            assert past.facts() == store.facts()
        for memory in (new, store):
            memory.undo(1)
            assert memory.add(SAID[:1]) == [10]
        assert store.facts() == new.facts()
        assert [edit.after for edit in edits_of(store)] == [edit.after for edit in edits_of(new)]
        store.backup(tmp_path / "b.db")
        assert str(tmp_path / "b.db") in store.forget([1]).files
        assert store.check() == []


@pytest.mark.few(1)
@pytest.mark.parametrize("is_additive", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_the_next_migration_is_applied_to_a_memory_with_its_contents(
    path: Path, way: str, is_additive: bool
) -> None:
    records = used_memory(path, way)
    before = version_of(path)
    with one_more_migration(is_additive) as newest:
        with pytest.raises(StoreError, match="open it once for writing"):
            open_store(path, read_only=True)
        assert version_of(path) == before
        with opened(path) as store:
            assert [*store.dump()] == records
            assert store.check() == []
            store.undo(1)
            assert store.check() == []
        assert schema_in(path) == migrations._schema(newest)
        assert version_of(path) == newest
        opened(path).close()


@pytest.mark.parametrize("schema", RELEASED)
def test_a_file_of_every_released_schema_opens_with_all_in_it(path: Path, schema: str) -> None:
    recorded = unpacked(schema, path)
    with opened(path) as store:
        assert contents(store) == recorded
        assert store.check() == []
        assert version_of(path) == migrations.VERSION
        store.forget([1])
        assert store.check() == []
    with one_more_migration(), opened(path) as store:
        assert contents(store)["changes"] == recorded["changes"]
        assert store.check() == []


def test_files_of_all_released_schemas_are_kept() -> None:
    assert RELEASED[0] == f"{migrations.OLDEST:04}"
    assert all(int(schema) <= migrations.VERSION for schema in RELEASED)


def test_an_older_file_is_copied_before_it_is_brought_up_to_date(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = used_memory(path)
    before = schema_in(path)
    with one_more_migration() as newest:
        with opened(path) as store:
            assert [*store.dump()] == records
        copy = path.with_name(f"anna.schema-{NEWEST}.db")
        assert f"a copy of the older file is kept as {copy}" in caplog.text
        assert (version_of(path), version_of(copy)) == (newest, NEWEST)
        assert schema_in(copy) == before
        assert copy.stat().st_mode & 0o077 == 0
        assert [*path.parent.glob("*.schema-*")] == [copy]
        opened(path).close()  # not again
        assert [*path.parent.glob("*.schema-*")] == [copy]
        assert backup.restore(copy, path.with_name("restored.db")) == 9
        with opened(path) as store:
            assert str(copy) in store.forget([1]).files
        assert b"moved to Oslo" not in copy.read_bytes()


def test_an_update_that_fails_leaves_the_file_and_is_copied_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_memory(path)
    copy = path.with_name(f"anna.schema-{NEWEST}.db")
    with one_more_migration():
        with monkeypatch.context() as patch:
            patch.setattr(older_copy, "open_for_reading", failing_disk)
            with pytest.raises(StoreError, match="No space left"):
                open_store(path)
        assert version_of(path) == NEWEST
        assert not copy.exists()
        copy.write_bytes(b"half")
        with opened(path) as store:
            assert store.check() == []
        assert version_of(copy) == NEWEST


def failing_disk(path: Path) -> Any:
    raise OSError(28, "No space left on device", str(path))


def test_a_file_of_another_name_is_not_overwritten_by_the_copy(path: Path) -> None:
    used_memory(path)
    other = path.with_name(f"anna.schema-{NEWEST}.db")
    other.write_bytes(b"another's")
    with one_more_migration():
        opened(path).close()
    assert other.read_bytes() == b"another's"
    assert version_of(path.with_name(f"anna.schema-{NEWEST}-2.db")) == NEWEST


@pytest.mark.few(3)
@pytest.mark.parametrize("schema", OLDER)
def test_a_memory_of_an_older_schema_is_untouched_and_says_how_to_move_it(
    tmp_path: Path, path: Path, schema: int
) -> None:
    used_memory(path)
    make_older(path, schema)
    before = path.read_bytes()
    says = rf"anna.db: made before the first release \(schema {schema}\), whose memories no"
    for read_only in (False, True):
        with pytest.raises(StoreError, match=says):
            open_store(path, read_only=read_only)
    with pytest.raises(StoreError, match=says):
        backup.restore(path, tmp_path / "restored.db")
    assert not (tmp_path / "restored.db").exists()
    assert path.read_bytes() == before


def test_a_command_says_how_to_move_an_older_memory_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    for name in ("anna", "ben"):
        with open_store(namespaces.create(name)) as store:
            store.add(SAID)
    [path] = tmp_path.glob("**/ben.db")
    make_older(path, schema=15)
    says = "made before the first release .*`memory export`, and `memory import` the .jsonl file"
    commands.run("search", "Oslo", "-n", "ben", says=says)
    listed = commands.run("admin", "namespaces", "list")
    assert "anna" in listed
    assert "made before the first release" in " ".join(listed.split())


def test_a_backup_of_an_older_schema_is_named_where_forgetting_cannot_reach_it(
    tmp_path: Path, path: Path
) -> None:
    with opened(path) as store:
        store.add(SAID)
        for name in ("older.db", "newer.db"):
            store.backup(tmp_path / name)
        make_older(tmp_path / "older.db", schema=15)
        before = (tmp_path / "older.db").read_bytes()
        assert store.forget([1]).unreached == (str(tmp_path / "older.db"),)
    assert (tmp_path / "older.db").read_bytes() == before
    for file in (path, tmp_path / "newer.db"):
        assert b"moved to Oslo" not in file.read_bytes()


@pytest.mark.parametrize("way", WAYS)
def test_a_backup_of_the_version_before_is_restored_and_stays_as_it_is(
    tmp_path: Path, way: str
) -> None:
    source, target = tmp_path / "b.db", tmp_path / "a.db"
    records = without_embedder(used_memory(source, way))
    before = source.read_bytes()
    with one_more_migration() as newest:
        for _ in range(2):  # as new, and in place of what is there
            assert backup.restore(source, target, replace=True) == 9
            with opened(target) as store:
                assert [r for r in without_embedder(store.dump()) if r in records] == records
                assert store.check() == []
                store.add(SAID)
        assert version_of(target) == newest
    assert source.read_bytes() == before


@pytest.mark.slow
def test_the_command_counts_forgotten_turns_that_an_older_backup_brings_back(
    tmp_path: Path, path: Path
) -> None:
    with opened(path) as store:
        store.add(SAID)
        store.backup(tmp_path / "b.db")
        (tmp_path / "b.db").rename(tmp_path / "moved.db")
        store.forget([1, 2])
    command = ["restore", str(tmp_path / "moved.db"), "--db", str(path), "--replace"]
    with one_more_migration():
        result = run(*command, answer="n\n")
        assert "2 turns that were forgotten" in result.stdout
        assert isinstance(result.exception, InputError)
        assert run(*command, "--yes").exit_code == 0
        with opened(path) as store:
            assert len(store.turns()) == 5


def test_nothing_but_null_stands_for_a_date_that_is_not_there(path: Path) -> None:
    with opened(path) as store:
        store.add(SAID)
        store.write(MOVED, cause="test")
    with closing(connect(path, read_only=False)) as conn:
        for column in ("happened_on", "ended_on"):
            with pytest.raises(sqlite3.IntegrityError, match="is no date"):
                conn.execute(f"UPDATE facts SET {column} = ''")
        conn.execute("DROP TRIGGER updated_fact_is_dated")
        conn.execute("UPDATE facts SET ended_on = ''")
        faults = integrity.find_faults(conn)
    assert faults == ["fact 1 has an empty text for a date that is not there, which is NULL"]


def test_a_turn_that_is_forgotten_is_removed_from_an_older_backup(
    tmp_path: Path, path: Path
) -> None:
    with opened(path) as store:
        store.add(SAID)
        store.backup(tmp_path / "b.db")
    with one_more_migration() as newest, opened(path) as store:
        assert str(tmp_path / "b.db") in store.forget([1]).files
        assert version_of(tmp_path / "b.db") == newest
        assert b"moved to Oslo" not in (tmp_path / "b.db").read_bytes()
        with opened(tmp_path / "b.db") as store:
            assert [turn.id for turn in store.turns()] == [2, 3, 4, 5]


def test_a_memory_of_a_newer_version_is_refused_and_unharmed(path: Path) -> None:
    with one_more_migration() as newest:
        open_store(path).close()
    before = path.read_bytes()
    message = f"schema {newest}, this one knows {newest - 1}.; upgrade sql-memory to open it"
    with pytest.raises(StoreError, match=message):
        open_store(path)
    assert path.read_bytes() == before
