"""Forgetting, hindered: kills, readers, lost backups, full disks; and its command."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from memory import InputError, Turn, open_store
from memory.cli import backups
from memory.cli import forget as forget_command
from memory.errors import Stop, StoreError
from memory.records import Forgotten
from memory.search import embed
from memory.store.configuration.settings import settings_of
from memory.store.files import backup
from memory.store.forgetting import forget
from memory.store.search import vectors
from memory.store.sqlite import connection
from memory.store.sqlite.store import SqliteStore
from tests.memory.store.forgetting.test_forget import ZYL, everywhere, lived, opened, wanted_of
from tests.support.residue import scan
from tests.support.rows import connection_of, rows_of

# --- interrupted and hindered -------------------------------------------------------------------


KILLED = """
import os, shutil, sys
from pathlib import Path
from memory import open_store
folder = Path(sys.argv[1])
open_store(folder / "base.db").search("x")
for number in range(10_000):
    place = folder / str(number)
    place.mkdir()
    shutil.copy(folder / "base.db", place / "a.db")
    child = os.fork()
    if not child:
        store, left = open_store(place / "a.db"), [number * int(sys.argv[2])]
        def count(statement):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), 9)
        store._conn.set_trace_callback(count)
        store.forget([2, 5, 8, 9])
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.mark.slow
def test_a_kill_leaves_all_of_it_or_nothing_but_the_overwriting(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "base.db")
    with store:
        wanted = wanted_of(store, ids)
        expected = sorted(set(range(1, 10)) - set(ids))
    code = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), "25"]
    subprocess.run(code, check=True)
    places = [place for place in tmp_path.iterdir() if place.is_dir()]
    states = set()
    for place in places:
        with opened(place / "a.db") as survivor:
            due = settings_of(survivor, "forgetting")
            here = [turn.id for turn in survivor.turns()]
            states.add((len(here), bool(due)))
            assert here == (
                expected if due or settings_of(survivor, "forgotten") else [*range(1, 10)]
            )
            done = survivor.forget([] if due else ids) if due or len(here) == 9 else None
            assert done is None or done.turns == tuple(ids)
            assert settings_of(survivor, "forgetting") == []
        assert everywhere(place, wanted).found == set()
    assert {(9, False), (5, True), (5, False)} == states
    assert len(places) > 10


def test_a_reader_delays_the_overwriting_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "PATIENCE_MS", 50)
    store, ids = lived(tmp_path / "anna.db")
    with store:
        wanted = wanted_of(store, ids)
        reader = sqlite3.connect(tmp_path / "anna.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turns").fetchone()
        with pytest.raises(StoreError, match="forget finish"):
            store.forget(ids)
        assert len(store.turns()) == 5
        assert everywhere(tmp_path, wanted).found
        reader.close()
        done = store.forget([])
        assert done.turns == tuple(ids)
        assert done.salt
        assert everywhere(tmp_path, wanted).found == set()
        with pytest.raises(InputError, match="nothing to overwrite"):
            store.forget([])


