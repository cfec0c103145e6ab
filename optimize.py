"""Compile prompts, or fit the ranking, on your own conversations, and show the gain."""

import os
import sys
from typing import TYPE_CHECKING

import typer

from locomo.commands import Script, run_command, with_options
from locomo.scripts.compile_options import LISTED, CompileOptions

if TYPE_CHECKING:
    from locomo.prompts.compile import CompileResult


@with_options(CompileOptions, LISTED)
def optimize(options: CompileOptions) -> "CompileResult":
    """Compile prompts, or fit the ranking, on your conversations, and measure the gain.

    Example: optimize.py --data mine.json --model openai/gpt-4o-mini --budget-usd 5
    """
    from locomo.scripts.optimize import optimize as compiled  # with DSPy

    return compiled(options)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Script)(optimize)

if __name__ == "__main__":
    try:
        run_command(app, "what was paid and found is kept; the same command with --resume goes on")
    except SystemExit as end:
        # Python would wait for the threads that a stopped optimizer left waiting for a model.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
