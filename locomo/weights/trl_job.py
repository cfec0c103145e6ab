"""What train.py hands to the processes of TRL: a job to read, and questions that it answers."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from secrets import token_bytes
from tempfile import mkdtemp
from threading import Condition, Thread
from typing import Any

from locomo.weights.trl_commands import KEY
from memory.system import write_whole

Handler = Callable[..., Any]


@dataclass(frozen=True)
class TrlJob:
    """A training as TRL's processes know it: a model, prompts, arguments; nothing of a memory.

    `prompts` is a JSONL file of `{"prompt": messages, "example": number}`, `address` the socket
    that answers questions. `resume` is TRL's checkpoint to go on from. With `served` vLLM draws the
    answers.
    """

    base: str
    start: str | None
    lora_rank: int
    lora_alpha: int
    targets: list[str]
    conversations: list[str]
    fingerprint: str
    folder: str
    prompts: str
    arguments: dict[str, Any]
    address: str
    seed: int
    served: bool
    resume: str | None = None

    def write(self, path: Path) -> None:
        """Write the job for `read`."""
        write_whole(path, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> "TrlJob":
        """The job that `write` wrote."""
        return cls(**json.loads(path.read_text("utf-8")))


class Questions:
    """Answers what processes of this machine ask, by the handlers' names, while it is open.

    Every process of a trainer asks whether to go on after a step, and all have to do the same: who
    asks with `once` waits for the answer of the first process and gets it too.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self.error: BaseException | None = None  # what a handler raised
        self._answers: dict[tuple[str, int], Any] = {}
        self._answered = Condition()
        self._folder = Path(mkdtemp(prefix="sql-memory-"))
        self.key = token_bytes(32)
        self._listener = Listener(
            str(self._folder / "socket"), "AF_UNIX", backlog=64, authkey=self.key
        )

    @property
    def address(self) -> str:
        """The path of the socket."""
        return str(self._folder / "socket")

    def __enter__(self) -> "Questions":
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._folder.rmdir()  # closing removed the socket

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # it was closed
                return
            Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            while True:
                try:
                    name, once, arguments = connection.recv()
                except (EOFError, OSError):
                    return
                try:
                    answer = (True, self._answer(name, once, arguments))
                except BaseException as error:  # noqa: BLE001 - train.py raises it
                    self.error = self.error or error
                    answer = (False, str(error))
                connection.send(answer)

    def _answer(self, name: str, once: tuple[int, bool] | None, arguments: list[Any]) -> Any:
        if once is None:
            return self._handlers[name](*arguments)
        step, is_first = once
        with self._answered:
            if is_first:
                self._answers[name, step] = self._handlers[name](step, *arguments)
                self._answered.notify_all()
            else:
                self._answered.wait_for(lambda: (name, step) in self._answers or self.error)
            return self._answers.get((name, step), "")


class Asker:
    """The other end, in a process of TRL."""

    def __init__(self, address: str) -> None:
        key = bytes.fromhex(os.environ[KEY])
        self._connection = Client(address, "AF_UNIX", authkey=key)

    def ask(self, name: str, *arguments: Any, once: tuple[int, bool] | None = None) -> Any:
        """The answer to a question; the process ends where train.py has its own error."""
        self._connection.send((name, once, list(arguments)))
        good, answer = self._connection.recv()
        if not good:
            raise SystemExit(f"train.py: {answer}")
        return answer
