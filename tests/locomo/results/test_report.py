"""The report: who is counted where, and the log that never asks twice."""

import io
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from locomo.commands import print_table
from locomo.harness import Result, answer_log
from locomo.metrics import RubricScores
from locomo.parallel import run_parallel
from locomo.results.report import (
    PairedDifference,
    interval_of_mean,
    memory_difference,
    metrics_of,
    paired_differences,
    score_lines,
    system_differences,
    usual_interval,
)
from locomo.results.tables import (
    difference_line,
    judge_table,
    paper_table,
)
from locomo.tracking.metric_names import score_metrics, score_table

RIGHT = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=1.0, recall=1.0, seconds=0.1)


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


def test_the_metrics_of_a_run_begin_with_the_differences_and_the_memory() -> None:
    pairs = [("newest", 0.25), ("ranking", 0.25), ("memory", 0.5)]
    results = [
        replace(RIGHT, system=system, index=index, category=category, score=score)
        for index, category in enumerate((4, 1))
        for system, score in pairs
    ]
    lines = score_lines(results, "independent")
    numbers = score_metrics(lines, differences=system_differences(results, "independent"))
    groups = list(dict.fromkeys(name.rpartition("/")[0] for name in numbers))
    assert groups == [
        *("difference", "memory", "newest", "ranking", "memory by category"),
    ]
    assert [*numbers][:3] == [
        f"difference/memory - ranking{side}" for side in ("", " low", " high")
    ]
    assert numbers["memory by category/score 1 multi-hop"] == 0.5
    [header, *rows] = score_table(lines, ()).splitlines()
    assert header.startswith("metric,system,categories,questions,score,low,high")
    assert len(rows) == len(lines) == 12


@pytest.mark.slow
def test_three_conversations_are_resampled_before_their_questions() -> None:
    # In each conversation all answers are right or all are wrong: ten observations, not sixty.
    results = [
        replace(RIGHT, conversation=f"c{talk}", index=n, score=float(talk % 2))
        for talk in range(10)
        for n in range(6)
    ]
    three, two = results[:18], results[:12]
    assert (usual_interval(three), usual_interval(two)) == ("clustered", "independent")
    (*_, clustered) = score_lines(results, "clustered")
    (*_, independent) = score_lines(results, "independent")
    assert clustered.score == independent.score == 0.5
    assert (clustered.low, clustered.high) == pytest.approx((0.2, 0.8), abs=0.05)
    assert (independent.low, independent.high) == pytest.approx((0.37, 0.63), abs=0.03)


def test_a_difference_of_two_conversations_says_nothing_of_others() -> None:
    before = [replace(RIGHT, conversation=f"c{n % 2}", index=n, score=0.1) for n in range(40)]
    after = [replace(result, score=0.9) for result in before]
    assert paired_differences(before, after, "independent")[-1].verdict == "too few conversations"


def test_a_difference_between_few_conversations_is_as_uncertain_as_they_are_few() -> None:
    # All of the gain is of one conversation, a third of the questions.
    before = [replace(RIGHT, conversation=f"c{n % 3}", index=n, score=0.1) for n in range(60)]
    after = [
        replace(result, score=0.7 if result.conversation == "c0" else 0.1) for result in before
    ]
    line = paired_differences(before, after, "clustered")[-1]
    assert line.verdict == "no difference shown"
    assert line.low is not None
    assert (line.change, line.high) == (pytest.approx(0.2), 1.0)
    assert line.low < -0.2


def test_the_difference_is_of_what_can_be_answered() -> None:
    both = [
        replace(RIGHT, index=n, category=category, score=score)
        for n, (category, score) in enumerate([(1, 1.0), (4, 0.5), (5, 0.0)])
    ]
    baseline = [replace(result, system="newest", score=0.0) for result in both]
    difference = memory_difference([*both, *baseline], "independent")
    assert difference is not None
    assert (difference.categories, difference.questions) == ("1-4", 2)
    assert difference.change == 0.75


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


