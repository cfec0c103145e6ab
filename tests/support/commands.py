"""Runs commands as a person types them."""

import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest
import typer
from typer.testing import CliRunner

from locomo.commands import run_command
from memory.__main__ import app
from memory.errors import Stop


def run(*arguments: object, says: str = "", finds: str = "", given: str | None = None) -> str:
    """What a command prints; with `says`, it must fail with a Stop like that.

    With `finds`, it must end with exit code 1 and say that.
    """
    done = CliRunner().invoke(app, [*map(str, arguments)], input=given)
    if finds:
        assert done.exit_code == 1, done
        assert re.search(finds, done.stderr), done.stderr
    elif says:
        assert isinstance(done.exception, Stop), done
        assert re.search(says, str(done.exception))
    else:
        assert done.exit_code == 0, done
    return done.stdout


def run_in_process(command: typer.Typer, *arguments: object) -> "CompletedProcess[str]":
    """A command line as `run_command` runs it, without the seconds that a new process takes."""
    line = ["command", *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", line),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        pytest.raises(SystemExit) as ended,
    ):
        run_command(command)
    code = int(ended.value.code or 0)
    return CompletedProcess(line, code, stdout.getvalue(), stderr.getvalue())
