"""The report: who is counted where, and the log that never asks twice."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from locomo.commands import print_table
from locomo.harness import Result
from locomo.metrics import RubricScores
from locomo.results.report import (
    PairedDifference,
    failure_cause,
    failures,
    memory_difference,
    metrics_of,
    paired_differences,
    score_lines,
    system_differences,
)
from locomo.results.tables import (
    difference_line,
    judge_table,
    paper_table,
)
from locomo.tracking.metric_names import score_metrics

RIGHT = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=1.0, recall=1.0, seconds=0.1)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (RIGHT, None),
        (replace(RIGHT, score=0.5), None),
        (replace(RIGHT, score=0.4), "not answered"),
        (replace(RIGHT, score=0.0, recall=0.5), "not shown"),
        (replace(RIGHT, score=0.0, recall=0.5, without_fact=("D1:1",)), "not shown, no fact"),
        (replace(RIGHT, score=1.0, recall=0.0, without_fact=("D1:1",)), None),
        (replace(RIGHT, category=5, score=0.0, recall=0.0), "should have abstained"),
        (replace(RIGHT, category=5, score=1.0), None),
        (replace(RIGHT, category=5, score=0.0, unusable="banana"), "unusable answer"),
    ],
)
def test_a_failed_answer_has_one_cause(result: Result, expected: str | None) -> None:
    assert failure_cause(result) == expected
    found = failures([result])
    assert sum(len(some) for some in found.values()) == (expected is not None)


def test_means_are_taken_by_system_and_category_and_the_sum_1_to_4_leaves_abstention_out() -> None:
    results = [
        RIGHT,
        replace(RIGHT, index=1, score=0.0, tokens=100),
        replace(RIGHT, index=2, category=5, score=1.0),
        replace(RIGHT, index=0, system="newest", score=0.25),
    ]
    found = {(line.system, line.categories): line for line in score_lines(results, "independent")}
    assert found["memory", "4 single-hop"].score == 0.5
    assert found["memory", "4 single-hop"].tokens == 50
    assert (found["memory", "1-4"].questions, found["memory", "all"].questions) == (2, 3)
    assert found["newest", "all"].score == 0.25
    assert ("memory", "1 multi-hop") not in found
    assert score_metrics(score_lines(results, "independent"))["memory/score 1-4"] == 0.5


def test_the_difference_is_paired_by_question_and_leaves_abstention_out() -> None:
    pairs = [(1.0, 0.5), (0.5, 0.0), (0.75, 0.25), (0.5, 0.25)] * 5
    asked = [replace(RIGHT, conversation=f"c{n % 3}", index=n) for n in range(len(pairs))]
    results = [
        replace(question, system=system, score=score)
        for question, scores in zip(asked, pairs, strict=True)
        for system, score in zip(("memory", "newest"), scores, strict=True)
    ]
    results += [replace(RIGHT, index=97, score=0.0), replace(RIGHT, index=98, category=5)]
    difference = memory_difference(results, "independent")
    assert difference is not None
    assert (difference.questions, difference.verdict) == (20, "better")
    assert "+0.438, 95 % interval +0." in difference_line("memory - newest", difference)
    assert memory_difference([RIGHT], "independent") is None


def test_each_system_is_compared_with_the_memory_and_with_the_one_before_it() -> None:
    scores = {"newest": 0.25, "ranking": 0.5, "memory": 1.0}
    results = [replace(RIGHT, system=system, score=score) for system, score in scores.items()]
    differences = system_differences(results, "independent")
    assert {name: difference.change for name, difference in differences.items()} == {
        "memory - ranking": 0.5,
        "memory - newest": 0.75,
        "ranking - newest": 0.25,
    }


def test_a_single_question_has_no_interval() -> None:
    pair = [RIGHT, replace(RIGHT, system="newest", score=0.5)]
    (score, *_) = score_lines(pair, "independent")
    assert (score.low, score.high) == (None, None)
    difference = memory_difference(pair, "clustered")
    assert difference is not None
    assert difference.verdict == "too few questions"
    line = difference_line("memory - newest", difference)
    assert line.endswith("+0.500, of a single question: too few questions")


def test_a_difference_of_two_conversations_says_nothing_of_others() -> None:
    before = [replace(RIGHT, conversation=f"c{n % 2}", index=n, score=0.1) for n in range(40)]
    after = [replace(result, score=0.9) for result in before]
    assert paired_differences(before, after, "independent")[-1].verdict == "too few conversations"


def test_two_runs_are_paired_by_question_in_each_category() -> None:
    before = [
        replace(RIGHT, conversation=f"c{n % 3}", index=n, category=1 + n % 2, score=0.5)
        for n in range(50)
    ]
    after = [replace(result, score=1.0 if result.category == 1 else 0.25) for result in before[:48]]
    lines = {line.categories: line for line in paired_differences(before, after, "independent")}
    assert lines.keys() == {"1 multi-hop", "2 temporal", "1-4", "all"}
    assert (lines["1 multi-hop"].change, lines["2 temporal"].change) == (0.5, -0.25)
    assert lines["2 temporal"].verdict == "worse"
    assert lines["all"].questions == 48


def test_unreadable_verdicts_are_wrong_beside_what_they_could_be() -> None:
    judged = [
        replace(RIGHT, verdicts={"strict (m)": True}),
        replace(RIGHT, verdicts={"strict (m)": None}),
        replace(RIGHT, verdicts={"strict (m)": False}),
    ]
    metrics = metrics_of(judged, "independent")
    line = metrics[-1].lines[-1]
    assert (metrics[-1].judge, line.questions, line.unreadable) == ("strict (m)", 3, 1)
    assert (line.score, line.most) == pytest.approx((1 / 3, 2 / 3))
    assert "1 verdicts could not be read" in str(judge_table(metrics, "independent").caption)
    numbers = score_metrics(score_lines(judged, "independent"), metrics)
    judged = [numbers[f"memory/judge strict _m_ 1-4{name}"] for name in ("", " low", " most")]
    assert judged == pytest.approx([1 / 3, line.low, 2 / 3])


@pytest.mark.parametrize(
    ("questions", "low", "high", "verdict"),
    [
        (20, 0.01, 0.5, "better"),
        (20, 0.0, 0.5, "no difference shown"),
        (20, -0.5, 0.0, "no difference shown"),
        (20, -0.5, -0.01, "worse"),
        (19, 0.01, 0.5, "too few questions"),
        (1, None, None, "too few questions"),
    ],
)
def test_a_difference_is_shown_where_its_interval_leaves_zero_out(
    questions: int, low: float | None, high: float | None, verdict: str
) -> None:
    line = PairedDifference("all", questions, before=0.5, after=0.5, low=low, high=high)
    assert line.verdict == verdict


def test_a_benchmark_s_own_metric_comes_first() -> None:
    scores = RubricScores((1.0, 0.0, None, None))
    result = replace(RIGHT, rubric=("a", "b", "c", "d"), rubric_scores={"m": scores})
    rubric, f1 = metrics_of([result], "independent")
    assert (rubric.name, rubric.lines[0].score, rubric.lines[0].most) == ("judged by m", 0.25, 0.75)
    assert f1.name == "F1 as LoCoMo has it"


def test_a_table_has_the_form_of_papers() -> None:
    asked = replace(RIGHT, answer="In Oslo, I think", gold="Oslo", score=0.25, tokens=900)
    asked = replace(asked, seconds=2.0)
    results = [
        replace(asked, verdicts={"lenient (m)": True, "strict (m)": False}),
        replace(asked, index=1, category=1, verdicts={"lenient (m)": None}, seconds=1.0),
        replace(asked, index=2, category=5, verdicts={"lenient (m)": True}),
    ]
    file = io.StringIO()
    print_table(Console(file=file, width=200), paper_table(results))
    rows = [line.strip("| ").split() for line in file.getvalue().splitlines() if "memory" in line]
    assert [" ".join(row).replace("| ", "") for row in rows] == [
        "memory 1 multi-hop 1 0.0 25.0 20.0 900 1.00",
        "memory 4 single-hop 1 100.0 0.0 25.0 20.0 900 2.00",
        "memory 1-4 2 50.0 0.0 25.0 20.0 900 1.50",
    ]
