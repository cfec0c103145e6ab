"""Moving a namespace's file: never under somebody who has it open, and whole after any kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.errors import StoreError
from memory.store import namespaces
from memory.store.namespaces import path_of

OSLO = Turn("Anna", "I moved to Oslo.", said_at="2017-05-08T13:56")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    monkeypatch.setenv("MEMORY_HOME", str(place))
    return place


@pytest.fixture
def anna() -> Path:
    """A namespace with one turn, closed."""
    path = namespaces.create("anna")
    with open_store(path) as store:
        store.add([OSLO])
    return path


def texts_of(name: str) -> list[str]:
    with open_store(namespaces.existing(name)) as store:
        return [turn.text for turn in store.turns()]


def files(home: Path) -> list[str]:
    return sorted(os.listdir(home))


HOLD = """
import sys
from memory import Turn, open_store
store = open_store(sys.argv[1], read_only=sys.argv[2] == "reads")
store.search("Oslo")
print("open", flush=True)
sys.stdin.readline()
if sys.argv[2] == "writes":
    store.add([Turn("Anna", "I have a cat.")])
"""


@pytest.mark.slow
@pytest.mark.parametrize("use", ["writes", "reads"])
def test_a_namespace_in_use_is_not_moved(anna: Path, use: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(anna), use],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stdout is not None
        second.stdout.readline()
        with pytest.raises(StoreError, match="close it and try again"):
            namespaces.rename("anna", "ben")
        namespaces.copy("anna", "copy")
        second.communicate("\n", timeout=180)
    assert namespaces.names() == ["anna", "copy"]
    assert texts_of("anna") == [OSLO.text, "I have a cat."][: 2 if use == "writes" else 1]


@pytest.mark.slow
def test_a_namespace_in_use_is_deleted_and_its_user_learns_of_it(anna: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(anna), "writes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stdout is not None
        second.stdout.readline()
        namespaces.delete("anna")
        _, error = second.communicate("\n", timeout=180)
    assert "open it again" in error
    assert namespaces.names() == []


def test_an_open_store_of_the_same_process_counts_too(anna: Path) -> None:
    with open_store(anna), pytest.raises(StoreError, match="close it"):
        namespaces.rename("anna", "ben")


KILLED_CHAT = """
import os, sys
from memory import Turn, open_store
store = open_store(sys.argv[1])
store.add([Turn("Anna", "I have a cat.")])
os._exit(9)
"""


@pytest.mark.slow
def test_what_a_killed_process_left_in_the_log_goes_along(home: Path, anna: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_CHAT, str(anna)], check=False)
    assert "anna.db-wal" in files(home)
    namespaces.rename("anna", "ben")
    assert files(home) == ["ben.db"]
    assert texts_of("ben") == [OSLO.text, "I have a cat."]


@pytest.mark.slow
def test_a_log_left_at_the_new_place_is_not_taken_in(home: Path, anna: Path) -> None:
    namespaces.create("ben")
    subprocess.run([sys.executable, "-c", KILLED_CHAT, str(path_of("ben"))], check=False)
    path_of("ben").unlink()  # by hand, as one should not
    assert "ben.db-wal" in files(home)
    namespaces.rename("anna", "ben")
    assert texts_of("ben") == [OSLO.text]


KILLED = """
import os, sys
from memory.store import namespaces
from memory.store.files import namespace_file
step = namespace_file._durable_step
def killed(change, path):
    if sys.argv[1] == "after":
        step(change, path)
    os._exit(9)
namespace_file._durable_step = killed
getattr(namespaces, sys.argv[2])(*sys.argv[3:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "command", [["rename", "anna", "ben"], ["copy", "anna", "ben"], ["delete", "anna"]]
)
def test_a_kill_leaves_a_whole_memory_and_the_command_can_be_given_again(
    anna: Path, command: list[str], moment: str
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, moment, *command], check=False)
    assert killed.returncode == 9
    done, new = moment == "after", command[2:]
    old = ["anna"] if command[0] == "copy" or not done else []
    assert namespaces.names() == old + new * done
    assert all(texts_of(name) == [OSLO.text] for name in namespaces.names())
    if not done:
        getattr(namespaces, command[0])(*command[1:])
        assert all(texts_of(name) == [OSLO.text] for name in new)


LATE_CHAT = """
import sys
from memory import Turn, open_store
for place in (sys.argv[1] + ".warm", sys.argv[1]):
    open_store(place).add([Turn("Anna", "I have a cat.")])
    print("ready", flush=True)
"""


@pytest.mark.slow
def test_who_opens_a_file_just_before_it_is_replaced_is_told_so(
    home: Path, anna: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that found the empty file of the new name must not write to what is gone."""
    late: list[subprocess.Popen[str]] = []
    replace = Path.replace

    def slow(path: Path, new: Path) -> Path:
        command = [sys.executable, "-c", LATE_CHAT, str(new)]
        pipe = subprocess.PIPE
        late.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        assert late[0].stdout is not None
        late[0].stdout.readline()
        time.sleep(0.7)
        return replace(path, new)

    monkeypatch.setattr(Path, "replace", slow)
    namespaces.rename("anna", "ben")
    _, error = late[0].communicate(timeout=180)
    assert "StoreError" in error or texts_of("ben") == [OSLO.text, "I have a cat."]
    assert texts_of("ben")[0] == OSLO.text
