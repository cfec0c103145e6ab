"""Charts: what is drawn, with its number of questions, and a judge's bracket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locomo.harness import Result
from locomo.metrics import RubricScores
from locomo.results import charts
from locomo.results.charts import (
    RewardPoint,
    abstention_chart,
    failure_chart,
    label_with_count,
    progress_chart,
    score_chart,
)
from locomo.results.report import metrics_of
from locomo.retrieval.chart import Curve, recall_chart
from locomo.weights.launch import draw_curves
from locomo.weights.record import TrainingResult
from locomo.weights.steps import HeldOutRecord, StepRecord

RIGHT = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=1.0, recall=1.0, seconds=0.1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every chart that is drawn."""
    every: list[Any] = []
    pictures = charts.pictures

    @contextmanager
    def watched(*arguments: Any, **options: Any) -> Iterator[list[Any]]:
        with pictures(*arguments, **options) as axes:
            yield axes
        every.extend(axes)

    monkeypatch.setattr(charts, "pictures", watched)
    monkeypatch.setattr("locomo.retrieval.chart.pictures", watched)
    return every


def legend(axes: Any) -> list[str]:
    return list(axes.get_legend_handles_labels()[1])


@pytest.mark.slow
def test_the_charts_are_pictures(tmp_path: Path) -> None:
    wrong = replace(RIGHT, index=1, score=0.0, best_score=2.5)
    unanswerable = replace(RIGHT, index=2, category=5, answer="No information available")
    results = [RIGHT, wrong, unanswerable, replace(RIGHT, system="baseline", category=5)]
    title = "local, 3 questions"
    score_chart(metrics_of(results, "independent"), tmp_path / "scores.png", title)
    failure_chart(results[:3], tmp_path / "failures.png", title)
    abstention_chart(results[:3], tmp_path / "abstention.png", title)
    abstention_chart([RIGHT], tmp_path / "alone.png", title)
    for picture in ("scores.png", "failures.png", "abstention.png", "alone.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_each_judge_has_its_bars_with_the_bracket_of_what_it_could_not_read(
    tmp_path: Path, drawn: list[Any]
) -> None:
    verdicts = [True, False, None, None]
    results = [replace(RIGHT, index=n, verdicts={"strict (m)": v}) for n, v in enumerate(verdicts)]
    results.append(replace(RIGHT, index=9))
    f1, strict = metrics_of(results, "independent")
    (*_, every) = strict.bars
    assert (f1.bars[-1].questions, every.questions) == (5, 4)
    assert (strict.name, every.score, every.most) == ("judged by strict (m)", 0.25, 0.75)
    assert every.low is not None
    score_chart([f1, strict], tmp_path / "scores.png", "m")
    labels = [text.get_text() for text in drawn[1].get_xticklabels()]
    assert labels == ["4 single-hop\nn = 4", "1-4\nn = 4", "all\nn = 4"]
    solid, pale = drawn[1].containers[:2]
    assert (solid[0].get_height(), pale[0].get_height(), pale[0].get_y()) == (0.25, 0.5, 0.25)


def test_a_benchmark_s_own_metric_is_drawn_first() -> None:
    scores = RubricScores((1.0, 0.0, None, None))
    result = replace(RIGHT, rubric=("a", "b", "c", "d"), rubric_scores={"m": scores})
    rubric, f1 = metrics_of([result], "independent")
    assert (rubric.name, rubric.bars[0].score, rubric.bars[0].most) == ("judged by m", 0.25, 0.75)
    assert f1.name == "F1 as LoCoMo has it"


def test_each_bar_of_the_chart_has_its_number_of_questions() -> None:
    results = [replace(RIGHT, index=index) for index in range(3)]
    results += [replace(RIGHT, system="baseline", index=index) for index in range(2)]
    (metric,) = metrics_of(results, "independent")
    assert label_with_count("4 single-hop", metric.bars) == "4 single-hop\nn = 2 to 3"
    assert label_with_count("4 single-hop", metric.bars[:1]) == "4 single-hop\nn = 3"


@pytest.mark.slow
def test_a_compile_s_chart_says_on_how_many_examples_prompts_were_tried(
    tmp_path: Path, drawn: list[Any]
) -> None:
    for points in (
        [],
        [RewardPoint(5, 0.3, 0.3, 12)],
        [RewardPoint(5, 0.3, 0.3, 12), RewardPoint(9, 0.2, 0.3, 3)],
    ):
        progress_chart(points, baseline=0.25, path=tmp_path / "p.png", title="gepa, 12 examples")
    labels = ["candidate", "candidate, n = 12", "candidate, n = 3 to 12"]
    assert [legend(axes)[0] for axes in drawn] == labels


def test_a_training_s_curves_say_of_how_many_answers_they_are_means(
    tmp_path: Path, drawn: list[Any]
) -> None:
    result = TrainingResult(
        step=2,
        checkpoint=None,
        stopped="",
        rows=[StepRecord(step, 0.5, 0.1, 1.0) for step in (1, 2)],
        held_out=[HeldOutRecord(step, n, {"answer": 0.5}) for step, n in ((0, 24), (2, 23))],
        gains=[],
        reward_summary="",
    )
    draw_curves(result, tmp_path / "curves.png", rollouts=8, title="store")
    reward, held_out = legend(drawn[0])
    assert reward == "training reward, mean of 20 steps of 8 answers"
    assert held_out == "held-out answer, n = 23 to 24"


def test_a_curve_of_recall_has_its_number_of_questions(tmp_path: Path, drawn: list[Any]) -> None:
    curve = Curve("this memory", 17, recall=np.array([0.5, 0.8]), tokens=np.array([30.0, 60.0]))
    recall_chart([curve], tmp_path / "recall.png", "20 questions")
    assert legend(drawn[0]) == ["this memory, n = 17"]
