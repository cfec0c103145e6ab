"""Processes killed in the middle of their work."""

import os
import signal
import time
import traceback
from collections.abc import Callable


def kill_after(lines: int, seconds: float, work: Callable[[], object]) -> str:
    """Fork a process that works, kill it (-9) so long after its first `lines` lines of output.

    Returns all that it wrote. By the clock alone, a busy machine would kill a process before it
    has done anything.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
            traceback.print_exc()
        os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as output:
        text = "".join(output.readline() for _ in range(lines))
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return text + output.read()
