"""Importing: what is read is kept, and kept once, whatever ends it."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from memory import Store, Turn, open_store
from memory.errors import StoreError
from memory.exchange.imports import ImportReport, import_turns
from memory.exchange.items import ForeignExport
from memory.records import Skipped
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.namespaces import location_of, names
from memory.store.sqlite.store import SqliteStore
from memory.store.turns.turns_table import known_sources
from tests.support.commands import run
from tests.support.foreign_exports import character, chatgpt, chatgpt_message

BOTH_STORES = "slow"
NUMBER = 1_000
SOURCES = [f"x:{n}" for n in range(NUMBER)]


def said(number: int) -> Iterator[Turn]:
    for n in range(number):
        yield Turn("Anna", f"message {n} about the pump", f"s{n // 50}", "2017-05-08", f"x:{n}")


def foreign_export(number: int = 10) -> ForeignExport:
    return ForeignExport("made", said(number), number, ("a note",))


def test_importing_twice_changes_nothing(store: SqliteStore) -> None:
    assert import_turns(store, foreign_export()) == ImportReport(10, 0, (), ("a note",))
    before = store.turns()
    assert import_turns(store, foreign_export()) == ImportReport(0, 10, (), ("a note",))
    assert store.turns() == before
    assert import_turns(store, foreign_export(12)).turns == 2


def items_of_a_transcript(number: int) -> ForeignExport:
    turns = [replace(turn, tags={"agent": "codex"}) for turn in said(number)]
    return ForeignExport("codex", iter(turns))


def test_what_was_forgotten_is_not_imported_again_unless_a_person_lets_it_in(
    store: Store, tmp_path: Path
) -> None:
    import_turns(store, items_of_a_transcript(3))
    first, _, third = known_sources(store, SOURCES[:3]).values()
    store.forget([first])
    store.forget([third])
    report = import_turns(store, items_of_a_transcript(4))
    assert (report.turns, report.already) == (1, 1)
    assert report.skipped == (Skipped("2 messages", "forgotten here before"),)
    assert SOURCES[2] not in str(settings_of(store))
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        assert import_turns(copy, items_of_a_transcript(4)).turns == 0
    assert import_turns(store, foreign_export(4)).turns == 0
    assert import_turns(store, foreign_export(4), with_forgotten=True).turns == 2
    assert import_turns(store, foreign_export(4)).already == 4


def test_an_import_says_how_what_was_forgotten_comes_back(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    (path := tmp_path / "a.jsonl").write_text('{"speaker": "Ana", "text": "I live in Lucca."}\n')
    run("import", path, "--db", db)
    run("forget", "--matching", "Lucca", "--yes", "--db", db)
    nothing = r"nothing was stored: forgotten here before \(1 message\); .* --with-forgotten"
    run("import", path, "--db", db, says=nothing)
    with path.open("a") as file:
        file.write('{"speaker": "Ana", "text": "I like tea."}\n')
    out = run("import", path, "--db", db)
    assert "1 new turn" in out
    assert "forgotten here before: 1" in out
    assert "--with-forgotten" in out
    run("import", path, "--db", db)  # one is there, and one stays out
    assert "1 new turn" in run("import", path, "--with-forgotten", "--db", db)


def test_an_import_of_which_nothing_is_stored_is_an_error(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    with open_store(db) as store:
        set_setting(store, "secrets", "refuse")
    (path := tmp_path / "a.jsonl").write_text(
        f'{{"speaker": "Ana", "text": "My key is sk-proj-{"aB3" * 16}."}}\n'
    )
    run("import", path, "--db", db, says="nothing was stored")


def test_a_full_disk_keeps_the_batches_before(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_store(path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, limits[1]))
        try:
            with pytest.raises(StoreError, match=r"the [\d,]+ turns before are kept"):
                import_turns(store, foreign_export(NUMBER), 50)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with open_store(path) as store:
        stored = len(store.turns())
        assert 0 < stored < NUMBER
        assert stored % 50 == 0
        assert import_turns(store, foreign_export(NUMBER)) == ImportReport(
            NUMBER - stored, stored, (), ("a note",)
        )
        assert [turn.source for turn in store.turns()] == SOURCES


# Killed, and two at once

WORK = """
import sys
from memory import open_store
from memory.exchange.imports import import_turns
from tests.memory.exchange.test_imports import NUMBER, foreign_export
with open_store(sys.argv[1]) as store:
    import_turns(store, foreign_export(NUMBER), 50, lambda items: print(items, flush=True))
