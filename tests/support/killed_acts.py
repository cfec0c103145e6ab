"""Processes killed repeatedly in the middle of an act, and the state that they leave.

    python -m tests.support.killed_acts SEED KILLS [ACT ...]

A process that does an act is forked, killed (-9) at a random moment, and the next one goes on from
what is there. That must be what the act shows undisturbed, after the last acknowledged time or
after the one begun then. Prints for each act (all, unless some are named) how many kills found
which of the two.
"""

import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import acts
from tests.support.acts import Act, State

# Acts that matter most are killed more often.
MORE_KILLS = {"forget": 2, "digest": 2}
# A process is killed within the time that it takes to acknowledge so many acts. The first takes
# the longest, in a process that was just forked.
ACTS_OF_A_LIFE = 3


def fork_to_work(act: Act, folder: Path, start: int) -> tuple[int, int]:
    """A process that does an act from its n-th time on, and where it writes what it acknowledges.

    It also writes why it failed by itself.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            # One write for each: an acknowledgement has left the process whole, or not at all.
            act.work(folder, start, lambda number: os.write(writer, b"%d " % number) and None)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
            os.write(writer, traceback.format_exc().encode())
            os._exit(1)
    os.close(writer)
    return child, reader


def seconds_of_a_life(act: Act, folder: Path) -> float:
    """How long a process takes for its first acts, from its fork on, where nobody kills it."""
    child, reader = fork_to_work(act, folder, 0)
    begun, text = time.monotonic(), b""
    while text.count(b" ") < ACTS_OF_A_LIFE and (more := os.read(reader, 1)):
        text += more
    seconds = time.monotonic() - begun
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    return seconds


def life(act: Act, folder: Path, start: int, seconds: float) -> list[int]:
    """Do an act in a process that is killed after so many seconds; what it acknowledged.

    Raises AssertionError, with what it wrote, when the process fails by itself.
    """
    child, reader = fork_to_work(act, folder, start)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as output:
        text = output.read()
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), text
    return [int(number) for number in text.split()]


def assert_whole(act: Act, folder: Path, states: list[State], acknowledged: int) -> int:
    """How many times an act was done by what a folder shows: all acknowledged, or one more."""
    acts.settle(act, folder)
    after = acts.state(folder)
    possible = [n for n in (acknowledged + 1, acknowledged) if states[n : n + 1] == [after]]
    assert possible, "\n".join(differences(states[acknowledged], after))
    if act.is_sound_between or possible[0] == len(states) - 1:
        assert acts.faults(folder) == []
    if act.overwrites:
        assert acts.residue(folder) == []
    return possible[0]


def differences(expected: State, actual: State) -> list[str]:
    """The rows that only one of two states has, for a person who must find out why."""
    lines = [f"files: {list(expected)} and {list(actual)}"]
    for file in expected.keys() & actual.keys():
        for table, rows in expected[file].items():
            there = actual[file][table]
            lines += [f"{file} {table} lacks {row!r:.200}" for row in rows if row not in there]
            lines += [f"{file} {table} has {row!r:.200}" for row in there if row not in rows]
    return lines[:20]


def kill_again_and_again(name: str, kills: int, seed: int) -> str:
    """Kill an act so often; what the kills found, in one line. Raises AssertionError for a loss."""
    act, chance = acts.ACTS[name], random.Random(f"{name} {seed}")
    with TemporaryDirectory() as temporary:
        beginning, folder = Path(temporary) / "beginning", Path(temporary) / "folder"
        folder.mkdir()
        act.begin(folder)
        shutil.copytree(folder, beginning)
        states = acts.undisturbed(act, folder)
        acts.begin_again(beginning, folder)
        seconds = seconds_of_a_life(act, folder)
        times_done = len(states) - 1
        absent = whole = certain = 0
        for _ in range(kills):
            if times_done == len(states) - 1:
                acts.begin_again(beginning, folder)
                times_done = 0
            numbers = life(act, folder, times_done, chance.uniform(0, seconds))
            acknowledged = max([times_done, *numbers])
            certain += acknowledged - times_done
            times_done = assert_whole(act, folder, states, acknowledged)
            whole += times_done > acknowledged
            absent += times_done == acknowledged
    return (
        f"{name}: {kills} kills, {certain} acts acknowledged,"
        f" {whole} found the act begun last whole, {absent} absent"
    )


if __name__ == "__main__":
    seed, kills, *names = sys.argv[1:]
    acts.prepare_process()
    for name in names or acts.ACTS:
        try:
            times = MORE_KILLS.get(name, 1)
            print(kill_again_and_again(name, times * int(kills), int(seed)), flush=True)
        except AssertionError as error:
            sys.exit(f"{name}, seed {seed}: {error}")
