"""The modes of train.py as commands: `train.py sft ...` beside `train.py --mode sft ...`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from inspect import Parameter, Signature, signature
from typing import Any

import typer

from locomo.weights.options import TrainOptions
from memory import InputError

_EXAMPLES = frozenset({"target", "data", "split", "num_train", "seed", "resume"})
_MORE = frozenset({"further_data", "turns_only"})
_HELPER = frozenset({"helper", "helper_api_base", "num_threads", "output_dir"})
_REINFORCEMENT = (
    _EXAMPLES
    | _HELPER
    | {"num_val", "num_train_steps", "start", "rollouts", "learning_rate", "reward"}
    | {"operations", "unanswerable"}
    | _MORE
    | {"measure_every", "seeds"}
    | {"output", "checkpoints"}
)
_SERVER_RUN = _REINFORCEMENT | {"model", "server", "inference_gpus", "training_gpus"}


@dataclass(frozen=True)
class Subcommand:
    """A mode as a command: its help, the options that it takes, and those that it stands for."""

    help: str
    options: Collection[str]
    fixed: dict[str, Any] = field(default_factory=dict)


SUBCOMMANDS = {
    "check": Subcommand(
        # The same options as a run's, so that one word turns a check into the run.
        help="Say what a run on the server would need, and what is missing.",
        options=_SERVER_RUN,
        fixed={"mode": "check"},
    ),
    "distill": Subcommand(
        help="Write supervised examples that a teacher, the helper, makes of conversations.",
        options=_EXAMPLES | _HELPER | {"model", "examples", "together"},
        fixed={"mode": "distill"},
    ),
    "sft": Subcommand(
        help="Tune a LoRA on gold conversations or on distilled examples.",
        options=_EXAMPLES
        | {"model", "start", "start_share", "learning_rate", "examples", "epochs", "minutes"}
        | {"together", "yes", "checkpoints"},
        fixed={"mode": "sft"},
    ),
    "train": Subcommand(
        help="Go on with GRPO on an Arbor server.",
        options=_SERVER_RUN,
        fixed={"mode": "train"},
    ),
    "evaluate": Subcommand(
        help="Compare tuned weights with their start on conversations that neither was trained on.",
        options=_HELPER
        | _MORE
        | {"target", "data", "split", "num_test", "seed"}
        | {"model", "start", "server", "output"},
        fixed={"mode": "evaluate"},
    ),
    "rehearse": Subcommand(
        help="Do the whole of it on this machine's CPU, with the packaged model.",
        options=_REINFORCEMENT | {"num_test", "epochs", "minutes", "port"},
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
    return _with_signature(command, taken)


def _with_every_option(run: Callable[[TrainOptions], None]) -> Callable[..., None]:
    def command(context: typer.Context, **options: Any) -> None:
        """Tune a model's weights for the memory's modules.

        `check` says what a run would need, `sft` tunes a LoRA on gold conversations or on the
        examples that `distill` writes, `train` goes on with GRPO on an Arbor server (or a rehearsal
        of one), `evaluate` compares the result with `--start`, or with the same model as it is
        without the result, on conversations that neither was trained on. Each is a command with
        options of its own, and a value of `--mode`.
        """
        if context.invoked_subcommand is None:
            return run(TrainOptions(**options))
        # The subcommand reads its own options; those before its name would be lost.
        defaults = TrainOptions()
        for name, value in options.items():
            if value != getattr(defaults, name):
                flag = f"--{name.replace('_', '-')}"
                raise InputError(
                    f"{flag} stands before {context.invoked_subcommand}: give a command's options "
                    "after its name"
                )
        return None

    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return _with_signature(command, [context, *_options()])


def _options() -> list[Parameter]:
    return list(signature(TrainOptions).parameters.values())


def _with_signature(
    command: Callable[..., None], parameters: list[Parameter]
) -> Callable[..., None]:
    """The command with these parameters: Typer makes an option of each in the signature."""
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return command
