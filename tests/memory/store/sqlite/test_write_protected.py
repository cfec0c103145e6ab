"""A memory where nothing can be written: on a read-only disk, in another's folder, a full disk."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import open_store
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT
from tests.support.permissions import run_obeying_modes, skip_where_modes_are_ignored

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for files that `protect` makes unwritable, writable again after the test."""
    folder = tmp_path / "protected"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


def protect(folder: Path) -> None:
    skip_where_modes_are_ignored()
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


def memory(*arguments: object) -> str:
    """What a command prints; its exit code must be 0."""
    done = run_obeying_modes("-m", "memory", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*arguments: object) -> str:
    done = run_obeying_modes("-m", "memory", *arguments)
    assert done.returncode == 2
    return done.stderr


@pytest.mark.parametrize("name", ["anna.db", pytest.param("backup.db", marks=pytest.mark.slow)])
def test_a_memory_in_a_folder_for_reading_is_searched_and_a_backup_too(
    store: SqliteStore, path: Path, folder: Path, name: str
) -> None:
    store.write(CAT, cause="test")
    store.backup(folder / "backup.db")
    store.close()
    shutil.copy(path, folder)
    protect(folder)
    file = folder / name
    before = {entry.name: entry.stat().st_mtime_ns for entry in folder.iterdir()}
    assert "Miso" in memory("search", "my cat Miso", "--db", file)
    assert "Rufus" in memory("admin", "sql", "SELECT text FROM turns WHERE id = 4", "--db", file)
    assert "cat Miso" in memory("facts", "--db", file)
    assert "write-protected" in refused("add", "Hello.", "--speaker", "Ben", "--db", file)
    assert before == {entry.name: entry.stat().st_mtime_ns for entry in folder.iterdir()}


def test_what_is_only_in_the_log_is_not_left_out(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    store.write(CAT, cause="test")
    for end in ("", "-wal"):  # as a copy by hand leaves them: the store is open
        shutil.copy(f"{path}{end}", folder)
    protect(folder)
    said = refused("search", "my cat Miso", "--db", folder / path.name)
    assert "anna.db-wal" in said
    assert "copy both files into a folder that you may write to" in said


def test_a_memory_that_another_has_open_is_read_with_its_log(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    store.close()
    shutil.copy(path, folder)
    with open_store(folder / path.name) as live:
        live.add([*live.turns(1, 1)])
        protect(folder)
        out = memory("admin", "sql", "SELECT COUNT(*) AS n FROM turns", "--db", folder / path.name)
    assert out.split() == ["n", "6"]


def test_a_disk_without_room_leaves_no_empty_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk."""
    file = tmp_path / "anna.db"
    done = subprocess.run(
        [sys.executable, "-m", "memory", "add", "Hello.", "--speaker", "Ben", "--db", file],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert list(tmp_path.iterdir()) == []
