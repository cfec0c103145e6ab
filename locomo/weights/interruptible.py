"""Lets a trainer of TRL end between two steps: on Ctrl-C, after some minutes, or for a reason."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from memory.errors import InputError

# What a caller does with a step's numbers; a reason to stop ends the run.
AfterStep = Callable[[Any, dict[str, float]], str | None]
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class StepControl(TrainerCallback):
    """Ends a run between two steps, with a checkpoint where it is to go on.

    A step that is under way is done first, so that a checkpoint never holds half of one. A second
    Ctrl-C does not wait.
    """

    def __init__(
        self,
        after_step: AfterStep,
        minutes: float | None = None,
        seconds_before: float = 0.0,
        checkpoint_seconds: float | None = None,
    ) -> None:
        """
        Arguments:
            after_step: called with the trainer's state and the numbers of each step.
            minutes: the longest run, with the `seconds_before` of the runs that it goes on from.
            checkpoint_seconds: how often to save; None leaves that to the trainer's settings.
        """
        self._after_step = after_step
        self._minutes = minutes
        self._checkpoint_seconds = checkpoint_seconds
        self._began = monotonic() - seconds_before
        self._saved = seconds_before
        self.interrupted = False
        self.stopped = ""  # why the run ended early

    @property
    def seconds(self) -> float:
        """Seconds of training, including those before an interruption."""
        return monotonic() - self._began

    @property
    def share_of_minutes(self) -> float:
        """How much of the minutes is used, 0 to 1; 0 without a limit."""
        return self.seconds / (self._minutes * 60) if self._minutes else 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        period = self._checkpoint_seconds
        if period is not None and self.seconds - self._saved >= period:
            control.should_save = True
            self._saved = self.seconds

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if "loss" not in logs:  # the summary at the end of a run
            return
        self.stopped = self._after_step(state, logs) or ""
        if self.stopped or self.interrupted:
            control.should_training_stop = control.should_save = True
        done = state.global_step
        if self.share_of_minutes * (done + 1) / done > 1:  # another step would take too long
            control.should_training_stop = control.should_save = True

    @contextmanager
    def watching(self, trainer: Trainer) -> Iterator[None]:
        """Inside this context Ctrl-C, SIGTERM and SIGHUP end the run after the step under way.

        Raises InputError in one line when the GPU's memory is too small.
        """
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(self)
        handlers = {}

        def interrupt(number: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
            handlers = {number: signal.signal(number, interrupt) for number in numbers}
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise InputError(out_of_memory(error)) from error
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def out_of_memory(error: BaseException) -> str:
    """One line for an error of a GPU's allocator, which has many."""
    first = str(error).splitlines()[0].split(". GPU")[0]
    return f"the GPU is out of memory ({first}): take a smaller model, or shorter examples"
