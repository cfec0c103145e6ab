"""Folders of an agent and of its project, and a server that ends with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.agents.connections import state_folder
from memory.agents.server import stop_server
from tests.support.coding_agent import CodingAgent
from tests.support.commands import run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture
def agent(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodingAgent]:
    """Claude Code, connected by the command, with memories of its own."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "memories"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    run("connect", "claude-code", "--yes")
    yield CodingAgent(tmp_path / "claude" / "settings.json", project)
    stop_server()


@pytest.fixture
def state(agent: CodingAgent) -> Path:
    return state_folder()
