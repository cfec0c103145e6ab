"""Every act that changes a memory, killed at random moments: acknowledged ones stay, none is half.

tests/support/killed_acts.py says how. Each kill asks the memory for its check, too.
"""

import re
import subprocess
import sys

import pytest

from tests.support.acts import ACTS

pytestmark = pytest.mark.slow

KILLS = 21  # of each act, at new moments in each run


def test_acts_killed_at_random_moments_are_whole_or_absent() -> None:
    command = [sys.executable, "-m", "tests.support.killed_acts", "1", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [*ACTS]
    # Not all kills came before the acts began, or after they had ended.
    assert sum(int(re.findall(r"(\d+) absent", line)[0]) for line in lines) > len(lines) / 2
