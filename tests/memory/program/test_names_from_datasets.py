"""A dataset's row names a memory: it opens a name or a file's path, and nothing on a network."""

import os
import socket
from pathlib import Path

import dspy
import pytest

from memory import AskMemory, StoreTurns, open_store
from memory.errors import Stop
from memory.store.namespaces import place_of
from tests.conftest import SAID
from tests.support.scripted import ScriptedLM, answer, sql

WHERE = "Where does Anna live?"
LONG = "x" * 10_000
NAMES = [
    *("", " ", "../x", "..", "/", "/etc/passwd", "/dev/null", "/nowhere/x.db", "a\nb", ":memory:"),
    *(
        "a\0b",
        "./a\0b",
        "/nowhere/a\0.db",
        "\ud800",
        "./\ud800.db",
        LONG,
        f"./{LONG}",
        "/x" * 5_000,
    ),
    *("postgresql://", "postgresql:///x", "http://127.0.0.1/", "file:///etc/passwd", "\\\\host\\x"),
    *("file:x?mode=memory", "sqlite:///../x", "sqlite:////etc/passwd", f"sqlite:///{LONG}"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a program runs, with memories of their own in it."""
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    return tmp_path


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:30] for name in NAMES])
def test_what_names_no_memory_is_an_error_of_a_line_and_makes_no_file(
    name: str, folder: Path
) -> None:
    with dspy.context(lm=ScriptedLM([])), pytest.raises(Stop) as caught:
        AskMemory()(question=WHERE, memory=name)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 400
    assert "\0" not in message
    assert files_of(folder) == []


def test_no_address_is_opened_that_a_row_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # libpq would send this password, and the one of ~/.pgpass, to a server that asks for it.
    monkeypatch.setenv("PGPASSWORD", "the password")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for address in (
            f"postgresql://127.0.0.1:{port}/x?namespace=a",
            f"postgres://127.0.0.1:{port}/x?namespace=a",
            f"postgresql:///x?host=127.0.0.1&port={port}&namespace=a",
        ):
            for module in (AskMemory(), StoreTurns()):
                inputs = {"question": WHERE} if isinstance(module, AskMemory) else {}
                with (
                    dspy.context(lm=ScriptedLM([])),
                    pytest.raises(Stop, match="pass the store"),
                ):
                    module(memory=address, **inputs)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_row_reads_a_name_or_a_path_and_changes_nothing(folder: Path) -> None:
    for place in (place_of("anna"), folder / "elsewhere.db"):
        Path(place).parent.mkdir(exist_ok=True)
        with open_store(place) as store:
            store.add(SAID)
    before = {path: (folder / path).read_bytes() for path in files_of(folder)}
    assert [Path(path).suffix for path in before] == [".db", ".db"]
    for name in ("anna", "../elsewhere.db", str(folder / "elsewhere.db")):
        pairs = [([], sql("-- none")), (["Oslo"], answer("Oslo", "1"))]
        with dspy.context(lm=ScriptedLM(pairs)):
            said = AskMemory()(question=WHERE, memory=name)
        assert (said.answer, said.turns) == ("Oslo", (1,))
    # SQLite leaves its log, which is empty, beside a file that was read.
    assert {path: (folder / path).read_bytes() for path in before} == before


def test_a_module_that_stores_makes_no_file_of_another_kind(folder: Path) -> None:
    other = folder / "inner" / "notes.txt"
    other.write_text("mine")
    for name in ("./notes.txt", "./a\0b", LONG, os.devnull):
        with dspy.context(lm=ScriptedLM([])), pytest.raises(Stop):
            StoreTurns()(memory=name)
    assert other.read_text() == "mine"
    assert files_of(folder) == ["inner/notes.txt"]
