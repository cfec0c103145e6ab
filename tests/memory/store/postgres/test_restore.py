"""A namespace of Postgres is made of a backup, whole or not at all."""

import os
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest

from memory import Turn, open_store
from memory.store import namespaces
from memory.store.configuration.settings import settings_of
from memory.store.turns.turns_table import COLUMNS
from tests.conftest import CAT, MOVED, SAID
from tests.memory.store.files.test_backup import without_embedder
from tests.memory.store.forgetting.test_forget import lived
from tests.memory.store.postgres.test_equality import assert_equal_hits, chatter, questions
from tests.support.commands import run
from tests.support.newer_version import one_more_migration
from tests.support.older_memory import make_older
from tests.support.postgres_server import new_database

pytestmark = pytest.mark.slow


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database that all namespaces are in."""
    database = new_database()
    monkeypatch.setenv("MEMORY_HOME", database)
    return database


def address(home: str, name: str) -> str:
    return f"{home}&namespace={quote(name)}"


def test_a_backup_of_a_file_becomes_a_namespace(home: str, tmp_path: Path) -> None:
    copy = tmp_path / "b.db"
    store, ids = lived(tmp_path / "a.db")
    with store:
        store.forget(ids[2:])
        store.backup(copy)
        assert "anna: 7 turns" in run("admin", "restore", copy, "-n", "anna").replace(
            "namespace=", ""
        )
        with open_store(address(home, "anna")) as restored:
            assert without_embedder(restored.dump()) == without_embedder(store.dump())
            assert_equal_hits(store, restored, ["xylophones", "cat in Oslo", "dog"])
            assert restored.check() == []
            assert restored.add([Turn("Ben", "next")]) == store.add([Turn("Ben", "next")]) == [10]
            change = "UPDATE facts SET value = 'Bergen' WHERE id = 1"
            assert restored.write(change, "x").id == store.write(change, "x").id
            assert str(copy) in restored.forget(ids[:1]).files


def test_a_backup_of_the_schema_before_becomes_a_namespace(home: str, tmp_path: Path) -> None:
    source = tmp_path / "b.db"
    store, _ = lived(source)
    with store:
        records = [*store.dump()]
    make_older(source)
    with one_more_migration():  # which the backup lacks
        run("admin", "restore", source, "-n", "anna")
    with open_store(address(home, "anna")) as restored:
        assert without_embedder(restored.dump()) == without_embedder(records)
        assert restored.check() == []


def test_a_backup_of_a_namespace_becomes_another_one(home: str, tmp_path: Path) -> None:
    with open_store(address(home, "anna")) as store:
        store.add(chatter(Random(4), 1_500))
        store.write(f"{MOVED}; {CAT}", cause="test")
    run("admin", "backup", tmp_path / "b.db", "-n", "anna")
    run("admin", "restore", tmp_path / "b.db", "-n", "carl / ü")
    with open_store(address(home, "anna")) as anna, open_store(address(home, "carl / ü")) as carl:
        assert without_embedder(carl.dump()) == without_embedder(anna.dump())
        assert_equal_hits(anna, carl, questions(Random(5), 5))


def test_an_open_store_goes_on_with_what_took_the_place_of_its_namespace(
    home: str, tmp_path: Path
) -> None:
    with open_store(address(home, "anna")) as store:
        store.add(SAID)
        run("admin", "backup", tmp_path / "b.db", "-n", "anna")
        store.add([Turn("Ben", "A zebra came by", "s3")])
        assert store.search("zebra", 1)[0].turn_id == 6
        run("admin", "backup", tmp_path / "later.db", "-n", "anna")
        run("admin", "restore", tmp_path / "b.db", "-n", "anna", says="Add --replace to replace it")
        replacing = ("admin", "restore", tmp_path / "b.db", "-n", "anna", "--replace")
        run(*replacing, given="n\n", says="nothing was changed")
        run(*replacing, "--yes")
        assert len(store.turns()) == 5
        assert store.add([Turn("Ben", "An otter came by", "s3")]) > [5]
        with open_store(address(home, "anna")) as fresh:
            assert store.search("otter", 9) == fresh.search("otter", 9)
        known = [setting.value for setting in settings_of(store, "backup")]
        assert known == [str(tmp_path / "b.db"), str(tmp_path / "later.db")]
        assert store.check() == []


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", "bad.db: "),
        ("empty", "bad.db: "),
        ("damaged", "bad.db: "),
        ("missing", "bad.db: there is no such file|bad.db: there is no memory"),
        ("too long", "a turn's session has more than 2000 bytes"),
    ],
)
def test_what_cannot_be_restored_changes_nothing(
    home: str, tmp_path: Path, kind: str, says: str
) -> None:
    bad = tmp_path / "bad.db"
    with open_store(tmp_path / "a.db") as store:
        store.add([Turn("Ben", f"said {n} and more of it", "s") for n in range(400)])
        if kind == "too long":  # earlier versions stored a session's name as it came
            row = (401, "message", "s" * 3_000, "Ben", "at last", "", "")
            with store.transaction() as conn:  # type: ignore[attr-defined]
                conn.insert_rows("turns", COLUMNS, [row])
        store.backup(bad)
    sound = bad.read_bytes()
    contents = {
        "text": b"hello " * 999,
        "empty": b"",
        "damaged": sound[:20_000] + os.urandom(40_000) + sound[60_000:],
    }
    if kind in contents:
        bad.write_bytes(contents[kind])
    elif kind == "missing":
        bad.unlink()
    with open_store(address(home, "there")) as store:
        store.add(SAID)
        before = [*store.dump()]
        run("admin", "restore", bad, "-n", "new", says=says)
        run("admin", "restore", bad, "-n", "there", "--replace", "--yes", says=says)
        assert [*store.dump()] == before
        assert store.search("cat", 1)[0].turn_id == 3
    assert namespaces.names() == ["there"]
