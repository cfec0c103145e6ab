"""Hooks in an agent's settings: the change is shown, what is there stays, and all is undone."""

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import run

SETTINGS = [
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    '{"model": "opus"}',
    '{\r\n\t"model": "opus",\r\n\t"hooks": {}\r\n}\r\n',
    '{"hooks": {"Stop": []}}',
    '{"hooks": {"Stop": [ ]}, "env": {"A": "ü \\" } ] {"}}',
    '{\n  "hooks": {\n    "Stop": [\n      {"hooks": [{"type": "command", "command": "x"}]}\n'
    '    ]\n  },\n  "permissions": {"allow": ["Bash(ls:*)"]}\n}',
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "memories"))
    monkeypatch.setenv("OPENCODE_CONFIG_DIR", str(tmp_path / "opencode"))
    (tmp_path / "claude").mkdir()
    return tmp_path / "claude" / "settings.json"


@pytest.mark.parametrize("text", SETTINGS)
def test_disconnecting_leaves_the_settings_byte_for_byte(text: str, file: Path) -> None:
    file.write_bytes(text.encode())
    file.chmod(0o644)
    out = run("connect", "claude-code", "--yes")
    assert "+" in out
    connected = json.loads(file.read_text())
    for name, value in json.loads(text).items():
        if name != "hooks":
            assert connected[name] == value
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "PreCompact", "SessionEnd"):
        assert "hook.py" in connected["hooks"][event][0]["hooks"][0]["command"]
    before = json.loads(text).get("hooks", {}).get("Stop", [])
    assert connected["hooks"]["Stop"][1:] == before
    assert file.stat().st_mode & 0o777 == 0o644
    run("connect", "claude-code", "--remove", "--yes")
    assert file.read_bytes() == text.encode()


def test_without_settings_disconnecting_leaves_none(file: Path) -> None:
    for agent, path in (
        ("claude-code", file),
        ("codex", file.parents[1] / "codex" / "hooks.json"),
        ("opencode", file.parents[1] / "opencode" / "plugins" / "sql-memory.js"),
    ):
        run("connect", agent, "--yes")
        assert path.exists()
        run("connect", agent, "--remove", "--yes")
        assert not path.exists()
    assert not (file.parents[1] / "codex").exists()
    assert not (file.parents[1] / "opencode").exists()


def test_settings_that_were_written_anew_lose_our_hooks_only(file: Path) -> None:
    file.write_text('{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "x"}]}]}}')
    before = json.loads(file.read_text())
    run("connect", "claude-code", "--yes")
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    run("connect", "claude-code", "--remove", "--yes")
    assert json.loads(file.read_text()) == before


def test_nothing_changes_without_consent(file: Path) -> None:
    file.write_text("{}")
    run("connect", "claude-code", says="nothing was changed", given="n\n")
    assert file.read_text() == "{}"
    run("connect", "claude-code", "--remove", says="not connected")


@pytest.mark.parametrize("text", ["{", "[]", '{"hooks": 3}', '{"hooks": {"Stop": {}}}', "\udcff"])
def test_settings_of_another_shape_are_refused(text: str, file: Path) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    run("connect", "claude-code", "--yes", says="settings.json")
    assert file.read_bytes() == text.encode("utf-8", "surrogateescape")


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    file.symlink_to(target)
    run("connect", "claude-code", "--yes")
    assert file.is_symlink()
    assert "hook.py" in target.read_text()
    run("connect", "claude-code", "--remove", "--yes")
    assert target.read_text() == "{}"


def test_connecting_twice_and_the_status(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no agent is connected" in run("connect", "--status")
    monkeypatch.chdir(tmp_path)
    run("connect", "claude-code", "--project", "--yes")
    assert (tmp_path / ".claude" / "settings.local.json").exists()
    assert "connected already" in run("connect", "claude-code", "--project", "--yes")
    status = run("connect", "--status")
    assert f"claude-code: connected, {tmp_path}" in status
    (tmp_path / ".claude" / "settings.local.json").write_text("{}")
    assert "its hooks were removed" in run("connect", "--status")
    assert os.listdir(tmp_path / ".claude") == ["settings.local.json"]
    run("connect", "emacs", "--yes", says="unknown agent")
    run("connect", says="name an agent")
