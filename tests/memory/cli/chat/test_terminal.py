"""The chat in a real terminal: killed, interrupted, started again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from memory import open_store
from memory.store import Store

pytestmark = pytest.mark.slow

if not hasattr(pexpect, "spawn"):  # Windows has no pseudo-terminals
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

CHAT = ["chat", "--namespace", "anna", "--character", "Miku", "--model", "local"]
PACKAGED = ["-m", "memory", *CHAT]
# The same command with a model that sees, and takes its time to store one thing.
SCRIPT = """
import time
from memory.__main__ import run
from memory.models import loading
from tests.support.talk import talker
def store(prompt):
    time.sleep(30 if "Rufus" in prompt else 0)
    return "-- none"
model, _ = talker(answer=lambda _: "I see.", store=store)
loading.load_model = lambda *_, **__: model
run()
"""
SCRIPTED = ["-c", SCRIPT, *CHAT]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")  # nobody says where the cursor is
    monkeypatch.chdir(Path(__file__).parents[4])
    return tmp_path


def start(command: list[str], greeting: str) -> "pexpect.spawn[str]":
    child = pexpect.spawn(
        sys.executable, command, encoding="utf-8", timeout=180, dimensions=(40, 200)
    )
    child.expect(greeting)
    return child


def stored(home: Path) -> Store:
    [file] = home.glob("*.db")
    return open_store(file)


def test_it_is_killed_and_remembers(home: Path) -> None:
    child = start(PACKAGED, "Miku: .*Hello!")
    child.sendline("My dog is called Rufus.")
    child.expect("Miku: .*[.]")
    child.kill(signal.SIGKILL)
    child.wait()

    child = start(PACKAGED, "here we are again! We last spoke on ")
    child.sendline("What is my dog called?")
    child.expect("Miku: .*Rufus")
    child.sendline("/forget rufus")
    child.expect("Type yes or anna:")
    child.sendline("no")
    child.expect("nothing was changed")
    child.sendline("bye")
    child.expect("Miku: .*Bye!")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    with stored(home) as store:
        assert len({turn.session for turn in store.turns()}) == 2
        told = [(fact.subject, fact.attribute, fact.value) for fact in store.facts()]
        assert told == [("User", "has_pet", "Rufus")]


def test_a_reset_leaves_nothing_and_ctrl_c_keeps_all(home: Path) -> None:
    child = start(SCRIPTED, "Miku: .*Hello!")
    child.expect("User:")
    child.sendintr()
    child.expect("press Ctrl-C again, or type bye, to end")
    child.sendline("My PIN is 4711.")
    child.expect("Miku: .*I see.")
    child.sendline("reset")
    child.expect("Type yes or anna:")
    child.sendline("anna")
    child.expect("forgot 2 turns and 0 facts.*User:")
    assert all(b"4711" not in file.read_bytes() for file in home.iterdir())
    child.sendline("My dog is called Rufus.")
    child.expect("Miku: .*I see.")
    child.sendline("bye")
    child.expect("storing facts")
    child.sendintr()
    child.expect("interrupted: all was kept")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    with stored(home) as store:
        assert [turn.text for turn in store.turns()] == ["My dog is called Rufus.", "I see."]


def test_in_a_pipe_it_speaks_plain_lines(home: Path) -> None:
    out = subprocess.run(
        [sys.executable, *SCRIPTED],
        input=b"Hello\xff!\n\n/why\nbye\nnever read\n",
        env=os.environ,
        capture_output=True,
        timeout=180,
        check=True,
    )
    lines = out.stdout.decode().splitlines()
    assert lines[0].startswith("Miku: Hello!")
    assert lines[1] == "Miku: I see."
    assert lines[-2:] == ["the answer has no source in the memory", "Miku: Bye!"]
    assert b"\x1b" not in out.stdout + out.stderr
    with stored(home) as store:
        assert store.turn(1).text == "Hello\N{REPLACEMENT CHARACTER}!"
