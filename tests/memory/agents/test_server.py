"""The warm server behind the hooks: a slow start is made up for with the first prompt."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.agents import server as server_module
from memory.agents import sessions
from memory.agents.server import serve
from memory.errors import StoreError
from tests.support.coding_agent import PATIENT


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A socket's path; memories of a test's own."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "memories"))
    return str(tmp_path / "socket")


@pytest.fixture
def served(path: str) -> Iterator[str]:
    """A server in a thread of this process, so that what it calls can be replaced."""
    thread = threading.Thread(target=serve, args=[path], daemon=True)
    thread.start()
    yield path
    request(path, {"stop": True})
    thread.join(float(PATIENT))
    assert not thread.is_alive()


def request(path: str, words: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + float(PATIENT)
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError:
                assert time.monotonic() < deadline
                continue
            connection.sendall(json.dumps(words).encode())
            connection.shutdown(socket.SHUT_WR)
            return dict(json.loads(connection.makefile("rb").read()))


def event(name: str, seconds: float, **payload: Any) -> dict[str, Any]:
    about = {"hook_event_name": name, "session_id": "s1", "cwd": "/home/ann/shop"}
    return {"agent": "claude-code", "seconds": seconds, "payload": about | payload}


def test_a_session_whose_start_no_server_heard_gets_its_orders_with_the_first_prompt(
    served: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sessions, "start_context", lambda _: "never commit")
    monkeypatch.setattr(sessions, "prompt_context", lambda _: "")
    state = {"options": {"state": str(tmp_path / "agents")}}
    prompt = event("UserPromptSubmit", float(PATIENT), prompt="Write a haiku.") | state
    assert request(served, prompt)["context"] == "never commit"
    assert request(served, prompt)["context"] == ""
    assert request(served, event("SessionStart", float(PATIENT)) | state)["context"]
    # A server that starts later knows it too.
    assert sessions.has_begun(sessions.HookCall.of(prompt))


def test_a_memory_that_cannot_be_read_is_said_once(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: object) -> str:
        raise StoreError("shop.db: the file is damaged; restore it from a backup")

    monkeypatch.setattr(sessions, "start_context", damaged)
    start = event("SessionStart", float(PATIENT))
    assert "the file is damaged" in request(served, start)["context"]
    assert request(served, start)["context"] == ""


def test_programs_that_watch_sessions_are_told_nothing(served: str) -> None:
    observer = {"cwd": "/home/ann/.claude-mem/observer-sessions", "prompt": "Watch."}
    told = request(served, event("UserPromptSubmit", float(PATIENT), **observer))
    assert told == {"outcome": "a program that watches sessions: nothing is stored or told"}


def test_a_server_that_nobody_asks_in_time_is_warm_for_the_next(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_loaded = threading.Event()
    monkeypatch.setattr(server_module, "_PRELOAD_AFTER_S", 0.0)
    monkeypatch.setattr(sessions, "load", is_loaded.set)
    thread = threading.Thread(target=serve, args=[path], daemon=True)
    thread.start()
    assert is_loaded.wait(float(PATIENT))
    request(path, {"stop": True})
    thread.join(float(PATIENT))
