"""Traces: every prompt, answer and row between a question and its score.

The file has one line of JSON per question; `python -m locomo.inspect` prints them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from locomo.harness import AnswerKey, Result
from locomo.json_lines import JsonLines


@dataclass(frozen=True)
class ModelCall:
    """One call of a language model: messages (role and text), answers and how long it took."""

    messages: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class RowsRead:
    """A SELECT that ran, with its columns and rows as text."""

    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Trace:
    """All steps between a question and its score.

    `rows` are those of the SELECTs that ran; `refusals` are the refused SELECTs with the reason,
    which was the feedback in the next prompt.
    """

    result: Result
    rows: tuple[RowsRead, ...]
    refusals: tuple[str, ...]
    calls: tuple[ModelCall, ...]

    @property
    def key(self) -> AnswerKey:
        """Identifies the system and the question."""
        return self.result.key


TraceLog = JsonLines[AnswerKey, Trace]


class CallRecorder(BaseCallback):
    """Records the model calls of a block, and the rows that it retrieved."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []
        self.rows: list[RowsRead] = []
        self.refusals: list[str] = []
        # Of calls that go on: their messages, and when they began.
        self._messages: dict[str, tuple[tuple[str, str], ...]] = {}
        self._begun: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Record the calls of the block, in this thread and in threads that it starts."""
        with dspy.context(callbacks=[*dspy.settings.callbacks, self]):
            yield

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Keep the messages until the call ends."""
        messages = inputs.get("messages") or [{"role": "user", "content": inputs.get("prompt")}]
        with self._lock:
            self._begun[call_id] = time.monotonic()
            self._messages[call_id] = tuple(
                (str(message["role"]), str(message["content"])) for message in messages
            )

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Record the call with its answers."""
        with self._lock:
            messages = self._messages.pop(call_id, ())
            answers = tuple(str(output) for output in outputs or ())
            error = type(exception).__name__ if exception else ""
            began = self._begun.pop(call_id, None)
            seconds = 0.0 if began is None else round(time.monotonic() - began, 3)
            self.calls.append(ModelCall(messages, answers, error, seconds))

    def on_module_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        """Record the rows of the retrieving module, and the statements that were refused."""
        if not isinstance(outputs, dspy.Prediction) or "rows" not in outputs:
            return
        with self._lock:
            self.refusals += outputs.refusals
            for sql, read in zip(outputs.sql, outputs.rows, strict=True):
                rows = tuple(tuple(str(cell) for cell in row) for row in read.rows)
                self.rows.append(RowsRead(sql, tuple(read.columns), rows))

    def trace(self, result: Result) -> Trace:
        """Everything recorded, with the result."""
        return Trace(result, tuple(self.rows), tuple(self.refusals), tuple(self.calls))


def traced(job: Callable[[], Result]) -> tuple[Result, Trace]:
    """Run a job that answers a question; its result and its trace."""
    recorder = CallRecorder()
    with recorder.active():
        result = job()
    return result, recorder.trace(result)
