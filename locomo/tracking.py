"""Logs experiments to MLflow, with the hash of the data and the commit of the code."""

import hashlib
import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from locomo.dataset.format import files_of
from locomo.results.report import PairedDifference, ScoreLine
from locomo.tasks.gains import Gain
from memory import InputError

# Set before the import: without a network MLflow's start would wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# A server that does not answer fails after seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

DEFAULT_STORE = "sqlite:///mlflow.db"
_REFUSED = re.compile(r"[^\w .:/-]", re.ASCII)  # what MLflow takes in no name
_CANDIDATE_RUNS = 100


def connect_mlflow(experiment: str) -> ModuleType:
    """The mlflow module, set to this experiment in MLFLOW_TRACKING_URI or ./mlflow.db.

    Raises InputError when MLflow cannot use that address.
    """
    import mlflow

    for chatty in ("mlflow", "alembic"):  # a first start tells of every table that it makes
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(DEFAULT_STORE)
    # The first start of a database sets the root logger to tell everything.
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with _mlflow_errors(mlflow):
        mlflow.set_experiment(experiment)
    root.setLevel(level)
    root.handlers = handlers
    return mlflow


@contextmanager
def _mlflow_errors(mlflow: ModuleType) -> Iterator[None]:
    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"MLflow cannot use {mlflow.get_tracking_uri()}; set MLFLOW_TRACKING_URI ({reason})"
        ) from error


@contextmanager
def mlflow_run(experiment: str, params: Mapping[str, object], name: str) -> Iterator[ModuleType]:
    """An MLflow run of this name and these parameters, in MLFLOW_TRACKING_URI or ./mlflow.db.

    Yields the mlflow module; the run ends as failed when the block raises. Raises InputError
    when MLflow cannot keep the run.
    """
    mlflow = connect_mlflow(experiment)
    with _mlflow_errors(mlflow), mlflow.start_run(run_name=name):
        mlflow.log_params({name: str(value)[:500] for name, value in params.items()})
        mlflow.set_tag("commit", code_commit())
        yield mlflow


def trace_model_calls() -> None:
    """Log every call of a module or model as a span in MLflow, until the process ends."""
    import mlflow.dspy

    mlflow.dspy.autolog(silent=True)


def data_hash(path: Path) -> str:
    """The sha256 of a data file, or of all files of a folder, 64 hex digits."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files_of(path))).hexdigest()


def code_commit() -> str:
    """The commit of the working copy, with + for changes; for an installed package its version."""
    git = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=40",
    ]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return f"sql-memory {version('sql-memory')}"
    return commit.stdout.strip()


def score_metrics(
    lines: Sequence[ScoreLine], difference: PairedDifference | None = None
) -> dict[str, float]:
    """The numbers of the tables under names that MLflow accepts."""
    numbers: dict[str, float | None] = {}
    for line in lines:
        name = f"{line.system}/{line.categories.replace(' ', '_')}"
        numbers[f"{name}/questions"] = line.questions
        numbers[f"{name}/score"] = line.score
        numbers[f"{name}/low"] = line.low
        numbers[f"{name}/high"] = line.high
        numbers[f"{name}/evidence_recall"] = line.recall
        numbers[f"{name}/tokens"] = line.tokens
        numbers[f"{name}/unusable"] = line.unusable
        for judge, share in line.judged.items():
            numbers[f"{name}/judge_{_REFUSED.sub('_', judge)}"] = share
    if difference:
        numbers["difference/1-4"] = difference.change
        numbers["difference/1-4/low"] = difference.low
        numbers["difference/1-4/high"] = difference.high
    return {name: number for name, number in numbers.items() if number is not None}


def gain_metrics(gains: Sequence[Gain]) -> dict[str, float]:
    """Each gain's number of questions, both sides and interval, under names that MLflow accepts."""
    numbers: dict[str, float] = {}
    for gain in gains:
        gain_name = f"{gain.component}/{gain.categories.replace(' ', '_')}"
        for side in ("questions", "before", "after", "low", "high"):
            numbers[f"{gain_name}/{side}"] = getattr(gain, side)
    return numbers


@dataclass(frozen=True)
class TriedPrompt:
    """A candidate prompt: its mean reward, its number of training examples, the calls before it."""

    name: str
    score: float
    examples: int
    calls: int
    prompts: str


def track_compile(
    experiment: str,
    name: str,
    params: Mapping[str, object],
    candidates: Sequence[TriedPrompt],
    gains: Sequence[Gain],
    cost: Mapping[str, float],
    files: Sequence[Path],
) -> None:
    """Log a compile as an MLflow run: gain, cost, and the files as artifacts.

    The 100 best candidates become nested runs, each with its prompts as an artifact; a run takes
    about 15 ms. Raises InputError when MLflow cannot store them.
    """
    with mlflow_run(experiment, params, name) as mlflow:
        numbers = {f"cost/{_REFUSED.sub('_', name)}": value for name, value in cost.items()}
        mlflow.log_metrics(numbers | gain_metrics(gains))
        for file in files:
            mlflow.log_artifact(str(file))
        for tried in sorted(candidates, key=lambda tried: -tried.score)[:_CANDIDATE_RUNS]:
            with mlflow.start_run(run_name=tried.name, nested=True):
                mlflow.log_metrics(
                    {"score": tried.score, "examples": tried.examples, "calls": tried.calls}
                )
                # A model may write a lone surrogate, which UTF-8 cannot encode.
                prompts = tried.prompts.encode("utf-8", "replace").decode()
                mlflow.log_text(prompts, "prompts.txt")
