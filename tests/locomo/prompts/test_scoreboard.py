"""What prompts earned: every run on disk at once, failures that stop, one rule for the best."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dspy
import pytest

from locomo.dataset.format import Question
from locomo.prompts.scoreboard import (
    ENOUGH_RUNS,
    PRIOR,
    Scoreboard,
    TooManyFailures,
    advantage,
    best,
)
from locomo.tasks.modules import Candidate
from memory import InputError

PLAIN, OTHER = Candidate("Do."), Candidate("Do it well.", ({"question": "Who?"},))


def earned(gold: Any, pred: Any, *_: object) -> dspy.Prediction:
    return dspy.Prediction(score=0.0 if pred is None else pred.worth, feedback="so")


def example(n: int) -> dspy.Example:
    gold = (Question(n, "Who?", "Ann", 4, ()),)
    return dspy.Example(conversation="c", gold=gold).with_inputs("conversation")


def ran(
    prompt: Candidate, worth: float = 1.0, sampled: bool = False, failed: str = ""
) -> dspy.Prediction:
    made = {"sampled": sampled, "copied": False, "failed": failed}
    return dspy.Prediction(candidate=prompt.key, worth=worth, **made)


def opened(
    folder: Path, resume: bool = False, told: Callable[[Scoreboard], None] = lambda board: None
) -> Scoreboard:
    """A board that knows both prompts, as tasks collected them, or reads them when it resumes."""
    prompts = {} if resume else {prompt.key: prompt for prompt in (PLAIN, OTHER)}
    return Scoreboard(earned, prompts, folder, resume, lambda: 7, told)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Scoreboard]:
    with closing(opened(tmp_path)) as made:
        yield made


def filed(folder: Path, name: str = "runs") -> list[dict[str, Any]]:
    lines = (folder / f"{name}.jsonl").read_bytes().split(b"\n")
    return [json.loads(line) for line in lines if line]


# --- prompts ------------------------------------------------------------------------------------


# --- on disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 9, 40, 90])
def test_a_line_that_a_kill_cut_short_is_left_out_and_the_next_is_whole(
    tmp_path: Path, cut: int
) -> None:
    with closing(opened(tmp_path)) as board:
        for n in (1, 2):
            board(example(n), ran(PLAIN))
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with closing(opened(tmp_path, resume=True)) as board:
        kept = {"c/1", "c/2"} if cut == 1 else {"c/1"}
        assert board.of(PLAIN.key).keys() == kept
        board(example(3), ran(PLAIN))
    with closing(opened(tmp_path, resume=True)) as board:
        assert board.of(PLAIN.key).keys() == {*kept, "c/3"}


def test_what_failed_does_not_count_and_is_replaced_when_it_succeeds(
    board: Scoreboard, tmp_path: Path
) -> None:
    board(example(1), ran(PLAIN, 0.0, failed="timeout"))
    assert board.of(PLAIN.key) == {}
    board(example(1), ran(PLAIN, 0.5))
    assert board.of(PLAIN.key)["c/1"].reward == 0.5
    board(example(1), ran(PLAIN, 0.0, failed="timeout"))
    assert [run["failed"] for run in filed(tmp_path)] == ["timeout", ""]
    with closing(opened(tmp_path, resume=True)) as again:
        assert again.of(PLAIN.key)["c/1"].reward == 0.5


def test_a_prompt_that_holds_the_example_itself_is_not_judged_by_it(board: Scoreboard) -> None:
    board(example(1), ran(PLAIN, 0.0))
    board(example(1), ran(OTHER, 1.0).copy(copied=True))
    assert advantage(board, OTHER.key, PLAIN.key) == 0.0
    assert best(board, PLAIN.key) == PLAIN.key


def test_what_an_optimizer_asks_beside_a_run_is_judged_and_not_filed(board: Scoreboard) -> None:
    assert board(example(1), ran(PLAIN), None, "program.answer.predict", []).feedback == "so"
    assert board(example(1), None).score == 0.0  # what SIMBA has of a run that raised
    assert (board.runs, board.count) == ({}, 0)


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write to .*file"):
        opened(tmp_path / "file")


# --- failures -----------------------------------------------------------------------------------


def test_more_than_a_third_of_failures_stops_after_enough_runs(board: Scoreboard) -> None:
    for n in range(ENOUGH_RUNS - 1):
        board(example(n), ran(PLAIN, 0.0, failed="no key"))
    with pytest.raises(TooManyFailures, match="the last: no key"):
        board(example(50), ran(PLAIN, failed="no key"))


# --- the best prompt ----------------------------------------------------------------------------


def scores(board: Scoreboard, prompt: Candidate, by_example: Mapping[int, float]) -> None:
    for n, worth in by_example.items():
        board(example(n), ran(prompt, worth))


def test_the_advantage_is_a_mean_of_pairs_drawn_to_zero(board: Scoreboard) -> None:
    scores(board, PLAIN, {1: 0.0, 2: 0.5, 3: 1.0})
    scores(board, OTHER, {1: 1.0, 2: 0.75, 9: 1.0})  # nothing to pair the last one with
    assert PRIOR == 10
    assert advantage(board, OTHER.key, PLAIN.key) == (1.0 + 0.25) / 12
    assert advantage(board, PLAIN.key, PLAIN.key) == 0.0
    assert advantage(board, "unknown", PLAIN.key) == 0.0
    assert best(board, PLAIN.key) == OTHER.key


@pytest.mark.parametrize("worth", [0.5, 0.4])
def test_the_plain_prompt_wins_ties(board: Scoreboard, worth: float) -> None:
    scores(board, PLAIN, {1: 0.5})
    scores(board, OTHER, {1: worth})
    assert best(board, PLAIN.key) == PLAIN.key


def test_runs_at_a_temperature_do_not_count(board: Scoreboard) -> None:
    scores(board, PLAIN, {1: 0.0})
    board(example(1), ran(OTHER, 1.0, sampled=True))
    assert board.of(OTHER.key) == {}
    assert best(board, PLAIN.key) == PLAIN.key
