"""What a process imports before it works: DSPy alone takes longer than a --help may."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from memory import Turn, open_store
from memory.__main__ import app

ROOT = Path(__file__).parents[1]
# The libraries that print a --help, and pydantic, by which Typer reads what is on a command line.
HELP = {
    *("typer", "annotated_doc", "rich", "markdown_it", "mdurl", "pygments", "attr"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions"),
    *("lazy_loader", "platformdirs", "shellingham"),
}
# Numpy ranks what was found, with weights and words that come with the wheel.
SEARCH = {*HELP - {"rich", "markdown_it", "pygments"}, "numpy", "tokenizers", "safetensors"}
# Prints the exit code of a line and the libraries that it imported, each by its first name.
LISTING = """
names = {name.split(".")[0] for name in {*sys.modules} - start}
files = {name: getattr(sys.modules.get(name), "__file__", None) or "" for name in names}
print(json.dumps([code, sorted(name for name in names if "site-packages" in files[name])]))
"""
LINE = """
import json, os, runpy, sys

def leave(code):
    raise SystemExit(code)

start, os._exit = {*sys.modules}, leave  # scripts leave in a way that would print nothing more
sys.argv = json.loads(sys.argv[1])
try:
    run = runpy.run_module if sys.argv[0] == "memory" else runpy.run_path
    run(sys.argv[0], run_name="__main__")
    code = 0
except SystemExit as end:
    code = end.code or 0
"""
EVERY_HELP = """
import json, sys
from typer.testing import CliRunner

start, code = {*sys.modules}, 0
from memory.__main__ import app

for words in json.loads(sys.argv[1]):
    code |= CliRunner().invoke(app, [*words, "--help"]).exit_code
"""


def imported(code: str, given: Any) -> tuple[int, set[str]]:
    """The exit code that a process lists, and the libraries that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", code + LISTING, json.dumps(given)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    exit_code, names = json.loads(done.stdout.splitlines()[-1])
    return exit_code, {*names}


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("option", "exit_code"), [("--help", 0), ("--help-all", 0), ("--no-such-option", 2)]
)
@pytest.mark.parametrize("script", ["evaluate.py", "optimize.py", "train.py"])
def test_a_script_imports_its_libraries_when_it_runs(
    script: str, option: str, exit_code: int
) -> None:
    ended, libraries = imported(LINE, [script, option])
    assert ended == exit_code
    assert libraries <= HELP


def command_lines(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command and group: `()`, `("add",)`, `("facts", "edit")` and so on."""
    below = getattr(command, "commands", {})
    return [words, *(line for name in below for line in command_lines(below[name], (*words, name)))]


def operation_lines(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The lines whose help is that of operations: `admin call`, and groups with edits."""
    edits = getattr(command, "edits", {})
    lines = [words, *((*words, name) for name in edits)] if edits else []
    below = {n: c for n, c in getattr(command, "commands", {}).items() if n not in edits}
    return lines + [line for n in below for line in operation_lines(below[n], (*words, n))]


def test_no_command_imports_for_its_help_what_it_needs_to_run() -> None:
    lines = command_lines(get_command(app))
    assert len(lines) > 50
    # These read what they say of the operations, and the operations import numpy.
    of_operations = [("admin", "call"), *operation_lines(get_command(app))]
    assert ("facts", "settle") in of_operations
    ended, libraries = imported(EVERY_HELP, [line for line in lines if line not in of_operations])
    assert ended == 0
    assert libraries <= HELP
    ended, libraries = imported(EVERY_HELP, [*of_operations, ("admin", "call", "search")])
    assert ended == 0
    assert libraries <= {*HELP, "numpy"}


def test_a_command_imports_no_other_command() -> None:
    listed = "code = sorted(name for name in sys.modules if name.startswith('memory.cli.'))"
    modules: Any = imported(EVERY_HELP + listed, [("search",)])[0]
    shared = ["memory.cli.habits", "memory.cli.options", "memory.cli.output"]
    assert modules == [*shared, "memory.cli.queries"]


@pytest.mark.parametrize("command", [("search", "cello"), ("context", "Where is the cello?")])
def test_a_command_that_asks_no_model_imports_nothing_for_models(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "memory.db"
    with open_store(file) as store:
        store.add([Turn("Anna", "I bought a cello.")])
    ended, libraries = imported(LINE, ["memory", *command, "--db", str(file)])
    assert ended == 0
    assert libraries <= SEARCH
