"""A server in a separate process, over real HTTP, stopped at the end of the test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Served:
    """A running server: the first line that it printed, its process, and what it logs."""

    line: str
    process: "subprocess.Popen[str]"
    log: Path

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return "/".join(self.line.split("/")[:3])


@contextmanager
def server_process(log: Path, *arguments: str) -> Iterator[Served]:
    """`python -m ARGUMENTS`, from its first line on. What it logs goes to `log`."""
    with log.open("w", encoding="utf-8") as errors:  # a pipe that nobody reads would be full
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line, log.read_text("utf-8")
            yield Served(line, process, log)
        finally:
            process.terminate()
            process.communicate(timeout=30)