"""


def importing(address: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORK, address]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on_where_it_stopped(address: str) -> None:
    open_store(address).close()
    with importing(address) as child:
        assert child.stdout
        assert all(child.stdout.readline() == "50\n" for _ in range(3))
        child.kill()
    with open_store(address) as store:
        stored = [turn.source for turn in store.turns()]
        assert 150 <= len(stored) < NUMBER
        assert stored == SOURCES[: len(stored)]
        assert import_turns(store, foreign_export(NUMBER)).already == len(stored)
        assert [turn.source for turn in store.turns()] == SOURCES


@pytest.mark.slow
def test_two_processes_that_import_the_same_store_each_turn_once(address: str) -> None:
    open_store(address).close()
    for child in [importing(address) for _ in range(2)]:
        _, errors = child.communicate(timeout=180)
        assert child.returncode == 0, errors
    with open_store(address) as store:
        assert sorted(turn.source for turn in store.turns()) == sorted(SOURCES)
        assert store.search("message 7 about the pump", 1)


# The command


def exported(folder: Path) -> Path:
    path = folder / "conversations.json"
    said = [
        chatgpt_message(n, ("user", "assistant")[n % 2], f"message {n} about the pump")
        for n in range(60)
    ]
    chats = [chatgpt("c0", "Pumps", *said[:40]), chatgpt("c1", "More pumps", *said[40:])]
    path.write_text(json.dumps(chats))
    return path


def test_a_file_goes_into_the_namespace_given_which_is_made(home: str, tmp_path: Path) -> None:
    path = exported(tmp_path)
    first = run("import", path, "--namespace", "anna", "--speaker", "Anna")
    assert "anna: 60 new turns, 0 already stored (chatgpt)" in first
    assert "anna: 0 new turns, 60 already stored" in run("import", path, "-n", "anna")
    with open_store(location_of("anna")) as store:
        assert {turn.speaker for turn in store.turns()} == {"Anna", "ChatGPT"}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a terminal that is a file")
def test_a_terminal_shows_that_a_file_is_being_read(home: str, tmp_path: Path) -> None:
    terminal, shown_on = os.openpty()
    line = [sys.executable, "-m", "memory", "import", str(exported(tmp_path)), "-n", "anna"]
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=shown_on,
        env={**os.environ, "TERM": "xterm"},
        check=True,
    )
    os.close(shown_on)
    pieces = []
    with suppress(OSError):  # at the end: no one has the other side open
        while piece := os.read(terminal, 100_000):  # at most 4,095 bytes at a time
            pieces.append(piece)
    os.close(terminal)
    shown = b"".join(pieces).decode()
    assert "anna: 60 new turns" in done.stdout.decode()
    assert "reading conversations.json" in shown
    assert "importing" in shown
    assert "60/60" in shown


def test_the_report_groups_what_was_skipped(home: str, tmp_path: Path) -> None:
    blank = [("Miku", " " * n) for n in range(5)]
    place = character(tmp_path / "Miku", [*blank, ("Miku", "Hello!")])
    output = run("import", place, "--namespace", "miku")
    assert "miku: 1 new turn, " in output
    assert "no message: 5" in output
    record = json.loads(run("import", place, "--namespace", "miku", "--json"))
    assert (record["into"], record["turns"], record["already"]) == ("miku", 0, 1)
    assert record["skipped"] == [
        {"why": "no message", "count": 5, "where": ["row 0", "row 1", "row 2"]}
    ]


@pytest.mark.slow
def test_each_of_several_characters_gets_a_namespace_of_its_own(home: str, tmp_path: Path) -> None:
    character(tmp_path / "one" / "Miku", [("Miku", "Alone.")])
    run("import", tmp_path / "one", "--db", tmp_path / "one.db")
    for name in ("Miku", "Rin and Len"):
        character(tmp_path / "old" / name, [(name, f"I am {name}.")])
    for refused in (["--namespace", "anna"], ["--db", tmp_path / "a.db"]):
        says = "2 characters, each for its own namespace"
        run("import", tmp_path / "old", *refused, says=says)
    assert names() == []
    run("import", tmp_path / "old")
    assert names() == ["Miku", "Rin and Len"]
    with open_store(location_of("Miku")) as store:
        assert [turn.text for turn in store.turns()] == ["I am Miku."]


def test_ctrl_c_keeps_what_was_read(
    address: str, memory_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> Iterator[Turn]:
        yield from said(1_030)
        raise KeyboardInterrupt

    interrupted_export = ForeignExport("made", interrupted())
    monkeypatch.setattr(
        "memory.exchange.read_export", lambda *arguments, **named: interrupted_export
    )
    says = "the turns so far are stored; the same command continues"
    run("import", "anything.json", *memory_options, says=says)
    with open_store(address) as store:
        assert len(store.turns()) == 1_024


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.csv", None),
        ("header.csv", b"who,what\nAnna,hello\n"),
        ("latin.csv", "id,name,message,timestamp\n1,Anna,caf\xe9,2017\n".encode("latin-1")),
        ("half.json", b'[{"id": "c1", "map'),
        ("empty.json", b""),
    ],
)
def test_what_cannot_be_read_makes_no_memory(
    home: str, name: str, content: bytes | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    run("import", tmp_path / name, "--namespace", "anna", says=name)
    assert names() == []
