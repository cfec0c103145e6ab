"""Runs the commands that scripts print, as they are printed."""

import importlib
import re
import shlex

import pytest

from locomo.commands import run_command
from memory.__main__ import app as memory_app


def printed_commands(output: str, **placeholders: str) -> list[list[str]]:
    """The words of each `uv run ...` in an output, with values for words in capitals."""
    lines = re.findall(r"uv run ((?:memory |\w+\.py ).*?)(?=$|;|, )", output, re.MULTILINE)
    return [[placeholders.get(word, word) for word in shlex.split(line)] for line in lines]


def exit_code(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the words of a command in this process; its exit code."""
    script, *_ = words
    monkeypatch.setattr("sys.argv", words)
    app = memory_app
    if script != "memory":
        app = importlib.import_module(script.removesuffix(".py")).app
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0)
