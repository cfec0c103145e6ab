"""A server as a user starts it: `memory serve` in a separate process."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The sign-in link of a server over the namespaces of MEMORY_HOME; it ends with the block."""
    line = [sys.executable, "-m", "memory", "serve", "--port", "0", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            link = server.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in\?token=\S+", link), link
            yield link
        finally:
            server.terminate()
