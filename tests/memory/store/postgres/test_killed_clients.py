"""Every act that changes a namespace, its client killed at random moments: whole or absent.

tests/support/killed_clients.py says how. Each kill asks the memory for its check, too.
"""

import re
import subprocess
import sys

import pytest

from tests.support.killed_clients import ACTS

pytestmark = pytest.mark.slow

KILLS = 10  # of each act


def test_clients_killed_at_random_moments_leave_acts_whole_or_absent() -> None:
    command = [sys.executable, "-m", "tests.support.killed_clients", "1", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [*ACTS]
    # Not all kills came before the acts began.
    assert sum(int(re.findall(r"(\d+) acts acknowledged", line)[0]) for line in lines) > len(lines)
