"""Experiments on record: MLflow runs and the charts in them."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from locomo.report import ScoreLine
from locomo.tasks.gains import Gain
from memory import InputError

# Before the import, or a start without a network waits for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# A server that does not answer is found out in seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

DEFAULT_STORE = "sqlite:///mlflow.db"
_REFUSED = re.compile(r"[^\w .:/-]", re.ASCII)  # what MLflow takes in no name
_CANDIDATE_RUNS = 100


def connect_mlflow(experiment: str) -> ModuleType:
    """The mlflow module, set to this experiment in MLFLOW_TRACKING_URI or ./mlflow.db.

    Raises InputError when that place cannot be used.
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
def mlflow_run(experiment: str, params: Mapping[str, object]) -> Iterator[ModuleType]:
    """An MLflow run with these parameters, in MLFLOW_TRACKING_URI or ./mlflow.db.

    Yields the mlflow module; the run ends as failed when the block raises. Raises InputError
    when MLflow cannot keep the run.
    """
    mlflow = connect_mlflow(experiment)
    with _mlflow_errors(mlflow), mlflow.start_run():
        mlflow.log_params({name: str(value)[:500] for name, value in params.items()})
        yield mlflow


def score_metrics(lines: Sequence[ScoreLine]) -> dict[str, float]:
    """The table's numbers under names that MLflow accepts."""
    numbers: dict[str, float] = {}
    for line in lines:
        name = f"{line.system}/{line.categories.replace(' ', '_')}"
        numbers[f"{name}/score"] = line.score
        numbers[f"{name}/evidence_recall"] = line.recall
        numbers[f"{name}/tokens"] = line.tokens
        for judge, share in line.judged.items():
            numbers[f"{name}/judge_{_REFUSED.sub('_', judge)}"] = share
    return numbers


@dataclass(frozen=True)
class TriedPrompt:
    """A candidate: its mean reward on so many training examples, after so many model calls."""

    name: str
    score: float
    examples: int
    calls: int
    prompts: str


def track_compile(
    experiment: str,
    params: Mapping[str, object],
    candidates: Sequence[TriedPrompt],
    gains: Sequence[Gain],
    cost: Mapping[str, float],
    files: Sequence[Path],
) -> None:
    """One MLflow run of a compile: what was gained, what it cost, the files as artifacts.

    The 100 best candidates become runs nested in it, each with its prompts as an artifact; a run
    takes about 15 ms. Raises InputError when MLflow cannot keep them.
    """
    with mlflow_run(experiment, params) as mlflow:
        numbers = {f"cost/{_REFUSED.sub('_', name)}": value for name, value in cost.items()}
        for gain in gains:
            name = f"{gain.component}/{gain.categories.replace(' ', '_')}"
            for side in ("before", "after", "low", "high"):
                numbers[f"{name}/{side}"] = getattr(gain, side)
        mlflow.log_metrics(numbers)
        for file in files:
            mlflow.log_artifact(str(file))
        for tried in sorted(candidates, key=lambda tried: -tried.score)[:_CANDIDATE_RUNS]:
            with mlflow.start_run(run_name=tried.name, nested=True):
                mlflow.log_metrics(
                    {"score": tried.score, "examples": tried.examples, "calls": tried.calls}
                )
                # A model may write half a surrogate pair, which no file holds.
                prompts = tried.prompts.encode("utf-8", "replace").decode()
                mlflow.log_text(prompts, "prompts.txt")


@contextmanager
def _picture(path: Path) -> Iterator[Any]:
    """Axes to draw on; the picture (PNG) is written when the block ends."""
    import matplotlib as mpl

    mpl.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    yield axes
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def score_chart(lines: Sequence[ScoreLine], path: Path) -> None:
    """Bars of the score in each category, a colour for each system, with 95 % intervals (PNG)."""
    systems = sorted({line.system for line in lines})
    labels = list(dict.fromkeys(line.categories for line in lines))
    width = 0.8 / max(len(systems), 1)
    with _picture(path) as axes:
        for n, system in enumerate(systems):
            by_label = {line.categories: line for line in lines if line.system == system}
            places = [at + (n - (len(systems) - 1) / 2) * width for at, _ in enumerate(labels)]
            scores, below, above = [], [], []
            for label in labels:
                line = by_label.get(label)
                scores.append(line.score if line else 0.0)
                # Rounding may put the mean a hair outside its interval, and bars refuse less than
                # zero.
                below.append(max(line.score - line.low, 0) if line else 0)
                above.append(max(line.high - line.score, 0) if line else 0)
            axes.bar(places, scores, width * 0.95, label=system, yerr=[below, above], capsize=3)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_ylim(0, 1)
        axes.set_ylabel("official F1; category 5: abstention")


@dataclass(frozen=True)
class RewardPoint:
    """A candidate's training reward after so many model calls, and the best one so far."""

    calls: int
    score: float
    best: float


def progress_chart(points: Sequence[RewardPoint], baseline: float, path: Path) -> None:
    """Rewards of candidates (in the order tried) and of the plain program by model calls (PNG)."""
    calls = [point.calls for point in points]
    with _picture(path) as axes:
        axes.plot(calls, [point.score for point in points], "o", alpha=0.5, label="candidate")
        best = [point.best for point in points]
        axes.step(calls, best, where="post", label="best so far")
        axes.axhline(baseline, linestyle="--", color="gray", label="plain program")
        axes.set_xlim(left=0)
        axes.set_xlabel("model calls")
        axes.set_ylabel("reward on training examples")
