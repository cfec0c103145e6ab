"""What somebody said is for them alone: the rights of files and folders, from the first byte."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import open_store
from memory.store import namespaces
from memory.store.files.backup import restore
from memory.store.files.namespace_file import copy_store
from memory.system.files import write_whole
from tests.conftest import SAID

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


@pytest.fixture(autouse=True)
def everybody_may_read() -> Iterator[None]:
    """The rights that most machines give to a new file."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_memory_and_all_beside_it_are_for_the_owner_alone(path: Path, tmp_path: Path) -> None:
    with open_store(path) as store:
        store.add(SAID)
        store.backup(tmp_path / "backup.db")
        store.forget([1])
        files = [file for file in tmp_path.iterdir() if file.is_file()]
        assert {file.name for file in files} >= {"anna.db", "anna.db-wal", "anna.db-shm"}
        assert {file.name: rights(file) for file in files if rights(file) != 0o600} == {}
    copy_store(path, tmp_path / "copy.db")
    restore(tmp_path / "backup.db", tmp_path / "restored.db")
    write_whole(tmp_path / "export.md", b"said")
    for name in ("copy.db", "restored.db", "export.md"):
        assert rights(tmp_path / name) == 0o600


@pytest.mark.slow
def test_no_file_is_open_to_others_even_for_a_moment(path: Path, tmp_path: Path) -> None:
    """Seen at every step of the file system, in a process that reports the rights as it works."""
    watch = """if True:
        import os, stat, sys
        from pathlib import Path
        seen = set()
        def look(event, arguments):
            if event in ("open", "sqlite3.connect", "os.rename", "os.chmod", "os.remove"):
                for file in os.scandir(folder):
                    mode = stat.S_IMODE(file.stat().st_mode)
                    if mode & 0o077:
                        seen.add((file.name, oct(mode)))
        from memory import Turn, open_store
        from memory.system.files import write_whole
        from memory.store.files.backup import restore
        from memory.store.files.namespace_file import copy_store
        folder = Path(sys.argv[1])
        os.umask(0)
        sys.addaudithook(look)
        with open_store(folder / "anna.db") as store:
            store.add([Turn("Anna", "I moved.")])
            store.backup(folder / "backup.db")
        copy_store(folder / "anna.db", folder / "copy.db")
        restore(folder / "backup.db", folder / "restored.db")
        write_whole(folder / "export.md", b"said")
        print(sorted(seen))
    """
    out = subprocess.run(
        [sys.executable, "-c", watch, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert out.stdout == "[]\n"


def test_an_older_memory_is_tightened_when_it_is_opened(path: Path) -> None:
    open_store(path).close()
    path.chmod(0o644)
    with open_store(path) as store:
        store.add(SAID)
        assert rights(path) == rights(path.with_name("anna.db-wal")) == 0o600
    path.chmod(0o400)  # what is narrower stays
    with open_store(path, read_only=True):
        assert rights(path) == 0o400


def test_the_home_of_memories_is_for_the_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "data" / "home"
    monkeypatch.setenv("MEMORY_HOME", str(home))
    namespaces.create("anna")
    assert rights(home) == 0o700
    assert rights(tmp_path / "data") == 0o755  # that is not ours
    home.chmod(0o755)
    namespaces.create("ben")
    assert rights(home) == 0o700


@pytest.mark.parametrize("neighbour", ["letters.txt", "src/main.py"])
def test_a_folder_that_holds_other_files_keeps_its_rights(
    neighbour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / neighbour).parent.mkdir(parents=True)
    (home / neighbour).write_text("mine")
    monkeypatch.setenv("MEMORY_HOME", str(home))
    namespaces.create("anna")
    assert rights(home) == 0o755
    assert rights(home / "anna.db") == 0o600
