"""A memory is backed up while in use, and restored."""

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from memory import InputError, Turn, open_store
from memory.cli import backups
from memory.errors import Stop, StoreError
from memory.store import migrations
from memory.store.configuration.settings import settings_of
from memory.store.files import backup
from memory.store.files.namespace_file import copy_store
from memory.store.sqlite.store import SqliteStore
from tests.conftest import SAID
from tests.memory.store.forgetting.test_forget import lived, opened
from tests.support.rows import rows_of


@pytest.mark.slow
def test_a_backup_is_the_whole_memory_of_one_moment_while_others_write(tmp_path: Path) -> None:
    stop = threading.Event()

    def chatter() -> None:
        with open_store(tmp_path / "a.db") as writer:
            while not stop.is_set():
                writer.add([Turn("Ben", "one", "s"), Turn("Ben", "two", "s")])

    with opened(tmp_path / "a.db") as store:
        store.add([Turn("Ben", f"said {n} and more of it", "s") for n in range(1500)])
        writing = threading.Thread(target=chatter)
        writing.start()
        try:
            for n in range(3):
                store.backup(tmp_path / f"{n}.db")
        finally:
            stop.set()
            writing.join()
    for n in range(3):
        with opened(tmp_path / f"{n}.db") as copy:
            assert len(copy.turns()) % 2 == 0
            assert copy.check() == []
            assert settings_of(copy, "backup")[-1].value == str(tmp_path / f"{n}.db")
    assert [*tmp_path.glob(".*")] == []


