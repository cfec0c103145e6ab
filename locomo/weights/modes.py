"""The modes of train.py as subcommands: `train.py sft ...` equals `train.py --mode sft ...`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import typer

from locomo.commands import shortened, with_parameters
from locomo.weights.options import TrainOptions
from memory import InputError

_EXAMPLES = frozenset({"target", "data", "split", "num_train", "seed", "resume"})
_MORE = frozenset({"further_data", "turns_only"})
_HELPER = frozenset({"helper", "helper_api_base", "num_threads", "output_dir"})
_REINFORCEMENT = (
    _EXAMPLES
    | _HELPER
    | {"num_val", "num_train_steps", "start", "rollouts", "batch", "learning_rate", "reward"}
    | {"operations", "unanswerable"}
    | _MORE
    | {"measure_every", "seeds"}
    | {"output", "checkpoints"}
)
_SERVER_RUN = _REINFORCEMENT | {"model", "server", "inference_gpus", "training_gpus"}
# What --help lists of the command line without a subcommand, and of a run on the server.
LISTED = (
    *("mode", "rehearse", "target", "data", "model", "server", "helper"),
    *("output", "checkpoints", "resume"),
)
_LISTED_OF_RUN = (
    *("target", "data", "num_train", "num_train_steps", "model", "server"),
    *("inference_gpus", "training_gpus", "checkpoints", "resume"),
)


@dataclass(frozen=True)
class Subcommand:
    """A mode as a command.

    `options` are those it takes, of which --help lists `listed` and --help-all every one; `fixed`
    are the values it stands for.
    """

    help: str
    options: Collection[str]
    listed: Collection[str]
    fixed: dict[str, Any] = field(default_factory=dict)


SUBCOMMANDS = {
    "check": Subcommand(
        # The same options as a run's, so that one word turns a check into the run.
        help="Check what a run on the server needs, and report what is missing.",
        options=_SERVER_RUN,
        listed=_LISTED_OF_RUN,
        fixed={"mode": "check"},
    ),
    "distill": Subcommand(
        help="Let the helper, a larger model, write training examples from conversations.",
        options=_EXAMPLES | _HELPER | {"model", "examples", "together"},
        listed=(
            *("target", "data", "num_train", "helper", "helper_api_base", "examples"),
            *("num_threads", "seed", "output_dir", "resume"),
        ),
        fixed={"mode": "distill"},
    ),
    "sft": Subcommand(
        help="Tune a LoRA adapter on labeled conversations or on distilled examples.",
        options=_EXAMPLES
        | {"model", "start", "start_share", "learning_rate", "examples", "epochs", "minutes"}
        | {"checkpoints"},
        listed=(
            *("target", "data", "examples", "num_train", "model", "start"),
            *("epochs", "minutes", "checkpoints", "resume"),
        ),
        fixed={"mode": "sft"},
    ),
    "train": Subcommand(
        help="Train with GRPO on an Arbor server.",
        options=_SERVER_RUN,
        listed=_LISTED_OF_RUN,
        fixed={"mode": "train"},
    ),
    "evaluate": Subcommand(
        help="Compare tuned weights with their start, on conversations neither was trained on.",
        options=_HELPER
        | _MORE
        | {"target", "data", "split", "num_test", "seed"}
        | {"model", "start", "server", "output"},
        listed=(
            *("target", "data", "num_test", "model", "start", "server"),
            *("helper", "helper_api_base", "seed", "output"),
        ),
        fixed={"mode": "evaluate"},
    ),
    "rehearse": Subcommand(
        help="Run a whole training on this machine's CPU, with the packaged model.",
        options=_REINFORCEMENT | {"num_test", "epochs", "minutes"},
        listed=(
            *("target", "data", "num_train", "num_train_steps", "num_test", "minutes"),
            *("start", "output", "checkpoints", "resume"),
        ),
        fixed={"mode": "train", "rehearse": True},
    ),
}


def train_app(run: Callable[[TrainOptions], None]) -> typer.Typer:
    """The command line of train.py: every option with `--mode`, or a mode's own as a subcommand.

    `run` is called with the options; those that were not given have TrainOptions' defaults.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_with_every_option(run))
    for name, subcommand in SUBCOMMANDS.items():
        app.command(name, help=subcommand.help)(_with_own_options(subcommand, run))
    return app


def _with_own_options(
    subcommand: Subcommand, run: Callable[[TrainOptions], None]
) -> Callable[..., None]:
    def command(**options: Any) -> None:
        run(TrainOptions(**subcommand.fixed, **options))

    taken = [option for option in _options() if option.name in subcommand.options]
    return with_parameters(command, shortened(taken, subcommand.listed))


def _with_every_option(run: Callable[[TrainOptions], None]) -> Callable[..., None]:
    def command(context: typer.Context, **options: Any) -> None:
        """Tune a model's weights for the memory's modules.

        Begin with `sft`, which tunes a LoRA adapter, or with `rehearse`, which needs no GPU. Each
        command has its own options; without a command, `--mode` says what to do.
        """
        if context.invoked_subcommand is None:
            return run(TrainOptions(**options))
        # The subcommand reads its own options; those before its name would be lost.
        defaults = TrainOptions()
        for name, value in options.items():
            if value != getattr(defaults, name):
                flag = f"--{name.replace('_', '-')}"
                raise InputError(
                    f"{flag} comes before {context.invoked_subcommand}: give a command's options "
                    "after its name"
                )
        return None

    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return with_parameters(command, shortened([context, *_options()], LISTED))


def _options() -> list[Parameter]:
    return list(signature(TrainOptions).parameters.values())
