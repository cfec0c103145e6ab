"""The examples: each file runs, and is what its guide prints."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memory import Memory
from tests.support.answering_server import answering_server
from tests.support.snippets import ROOT, same_output, snippets

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

EXAMPLES = ROOT / "examples"
# An example -> the guide that prints it, and a line of its block.
PRINTED = {
    "endpoint.py": ("docs/guides/endpoint.md", "app = FastAPI()"),
    "langgraph_agent.py": ("docs/guides/tools.md", "from langgraph.graph import"),
    "openai_agents.py": ("docs/guides/tools.md", "from agents import"),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")


@pytest.mark.parametrize("name", PRINTED)
def test_a_guide_prints_the_example(name: str) -> None:
    guide, line = PRINTED[name]
    [block] = [part.text for part in snippets(Path(guide)) if line in part.text]
    assert (EXAMPLES / name).read_text("utf-8") == block
    assert block.count("\n") - block.count("\n\n") <= 40


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    files = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")]
    assert [path.name for path in files if f"[{path.name}]" not in listed] == []


def test_the_endpoint_shows_each_user_their_own_block_without_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAT_MODEL", raising=False)
    texts = ["I live in Oslo, and I am allergic to nuts.", "What should I cook tonight?"]
    [printed] = [
        part.text for part in snippets(Path("docs/guides/endpoint.md")) if "<memory>" in part.text
    ]
    first, second = ask_endpoint("alex", texts)
    assert same_output(second, printed)
    assert "allergic to nuts" in first
    assert "Oslo" not in ask_endpoint("bo", ["Where do I live?"])[0]


def test_a_channel_never_shows_what_a_member_said_in_private() -> None:
    said = [
        ("private", "Ben", "I have a job interview on 11 June."),
        ("channel", "Ana", "The offsite is in Porto on 12 June."),
        ("channel", "Ben", "I'm vegetarian."),
    ]
    asked = {
        ("private", "Ben", "Can I be in Porto after my interview on 11 June?"): (True, True),
        ("private", "Ana", "When is the offsite in Porto, and Ben's interview?"): (False, True),
        ("channel", "Ana", "When is the offsite in Porto, and Ben's interview?"): (False, True),
    }
    with group_service() as client:
        for place, person, text in [*said, *asked]:
            block = client.post(f"/{place}", json={"person": person, "text": text}).text
            if expected := asked.get((place, person, text)):
                assert ("job interview" in block, "12 June" in block) == expected
        assert client.delete("/people/Ben").status_code == 200
        assert client.delete("/people/Zoe").status_code == 200
        text = "Who is vegetarian, and who has an interview in Porto?"
        left = client.post("/channel", json={"person": "Ana", "text": text}).text
        assert "vegetarian." not in left
        assert "12 June" in left


@contextmanager
def group_service() -> "Iterator[TestClient]":
    from fastapi.testclient import TestClient

    with TestClient(runpy.run_path(str(EXAMPLES / "group.py"))["app"]) as client:
        yield client


def test_the_endpoint_refuses_a_user_or_a_text_that_is_blank() -> None:
    for user, text in (("  ", "Hello."), ("alex", " ")):
        [refusal] = ask_endpoint(user, [text])
        assert "at least 1 character" in str(refusal)


def test_the_endpoint_replies_with_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering_server() as address:
        monkeypatch.setenv("CHAT_MODEL", "openai/gpt-4o-mini")
        monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        assert ask_endpoint("alex", ["I live in Oslo. Say yes."]) == ["yes"]


def test_the_endpoint_streams_a_reply_and_remembers_it_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next process has the users, the threads and both sides of them."""
    with answering_server() as address:
        monkeypatch.setenv("CHAT_MODEL", "openai/gpt-4o-mini")
        monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        with endpoint() as client:
            message = {"user_id": "alex", "thread": "trip", "text": "I live in Oslo. Say yes."}
            with client.stream("POST", "/chat", json=message) as response:
                assert response.headers["content-type"].startswith("text/plain")
                assert "content-length" not in response.headers
                assert "".join(response.iter_text()) == "yes"
    with Memory() as memory:
        stored = memory.get_all(user_id="alex")
        turns = [(turn.speaker, turn.session, turn.text) for turn in stored]
    assert turns == [
        ("user", "trip", "I live in Oslo. Say yes."),
        ("assistant", "trip", "yes"),
    ]
    monkeypatch.delenv("CHAT_MODEL")
    assert "lives in Oslo" in ask_endpoint("alex", ["Where do I live?"])[0]
    assert "Oslo" not in ask_endpoint("bo", ["Where do I live?"])[0]


def ask_endpoint(user: str, texts: list[str]) -> list[str]:
    """The replies of a new process to what a user says, each in a thread of its own."""
    messages = [
        {"user_id": user, "thread": str(number), "text": text} for number, text in enumerate(texts)
    ]
    with endpoint() as client:
        return [client.post("/chat", json=message).text for message in messages]


@contextmanager
def endpoint() -> Iterator["TestClient"]:
    """A client of the example, in a new process's state."""
    from fastapi.testclient import TestClient

    program = runpy.run_path(str(EXAMPLES / "endpoint.py"))
    try:
        yield TestClient(program["app"])
    finally:
        program["memory"].memory.close()


def test_a_coding_agent_keeps_rules_and_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "coding_agent.py"))
    printed = capsys.readouterr().out
    assert "never commit without asking me" in printed
    assert "test_logout_ends_the_session" in printed


@pytest.mark.slow
def test_a_dspy_program_is_compiled_saved_and_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    line = [sys.executable, str(EXAMPLES / "dspy_compile.py"), "openai/gpt-4o-mini"]
    with answering_server() as address:
        monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    scores = re.findall(r"^(as it comes|SIMBA|GEPA): ([\d.]+)$", done.stdout, re.MULTILINE)
    assert scores == [("as it comes", "16.67"), ("SIMBA", "16.67"), ("GEPA", "16.67")]
    assert done.stdout.splitlines()[-1] == "Oslo"
    assert Path("dspy_compiled.json").exists()


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = json.loads((EXAMPLES / "research.ipynb").read_text("utf-8"))["cells"]
    program = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    line = [sys.executable, "-c", program]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    recall = dict(
        re.findall(r"^(.+): ([\d.]+) in ten turns, 109 questions$", printed, re.MULTILINE)
    )
    assert float(recall["this ranking"]) > float(recall["FTS5"])
    [example] = re.findall(r"^answer\.unchecked\.predict (.*)$", printed, re.MULTILINE)
    assert "'evidence'" in example
    assert "'memory'" not in example
    change, low, high, verdict = re.findall(r"^(.+) \[(.+), (.+)\]: (.+)$", printed, re.MULTILINE)[
        -1
    ]
    assert -1 <= float(low) <= float(change) <= float(high) <= 1
    assert verdict == "too few conversations"
