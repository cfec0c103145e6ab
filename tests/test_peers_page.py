"""The table of other memories' features: every command and call of ours in it runs, as printed."""

import json
import re
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory
from memory.frameworks.langgraph_store import MemoryStore
from memory.frameworks.openai_agents import MemorySession
from tests.support.answering_server import answering_server
from tests.support.commands import run
from tests.support.foreign_exports import chatgpt, chatgpt_message

PAGE = Path("docs/peers.md")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("|")
][2:]
SHOWN = [code for _, _, here in ROWS for code in re.findall("`([^`]+)`", here)]
COMMANDS = [code for code in SHOWN if code.startswith("memory ")]
CALLS = [code for code in SHOWN if "(" in code]
# What a command prints where that is more than that it ran.
PRINTS = {
    'memory ask "Where does Nora live?" --model openai/gpt-4o-mini': "Oslo",
    'memory ask "Where did Nora live in April 2026?"': "Bergen",
    "memory facts log": "stated in turn 2",
    "memory forget --speaker Nora --preview": "2 turns",
    'memory context "What should I cook?" --speaker Nora': "nuts",
    "memory import export.zip": "1 new turn",
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a memory, an export and a model; commands run in it."""
    with answering_server() as address:
        monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        monkeypatch.chdir(tmp_path)
        with Memory("default") as memory:
            for text, day in (
                ("I live in Bergen. I am allergic to nuts.", "2026-01-10"),
                ("I moved to Oslo.", "2026-06-10"),
            ):
                memory.add(text, speaker="Nora", said_at=day)
        chat = chatgpt("c-1", "Tea", chatgpt_message(1, "user", "I like tea."))
        with zipfile.ZipFile("export.zip", "w") as archive:
            archive.writestr("conversations.json", json.dumps([chat]))
        yield tmp_path


def test_each_row_names_the_document_of_the_others_and_what_shows_ours() -> None:
    assert len(ROWS) > 10
    for others, feature, here in ROWS:
        assert re.fullmatch(r"[\w ]+ \(\[[\w ]+\]\(https://[\w./-]+\)\)", others), others
        assert feature
        assert re.search("`[^`]+`", here), here
    rest = {*SHOWN} - {*COMMANDS} - {*CALLS}
    assert rest == {"uv run optimize.py --data mine.json"}  # tests/test_optimize.py runs it


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_a_command_of_the_table_runs(command: str, workplace: Path) -> None:
    output = run(*shlex.split(command)[1:])
    assert PRINTS.get(command, "") in output, output


@pytest.mark.parametrize("call", dict.fromkeys(CALLS))
def test_a_call_of_the_table_runs(call: str, workplace: Path) -> None:
    with Memory() as memory:
        names = {"memory": memory, "MemoryStore": MemoryStore, "MemorySession": MemorySession}
        assert eval(call, names)  # noqa: S307 - it is written in our own page
