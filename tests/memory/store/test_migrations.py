"""An older memory is brought up to date in place, with all that is in it; so are its backups.

Kills and failing disks in the middle of it: tests/support/acts.py, "migration".
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, open_store
from memory.errors import StoreError
from memory.store import backup, integrity, migrations
from memory.store.connection import connect
from memory.store.history import edits_of
from tests.conftest import MOVED, SAID
from tests.memory.store.test_backup import run, without_embedder
from tests.memory.store.test_forget import lived, opened
from tests.support.older_memory import make_older, older_memory, older_version

OLDER = range(1, migrations.VERSION)


def schema_in(path: Path) -> migrations.Schema:
    with closing(sqlite3.connect(path)) as conn:
        return migrations.schema_of(conn)


def stamp_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        return int(conn.execute("PRAGMA user_version").fetchone()[0])


def version_of(path: Path) -> int:
    return migrations.read_stamp(stamp_of(path)).version


def older_and_newest(path: Path, newest: Path, schema: int) -> list[dict[str, Any]]:
    """Make a memory that was used for a while, and one of an older schema with the same rows.

    Returns the records of what the older one holds.
    """
    store, _ = lived(newest)
    with store:
        records = [*store.dump()]
    shutil.copy(newest, path)
    make_older(path, schema)
    assert version_of(path) == schema
    return [record for record in records if record["table"] in schema_in(path)]


@pytest.mark.slow
@pytest.mark.parametrize("schema", OLDER)
def test_a_memory_of_each_older_schema_is_brought_up_to_date_with_its_contents(
    tmp_path: Path, path: Path, schema: int
) -> None:
    newest = tmp_path / "newest.db"
    records = older_and_newest(path, newest, schema)
    with pytest.raises(StoreError, match="made by an older version; open it once for writing"):
        open_store(path, read_only=True)
    assert version_of(path) == schema
    with opened(newest) as new, opened(path) as store:
        # The first schema has no vectors that are used on: they are made, and noted, anew.
        assert without_embedder(store.dump()) == without_embedder(records)
        assert store.check() == []
        for question in ("Where is the cat?", "Anna Oslo", "xylophones"):
            assert store.search(question, 50) == new.search(question, 50)
        about = "SELECT id, entity, value_entity FROM facts ORDER BY id"
        assert store.read(about).rows == new.read(about).rows
        for memory in (new, store):
            memory.undo(1)
            assert memory.add(SAID[:1]) == [10]
        assert store.facts() == new.facts()
        assert store.check() == []
    assert schema_in(path) == schema_in(newest)
    assert version_of(path) == migrations.VERSION


@pytest.mark.slow
@pytest.mark.parametrize("schema", OLDER)
def test_a_backup_of_each_older_schema_is_restored_and_stays_as_it_is(
    tmp_path: Path, schema: int
) -> None:
    source, target = tmp_path / "b.db", tmp_path / "a.db"
    records = without_embedder(older_and_newest(source, tmp_path / "newest.db", schema))
    before = source.read_bytes()
    for _ in range(2):  # as new, and in place of what is there
        assert backup.restore(source, target, replace=True) == 9
        with opened(target) as store:
            assert [r for r in without_embedder(store.dump()) if r in records] == records
            assert store.check() == []
            store.add(SAID)
    assert source.read_bytes() == before
    assert version_of(target) == migrations.VERSION


@pytest.mark.slow
def test_the_command_counts_forgotten_turns_that_an_older_backup_brings_back(
    tmp_path: Path, path: Path
) -> None:
    with opened(path) as store:
        store.add(SAID)
        store.backup(tmp_path / "b.db")
        (tmp_path / "b.db").rename(tmp_path / "moved.db")
        store.forget([1, 2])
    make_older(tmp_path / "moved.db", migrations.VERSION - 1)
    command = ["restore", str(tmp_path / "moved.db"), "--db", str(path), "--replace"]
    result = run(*command, answer="n\n")
    assert "this backup brings back 2 turns that were forgotten" in result.stdout
    assert isinstance(result.exception, InputError)
    assert run(*command, "--yes").exit_code == 0
    with opened(path) as store:
        assert len(store.turns()) == 5


def test_a_date_that_is_not_there_becomes_null_in_facts_and_journal(path: Path) -> None:
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    values = (
        "('Anna', 'lives_in', 'Oslo \",\"\",\"', '', '', 1), ('Anna', 'pet', 'cat', '', NULL, 2)"
    )
    older_memory(
        path,
        migrations.VERSION - 1,
        SAID[:2],
        [
            f"INSERT INTO facts ({columns}) VALUES {values}",
            "INSERT INTO changes (at, cause, statement) VALUES ('', 'end', '')",
            "UPDATE facts SET ended_on = '2017' WHERE id = 1",
            "INSERT INTO changes (at, cause, statement) VALUES ('', 'reopen', '')",
            "UPDATE facts SET ended_on = '' WHERE id = 1",
        ],
    )
    with closing(sqlite3.connect(path)) as conn:
        spellings = conn.execute("SELECT happened_on, ended_on FROM facts").fetchall()
        assert spellings == [("", ""), ("", None)]
    with opened(path) as store:
        dates = "SELECT happened_on, ended_on, value FROM facts WHERE ended_on IS NULL ORDER BY id"
        in_force = ((None, None, 'Oslo ","","'), (None, None, "cat"))
        assert store.read(dates).rows == in_force
        assert [change.cause for change in store.changes()] == ["test", "end", "reopen"]
        assert len(edits_of(store)) == 4
        assert store.check() == []
        assert '""' not in "".join(
            str(r["after"]) for r in store.dump() if r["table"] == "facts_log"
        ).replace('\\"', "")
        store.undo(3)
        assert [fact.ended_on for fact in store.facts()] == ["2017", ""]
        store.undo(2)
        assert store.read(dates).rows == in_force
        store.undo(1)
        assert store.facts() == []
        assert store.check() == []


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
        make_older(tmp_path / "b.db", migrations.VERSION - 1)
        assert str(tmp_path / "b.db") in store.forget([1]).files
    assert b"moved to Oslo" not in (tmp_path / "b.db").read_bytes()
    with opened(tmp_path / "b.db") as store:
        assert [turn.id for turn in store.turns()] == [2, 3, 4, 5]


def keep_answer(path: Path) -> None:
    """Write a question with its answer as the last versions did that kept such."""
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(
            "INSERT INTO answers VALUES"
            " ('Where is she?', '', 'In Oslo, it seems.', '[1]', '[1, 3]', 'local', '2024', 5, 1)"
        )
        conn.execute(
            "INSERT INTO rows_log (change_id, table_name, turn_id, after)"
            " VALUES (1, 'answers', 0, '{\"text\": \"In Oslo, it seems.\"}')"
        )


def test_kept_answers_go_from_an_older_memory_and_its_backup(tmp_path: Path, path: Path) -> None:
    files = (path, tmp_path / "b.db")
    with opened(path) as store:
        store.add(SAID)
        store.write(MOVED, cause="answer by local")
        store.backup(files[1])
        records = [*store.dump()]
    for file in files:
        make_older(file, schema=14)
        keep_answer(file)
    with opened(path) as store:
        assert [*store.dump()] == records
        assert store.check() == []
        store.undo(1)
        assert store.facts() == []
        store.forget([1])
    for file in files:
        assert b"it seems" not in file.read_bytes()


def test_a_memory_of_this_version_is_refused_and_unharmed_by_one_that_cannot_use_it(
    path: Path,
) -> None:
    open_store(path).close()
    before = path.read_bytes()
    older = migrations.read_stamp(stamp_of(path)).usable_by - 1
    message = f"schema {migrations.VERSION}, this one knows {older}.; upgrade sql-memory to open it"
    with older_version(older), pytest.raises(StoreError, match=message):
        open_store(path)
    assert path.read_bytes() == before
