"""Progress where nobody sees a bar: lines, at most one a minute, and where each task ended."""

import io

import pytest
from rich.console import Console

from memory.system.progress import ProgressLines, progress_bar


def test_a_pipe_gets_a_line_at_most_so_often_and_one_at_the_end() -> None:
    file = io.StringIO()
    with ProgressLines(Console(file=file, width=20), every_s=3600) as bar:
        task = bar.add_task("asking a long-named model", total=3)
        for _ in range(3):
            bar.advance(task)
        assert file.getvalue() == ""
    assert file.getvalue() == "asking a long-named model: 3/3, 0:00\n"

    file = io.StringIO()
    with ProgressLines(Console(file=file), every_s=0) as bar:
        task = bar.add_task("storing", total=None)
        bar.update(task, completed=2)
        bar.advance(task)
    assert file.getvalue().splitlines() == [
        *("storing: 2/?, 0:00", "storing: 3/?, 0:00", "storing: 3/?, 0:00"),
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_terminal_gets_a_bar(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert isinstance(progress_bar(console), ProgressLines) is not terminal
