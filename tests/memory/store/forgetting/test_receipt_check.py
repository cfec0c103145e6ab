"""A receipt of `forget` is verified: what is still there is named, and what nobody can check."""

import json
import shutil
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.store import namespaces
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, INSERT, SAID
from tests.support.commands import run
from tests.support.rows import connection_of

SECRET = "My xylophones are hidden in Wrzeszcz\xf3w!"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("MEMORY_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def anna(home: Path) -> SqliteStore:
    """The memory "anna" with a backup and a copy "ben"; its turn 6 is the secret."""
    store = open_store(home / "anna.db")
    assert isinstance(store, SqliteStore)
    store.add([*SAID, Turn("Zyl", SECRET)])
    store.write(CAT, cause="test")
    store.write(INSERT + "('Zyl', 'hides', 'xylophones', NULL, 6)", cause="test")
    store.backup(home / "backup.sqlite")
    shutil.copy(home / "backup.sqlite", home / "backup.before")
    namespaces.copy("anna", "ben")
    return store


def verified(*arguments: object, finds: str = "") -> str:
    return run("forget", "verify", "r.json", "-n", "anna", *arguments, finds=finds)


def forget_secret(anna: SqliteStore) -> str:
    anna.close()
    return run("forget", "--turn", "6", "--yes", "--receipt", "r.json", "-n", "anna")


@pytest.mark.slow
def test_what_is_gone_is_said_to_be_and_what_cannot_be_checked(
    anna: SqliteStore, home: Path
) -> None:
    forget_secret(anna)
    run("forget", "--turn", "6", "--yes", "-n", "ben")
    said = verified()
    assert f"gone: 1 turn and 1 fact, checked in {home / 'anna.db'}, {home}" in said
    assert "not checked: words, which a receipt does not hold" in said
    assert "not checked: files sent elsewhere" in said
    assert "not checked: words" not in verified("--matching", "xylophones are hidden")
    check = json.loads(verified("--json"))
    assert check["remains"] == []
    assert len(check["files"]) == 3


def test_a_copy_that_holds_them_is_named_before_and_after_and_found(
    anna: SqliteStore, home: Path
) -> None:
    ben = home / "ben.db"
    out = forget_secret(anna)
    assert f"not searched, a separate memory with these turns: {ben}" in out
    assert f"still in a separate copy of the memory: {ben}; forget them there" in out
    assert json.loads(Path("r.json").read_text())["copies"] == [str(ben)]
    verified(finds=f"not all of r.json is gone: {ben}: turns 6, all of the receipt")
    # From the copy, the first is a copy; what only resembles the turn is not taken for it.
    with open_store(ben) as copy:
        assert copy.forget([6]).copies == ()
        assert copy.forget([5]).copies == (str(home / "anna.db"),)


def test_a_copy_of_a_copy_is_named_as_well(anna: SqliteStore, home: Path) -> None:
    namespaces.copy("ben", "carl")
    namespaces.delete("carl")
    namespaces.copy("ben", "dora")
    receipt = anna.forget([6])
    anna.close()
    assert receipt.copies == (str(home / "ben.db"), str(home / "dora.db"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "remains"),
    [
        ("INSERT INTO turns SELECT 6, kind, session, speaker, text, said_at, source FROM turns"
         " WHERE id = 1", "1 rows of the table turns"),
        ("INSERT INTO shown VALUES (6, 1)", "1 rows of the table shown"),
        ("INSERT INTO facts_log (change_id, fact_id, before) VALUES (1, 2, 'x')", "facts_log"),
        ("UPDATE changes SET statement = 'xylophones' WHERE id = 2", "statements of 1 changes"),
        ("INSERT INTO turns_words (rowid, text) VALUES (6, 'xylophones')", "full-text"),
    ],
)  # fmt: skip
def test_a_row_that_is_still_there_is_found(
    anna: SqliteStore, home: Path, statement: str, remains: str
) -> None:
    forget_secret(anna)
    run("forget", "--turn", "6", "--yes", "-n", "ben")
    with open_store(home / "anna.db") as store:
        assert isinstance(store, SqliteStore)
        connection_of(store).execute("PRAGMA foreign_keys = OFF")
        connection_of(store).execute(statement)
    verified(finds=f"anna.db: .*{remains}")


def test_a_backup_that_came_back_is_found(anna: SqliteStore, home: Path) -> None:
    forget_secret(anna)
    run("forget", "--turn", "6", "--yes", "-n", "ben")
    shutil.copy(home / "backup.before", home / "backup.sqlite")
    verified(finds="backup.sqlite: turns 6, all of the receipt")


def test_freed_bytes_are_found_by_their_text_alone(anna: SqliteStore, home: Path) -> None:
    forget_secret(anna)
    run("forget", "--turn", "6", "--yes", "-n", "ben")
    with open_store(home / "anna.db") as store:
        assert isinstance(store, SqliteStore)
        connection_of(store).execute("PRAGMA secure_delete = OFF")
        connection_of(store).execute("CREATE TABLE note (text)")
        connection_of(store).execute("INSERT INTO note VALUES (?)", [f"{SECRET} " * 2_000])
        connection_of(store).execute("DROP TABLE note")
    verified()
    verified("--matching", SECRET, finds="anna.db(-wal)?: its bytes hold")
    with open_store(home / "anna.db") as store:
        assert isinstance(store, SqliteStore)
        connection_of(store).execute("PRAGMA foreign_keys = OFF")
        connection_of(store).execute("INSERT INTO shown VALUES (6, 1)")
    printed = verified("--matching", SECRET, finds="rows of the table shown")
    assert "its bytes hold" in printed


def test_a_turn_that_says_it_again_is_named(anna: SqliteStore) -> None:
    forget_secret(anna)
    run("forget", "--turn", "6", "--yes", "-n", "ben")
    run("add", "I have xylophones.", "--speaker", "Zyl", "-n", "anna")
    verified("--matching", "xylophones", finds="turn 7 holds words of 'xylophones'")


def test_a_receipt_of_another_memory_or_none_is_refused(anna: SqliteStore) -> None:
    forget_secret(anna)
    run("forget", "verify", "r.json", "-n", "ben", says="no receipt .*another memory's")
    Path("none.json").write_text('{"turns": 5}')
    run("forget", "verify", "none.json", "-n", "anna", says="this is no receipt of `forget`")
    run("forget", "verify", "lost.json", "-n", "anna", says="cannot read lost.json")
    run("forget", "--turn", "6", "verify", "r.json", "-n", "anna", says="come after its name")


def test_the_preview_counts_facts_that_are_in_the_journal_alone(
    anna: SqliteStore, home: Path
) -> None:
    anna.write(INSERT + "('Zyl', 'owns', 'a xylophone', NULL, 6)", cause="test")
    anna.write("DELETE FROM facts WHERE id = 3", cause="test")
    out = forget_secret(anna)
    assert "2 facts based on them (1 of them only in the journal)" in out
    assert "forgotten: 1 turn and 2 facts" in out
