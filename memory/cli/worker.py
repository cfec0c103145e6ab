"""The command worker: work that no one waits for, for all memories, continuously."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory.cli.options import ApiBase, ModelName, Program, compiled_program
from memory.cli.output import command_line
from memory.system.terminal import clean_line, count, print_clean

if TYPE_CHECKING:
    from memory.models import Model
    from memory.program import MemoryProgram
    from memory.worker.queue import Sight

_WITHOUT_MODEL = (
    "templates store facts as turns are added; this worker asks no model (--model PROVIDER/MODEL)"
    " and finishes forgetting"
)
_A_DAY = typer.Option(min=0, help="At most this many calls a day (UTC) for a memory; 0: no limit.")
_IN_ALL = typer.Option(min=0, help="The same for all memories together.")


def worker(
    model: ModelName = "",
    api_base: ApiBase = None,
    program: Program = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is left to do, as for cron.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Memories worked on at a time.")] = 4,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds that a few new turns wait for more to come.")
    ] = 600,
    calls_a_day: Annotated[int, _A_DAY] = 0,
    all_calls_a_day: Annotated[int, _IN_ALL] = 0,
    poll: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks at what waits.")
    ] = 2,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that work under way has left at a SIGTERM.")
    ] = 20,
    alive: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Touch it at each look: an old one means that it hangs."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="List what failed and waits for you; do nothing.")
    ] = False,
) -> None:
    """Digest all memories as they grow, and finish what waits.

    Run as many as you like, on any machine that reaches the memories: nothing is stored twice.
    SIGTERM and Ctrl-C are safe at any time.
    """
    from memory.worker.limits import Limits
    from memory.worker.queue import queue_of_home

    if failed:
        _print_failed(queue_of_home().look(every=True))
        return
    from memory.worker.run import Options, Worker  # with DSPy: takes a second

    loaded, compiled = _model_and_program(model, api_base, program)
    at_work = Worker(
        loaded,
        program=compiled,
        options=Options(
            concurrency=concurrency,
            settle=settle,
            poll=poll,
            grace=grace,
            once=once,
            limits=Limits(calls_a_day, all_calls_a_day),
        ),
        report=_print_line,
        alive=alive,
    )

    def stop(*_: Any) -> None:
        at_work.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        at_work.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _model_and_program(
    name: str, api_base: str | None, program: Any
) -> "tuple[Model | None, MemoryProgram | None]":
    """The model and its program; no model if templates store facts, as turns are added."""
    if not name:
        _print_line(f"no model: {_WITHOUT_MODEL}")
        return None, None
    from memory.models import load_model
    from memory.program import program_for

    # The worker waits between tries itself, so that they do not hold a thread.
    model = load_model(name, api_base, retries=1)
    compiled = program_for(model, compiled_program(program))
    if not compiled.stores_facts:
        _print_line(f"{model.name}: {_WITHOUT_MODEL}")
        return None, None
    return model, compiled


def _print_line(line: str) -> None:
    print_clean(line, error=True)


def _print_failed(sight: "Sight") -> None:
    """Print what a person must look at, with the command that does."""
    for name, error in sight.errors.items():
        print_clean(f"{clean_line(name)}: {clean_line(error)}")
    listed = 0
    for name, work in sorted(sight.waiting.items()):
        if work.dead_windows:
            command = command_line("digest", "--replay", namespace=name, db=None)
            print_clean(
                f"{clean_line(name)}: {count(work.dead_windows, 'window')} failed too often or"
                f" held; {command}"
            )
            listed += 1
        for task in sight.tasks.get(name, {}).values():
            if task.error:
                print_clean(
                    f"{clean_line(name)}: {task.name} failed {count(task.failures, 'time')}:"
                    f" {clean_line(task.error)}"
                )
                listed += 1
    if not listed and not sight.errors:
        print_clean("nothing has failed")
