"""The file of a namespace: what is not ours, newer, damaged, full or read-only stays unharmed."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from memory import InputError, Turn, open_store
from memory.errors import StoreError
from memory.store import migrations
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.settings import set_setting
from memory.store.sqlite import connection
from memory.store.sqlite.connection import SqliteConnection
from memory.store.sqlite.store import SqliteStore
from memory.system.files import folder_lock
from tests.conftest import CAT, INSERT, MOVED, SAID
from tests.support.full_text import assert_sound
from tests.support.rows import connection_of, rows_of


def test_what_cannot_be_opened_on_a_read_only_disk_says_how_to_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    with (
        pytest.raises(StoreError, match="read_only=True"),
        connection.storage_errors(tmp_path / "a.db"),
    ):
        raise sqlite3.OperationalError("unable to open database file")


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


def test_a_full_disk_is_a_store_error_and_loses_nothing(store: SqliteStore) -> None:
    """SQLite's page limit stands in for the disk's: the same error code, SQLITE_FULL."""
    [(pages,)] = rows_of(store, "PRAGMA page_count")
    connection_of(store).execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full"):
        store.add([Turn("Anna", "word " * 20_000)])
    assert len(store.turns()) == 5
    connection_of(store).execute("PRAGMA max_page_count = 1000000")
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


def test_a_file_that_others_open_at_the_same_moment_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, refused = SqliteConnection.execute, []

    def locked_once(conn: SqliteConnection, sql: str, *arguments: object) -> sqlite3.Cursor:
        if sql == "PRAGMA journal_mode = WAL" and not refused:
            # As SQLite does, at once, where two connections change the mode: about once in 150.
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            refused.append(error)
            raise error
        return execute(conn, sql, *arguments)

    monkeypatch.setattr(SqliteConnection, "execute", locked_once)
    with open_store(path) as store:
        assert store.add(SAID[:1]) == [1]
    assert len(refused) == 1


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
    with pytest.raises(StoreError, match="not one of ours"):
        open_store(path)
    assert path.read_bytes() == before


# --- a file that changes under an open store --------------------------------------------------


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)


def without_log(path: Path) -> None:
    path.with_name("anna.db-wal").unlink()


def with_another_index(path: Path) -> None:
    path.with_name("anna.db-shm").unlink()


@pytest.mark.parametrize("has_added", [True, False], ids=["in-use", "just-opened"])
@pytest.mark.parametrize("change", [moved, deleted, replaced])
def test_nothing_is_acknowledged_that_nobody_finds_again(
    change: Callable[[Path], None], has_added: bool, path: Path
) -> None:
    with open_store(path) as store:
        store.add(SAID)
    with open_store(path) as store:
        if has_added:
            store.add([Turn("Anna", "The flat is small.")])
        change(path)
        for attempt in (
            lambda: store.add([Turn("Anna", "Nobody would find this again.")]),
            lambda: store.write(MOVED, cause="test"),
            lambda: set_setting(store, "volume", 7),
        ):
            with pytest.raises(StoreError, match="while it was open"):
                attempt()


@pytest.mark.parametrize("change", [without_log, with_another_index])
def test_a_log_that_is_gone_takes_no_turn(change: Callable[[Path], None], path: Path) -> None:
    with open_store(path) as store:
        store.add(SAID)
        change(path)
        with pytest.raises(StoreError, match="nothing was written"):
            store.add([Turn("Anna", "Nobody would find this again.")])


def test_a_link_is_a_path_like_any_other(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with open_store(link) as store:
        for _ in range(2):
            store.add(SAID)
    with open_store(path) as store:
        assert len(store.turns()) == 10


# --- copies without their log -----------------------------------------------------------------


def test_a_copy_without_its_log_is_noticed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy = path.with_name("copy.db")
    with open_store(path) as store:
        store.add(SAID)
        shutil.copy(path, copy)
    for read_only in (True, False, False):  # also when it was looked at before
        caplog.clear()
        with open_store(copy, read_only=read_only) as store:
            assert store.turns() == []
            [fault] = store.check()
        assert "in the -wal of the memory it was copied from" in fault
        assert fault in caplog.text


def test_a_file_that_is_just_being_made_is_no_copy(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_store(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")  # which has no log before its first read
    with ThreadPoolExecutor(1) as threads, closing(sqlite3.connect(path)) as maker:
        with folder_lock(path.parent):
            opened = threads.submit(open_store, path)
            time.sleep(0.1)
            maker.execute("SELECT * FROM turns").fetchall()
        opened.result().close()
    assert caplog.text == ""


def test_a_memory_without_turns_is_no_copy(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with open_store(path) as store:
            assert store.check() == []
            set_setting(store, "volume", 7)
    with open_store(path) as store:
        assert store.read("SELECT id FROM turns").rows == ()  # by the model's connection
    with open_store(path) as store:
        assert store.check() == []
        store.add(SAID)
        store.forget([1, 2, 3, 4, 5])
    with open_store(path) as store:
        assert store.check() == []
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    ["raise RuntimeError('boom')", "exit(0)", "del store", "store.turns(); import os; os._exit(1)"],
    ids=["raises", "ends", "drops", "is-killed"],
)
def test_a_memory_that_a_script_never_closed_is_no_copy(
    script: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = f"from memory import open_store; store = open_store({str(path)!r}); {script}"
    subprocess.run([sys.executable, "-c", source], stderr=subprocess.DEVNULL, check=False)
    for read_only in (True, False):
        with open_store(path, read_only=read_only) as store:
            assert store.check() == []
    assert caplog.text == ""


# --- what a received file would run -----------------------------------------------------------

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize(
    "hostile",
    [
        f"CREATE TRIGGER evil AFTER INSERT ON turns BEGIN {ENDLESS}; END",
        f"CREATE TRIGGER evil AFTER INSERT ON settings BEGIN {ENDLESS}; END",
        "CREATE INDEX evil ON turns (length(zeroblob(1000000000)))",
        "DROP TRIGGER turns_are_immutable",
        "DROP TRIGGER facts_inserted;"
        f" CREATE TRIGGER facts_inserted AFTER INSERT ON facts BEGIN {ENDLESS}; END",
        "DROP TABLE shown; CREATE VIEW shown AS SELECT 1 AS turn_id, 1 AS times",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_would_run_what_is_not_ours_is_refused(
    hostile: str, read_only: bool, store: SqliteStore, path: Path
) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(hostile)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not as sql-memory makes it"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_tables_that_somebody_added_are_theirs(store: SqliteStore, path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(
            "CREATE TABLE recipes (name TEXT UNIQUE); CREATE INDEX by_name ON recipes (name);"
            " CREATE VIEW recent_turns AS SELECT * FROM turns; ANALYZE"
        )
    with open_store(path) as opened:
        opened.add([Turn("Anna", "Oslo it is.")])
        assert opened.check() == []


@pytest.mark.slow
def test_the_log_shrinks_again_after_a_long_reader(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LARGEST_LOG_KEPT", 100_000)
    log = path.with_name("anna.db-wal")
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        store.add(SAID)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM turns").fetchone()
            store.add([Turn("Anna", "A long letter. " * 10_000)] * 6)
            assert log.stat().st_size > 900_000
        connection_of(store).execute("PRAGMA wal_checkpoint").fetchall()
        store.add(SAID)  # begins the log anew
        assert log.stat().st_size <= 100_000


# ---------------------------------------------------------------- settings of a received file

_RECEIPT = '{"at": "2026", "turns": [1], "facts": [], "changes": [], "sha256": "a"}'


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backup", '{"a": 1}'),
        ("backup", "null"),
        ("copied memory", "[1]"),
        ("persona", "[" * 100_000 + "]" * 100_000),
        ("persona", "{"),
        ("declared", "[]"),
        ("declared", '{"mood": 5}'),
        ("forgetting", _RECEIPT),  # without its secrets
        ("forgetting", '{"turns": "all"}'),
        ("forgotten", "1"),
        ("forgotten", '{"turns": ["one"]}'),
    ],
)
def test_a_setting_that_we_did_not_write_is_named_and_the_file_unharmed(
    path: Path, name: str, value: str
) -> None:
    open_store(path).close()
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(
            "INSERT INTO settings (name, value, set_at) VALUES (?, ?, '2026')", (name, value)
        )
    for read_only in (True, False):
        with pytest.raises(StoreError, match=f"its setting '{name}' is not as sql-memory writes"):
            open_store(path, read_only=read_only)


def test_settings_that_we_write_are_ours(path: Path, tmp_path: Path) -> None:
    with open_store(path) as store:
        store.add(SAID)
        store.backup(tmp_path / "backup.db")
        set_setting(store, "anything", {"deep": [[[1]]]})
        Settings(store, {"mood": str}).set("mood", "calm")
        store.forget([1])
    open_store(path).close()
    open_store(path, read_only=True).close()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes and devices that are files")
@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_a_pipe_and_a_device_are_no_memories(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    done = subprocess.run(
        [sys.executable, "-m", "memory", "search", "x", "--db", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {path}: no regular file\n"


def test_a_memory_of_one_turn_is_small(tmp_path: Path) -> None:
    with open_store(tmp_path / "anna.db") as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
    assert (tmp_path / "anna.db").stat().st_size <= 320_000


def test_changes_of_facts_leave_few_parts_of_their_index(store: SqliteStore) -> None:
    for number in range(30):
        store.write(f"{INSERT}('Anna', 'bought', 'thing {number}', NULL, 1)", cause="test")
    [(parts,)] = rows_of(store, "SELECT count(DISTINCT segid) FROM facts_words_idx")
    assert parts <= 8
    assert_sound(store)


def test_a_digest_leaves_the_index_of_its_facts_in_one_part(store: SqliteStore) -> None:
    store.add([Turn("Anna", f"This is turn {number}.") for number in range(2, 6)])
    for number in range(1, 4):
        insert = f"{INSERT}('Anna', 'bought', 'thing {number}', NULL, {number})"
        store.write(insert, cause="digest", window=(number, number))
    assert rows_of(store, "SELECT count(DISTINCT segid) FROM facts_words_idx") == [(1,)]
    assert_sound(store)


def test_turns_are_counted_again_only_if_a_search_has_not_seen_them(store: SqliteStore) -> None:
    there = store.count_turns()
    store.search("Oslo")
    statements: list[str] = []
    connection_of(store).set_trace_callback(statements.append)
    assert store.count_turns() == there
    assert not any("count(" in statement for statement in statements)
    with open_store(store.path) as other:
        [turn_id] = other.add([Turn("Anna", "I sold the car.")])
        assert store.count_turns() == there + 1
        store.search("Oslo")
        other.forget([turn_id - 1])
        assert store.count_turns() == there
