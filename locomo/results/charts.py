"""Charts (PNG): scores, failures, abstention, progress of compiles and trainings."""

import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

import numpy as np

from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.harness import Result
from locomo.metrics import abstained
from locomo.results.report import NAMES, Metric, ScoreBar, failures
from memory.system.files import write_whole

_LABEL_WIDTH = 13  # characters; LongMemEval's question types wrap at their hyphens
_BINS = 5  # of equal size: with twenty questions of a category a bin has four


@contextmanager
def pictures(path: Path, title: str, columns: int = 1, rows: int = 1) -> Iterator[list[Any]]:
    """Axes side by side, row by row; the file is written when the block ends.

    Today's date is added to the title. Raises InputError when the file cannot be written.
    """
    import matplotlib as mpl

    # No display is needed, and matplotlib's report of its font cache is noise.
    mpl.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=(9, 4.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    try:
        yield list(axes.flat)
        figure.suptitle(f"{title}, {datetime.now(UTC):%Y-%m-%d}", fontsize=10)
        for axis in axes.flat:
            axis.spines[["top", "right"]].set_visible(False)
        axes[0][0].legend(frameon=False)
        # Drawn in memory first, so an error or an interruption leaves no partial file.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=130)
        write_whole(path, drawn.getvalue())
    finally:
        plt.close(figure)


@contextmanager
def picture(path: Path, title: str) -> Iterator[Any]:
    """Axes for one chart, see `pictures`."""
    with pictures(path, title) as (axes,):
        yield axes


def score_chart(metrics: Sequence[Metric], path: Path, title: str) -> None:
    """Bars of each metric by category, a colour for each system, with 95 % intervals.

    A pale bar on top ends where every verdict that could not be read would be right.
    """
    with pictures(path, title, rows=len(metrics)) as all_axes:
        for axes, metric in zip(all_axes, metrics, strict=True):
            _draw_scores(axes, metric)


def _draw_scores(axes: Any, metric: Metric) -> None:
    systems = list(dict.fromkeys(bar.system for bar in metric.bars))
    labels = list(dict.fromkeys(bar.categories for bar in metric.bars))
    width = 0.8 / max(len(systems), 1)
    for n, system in enumerate(systems):
        bars = [bar for bar in metric.bars if bar.system == system]
        shift = (n - (len(systems) - 1) / 2) * width
        positions = [labels.index(bar.categories) + shift for bar in bars]
        scores = [bar.score for bar in bars]
        (patch, *_) = axes.bar(positions, scores, width * 0.95, label=system)
        axes.bar(
            positions,
            [bar.most - bar.score for bar in bars],
            width * 0.95,
            bottom=scores,
            color=patch.get_facecolor(),
            alpha=0.3,
        )
        for position, bar in zip(positions, bars, strict=True):
            # A single question has no interval.
            if bar.low is not None and bar.high is not None:
                # Rounding may put the mean just outside; errors must not be negative.
                error = [[max(bar.score - bar.low, 0)], [max(bar.high - bar.score, 0)]]
                axes.errorbar(position, bar.score, yerr=error, color="black", capsize=3)
    axes.set_xticks(range(len(labels)), [label_with_count(label, metric.bars) for label in labels])
    axes.set_ylim(0, 1)
    axes.set_ylabel(metric.name)


def label_with_count(label: str, bars: Sequence[ScoreBar]) -> str:
    """The label of a category with its number of questions, from least to most of the systems."""
    numbers = number_range(bar.questions for bar in bars if bar.categories == label)
    return f"{fill(label, _LABEL_WIDTH)}\nn = {numbers}"


def number_range(numbers: Iterable[int]) -> str:
    """`3 to 12`, or the number that all are; empty without numbers."""
    ordered = sorted(numbers)
    return " to ".join(str(number) for number in dict.fromkeys((*ordered[:1], *ordered[-1:])))


def failure_chart(results: Sequence[Result], path: Path, title: str) -> None:
    """The share of each category's questions that failed, a colour for each cause."""
    questions = {c: sum(result.category == c for result in results) for c in CATEGORIES}
    categories = [category for category, number in questions.items() if number]
    base = [0.0] * len(categories)
    with picture(path, title) as axes:
        for cause, failed in failures(results).items():
            shares = [sum(r.category == c for r in failed) / questions[c] for c in categories]
            axes.bar(range(len(categories)), shares, bottom=base, label=cause)
            base = [bottom + share for bottom, share in zip(base, shares, strict=True)]
        labels = [f"{c} {NAMES[c]}\nn = {questions[c]}" for c in categories]
        axes.set_xticks(range(len(categories)), labels)
        axes.set_ylim(0, 1)
        axes.set_ylabel("share of questions that failed")


def abstention_chart(results: Sequence[Result], path: Path, title: str) -> None:
    """The rate of abstention by the score of the best turn, for answerable and other questions.

    Questions are in five bins of equal size. If abstention follows the evidence, the line of
    unanswerable questions is high, and the other one falls to the right.
    """
    kinds = {
        "with an answer": [result for result in results if result.category != ABSTENTION],
        "without an answer": [result for result in results if result.category == ABSTENTION],
    }
    with picture(path, title) as axes:
        for label, of_kind in kinds.items():
            scores, shares = [], []
            for group in np.array_split(sorted(of_kind, key=_best_score), _BINS):
                if len(group):
                    scores.append(fmean(result.best_score for result in group))
                    shares.append(fmean(abstained(result.answer) for result in group))
            axes.plot(scores, shares, "o-", label=f"{label}, n = {len(of_kind)}")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("score of the best turn")
        axes.set_ylabel("share of questions that abstain")


def _best_score(result: Result) -> float:
    return result.best_score


@dataclass(frozen=True)
class RewardPoint:
    """A candidate's training reward, the number of model calls before it, and the best so far.

    `examples` is the number of training examples that it was tried on.
    """

    calls: int
    score: float
    best: float
    examples: int


def progress_chart(points: Sequence[RewardPoint], baseline: float, path: Path, title: str) -> None:
    """Training rewards by model calls: candidates in the order tried, and the plain program.

    The line is the Pareto front: no candidate with fewer calls is better.
    """
    calls = [point.calls for point in points]
    with picture(path, title) as axes:
        examples = number_range(point.examples for point in points)
        label = f"candidate, n = {examples}" if points else "candidate"
        axes.plot(calls, [point.score for point in points], "o", alpha=0.5, label=label)
        best = [point.best for point in points]
        axes.step(calls, best, where="post", label="best so far (Pareto front)")
        axes.axhline(baseline, linestyle="--", color="gray", label="plain program")
        axes.set_xlim(left=0)
        axes.set_xlabel("model calls")
        axes.set_ylabel("reward on training examples")


def training_chart(
    training: Mapping[str, Mapping[int, float]],
    held_out: Mapping[str, Mapping[int, float]],
    path: Path,
    title: str,
) -> None:
    """Curves by step: rewards of training as lines, measurements of held-out examples as points.

    The label of a curve says how many values each of its points is the mean of.
    """
    with picture(path, title) as axes:
        for label, values in training.items():
            if values:
                axes.plot(list(values), list(values.values()), alpha=0.7, label=f"training {label}")
        for label, values in held_out.items():
            axes.plot(list(values), list(values.values()), "o--", label=f"held-out {label}")
        axes.set_xlim(left=0)
        axes.set_xlabel("steps")
        axes.set_ylabel("mean")
