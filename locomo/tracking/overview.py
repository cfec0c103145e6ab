"""What a run's page shows first: the verdicts in words, a picture of the scores, the questions."""

import csv
import io
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from locomo.harness import Result
from locomo.results.report import PairedDifference, ScoreLine, by_system, judges_of, score_by
from locomo.results.tables import difference_text
from locomo.tracking.runs import DESCRIPTION, clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION_TABLE, PICTURE = "questions.csv", "scores.png"


def log_overview(
    mlflow: ModuleType,
    results: Sequence[Result],
    lines: Sequence[ScoreLine],
    differences: Mapping[str, PairedDifference],
) -> None:
    """Give the active run a description, a picture and a table with one question a row."""
    mlflow.set_tag(DESCRIPTION, description(differences))
    for name, difference in [*differences.items()][:1]:
        mlflow.set_tag("verdict", f"{name}: {difference.verdict}")
    mlflow.log_text(question_table(results), QUESTION_TABLE)
    mlflow.log_figure(score_picture(lines, differences), PICTURE)


def description(differences: Mapping[str, PairedDifference]) -> str:
    """The differences and their verdicts in Markdown."""
    return "\n".join(
        f"- **{name}: {difference.verdict}**, {difference_text(difference)}"
        for name, difference in differences.items()
    )


def question_table(results: Sequence[Result]) -> str:
    """A row of CSV for each question: what each system answered and scored, and the right answer.

    The scores are F1, then each judge's.
    """
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for system, of_system in by_system(results).items():
        for result in of_system:
            row = rows.setdefault(
                (result.conversation, result.index),
                {
                    "question": clean(result.question),
                    "gold": clean(result.gold),
                    "category": result.category,
                    "conversation": result.conversation,
                },
            )
            row[system] = clean(result.answer or result.unusable)
            row[f"{system}, F1"] = round(result.score, 3)
            for judge in sorted(judges_of(result)):
                row[f"{system}, {judge}"] = score_by(judge, result)
            if result.sql:
                row[f"{system}, SQL"] = clean("\n".join(result.sql))
    columns = dict.fromkeys(column for row in rows.values() for column in row)
    text = io.StringIO()
    table = csv.DictWriter(text, [*columns], restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows.values())
    return text.getvalue()


def score_picture(
    lines: Sequence[ScoreLine], differences: Mapping[str, PairedDifference]
) -> "Figure":
    """The scores of categories 1-4 by system, and below them the differences, with intervals."""
    from matplotlib.figure import Figure

    scores = [
        (line.system, line.score, line.low, line.high) for line in lines if line.categories == "1-4"
    ]
    changes = [(name, gain.change, gain.low, gain.high) for name, gain in differences.items()]
    panels = {"F1, categories 1-4, with 95 % intervals": scores}
    if changes:
        panels["differences of the same questions"] = changes
    rows = [max(len(marks), 1) for marks in panels.values()]
    figure = Figure(figsize=(8, 0.8 * len(panels) + 0.4 * sum(rows)), layout="constrained")
    axes_of = figure.subplots(nrows=len(panels), height_ratios=rows, squeeze=False)[:, 0]
    for axes, (title, marks) in zip(axes_of, panels.items(), strict=True):
        _draw(axes, marks)
        axes.set_title(title, loc="left", fontsize=10)
    axes_of[0].set_xlim(0, 1)
    axes_of[-1].axvline(0, color="black", linewidth=0.8)
    return figure


def _draw(axes: Any, marks: Sequence[tuple[str, float, float | None, float | None]]) -> None:
    """A point and its interval for each mark, the first one on top."""
    for row, (_, value, low, high) in enumerate(marks):
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color="tab:blue", linewidth=2)
        axes.plot([value], [row], "o", color="tab:blue")
    axes.set_yticks(range(len(marks)), [name for name, *_ in marks])
    axes.set_ylim(max(len(marks), 1) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
