"""The command digest: a model turns messages into facts."""

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    Db,
    ModelName,
    Namespace,
    Over,
    Prompts,
    Yes,
    is_on_command_line,
    loaded_model,
    open_memory,
)
from memory.cli.output import LONGEST_REASON, change_line, held_lines, left_out_text, read_line
from memory.digest.held_windows import decide
from memory.errors import InputError
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.messages import WITHOUT_MODEL
from memory.system.providers import refuse_unreachable
from memory.system.terminal import clean_line, count, print_clean, progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memory.api import Memory
    from memory.digest.windows import Digest
    from memory.models import Model
    from memory.models.costs import Cost
    from memory.records import FormChoice, Pending
    from memory.store import Store
    from memory.worker.waiting import Waiting

_TURNS = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


def digest(
    context: typer.Context,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    model: ModelName = "",
    api_base: ApiBase = None,
    prompts: Prompts = "auto",
    replay: Annotated[
        bool, typer.Option("--replay", help="Also retry windows that failed or wait for you.")
    ] = False,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many model calls.")
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=LEAST_BUDGET, help="Show the model at most this many tokens of turns."),
    ] = None,
    apply: Annotated[
        str, typer.Option(metavar="TURNS", help="Run the SQL that waits for you, of turns 12-27.")
    ] = "",
    skip: Annotated[
        str, typer.Option(metavar="TURNS", help="Skip that SQL: turns 12-27 get no facts.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Digest all namespaces.")] = False,
    over: Over = "",
    yes: Yes = False,
) -> None:
    """Let a model store facts from the turns. Ctrl-C is safe: the next run continues."""
    if over and not every:
        raise InputError("--over needs --all: it spreads namespaces over machines")
    if not (apply or skip):
        refuse_unreachable(model, api_base)
    if every:
        if db or is_on_command_line(context, "namespace") or max_calls or apply or skip:
            raise InputError(
                "with --all, give only --replay, --model, --api-base, --budget and --over"
            )
        _digest_all(_load(model, api_base, budget, prompts), replay=replay, over=over, yes=yes)
        return
    if apply or skip:
        with open_memory(namespace, db) as store:
            _decide(store, apply=apply, skip=skip)
        return
    from memory.api import Memory  # takes a second
    from memory.worker.waiting import waiting

    with open_memory(namespace, db) as store:
        chosen = _load(model, api_base, budget, prompts) if budget or prompts != "auto" else model
        memory = Memory(store, model=chosen or None, api_base=api_base)
        if not memory.stores_facts:
            read = _read_shown(memory)
            print_clean(read_line(read))
            print_clean(WITHOUT_MODEL)
            return
        ahead = waiting(store, memory.model, replay=replay)
        _print_forecast(memory.model, ahead, max_calls)
        if ahead.turns:
            _require_consent(memory.model, yes or max_calls is not None)
        result, cost = _digest_shown(memory, ahead.cost.calls, replay=replay, max_calls=max_calls)
        # Counts all windows, even ones that failed too often to be tried again.
        still_waiting = waiting(store, memory.model, replay=True).cost.calls
        failures = [window for window in store.pending() if window.error]
    unstored = count(result.unsaid, "fact")
    unsaid = f"; {unstored} left out: no turn says so" if result.unsaid else ""
    left_out = f"; {left_out_text(result.left_out)}" if result.left_out else ""
    paid = f" ({cost.tokens_text}, {cost.price_text})" if memory.model.server else ""
    print_clean(
        f"windows: {result.stored} stored, {result.failed} failed, {still_waiting} waiting;"
        f" {result.changed_text} by {count(result.calls, 'call')}"
        f" of {memory.model.name}{paid}{unsaid}{left_out}"
    )
    for part in result.refused:
        print_clean(f"not stored of {clean_line(part)[:LONGEST_REASON]}")
    _print_failures(failures)
    for line in held_lines(failures, namespace, db):
        print_clean(line)
    if result.failed and not result.stored:
        raise typer.Exit(1)


def _print_failures(failures: "Iterable[Pending]") -> None:
    for window in failures:
        if not window.statement:
            attempts = count(window.attempts, "time")
            state = f"failed {attempts}" if window.attempts else "wait"
            reason = clean_line(window.error)[:200]
            print_clean(f"turns {window.first_turn}-{window.last_turn} {state}: {reason}")


def _print_forecast(model: "Model", ahead: "Waiting", max_calls: int | None) -> None:
    """Print on stderr what a hosted model will be asked, and where."""
    if model.server and ahead.turns:
        ends = f"; stops after {count(max_calls, 'call')}" if max_calls else ""
        turns = f"{model.name} at {model.server}: {count(ahead.turns, 'turn')} to digest"
        print_clean(f"{turns}; about {ahead.cost} without repairs{ends}", error=True)


def _load(
    name: str, api_base: str | None, budget: int | None, prompts: "FormChoice"
) -> "Model | None":
    """The model; with a budget its calls have windows of at most this many tokens."""
    model = loaded_model(name, api_base, prompts)
    if budget is None:
        return model
    if model is None:
        raise InputError("--budget is for a model: name one with --model")
    limits = model.limits
    if budget > limits.window_tokens:
        raise InputError(f"--budget {budget}: give {name} at most {limits.window_tokens}")
    window = max(limits.window * budget // limits.window_tokens, 1)
    return replace(model, limits=replace(limits, window=window, window_tokens=budget))


def _digest_all(model: "Model | None", *, replay: bool, over: str, yes: bool) -> None:
    from memory.cli.digests import digest_all, read_all

    if model is None:
        read_all()
        return
    _require_consent(model, yes)
    digest_all(model, replay, over)


def _require_consent(model: "Model", is_agreed: bool) -> None:
    """Raises InputError for calls that cost money if no one can stop them."""
    if not is_agreed and not sys.stdin.isatty() and any(model.price or ()):
        raise InputError(
            f"calls of {model.name} cost money, and no terminal is here to stop them on; add --yes"
            " to begin, or --max-calls for a part"
        )


def _digest_shown(
    memory: "Memory", windows: int, replay: bool, max_calls: int | None
) -> tuple["Digest", "Cost"]:
    """Digest with a progress bar; print the cost even when it ends early."""
    from memory.models.costs import spending

    with spending(memory.model) as spent:
        try:
            with progress() as bar:
                task = bar.add_task("digesting", total=windows)
                result = memory.digest(
                    replay,
                    max_calls,
                    lambda so_far: bar.update(task, completed=so_far.stored + so_far.failed),
                )
        except BaseException:
            if memory.model.server:
                print_clean(f"cost so far: {spent.cost}", error=True)
            raise
    return result, spent.cost


def _read_shown(memory: "Memory") -> "Digest":
    """Match all turns with the templates, with a progress bar."""
    with progress() as bar:
        task = bar.add_task("reading", total=memory.store.count_turns())
        return memory.digest(progress=lambda so_far: bar.update(task, completed=so_far.read))


def _decide(store: "Store", apply: str, skip: str) -> None:
    """Apply or skip the SQL of a window that waits for a person."""
    if apply and skip:
        raise InputError("give --apply or --skip, not both")
    change = decide(store, _window(apply or skip), apply=bool(apply))
    print_clean(change_line(change))


def _window(turns: str) -> tuple[int, int]:
    """The window that a person typed as 12-27. Raises InputError for anything else."""
    match = _TURNS.fullmatch(turns.strip())
    if not match:
        raise InputError(f"{turns!r} is not a window; write its first and last turn: 12-27")
    return int(match[1]), int(match[2])