@pytest.mark.slow
def test_backups_that_cannot_be_had_are_named_and_strangers_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
    store, ids = lived(tmp_path / "anna.db")
    names = ("lost.db", "other.db", "text.db", "busy.db")
    lost, taken, text, busy = (tmp_path / name for name in names)
    with store:
        for path in (lost, taken, text, busy):
            store.backup(path)
        lost.unlink()
        text.write_text("not a database " * 99)
        taken.unlink()
        with open_store(taken) as stranger:
            stranger.add([Turn("Eve", f"something else {n}") for n in range(9)])
        before = taken.read_bytes()
        reader = sqlite3.connect(busy, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turns").fetchone()
        with pytest.raises(StoreError, match=r"busy\.db"):
            store.forget(ids)
        reader.close()
        done = store.forget([])
        assert done.unreached == (str(lost), str(taken), str(text))
        assert done.files == (str(tmp_path / "anna.db"), str(busy))
        assert taken.read_bytes() == before


@pytest.mark.slow
def test_a_full_disk_or_a_store_for_reading_changes_nothing(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "anna.db")
    with store:
        before = stored(store)
        with open_store(store.path, read_only=True) as reading, pytest.raises(StoreError):
            reading.forget(ids)
        with pytest.raises(InputError, match="no turn 77"):
            store.forget([1, 77])
        store.add([Turn("Anna", " ".join(f"w{n}" for n in range(9_000)), "s")])
        [(pages,)] = rows_of(store, "PRAGMA page_count")
        connection_of(store).execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full; nothing"):
            store.forget(list(range(1, 11)))
        connection_of(store).execute("PRAGMA max_page_count = 1000000")
        assert store.turns(10)
        store.forget([10])
        assert stored(store) == before


def stored(store: SqliteStore) -> list[Any]:
    tables = ("turns", "facts", "facts_log", "pending", "shown")
    return [rows_of(store, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


@pytest.mark.slow
def test_a_backup_under_way_is_waited_for_and_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ids = lived(tmp_path / "anna.db")
    wanted, copy, done = wanted_of(store, ids), backup._copy, list[Forgotten]()

    def forget() -> None:
        with open_store(tmp_path / "anna.db") as second:
            done.append(second.forget(ids))

    def slow(conn: sqlite3.Connection, path: Path) -> None:
        meanwhile.start()
        while not reader.execute("SELECT 1 FROM settings WHERE name = 'forgetting'").fetchone():
            time.sleep(0.01)
        time.sleep(0.2)
        copy(conn, path)

    meanwhile = threading.Thread(target=forget)
    monkeypatch.setattr(backup, "_copy", slow)
    with store, closing(sqlite3.connect(store.path)) as reader:
        store.backup(tmp_path / "b.db")
        meanwhile.join()
    assert done[0].files == (str(tmp_path / "anna.db"), str(tmp_path / "b.db"))
    assert everywhere(tmp_path, wanted).found == set()


@pytest.mark.slow
def test_what_killed_processes_left_half_copied_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen(["true"])
    gone.wait()
    store, ids = lived(tmp_path / "anna.db")
    with store, store.as_of("2030") as past:
        store.backup(tmp_path / "b.db")
        past_of_killed = tmp_path / "memory-as-of-x" / f"memory.{gone.pid}.db"
        past_of_killed.parent.mkdir()
        parts = [tmp_path / f".{name}.{gone.pid}.part" for name in ("anna.db", "b.db")]
        for copy in (past_of_killed, *parts):
            shutil.copy(tmp_path / "b.db", copy)
        (tmp_path / f".b.db.{os.getpid()}.part").touch()  # of a process at work
        store.forget(ids)
        names = sorted(path.name for path in tmp_path.iterdir() if path.name[0] in ".m")
        assert names == [f".b.db.{os.getpid()}.part", past.path.parent.name]


def test_a_copy_of_the_past_that_goes_while_it_is_looked_for_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    going = tmp_path / "memory-as-of-going"
    going.mkdir()
    scandir = os.scandir

    def scandir_too_late(path: str | Path = ".") -> Iterator[os.DirEntry[str]]:
        if Path(path) == going:
            raise FileNotFoundError(path)  # its process closed it after the folder was listed
        return scandir(path)

    store, ids = lived(tmp_path / "anna.db")
    with store, monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir_too_late)
        assert store.forget(ids).turns


def test_a_backup_whose_embedder_is_not_here_keeps_nothing_else_waiting(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "anna.db")
    with store:
        wanted = wanted_of(store, ids)
        assert isinstance(store, SqliteStore)
        vectors.record_embedder(connection_of(store), "sentence-transformers/not-here", 256)
        store.backup(tmp_path / "b.db")
        vectors.record_embedder(connection_of(store), embed.PACKAGED_EMBEDDER, embed.DIM)
        with pytest.raises(StoreError, match=r"b\.db .*is not (installed|on this machine)"):
            store.forget(ids)
        assert scan([store.path, tmp_path / "anna.db-wal"], wanted).found == set()
        (tmp_path / "b.db").unlink()
        assert store.forget([]).unreached == (str(tmp_path / "b.db"),)


# --- the command --------------------------------------------------------------------------------


def run(*arguments: str, answer: str = "") -> Any:
    app = typer.Typer()
    app.add_typer(forget_command.app, name="forget")
    app.command("other")(backups.backup)
    return CliRunner().invoke(app, ["forget", *arguments], input=answer)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        (["--speaker", ZYL], [2, 5, 8, 9]),
        (["--session", "session_9"], [8, 9]),
        (["--turn", "1", "--turn", "3"], [1, 3]),
        (["--matching", "XYLOPHONES"], [2]),
        (["--speaker", "Anna", "--matching", "cat"], [4]),
    ],
)
def test_the_command_forgets_what_it_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conditions: list[str], ids: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    store, _ = lived(tmp_path / "anna.db")
    store.close()
    result = run("--db", "anna.db", *conditions, answer="n\n")
    assert isinstance(result.exception, InputError)
    assert f"{len(ids)} turn{'s' * (len(ids) > 1)} to forget:\n  [{ids[0]}]" in result.stdout
    assert "backups to search: none known" in result.stdout
    with open_store("anna.db") as untouched:
        assert len(untouched.turns()) == 9
    assert run("--db", "anna.db", *conditions, answer="y\n").exit_code == 0
    with open_store("anna.db") as survivor:
        assert [turn.id for turn in survivor.turns()] == [n for n in range(1, 10) if n not in ids]
    [receipt] = tmp_path.glob("forgotten-*.json")
    done = json.loads(receipt.read_text())
    assert done["turns"] == ids
    assert {*done} == {*Forgotten.__dataclass_fields__}