def test_a_backup_never_takes_the_place_of_a_file(store: SqliteStore, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    for path, message in (
        (there, "exists already"),
        (tmp_path / "no" / "x.db", "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            store.backup(path)
    with pytest.raises(StoreError, match="/proc/x: cannot be opened"):
        store.backup(Path("/proc/x"))
    assert there.read_text() == "mine"
    assert settings_of(store, "backup") == []


def test_a_backup_that_fails_leaves_nothing(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup, "_copy", fail)
    with pytest.raises(KeyboardInterrupt):
        store.backup(tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()
    assert settings_of(store, "backup") == []
    assert [*tmp_path.glob(".*")] == []


def test_a_restored_memory_is_the_one_that_was_backed_up(tmp_path: Path) -> None:
    store, _ = lived(tmp_path / "a.db")
    with store:
        store.backup(tmp_path / "b.db")
        records = list(store.dump())
    assert backup.restore(tmp_path / "b.db", tmp_path / "c.db") == 9
    with opened(tmp_path / "c.db") as restored:
        assert without_embedder(restored.dump()) == without_embedder(records)
        assert restored.check() == []


def without_embedder(records: Any) -> list[Any]:
    return [record for record in records if record.get("name") != "embedder"]


def test_a_restore_in_place_is_seen_by_open_stores_and_keeps_later_backups(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as store:
        store.add(SAID)
        store.backup(tmp_path / "b.db")
        store.add([Turn("Ben", "A zebra came by", "s3")])
        assert store.search("zebra", 1)[0].turn_id == 6
        store.backup(tmp_path / "later.db")
        advice = "exists already.* Add --replace to replace it, or .* --namespace NAME"
        with pytest.raises(InputError, match=advice):
            backup.restore(tmp_path / "b.db", tmp_path / "a.db")
        backup.restore(tmp_path / "b.db", tmp_path / "a.db", replace=True)
        assert store.add([Turn("Ben", "An otter came by", "s3")]) == [6]
        with opened(tmp_path / "a.db") as fresh:
            assert store.search("otter", 9) == fresh.search("otter", 9)
            shares = [hit.shares for hit in store.search("otter", 9)]
            assert shares == [hit.shares for hit in fresh.search("otter", 9)]
        known = [setting.value for setting in settings_of(store, "backup")]
        assert known == [str(tmp_path / "b.db"), str(tmp_path / "later.db")]
        assert store.check() == []


@pytest.mark.parametrize("step", ["copy_for_memory", "move_store"])
def test_an_empty_file_is_no_memory_until_a_restore_is_whole(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A restore that was killed may leave one, and so the next one begins with it."""
    store.backup(tmp_path / "b.db")
    target = tmp_path / "c.db"
    target.touch()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup, step, fail)
        with pytest.raises(KeyboardInterrupt):
            backup.restore(tmp_path / "b.db", target)
    assert target.read_bytes() == b""
    assert backup.restore(tmp_path / "b.db", target) == len(SAID)
    with opened(target) as restored:
        assert [turn.text for turn in restored.turns()] == [turn.text for turn in SAID]
        assert restored.check() == []


def test_a_restore_follows_a_link_to_an_empty_file(store: SqliteStore, tmp_path: Path) -> None:
    store.backup(tmp_path / "b.db")
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "c.db", tmp_path / "c.db"
    real.touch()
    link.symlink_to(real)
    assert backup.restore(tmp_path / "b.db", link) == len(SAID)
    assert link.readlink() == real
    with opened(real) as restored:
        assert len(restored.turns()) == len(SAID)


@pytest.mark.slow
def test_a_log_left_by_a_memory_that_lay_there_is_not_taken_in(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as store, opened(tmp_path / "other.db") as stranger:
        store.add(SAID)
        stranger.add([Turn("Eve", "something else")])
        store.backup(tmp_path / "b.db")
        for name in ("restored.db", "backup.db"):
            shutil.copy(tmp_path / "other.db-wal", tmp_path / f"{name}-wal")
        store.backup(tmp_path / "backup.db")
    backup.restore(tmp_path / "b.db", tmp_path / "restored.db")
    for name in ("restored.db", "backup.db"):
        with opened(tmp_path / name) as copy:
            assert [turn.text for turn in copy.turns()] == [turn.text for turn in SAID]
            assert copy.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "stranger", "empty", "damaged", "missing", "itself"])
def test_what_is_no_sound_backup_is_refused_and_nothing_changes(tmp_path: Path, kind: str) -> None:
    target, bad = tmp_path / "a.db", tmp_path / "bad.db"
    with opened(target) as store:
        store.add([Turn("Ben", f"said {n} and more of it", "s") for n in range(400)])
        store.backup(bad)
    sound = bad.read_bytes()
    contents = {
        "text": b"hello " * 999,
        "stranger": sound[:68] + b"XXXX" + sound[72:],
        "empty": b"",
        "damaged": sound[:20_000] + os.urandom(40_000) + sound[60_000:],
    }
    bad.unlink()
    if kind in contents:
        bad.write_bytes(contents[kind])
    elif kind == "itself":
        bad = target
    result = run("restore", str(bad), "--db", str(target), "--replace", "--yes")
    assert isinstance(result.exception, Stop)
    assert not [*tmp_path.glob(".*")]
    with opened(target) as store:
        assert len(store.turns()) == 400
        assert store.check() == []


def run(*arguments: str, answer: str = "") -> Any:
    app = typer.Typer()
    app.command("backup")(backups.backup)
    app.command("restore")(backups.restore)
    return CliRunner().invoke(app, arguments, input=answer)


def test_the_commands_ask_before_a_memory_is_replaced(tmp_path: Path) -> None:
    place, copy = ["--db", str(tmp_path / "a.db")], str(tmp_path / "b.db")
    with opened(tmp_path / "a.db") as store:
        store.add(SAID)
    assert run("backup", copy, *place).exit_code == 0
    with opened(tmp_path / "a.db") as store:
        store.add(SAID)
    assert isinstance(run("restore", copy, *place).exception, InputError)
    result = run("restore", copy, *place, "--replace", answer="n\n")
    assert "has 10 turns" in result.stdout
    assert isinstance(result.exception, InputError)
    assert run("restore", copy, *place, "--replace", answer="y\n").exit_code == 0
    with opened(tmp_path / "a.db") as store:
        assert len(store.turns()) == 5
        shutil.move(copy, tmp_path / "moved.db")
        store.forget([1])
    result = run("restore", str(tmp_path / "moved.db"), *place, "--replace", answer="n\n")
    assert "1 turn that was forgotten" in result.stdout
    (tmp_path / "a.db").write_text("damaged")
    result = run("restore", copy, *place, "--replace", "--yes")
    assert "move it away" in str(result.exception)


def test_copies_that_killed_processes_left_are_removed(store: SqliteStore, tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    target = tmp_path / "restored.db"
    parts = [tmp_path / f".{name}.db.{gone.pid}.part" for name in ("backup", "restored")]
    for part in parts:
        part.touch()
    store.backup(tmp_path / "backup.db")
    assert [part.exists() for part in parts] == [False, True]
    assert backup.restore(tmp_path / "backup.db", target) == 5
    assert [part.exists() for part in parts] == [False, False]


def test_a_backup_with_other_pages_replaces_a_memory_that_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(migrations, "PAGE_BYTES", 1024)
        with open_store(tmp_path / "older.db") as older:
            older.add([Turn("Anna", "I moved to Oslo.")])
            older.backup(tmp_path / "backup.db")
    with open_store(tmp_path / "anna.db") as store:
        store.add([Turn("Anna", "We had tea.")])
        assert backup.restore(tmp_path / "backup.db", tmp_path / "anna.db", replace=True) == 1
        assert [turn.text for turn in store.turns()] == ["I moved to Oslo."]
        assert store.search("Oslo", 1)[0].turn_id == 1
        assert store.check() == []


def test_a_copy_of_an_older_memory_has_the_pages_of_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(migrations, "PAGE_BYTES", 1024)
        with open_store(tmp_path / "older.db") as older:
            older.add([Turn("Anna", "I moved to Oslo.")])
    copy_store(tmp_path / "older.db", tmp_path / "copy.db")
    for name, size in (("older.db", 1024), ("copy.db", migrations.PAGE_BYTES)):
        with open_store(tmp_path / name) as store:
            assert rows_of(store, "PRAGMA page_size") == [(size,)]
            assert store.search("Oslo", 1)[0].turn_id == 1
