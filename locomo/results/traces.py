"""Traces: every prompt, answer and row between a question and its score.

The file has one line of JSON per question; MLflow shows them as traces (`locomo.tracking.spans`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from locomo.harness import AnswerKey, BuiltMemory, Result
from locomo.json_lines import JsonLines
from memory.program import StoreTurns


@dataclass(frozen=True)
class ModelCall:
    """One call of a language model: messages (role and text), answers and how long it took.

    `began` is in seconds since 1970; 0 if it is not known.
    """

    messages: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]
    error: str = ""
    seconds: float = 0.0
    began: float = 0.0


@dataclass(frozen=True)
class RowsRead:
    """A SELECT that ran, with its columns and rows as text."""

    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Trace:
    """All steps between a question and its score.

    `rows` are from the SELECTs that ran; `refusals` are the refused SELECTs with the reason, which
    was the feedback in the next prompt. `began` is in seconds since 1970.
    """

    result: Result
    rows: tuple[RowsRead, ...]
    refusals: tuple[str, ...]
    calls: tuple[ModelCall, ...]
    began: float = 0.0

    @property
    def key(self) -> AnswerKey:
        """Identifies the system and the question."""
        return self.result.key


@dataclass(frozen=True)
class StoredWindow:
    """A window that a model stored: what it was shown, the SQL that ran, and what was refused."""

    inputs: dict[str, str]
    sql: str
    refusals: tuple[str, ...]
    calls: tuple[ModelCall, ...]
    began: float
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class DigestTrace:
    """The digest of a conversation; without windows where templates stored all of it."""

    conversation: str
    turns: int
    facts: int
    windows: tuple[StoredWindow, ...]
    began: float
    seconds: float


TraceLog = JsonLines[AnswerKey, Trace]


@dataclass
class _OpenWindow:
    """A window being stored: the system, its start, and the calls before it."""

    module: StoreTurns
    began: float
    calls_before: int
    inputs: dict[str, str] = field(default_factory=dict)


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
        self.began = time.time()
        self.windows: list[StoredWindow] = []
        self._open_windows: dict[str, _OpenWindow] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Record the calls of the block, in this thread and in threads that it starts."""
        with dspy.context(callbacks=[*dspy.settings.callbacks, self]):
            yield

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Keep the messages until the call ends."""
        messages = inputs.get("messages") or [{"role": "user", "content": inputs.get("prompt")}]
        with self._lock:
            self._begun[call_id] = time.time()
            self._messages[call_id] = tuple(
                (str(message["role"]), str(message["content"])) for message in messages
            )

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Record the call with its answers."""
        with self._lock:
            messages = self._messages.pop(call_id, ())
            answers = tuple(str(output) for output in outputs or ())
            error = type(exception).__name__ if exception else ""
            began = self._begun.pop(call_id, 0.0)
            seconds = round(max(time.time() - began, 0.0), 3) if began else 0.0
            self.calls.append(ModelCall(messages, answers, error, seconds, began))

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Keep what the prompt of the storing module shows, until the module ends."""
        with self._lock:
            if isinstance(instance, StoreTurns):
                self._open_windows[call_id] = _OpenWindow(instance, time.time(), len(self.calls))
                return
            for window in self._open_windows.values():
                # A repair shows the same window again.
                if instance is window.module.predict and not window.inputs:
                    window.inputs = {
                        name: text
                        for name, text in inputs.get("kwargs", inputs).items()
                        if isinstance(text, str) and text
                    }

    def on_module_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        """Record a stored window, or the retrieving module's rows and refused statements."""
        if call_id in self._open_windows:
            with self._lock:
                opened = self._open_windows.pop(call_id)
                window = StoredWindow(
                    inputs=opened.inputs,
                    sql=outputs.sql if outputs else "",
                    refusals=tuple(
                        outputs.refusals if outputs else getattr(exception, "refusals", ())
                    ),
                    calls=tuple(self.calls[opened.calls_before :]),
                    began=opened.began,
                    seconds=max(time.time() - opened.began, 0.0),
                    error=type(exception).__name__ if exception else "",
                )
                self.windows.append(window)
            return
        if not isinstance(outputs, dspy.Prediction) or "rows" not in outputs:
            return
        with self._lock:
            self.refusals += outputs.refusals
            for sql, read in zip(outputs.sql, outputs.rows, strict=True):
                rows = tuple(tuple(str(cell) for cell in row) for row in read.rows)
                self.rows.append(RowsRead(sql, tuple(read.columns), rows))

    def trace(self, result: Result) -> Trace:
        """Everything recorded, with the result."""
        return Trace(
            result, tuple(self.rows), tuple(self.refusals), tuple(self.calls), began=self.began
        )


def traced(job: Callable[[], Result]) -> tuple[Result, Trace]:
    """Run a job that answers a question; its result and its trace."""
    recorder = CallRecorder()
    with recorder.active():
        result = job()
    return result, recorder.trace(result)


def traced_digest(job: Callable[[], BuiltMemory]) -> tuple[BuiltMemory, DigestTrace]:
    """Run a job that builds a memory, in one thread; its result and its trace."""
    recorder = CallRecorder()
    with recorder.active():
        built = job()
    return built, DigestTrace(
        conversation=built.conversation,
        turns=built.turns,
        facts=built.facts,
        windows=tuple(recorder.windows),
        began=recorder.began,
        seconds=max(time.time() - recorder.began, 0.0),
    )
