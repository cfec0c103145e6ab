"""The first release: its version, its notes, and a wheel that works where only it is installed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.snippets import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
PROGRAM = (
    "from memory import Memory; memory = Memory('tom.db'); memory.add('I live in Oslo.');"
    " print(memory.ask('Where do I live?').text)"
)


def test_the_version_has_its_notes() -> None:
    notes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert notes.count(f"\n## {VERSION}") == 1
    assert notes.index(f"\n## {VERSION}") == notes.index("\n## "), "the newest release comes first"


def test_no_document_installs_from_pypi_what_is_not_there() -> None:
    paths = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = [path.name for path in paths if "pip install sql-memory" in path.read_text("utf-8")]
    is_released = ", unreleased" not in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert is_released or not named


@pytest.mark.slow
def test_the_wheel_works_in_a_fresh_environment(tmp_path: Path) -> None:
    def run(*command: object) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert not done.returncode, done.stderr[-3000:]
        return done.stdout

    uv = ["uv", "--quiet"]
    run(*uv, "build", "--wheel", "--out-dir", tmp_path / "wheels", ROOT)
    [wheel] = (tmp_path / "wheels").glob("*.whl")
    assert wheel.name.startswith(f"sql_memory-{VERSION}-")
    run(*uv, "venv", "--python", sys.executable, tmp_path / "fresh")
    python = tmp_path / "fresh/bin/python"
    run(*uv, "pip", "install", "--python", python, wheel)
    assert run(python, "-c", PROGRAM) == "Oslo\n"
    memory = tmp_path / "fresh/bin/memory"
    assert run(memory, "--version") == f"sql-memory {VERSION}\n"
    assert "Oslo" in run(memory, "ask", "Where do I live?", "--db", "tom.db")
    assert (
        "memory facts list"
        in subprocess.run([memory, "list"], capture_output=True, text=True, check=False).stderr
    ), "habits.toml is in the wheel"
