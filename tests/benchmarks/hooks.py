"""How long a coding agent's hooks take, with the command's start, and what the command imports.

python -m tests.benchmarks.hooks [--turns N ...] [--calls N]

The hooks are run as an agent runs them, through a shell, in a memory of tests.benchmarks.scale.
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from locomo.commands import run_command
from memory import Turn, open_store
from memory.agents import hook
from memory.agents.connections import hook_command
from memory.agents.projects import project_of
from memory.agents.server import stop_server
from memory.exchange.transcripts import AGENTS
from memory.store.namespaces import location_of, make_folder
from tests.benchmarks.scale import ask, chat

SIZES = (1_000, 100_000)
CALLS = 60

console = Console()


def imports() -> tuple[int, int]:
    """Modules that Python loads for its start alone, and for the hook."""
    code = f"import sys, runpy; n = len(sys.modules); runpy.run_path({hook.__file__!r});"
    out = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{code} print((n, len(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before, after = ast.literal_eval(out)
    return int(before), int(after)


def milliseconds(command: list[str], payload: dict[str, str]) -> float:
    """One hook, from the start of its process to its end."""
    begin = time.perf_counter()
    subprocess.run(command, input=json.dumps(payload).encode(), capture_output=True, check=True)
    return (time.perf_counter() - begin) * 1000


def measure(turns: int, calls: int) -> None:
    """Fill a memory, warm the server, and time the hooks."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMORY_HOME"] = f"{folder}/home"
        project = Path(folder) / "shop"
        project.mkdir()
        location = location_of(project_of(project).namespace)
        make_folder(Path(folder) / "home")
        random = np.random.default_rng(1)
        with open_store(location) as store:
            stream = chat(1)
            while batch := list(islice(stream, min(1_000, turns - store.count_turns()))):
                store.add(batch)
            questions = [ask(turn, random) for turn in _some(store.turns(1, 2_000), calls)]
        command = hook_command(AGENTS["claude-code"], {})
        payload = {"session_id": "s", "transcript_path": "", "cwd": str(project)}
        start = {**payload, "hook_event_name": "SessionStart"}
        cold = milliseconds(command, start)
        prompts = [
            {**payload, "hook_event_name": "UserPromptSubmit", "prompt": question}
            for question in questions
        ]
        first = milliseconds(command, prompts[0])
        times = {
            "SessionStart": [milliseconds(command, start) for _ in range(calls)],
            "UserPromptSubmit": [milliseconds(command, prompt) for prompt in prompts],
        }
        stop_server()
    console.print(f"{turns:,} turns: server's start {cold:.0f} ms, first prompt {first:.0f} ms")
    for name, values in times.items():
        p50, p95 = np.percentile(values, (50, 95))
        console.print(f"  {name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")


def _some(turns: list[Turn], number: int) -> list[Turn]:
    return turns[:: max(1, len(turns) // number)][:number]


def main(
    turns: Annotated[list[int] | None, typer.Option(help="Sizes of memories.")] = None,
    calls: Annotated[int, typer.Option(help="Hooks of each kind.")] = CALLS,
) -> None:
    """Time the hooks."""
    before, after = imports()
    console.print(f"modules: {before} of Python's start, {after - before} more of the hook")
    for size in turns or SIZES:
        measure(size, calls)


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