def test_a_receipt_lies_beside_the_memory_and_a_file_is_not_vacuumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = lived(tmp_path / "anna.db")
    store.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    refused = run("--db", "../anna.db", "--turn", "1", "--yes", "--vacuum")
    assert "--vacuum is for Postgres" in str(refused.exception)
    assert run("--db", "../anna.db", "--turn", "1", "--yes").exit_code == 0
    assert not [*Path.cwd().iterdir()]
    [receipt] = tmp_path.glob("forgotten-*.json")
    assert json.loads(receipt.read_text())["turns"] == [1]


def test_the_command_writes_the_receipt_when_overwriting_must_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "PATIENCE_MS", 50)
    store, _ = lived(tmp_path / "anna.db")
    store.close()
    place, receipt = ["--db", str(tmp_path / "anna.db")], tmp_path / "r.json"
    reader = sqlite3.connect(tmp_path / "anna.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM turns").fetchone()
    result = run(*place, "--turn", "2", "--yes", "--json", "--receipt", str(receipt))
    assert isinstance(result.exception, StoreError)
    first = json.loads(receipt.read_text())
    assert json.loads(result.stdout) == first
    again = run(*place, "--turn", "5", "--yes", "--receipt", str(receipt))
    assert "exists already" in str(again.exception)
    reader.close()
    done = json.loads(run("finish", *place, "--json", "--receipt", str(receipt)).stdout)
    assert done == {**first, "files": [str(tmp_path / "anna.db")]}
    assert "nothing" in run("finish", *place).stdout


@pytest.mark.parametrize("wrong", [[], ["--speaker", "Nobody"], ["--keep-facts", "--turn", "1"]])
def test_the_command_refuses_what_names_no_turn(tmp_path: Path, wrong: list[str]) -> None:
    store, _ = lived(tmp_path / "anna.db")
    store.close()
    result = run("--db", str(tmp_path / "anna.db"), *wrong, "--yes")
    assert isinstance(result.exception, Stop)
    assert not isinstance(result.exception, StoreError)


def test_a_backup_that_is_removed_meanwhile_is_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ids = lived(tmp_path / "anna.db")
    copy = tmp_path / "copy.db"

    def removed_under_it(conn: sqlite3.Connection, value: object) -> None:
        copy.unlink()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(forget, "_remove_same", removed_under_it)
    with store:
        store.backup(copy)
        assert store.forget(ids).unreached == (str(copy),)
