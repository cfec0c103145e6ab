"""What an optimizer finds of a rule that was planted, by how obedient the model is.

    python -m tests.benchmarks.compiling [--runs 10] [--optimizer gepa]

Three scripted models need a rule that the prompt of one module lacks: one follows it in every
call, one in half of them, one never, but does as it says in a third of its calls, by chance. A
rule is found when the compiled prompt holds it. A gain of the model that never obeys is false:
95 % intervals allow one in forty.
"""

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table

import optimize
from locomo.prompts.optimizers import Optimizer
from locomo.tasks.modules import TARGETS, Target
from memory import InputError
from memory.progress import progress_bar
from tests.support.obedient import RULES, houses, obedient

OBEDIENCE = {"always": 1.0, "half of its calls": 0.5, "never": 0.0}
CHANCE = 1 / 3  # that a model does as the rule says though it does not obey it
OPTIMIZERS: tuple[Optimizer, ...] = ("simba", "miprov2", "gepa")


def compile_once(
    optimizer: Optimizer, target: Target, obedience: float, seed: int
) -> tuple[bool, int | None, str]:
    """Whether the rule is in the compiled prompt, the calls until it was tried, and the verdict."""
    luck = None if obedience else CHANCE
    model, engine = obedient(target, window=1, obedience=obedience, luck=luck, seed=seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        houses(Path("houses.json"))
        with (
            patch.object(optimize, "load_model", lambda name, **settings: model),
            Path("printed").open("w") as printed,
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            compiled = optimize.optimize(
                optimizer=optimizer,
                target=target,
                data=Path("houses.json"),
                num_examples=16,
                num_threads=2,
                rounds=3,
                seed=seed,
                yes=True,
            )
    prompt = getattr(compiled.program, target).predict.signature.instructions
    return RULES[target] in prompt, engine.rule_call, compiled.verdict


def _median(calls: list[int | None]) -> str:
    numbers = [call for call in calls if call is not None]
    return f"{median(numbers):.0f}" if numbers else "-"


def measure(
    runs: Annotated[int, typer.Option(help="of each combination", min=1)] = 5,
    optimizer: Annotated[Optimizer | None, typer.Option(help="default: all")] = None,
    target: Annotated[Target | None, typer.Option(help="default: all")] = None,
    model: Annotated[str | None, typer.Option(help="always, half or never; default: all")] = None,
) -> None:
    """Print a table of what was found, the calls it took, and what was called a gain."""
    levels = {name: share for name, share in OBEDIENCE.items() if name.startswith(model or "")}
    if not levels:
        raise InputError(f"--model {model}: give always, half or never")
    console = Console()
    table = Table("optimizer", "module", "obeys", "runs", "found", "tried at call", "gains")
    combinations = [
        (name, module, level)
        for name in ([optimizer] if optimizer else OPTIMIZERS)
        for module in ([target] if target else TARGETS)
        for level in levels
    ]
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, progress_bar(console) as bar:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        line = bar.add_task("compiling", total=len(combinations) * runs)
        for name, module, level in combinations:
            results = []
            for seed in range(runs):
                results.append(compile_once(name, module, levels[level], seed))
                bar.advance(line)
            table.add_row(
                name,
                module,
                level,
                str(runs),
                f"{sum(found for found, *_ in results) / runs:.2f}",
                _median([call for _, call, _ in results]),
                f"{sum(verdict == 'gain' for *_, verdict in results) / runs:.2f}",
            )
    console.print(table)


if __name__ == "__main__":
    typer.run(measure)
