"""The file of a namespace: what is not ours, newer, damaged, full or read-only stays unharmed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from memory import InputError, Pending, StoreError, Turn, open_store
from memory.store import migrations
from memory.store.sqlite import SqliteStore
from tests.conftest import CAT, INSERT, MOVED, SAID
from tests.support.full_text import assert_sound
from tests.support.older_memory import older_memory


def test_a_file_that_is_not_sqlite_is_refused_and_unharmed(path: Path) -> None:
    path.write_bytes(b"Dear diary, today " * 400)
    with pytest.raises(StoreError, match="not a SQLite file"):
        open_store(path)
    assert path.read_bytes() == b"Dear diary, today " * 400


def test_somebody_elses_database_is_refused_and_unharmed(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.executescript("CREATE TABLE recipes (id)")
    conn.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not one of ours"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_schema_is_refused_and_unharmed(path: Path) -> None:
    open_store(path).close()
    conn = sqlite3.connect(path)
    conn.execute(f"PRAGMA user_version = {migrations.VERSION + 1}")
    conn.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="upgrade sql-memory"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_a_store_error(store: SqliteStore, path: Path) -> None:
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:40960] = b"\xff" * 36864
    path.write_bytes(content)
    with pytest.raises(StoreError, match="restore it from a backup"):
        open_store(path).search("Oslo", 3)


def test_a_memory_of_the_first_schema_is_searched_like_a_new_one(path: Path) -> None:
    nickname = INSERT + "('Ben', 'nick', 'Zorblax', NULL, 4)"
    older_memory(path, schema=1, turns=SAID, facts=[nickname])
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        store.add([Turn("Anna", "Oslo is far away.", "session_2", "2023-06-12")])
        hits = store.search("Which city in May did Anna move to? Oslo?", 50)
        assert len(hits) == 6
        assert hits[0].turn_id == 1
        assert store.search("Zorblax", 1)[0].turn_id == 4
        assert_sound(store)


def test_windows_of_a_memory_of_the_third_schema_hold_nothing(path: Path) -> None:
    window = "INSERT INTO pending VALUES (1, 2, 'the model wrote a poem', 1, '', 0)"
    older_memory(path, schema=3, turns=SAID, facts=[window])
    with open_store(path) as store:
        assert store.pending() == [Pending(1, 2, "the model wrote a poem", 1, statement="")]


def test_a_full_disk_is_a_store_error_and_loses_nothing(store: SqliteStore) -> None:
    """SQLite's page limit stands in for the disk's: the same error code, SQLITE_FULL."""
    [(pages,)] = store._select("PRAGMA page_count")
    store._select(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full; nothing was written"):
        store.add([Turn("Anna", "word " * 20_000)])
    assert len(store.turns()) == 5
    store._select("PRAGMA max_page_count = 1000000")
    store.add([Turn("Anna", "there is room again")])


def test_a_memory_opened_read_only_is_never_written(store: SqliteStore, path: Path) -> None:
    store.write(MOVED, cause="test")
    with open_store(path, read_only=True) as reading:
        assert reading.search("Oslo", 1)[0].turn_id == 1
        assert len(reading.read("SELECT id FROM facts").rows) == 1
        for attempt in (lambda: reading.add(SAID), lambda: reading.write(CAT, cause="test")):
            with pytest.raises(StoreError, match="reading only"):
                attempt()


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("/proc/anna.db", "cannot be opened"),
        ("{tmp}/missing/anna.db", "folder .* does not exist"),
        ("{tmp}", "a folder; give the path of a file"),
    ],
)
def test_an_unusable_path_is_a_store_error(tmp_path: Path, address: str, complaint: str) -> None:
    with pytest.raises(StoreError, match=complaint):
        open_store(address.format(tmp=tmp_path))


def test_reading_a_missing_memory_creates_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="no memory here"):
        open_store(path, read_only=True)
    assert not path.exists()


def test_an_address_may_be_a_url_and_others_are_refused(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    assert path.exists()
    with pytest.raises(InputError, match="mysql"):
        open_store("mysql://host/anna")


def test_a_path_with_odd_characters_is_just_a_path(tmp_path: Path) -> None:
    odd = tmp_path / "?mode=memory#50% ü 😀.db"
    with open_store(odd) as store:
        store.add(SAID)
        assert store.read("SELECT count(*) AS n FROM turns").rows == ((5,),)
    assert odd.exists()


def interrupted(path: Path) -> None:
    """Make of a file what a kill leaves of it in the middle of a write outside of WAL mode."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode = DELETE")
    conn.execute("PRAGMA cache_size = 1")  # pages go to the file before the transaction ends
    conn.execute("BEGIN")
    conn.execute("CREATE TABLE filler AS SELECT zeroblob(4000) FROM sqlite_master, sqlite_master")
    files = {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
    conn.close()
    for file, content in files.items():
        file.write_bytes(content)
    assert len(files) == 2


def test_a_write_that_a_kill_interrupted_is_taken_back(store: SqliteStore, path: Path) -> None:
    store.close()
    interrupted(path)
    with open_store(path, read_only=True) as reading:
        assert len(reading.turns()) == 5
        assert reading.check() == []
    with open_store(path) as writing:
        assert writing.add(SAID[:1]) == [6]


def test_an_interrupted_write_to_another_file_is_left_to_its_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE recipes (name)")
    interrupted(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not one of ours, and in the middle of a write"):
        open_store(path)
    assert path.read_bytes() == before
