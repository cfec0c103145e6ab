"""Acts on a disk that fails at the n-th write, sync, truncation, removal or rename.

    python -m tests.support.faulted_acts STEP [ACT ...]

For every STEP-th n each act is done once, with each of these faults: EIO once, a disk that is full
from there on, a short write on such a disk, and a kill (-9) in the middle of the call. The faults
begin a part of STEP after each other: with 4 each call fails once, with one of them. The act ends
with a StoreError or as if nothing had been; afterwards it is whole or absent, all before it is
there, and it can be repeated. Prints for each act and fault how many calls failed, and what
followed.

Starts itself once more with failing_disk.c loaded before libc. Prints "no compiler" and the like
where that cannot be.
"""

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from memory.errors import Stop
from tests.support import acts
from tests.support.acts import Act, State
from tests.support.killed_acts import assert_whole

SOURCE = Path(__file__).with_name("failing_disk.c")
# A fault's name -> how failing_disk.c names it, and the error that calls give.
FAULTS = {
    "EIO once": (0, errno.EIO),
    "full disk": (1, errno.ENOSPC),
    "short write": (2, errno.ENOSPC),
    "kill": (3, 0),
}


class Once(BaseException):
    """An act was acknowledged, and is not to be done again."""


def stop_after_once(number: int) -> None:
    raise Once


def do_once(act: Act, folder: Path) -> str:
    """Do an act once; the message of what stopped it, "" for nothing."""
    try:
        act.work(folder, 0, stop_after_once)
    except Once:
        return ""
    except Stop as error:
        return str(error)
    raise AssertionError("the act was not acknowledged")


def do_on_failing_disk(
    act: Act, folder: Path, disk: ctypes.CDLL, nth: int, fault: str
) -> tuple[bool, str]:
    """Do an act once in a process of its own: whether the call was reached, and what stopped it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            disk.fail_at(os.fsencode(folder), nth, *FAULTS[fault])
            message = do_once(act, folder)
            is_reached = disk.calls_made() >= nth
            os.write(writer, f"{int(is_reached)}{message}".encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
            os.write(writer, traceback.format_exc().encode())
        os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as output:
        text = output.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True, "killed"
    assert status == 0, f"{fault} at call {nth}: {text}"
    return text[0] == "1", text[1:]


def fail_every_call(name: str, fault: str, disk: ctypes.CDLL, step: int) -> str:
    """Let each STEP-th call of an act fail; what followed, in one line."""
    act = acts.ACTS[name]
    with TemporaryDirectory() as temporary:
        beginning, folder = Path(temporary) / "beginning", Path(temporary) / "folder"
        folder.mkdir()
        act.begin(folder)
        shutil.copytree(folder, beginning)
        states = acts.undisturbed(act, folder)
        outcomes: Counter[str] = Counter()
        nth = 1 + step * [*FAULTS].index(fault) // len(FAULTS)
        while True:
            acts.begin_again(beginning, folder)
            is_reached, message = do_on_failing_disk(act, folder, disk, nth, fault)
            if not is_reached:
                if outcomes or nth == 1:
                    break
                nth = 1  # an act of few calls: the first one fails
                continue
            outcomes[follow_up(act, folder, states, message)] += 1
            nth += step
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"{name}, {fault}: {outcomes.total()} calls failed: {counts}"


def follow_up(act: Act, folder: Path, states: list[State], message: str) -> str:
    """Hold a folder to what it must show after a fault, then repeat an act that is absent."""
    times_done = assert_whole(act, folder, states, 0)
    if not message:
        assert times_done == 1, "acknowledged, and absent"
        return "acknowledged"
    if times_done == 0:
        assert do_once(act, folder) == ""
        assert assert_whole(act, folder, states, 1) == 1
    return "whole" if times_done else "absent"


def with_failing_disk(folder: str, arguments: list[str]) -> int:
    """Start this module anew with the disk that fails."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        print("no compiler")
        return 0
    library = Path(folder) / "failing_disk.so"
    options = ["-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(library), "-ldl"]
    made = subprocess.run([compiler, *options], capture_output=True, text=True, check=False)
    if made.returncode:
        print(f"no library: {made.stderr.strip().splitlines()[-1]}")
        return 0
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    command = [sys.executable, "-m", "tests.support.faulted_acts", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def main(step: int, names: list[str]) -> None:
    disk = ctypes.CDLL(os.environ["LD_PRELOAD"])
    acts.prepare_process()
    for name in names or acts.ACTS:
        for fault in FAULTS:
            print(fail_every_call(name, fault, disk, step), flush=True)


if __name__ == "__main__":
    if "failing_disk" in os.environ.get("LD_PRELOAD", ""):
        main(int(sys.argv[1]), sys.argv[2:])
    else:
        with TemporaryDirectory() as temporary:
            sys.exit(with_failing_disk(temporary, sys.argv[1:]))