def test_values_that_are_all_alike_have_an_interval_with_a_width() -> None:
    wrong = [replace(RIGHT, index=n, score=0.0) for n in range(11)]
    lines = score_lines(
        [*wrong, *(replace(RIGHT, system="newest", index=n) for n in range(11))], "independent"
    )
    assert [(line.low, round(line.high or 0, 2)) for line in lines[:1]] == [(0.0, 0.26)]
    assert [(round(line.low or 0, 2), line.high) for line in lines[-1:]] == [(0.74, 1.0)]
    z = 1.9599639845400543
    width = z**2 / (10 + z**2)
    for values, lowest, expected in (
        ([0.5] * 10, 0.0, (0.5 - width, 0.5 + width)),
        ([0.9] * 10, 0.0, (0.9 - width, 1.0)),
        ([0.1] * 10, 0.0, (0.0, 0.1 + width)),
        ([0.1] * 10, -1.0, (0.1 - width, 0.1 + width)),
        ([-0.9] * 10, -1.0, (-1.0, width - 0.9)),
    ):
        assert interval_of_mean(values, lowest=lowest) == pytest.approx(expected)
    right = [replace(RIGHT, index=n) for n in range(11)]
    assert paired_differences(right, wrong, "independent")[-1].low == -1.0
    same = paired_differences(wrong, wrong, "clustered")[-1]
    assert (round(same.low or 0, 2), round(same.high or 0, 2)) == (-0.26, 0.26)


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
    assert numbers["memory/judge strict _m_ 1-4"] == pytest.approx(1 / 3)


def test_a_log_goes_on_where_a_kill_left_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    log = answer_log(path, resume=False)
    log.add(RIGHT)
    log.add(replace(RIGHT, index=1))
    path.write_text(path.read_text() + '{"system": "mem', "utf-8")
    again = answer_log(path, resume=True)
    assert again.records == log.records
    again.add(replace(RIGHT, index=2))
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1, 2]
    assert answer_log(path, resume=False).records == {}


def test_a_run_that_fails_keeps_what_was_answered(tmp_path: Path) -> None:
    log = answer_log(tmp_path / "answers.jsonl", resume=False)
    asked: list[int] = []

    def job(number: int) -> Result:
        asked.append(number)
        time.sleep(0.01)
        if number == 2:
            raise KeyboardInterrupt
        return replace(RIGHT, index=number)

    with pytest.raises(KeyboardInterrupt):
        run_parallel([partial(job, number) for number in range(100)], 1, log.add)
    assert len(asked) < 100
    assert {0, 1} <= {key[2] for key in answer_log(tmp_path / "answers.jsonl", resume=True).records}


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


def test_a_judge_is_a_metric_with_the_bracket_of_what_it_could_not_read() -> None:
    verdicts = [True, False, None, None]
    results = [replace(RIGHT, index=n, verdicts={"strict (m)": v}) for n, v in enumerate(verdicts)]
    results.append(replace(RIGHT, index=9))
    f1, strict = metrics_of(results, "independent")
    (*_, every) = strict.lines
    assert (f1.lines[-1].questions, every.questions) == (5, 4)
    assert (strict.name, every.score, every.most) == ("judged by strict (m)", 0.25, 0.75)
    assert every.low is not None
    assert [line.categories for line in strict.lines] == ["4 single-hop", "1-4", "all"]
    numbers = score_metrics([], [f1, strict])
    judged = {name: numbers[f"memory/judge strict _m_ all{name}"] for name in ("", " low", " most")}
    assert judged == {"": 0.25, " low": every.low, " most": 0.75}


def test_the_papers_of_other_benchmarks_count_all_questions_by_their_own_judge() -> None:
    rubric = RubricScores((1.0, 0.5))
    asked = replace(RIGHT, tokens=900, seconds=1.0, rubric=("a", "b"), rubric_scores={"m": rubric})
    results = [
        replace(asked, question_type="event_ordering"),
        replace(asked, index=1, category=5, question_type="abstention"),
    ]
    file = io.StringIO()
    table = paper_table(results)
    print_table(Console(file=file, width=200), table)
    rows = [line.strip("| ").split() for line in file.getvalue().splitlines() if "memory" in line]
    assert [" ".join(" ".join(row).replace("|", "").split()) for row in rows] == [
        "memory abstention 1 75.0 900 1.00",
        "memory event_ordering 1 75.0 900 1.00",
        "memory 5 adversarial 1 75.0 900 1.00",
        "memory all 2 75.0 900 1.00",
    ]
    assert "category 5" not in str(table.title)
