"""Bytes of a memory's file are changed: the right result, or an error or finding that says so."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.errors import SqlError, StoreError
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.files import integrity
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support.rows import connection_of, rows_of

SELECT = "SELECT t.id, t.text, f.value FROM turns t LEFT JOIN facts f ON f.turn_id = t.id"


def what_is_read(store: SqliteStore) -> tuple[object, ...]:
    edits_of(store)  # readable; the times and causes of changes have no checksum
    return (store.turns(), store.facts(), store.read(SELECT).rows)


@pytest.fixture
def memory_file(path: Path) -> Path:
    with open_store(path) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        store.undo(1)
        store.undo(2)
        store.add([Turn("Anna", f"Number {n} of the apples. " * 9, f"s{n % 7}") for n in range(60)])
        set_setting(store, "user", "Anna")
    return path


@pytest.mark.slow
def test_no_changed_byte_is_believed(memory_file: Path, tmp_path: Path) -> None:
    with open_store(memory_file, read_only=True) as store:
        assert isinstance(store, SqliteStore)
        right = what_is_read(store)
    content = memory_file.read_bytes()
    chance = random.Random(7)
    copy = tmp_path / "copy.db"
    for _ in range(5_000):
        changed = bytearray(content)
        place = chance.randrange(len(changed))
        changed[place] ^= chance.randrange(1, 256)
        copy.write_bytes(changed)
        try:
            with open_store(copy, read_only=True) as store:
                assert isinstance(store, SqliteStore)
                is_right = what_is_read(store) == right
                store.search("apples in Oslo", 5)
                assert is_right or store.check(), f"byte {place} was changed and believed"
        except (StoreError, SqlError):
            pass  # it is said what to do


def test_changed_text_is_found_by_check_and_stops_a_backup(
    memory_file: Path, tmp_path: Path
) -> None:
    content = memory_file.read_bytes()
    assert b"I adopted a dog, Rufus." in content
    memory_file.write_bytes(content.replace(b"I adopted a dog, Rufus.", b"I adopted a dog, Rugus."))
    with open_store(memory_file) as store:
        assert store.turn(4).text == "I adopted a dog, Rugus."
        assert "a turn from 1 to 255" in "\n".join(store.check())
        with pytest.raises(StoreError, match="no backup was made"):
            store.backup(tmp_path / "backup.db")
        assert not (tmp_path / "backup.db").exists()
        assert settings_of(store, "backup") == []


@pytest.mark.slow
def test_a_vector_of_another_width_is_damage(memory_file: Path) -> None:
    with closing(sqlite3.connect(memory_file)) as conn:
        conn.execute("UPDATE recent SET vector = substr(vector, 2) WHERE turn_id = 7")
        conn.commit()
    with open_store(memory_file) as store:
        assert store.check() == ["a turn's vector is not as wide as its embedder's"]
        with pytest.raises(StoreError, match="not as wide as"):
            store.search("apples in Oslo", 5)


def test_an_entry_of_the_journal_that_is_no_json_is_damage(memory_file: Path) -> None:
    with closing(sqlite3.connect(memory_file)) as conn:
        conn.execute("UPDATE facts_log SET before = '' WHERE id = 1")
        conn.commit()
    with open_store(memory_file) as store:
        [fault] = store.check()
        assert fault.startswith("entry 1 of the journal does not follow")
        with pytest.raises(StoreError, match="entry 1 of the journal"):
            edits_of(store)


def test_checksums_follow_what_is_forgotten_and_restored(memory_file: Path) -> None:
    backup = memory_file.with_name("backup.db")
    with open_store(memory_file) as store:
        assert isinstance(store, SqliteStore)
        store.add([Turn("Ben", f"Pear {n}") for n in range(250)])  # into the second block
        store.backup(backup)
        store.forget([1, 4, 300])
        assert list(integrity.turn_faults(connection_of(store))) == []
        store.forget([turn.id for turn in store.turns(256)])
        assert rows_of(store, "SELECT block, turns FROM checksums") == [(0, 253)]
        with store.as_of("2017-05") as past:
            assert isinstance(past, SqliteStore)
            assert list(integrity.turn_faults(connection_of(past))) == []
    with open_store(backup) as store:
        assert store.check() == []


def test_a_damaged_page_is_a_store_error_that_says_what_to_do(memory_file: Path) -> None:
    with sqlite3.connect(memory_file) as conn:
        [(page,)] = conn.execute(
            "SELECT rootpage - 1 FROM sqlite_master WHERE name = 'turns'"
        ).fetchall()
        [(page_bytes,)] = conn.execute("PRAGMA page_size").fetchall()
    conn.close()
    content = bytearray(memory_file.read_bytes())
    start = page * page_bytes
    content[start : start + 100] = b"\xff" * 100
    memory_file.write_bytes(content)
    with (
        pytest.raises(StoreError, match="damaged; restore it from a backup"),
        open_store(memory_file, read_only=True) as store,
    ):
        store.read("SELECT text FROM turns")
