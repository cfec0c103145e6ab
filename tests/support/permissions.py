"""Runs commands as a user without write permission, even if the tests run as root."""

import ctypes
import os
import subprocess
import sys
from subprocess import CompletedProcess

import pytest

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE = 1  # what lets root write where the mode of a file or folder forbids it


def run_obeying_modes(*arguments: object, **environment: str) -> "CompletedProcess[str]":
    """`python ARGUMENTS` in a process that cannot write what is write-protected."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        preexec_fn=_give_up_override,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def skip_where_modes_are_ignored() -> None:
    """Skip a test where write protection stops nobody: as root on another system than Linux."""
    probe = run_obeying_modes("-c", "import os; print(os.access('/proc/version', os.W_OK))")
    if probe.stdout != "False\n":
        pytest.skip("write protection stops nobody here")


def _give_up_override() -> None:
    if sys.platform == "linux" and os.geteuid() == 0:
        # The program that runs next gets what is left of root's capabilities.
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
