"""Tune the weights of the memory's modules: examples, a supervised start, GRPO on Arbor."""

import logging
import os
import sys

import typer

from locomo.commands import Script, run_command, with_options
from locomo.weights.options import LISTED, TrainOptions

INTERRUPTED = "checkpoints and examples so far are kept; --resume goes on"


@with_options(TrainOptions, LISTED)
def train(options: TrainOptions) -> None:
    """Tune a model's weights for the memory's modules.

    Begin with `--mode sft`, which tunes a LoRA adapter, or with `--rehearse`, which needs no GPU.
    """
    from locomo.scripts.train import train as tuned  # with DSPy

    tuned(options)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Script)(train)

if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")  # warnings as plain lines, whatever a library sets up
    try:
        run_command(app, INTERRUPTED)
    except SystemExit as end:
        # Otherwise rollouts that Ctrl-C interrupted would finish all their model calls first.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
