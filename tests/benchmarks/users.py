"""Many users of one `Memory`: open files, resident memory, and what a new one takes.

python -m tests.benchmarks.users [--users N]

Each user adds a turn, then each searches once. The memories lie in a folder that goes afterwards.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import Memory


def main(
    users: Annotated[int, typer.Option(help="how many", min=1)] = 1_200,
) -> None:
    """Count what many users of one memory hold open."""
    process = psutil.Process()
    table = Table("after", "open files", "MB", "CPU ms a user", "kB a user")

    def note(step: str, cpu_s: float | None = None, size: int | None = None) -> None:
        table.add_row(
            step,
            str(process.num_fds()),
            f"{process.memory_info().rss / 1e6:.0f}",
            "" if cpu_s is None else f"{cpu_s / users * 1e3:.1f}",
            "" if size is None else f"{size / users / 1e3:.0f}",
        )

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMORY_HOME"] = folder
        memory = Memory()
        began = time.process_time()
        for user in range(users):
            memory.add("I moved to Oslo.", user_id=user)
        added = time.process_time()
        note("the turns", added - began)
        for user in range(users):
            memory.search("Oslo", user_id=user)
        note("the searches", time.process_time() - added)
        memory.close()
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        note("close()", size=sum(path.stat().st_size for path in files))
    print_table(Console(), table)


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
