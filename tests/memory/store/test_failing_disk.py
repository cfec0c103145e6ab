"""Acts on a disk that fails at a write or sync: a StoreError at most, nothing acknowledged lost.

tests/support/faulted_acts.py says how. Afterwards each act is whole or absent and can be repeated.
Each call of an add, a digest, a forget and a migration fails, with one of four faults; for all four
at each, `python -m tests.support.faulted_acts 1`, which takes a quarter of an hour.
"""

import re
import subprocess
import sys

import pytest

from tests.support.acts import ACTS
from tests.support.faulted_acts import FAULTS

pytestmark = pytest.mark.slow

OF_EACH_CALL = ["add", "digest", "forget", "migration"]
OF_MANY_CALLS = ["forget with replies", "expire"]
OTHERS = [name for name in ACTS if name not in OF_EACH_CALL + OF_MANY_CALLS]
STEPS = [(4, OF_EACH_CALL), (18, OTHERS), (72, OF_MANY_CALLS)]


@pytest.mark.parametrize(("step", "names"), STEPS)
def test_an_act_on_a_failing_disk_is_whole_or_absent(step: int, names: list[str]) -> None:
    command = [sys.executable, "-m", "tests.support.faulted_acts", str(step), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    if len(lines) == 1:
        pytest.skip(lines[0])
    expected = [f"{name}, {fault}" for name in names for fault in FAULTS]
    assert [line.split(":")[0] for line in lines] == expected
    failed_calls = [int(re.findall(r": (\d+) calls failed", line)[0]) for line in lines]
    assert min(failed_calls) > 0
