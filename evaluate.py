"""Measure a memory on conversations: against a baseline, or by cause of failure."""

from typing import TYPE_CHECKING

import typer

from locomo.commands import Script, run_command, with_options
from locomo.scripts.evaluation_options import LISTED, EvaluationOptions

if TYPE_CHECKING:
    from locomo.evaluation import Evaluation


@with_options(EvaluationOptions, LISTED)
def evaluate(options: EvaluationOptions) -> "Evaluation":
    """Score the memory's answers about conversations, next to a baseline.

    Example: evaluate.py --model openai/gpt-4o-mini --num-test 100
    """
    if __name__ == "__main__":
        # This takes seconds, and more where no module is compiled yet.
        print("Loading the packaged model's libraries ...", flush=True)
    from locomo.scripts.evaluate import evaluate as measured

    return measured(options)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Script)(evaluate)

if __name__ == "__main__":
    run_command(app, "what is stored and answered is kept; the same command with --resume goes on")
