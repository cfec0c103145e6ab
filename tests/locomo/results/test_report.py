"""The report: who is counted where, and the log that never asks twice."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from locomo.harness import Result, answer_log
from locomo.parallel import run_parallel
from locomo.results.report import difference, failure_cause, failures, score_lines
from locomo.results.tables import comparison_table, example_text
from locomo.tracking import score_chart, score_metrics

RIGHT = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=1.0, recall=1.0, seconds=0.1)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (RIGHT, None),
        (replace(RIGHT, score=0.5), None),
        (replace(RIGHT, score=0.4), "not answered"),
        (replace(RIGHT, score=0.0, recall=0.5), "not retrieved"),
        (replace(RIGHT, score=0.0, recall=0.5, not_stored=("D1:1",)), "not stored"),
        (replace(RIGHT, score=1.0, recall=0.0, not_stored=("D1:1",)), None),
        (replace(RIGHT, category=5, score=0.0, recall=0.0), "should have abstained"),
        (replace(RIGHT, category=5, score=1.0), None),
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
        replace(RIGHT, index=0, system="baseline", score=0.25),
    ]
    found = {(line.system, line.categories): line for line in score_lines(results)}
    assert found["memory", "4 single-hop"].score == 0.5
    assert found["memory", "4 single-hop"].tokens == 50
    assert (found["memory", "1-4"].questions, found["memory", "all"].questions) == (2, 3)
    assert found["baseline", "all"].score == 0.25
    assert ("memory", "1 multi-hop") not in found
    assert score_metrics(score_lines(results))["memory/1-4/score"] == 0.5


def test_the_difference_is_paired_by_question_and_leaves_abstention_out() -> None:
    pairs = [(1.0, 0.5), (0.5, 0.0), (0.75, 0.25)]
    results = [replace(RIGHT, index=n, score=ours) for n, (ours, _) in enumerate(pairs)]
    results += [
        replace(RIGHT, system="baseline", index=n, score=theirs)
        for n, (_, theirs) in enumerate(pairs)
    ]
    results += [replace(RIGHT, index=7, score=0.0), replace(RIGHT, index=8, category=5)]
    assert "+0.500, 95 % interval +0.50 to +0.50" in difference(results)
    assert difference([RIGHT]) == "no question was answered by both"


def test_unreadable_verdicts_are_counted_apart() -> None:
    judged = [
        replace(RIGHT, verdicts={"strict (m)": True}),
        replace(RIGHT, verdicts={"strict (m)": None}),
        replace(RIGHT, verdicts={"strict (m)": False}),
    ]
    line = score_lines(judged)[-1]
    assert line.judged == {"strict (m)": 0.5}
    assert line.unreadable == 1
    table = comparison_table([line])
    assert "strict (m)" in [column.header for column in table.columns]
    assert "1 verdicts could not be read" in str(table.caption)


def test_an_example_shows_markup_of_a_question_as_text() -> None:
    shown = example_text(
        replace(RIGHT, question="What [bold]did[/bold] she say?", sql=("SELECT 1",))
    )
    assert r"\[bold]did" in shown
    assert "gold:   Oslo" in shown


def test_the_chart_is_a_picture(tmp_path: Path) -> None:
    score_chart(
        score_lines([RIGHT, replace(RIGHT, system="baseline", category=5)]), tmp_path / "scores.png"
    )
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


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
