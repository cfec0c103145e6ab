"""Progress of long tasks: a bar on a terminal, one plain line a minute in a pipe or a file."""

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

_LINE_EVERY_S = 60.0


class ProgressLines(Progress):
    """Progress as lines of text: one for each task at most every minute, and one at its end.

    A bar in a file would appear only once, at the end.
    """

    def __init__(self, console: Console, every_s: float = _LINE_EVERY_S) -> None:
        super().__init__(console=console, disable=True)  # no bar
        self._every_s = every_s
        self._printed_at: dict[TaskID, float] = {}

    def add_task(self, description: str, *args: Any, **fields: Any) -> TaskID:
        """Start a task; its first line comes after a minute."""
        task_id = super().add_task(description, *args, **fields)
        self._printed_at[task_id] = time.monotonic()
        return task_id

    def update(self, task_id: TaskID, *args: Any, **fields: Any) -> None:
        """Set a task's values, as `Progress.update`."""
        super().update(task_id, *args, **fields)
        self._print_when_due(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Advance a task, as `Progress.advance`."""
        super().advance(task_id, advance)
        self._print_when_due(task_id)

    def stop(self) -> None:
        """End all tasks, each with a last line."""
        super().stop()
        for task_id in list(self._printed_at):
            self._print(task_id)
        self._printed_at.clear()

    def _print_when_due(self, task_id: TaskID) -> None:
        if time.monotonic() - self._printed_at[task_id] >= self._every_s:
            self._print(task_id)

    def _print(self, task_id: TaskID) -> None:
        with self._lock:
            task = self._tasks[task_id]
            self._printed_at[task_id] = time.monotonic()
            total = "?" if task.total is None else f"{task.total:,.15g}"
            seconds = int(task.elapsed or 0)
            line = f"{task.description}: {task.completed:,.15g}/{total}"
            self.console.print(
                f"{line}, {seconds // 60}:{seconds % 60:02}", highlight=False, soft_wrap=True
            )


def progress_bar(
    console: Console, last: ProgressColumn | None = None, transient: bool = False
) -> Progress:
    """The progress of tasks: name, bar, steps and time.

    `last` replaces the time; a `transient` bar disappears at the end.
    """
    if not console.is_terminal:
        return ProgressLines(console)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        last or TimeElapsedColumn(),
        console=console,
        transient=transient,
    )
