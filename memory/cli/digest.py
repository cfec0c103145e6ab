"""The command digest: a model makes facts of what was said."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    File,
    ModelName,
    Namespace,
    open_memory,
    uncached_model,
)
from memory.cli.output import count
from memory.terminal import progress

if TYPE_CHECKING:
    from memory.api import Memory


def digest(
    namespace: Namespace = DEFAULT,
    file: File = None,
    model: ModelName = "local",
    api_base: ApiBase = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Also windows that failed too often to be tried again.")
    ] = False,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many calls of the model.")
    ] = None,
) -> None:
    """Let a model make facts of what was said. It can be interrupted, and goes on later."""
    from memory.api import Memory  # takes a second

    with open_memory(namespace, file) as store, progress() as bar:
        memory = Memory(store, model=uncached_model(model, api_base))
        task = bar.add_task("digesting", total=_waiting(memory, replay))
        result = memory.digest(
            replay,
            max_calls,
            lambda so_far: bar.update(task, completed=so_far.stored + so_far.failed),
        )
        # All of them are counted here, also those that failed too often to be tried again.
        waiting = _waiting(memory, replay=True)
        failures = [window for window in store.pending() if window.error]
    print(
        f"windows: {result.stored} stored, {result.failed} failed, {waiting} waiting;"
        f" {count(result.facts, 'fact')} changed by {count(result.calls, 'call')}"
        f" of {memory.model.name}"
    )
    for window in failures:
        error = " ".join(window.error.split())[:200]
        print(
            f"turns {window.first_turn}-{window.last_turn} failed"
            f" {count(window.attempts, 'time')}: {error}"
        )


def _waiting(memory: "Memory", replay: bool) -> int:
    """How many windows a digest by this model would work on, with `replay` or without."""
    from memory.api import WINDOW_ATTEMPTS

    pending = memory.store.pending()
    digested = [change.window for change in memory.store.changes() if change.window]
    # Turns above these belong to no window yet.
    last = max([0, *(last for _, last in digested), *(window.last_turn for window in pending)])
    [(new,)] = memory.store.read(f"SELECT COUNT(*) AS n FROM turns WHERE id > {last}").rows
    due = [window for window in pending if replay or window.attempts < WINDOW_ATTEMPTS]
    counts = [len(memory.store.turns(window.first_turn, window.last_turn)) for window in due]
    return sum(math.ceil(count / memory.model.window) for count in [*counts, int(new)])
