"""Programs that run next to train.py: started with a log, watched, ended with all they began."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from locomo.weights.trl_commands import Command
from memory.errors import ModelError

_GRACE = 15.0  # seconds to end by itself
_OUT_OF_MEMORY = ("OutOfMemoryError", "CUDA out of memory")


@dataclass(frozen=True)
class Program:
    """A program that runs, its name for messages, and the file of what it prints."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.poll()

    def failure(self) -> ModelError:
        """Why it ended, by the end of its log."""
        text = self.log.read_text("utf-8", "replace")
        if any(sign in text for sign in _OUT_OF_MEMORY):
            return ModelError(
                f"{self.name} is out of GPU memory: give a smaller --batch, as 1x8, a smaller"
                f" --model, or more GPUs; {self.log} has all of it"
            )
        lines = [line for line in text.splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "it printed nothing"
        return ModelError(f"{self.name} ended with code {self.code}: {last}; see {self.log}")


@contextmanager
def running(
    name: str, command: Command, log: Path, secrets: dict[str, str] | None = None
) -> Iterator[Program]:
    """A program while the context is open; then it and its children are ended.

    It gets no Ctrl-C of this terminal: train.py says when a step is done. `secrets` go into its
    environment, and into no message. Raises ModelError when it cannot be started.
    """
    environment = {**os.environ, **command.environment, **(secrets or {})}
    with log.open("ab") as file:
        try:
            process = subprocess.Popen(
                list(command.words),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ModelError(f"{name} cannot be started: {error}") from error
    try:
        yield Program(name, process, log)
    finally:
        _end(process)


def watch(program: Program, others: Sequence[Program] = ()) -> None:
    """Wait for a program's end. Raises ModelError when it fails, or another one ends before."""
    while program.code is None:
        for other in others:
            if other.code is not None:
                raise other.failure()
        time.sleep(0.2)
    if program.code:
        raise program.failure()


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)  # it leads its own group
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return
