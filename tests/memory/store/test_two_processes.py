"""Two processes stopped at each lock: what they do is as if one had done it after the other.

tests/support/schedules.py says how.
"""

import re
import subprocess
import sys

import pytest

from tests.support.schedules import PAIRS

pytestmark = pytest.mark.slow


def test_two_acts_at_once_are_as_one_after_the_other() -> None:
    names = [",".join(pair) for pair in PAIRS]
    command = [sys.executable, "-m", "tests.support.schedules", "1", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [name.replace(",", ", ") for name in names]
    schedules = [int(re.findall(r": (\d+) schedules", line)[0]) for line in lines]
    assert min(schedules) > 0
