"""What prompts earned: every run on disk at once, failures that stop, one rule for the best."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locomo.choices import TARGETS, Target
from locomo.dataset.format import Question
from locomo.prompts.scoreboard import (
    ENOUGH_RUNS,
    PRIOR,
    Scoreboard,
    TooManyFailures,
    advantage,
    best,
)
from locomo.tasks.modules import Candidate, candidate_of, with_candidate
from memory import InputError, MemoryProgram

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


@pytest.mark.slow
@given(text=st.text(min_size=1), said=st.text(), target=st.sampled_from(TARGETS))
def test_a_prompt_survives_being_put_on_a_program(text: str, said: str, target: Target) -> None:
    plain = MemoryProgram()
    fields = getattr(plain, target).predict.signature.fields
    demo = dict.fromkeys(fields, said)
    prompt = candidate_of(with_candidate(plain, target, Candidate(text.strip(), (demo,))), target)
    again = candidate_of(with_candidate(plain, target, prompt), target)
    assert (again, again.key) == (prompt, prompt.key)
    assert prompt.demos == (demo,)
    assert candidate_of(plain, target) == candidate_of(MemoryProgram(), target)


def test_prompts_that_differ_in_anything_have_other_keys() -> None:
    demo = {"question": "Who?", "answer": "Ann"}
    same = [Candidate("Do.", (demo,)), Candidate("Do.", (dict(reversed(demo.items())),))]
    others = [Candidate("Do!", (demo,)), Candidate("Do."), Candidate("Do.", (demo, demo))]
    assert same[0].key == same[1].key
    assert len({prompt.key for prompt in (same[0], *others)}) == 4


# --- on disk ------------------------------------------------------------------------------------


def test_a_run_and_its_prompt_are_on_disk_when_the_metric_returns(
    board: Scoreboard, tmp_path: Path
) -> None:
    assert board(example(1), ran(OTHER, 0.5)).score == 0.5
    run = {"candidate": OTHER.key, "example": "c/1", "reward": 0.5}
    assert filed(tmp_path) == [{**run, "sampled": False, "copied": False, "failed": "", "calls": 7}]
    board(example(2), ran(OTHER))
    [prompt] = filed(tmp_path, "prompts")
    assert prompt == {"instructions": "Do it well.", "demos": [{"question": "Who?"}]}


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


def test_a_resumed_board_knows_old_runs_and_prompts(tmp_path: Path) -> None:
    strange = Candidate("Say \u2028 \x85 \ud83d \U0001f600\n", ({"question": "\ud83d?"},))
    with closing(opened(tmp_path)) as board:
        board.prompts[strange.key] = strange
        for prompt in (PLAIN, OTHER, strange):
            board(example(1), ran(prompt, 0.25))
        board(example(1), ran(PLAIN, 1.0, sampled=True))
        before = dict(board.runs)
    with closing(opened(tmp_path, resume=True)) as board:
        assert board.runs == before
        assert board.prompts.keys() == {PLAIN.key, OTHER.key, strange.key}
        assert board.prompts[OTHER.key] == OTHER
        assert (board.count, board.failures) == (0, 0)
        board(example(2), ran(OTHER))
    assert len(filed(tmp_path, "prompts")) == 3


def test_a_new_board_forgets_the_old_one(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as board:
        board(example(1), ran(PLAIN))
    with closing(opened(tmp_path)) as board:
        assert board.runs == {}
    assert (tmp_path / "runs.jsonl").read_bytes() == b""


def test_the_first_of_equal_runs_counts_and_the_others_are_not_written(
    board: Scoreboard, tmp_path: Path
) -> None:
    for worth in (0.25, 1.0):
        board(example(1), ran(PLAIN, worth))
    board(example(1), ran(PLAIN, 0.75, sampled=True))
    assert [run["reward"] for run in filed(tmp_path)] == [0.25, 0.75]
    assert board.of(PLAIN.key)["c/1"].reward == 0.25
    assert board.count == 2


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


def test_threads_may_file_at_once(tmp_path: Path) -> None:
    def one(n: int) -> object:
        failed = "timeout" if n % 20 == 3 and n < 100 else ""
        return board(example(n % 100), ran((PLAIN, OTHER)[n % 2], failed=failed))

    told: list[int] = []
    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns as often as they can
    try:
        board = opened(tmp_path, told=lambda board: told.append(board.count))
        with closing(board), ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(100)))  # what fails is tried again after it failed
            list(pool.map(one, range(100, 2_000)))
    finally:
        sys.setswitchinterval(pause)
    assert (board.count, board.failures, len(told)) == (105, 5, 2_000)
    assert len({(run["candidate"], run["example"]) for run in filed(tmp_path)}) == 100
    assert (len(filed(tmp_path)), len(filed(tmp_path, "prompts"))) == (105, 2)


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


def test_a_third_of_failures_is_borne(board: Scoreboard, tmp_path: Path) -> None:
    for n in range(30):
        board(example(n), ran(PLAIN, failed="timeout" if n % 3 == 2 else ""))
    assert (board.failures, board.last_failure) == (10, "timeout")
    with pytest.raises(TooManyFailures, match=r"11 of 31"):
        board(example(30), ran(PLAIN, failed="timeout"))
    assert len(filed(tmp_path)) == 31


def test_no_handler_of_exceptions_hides_too_many_failures() -> None:
    assert not issubclass(TooManyFailures, Exception)


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


def test_eight_lucky_examples_do_not_outweigh_fifty(board: Scoreboard) -> None:
    lucky = Candidate("Be lucky.")
    board.prompts[lucky.key] = lucky
    scores(board, PLAIN, dict.fromkeys(range(50), 0.0))
    scores(board, lucky, dict.fromkeys(range(8), 0.5))  # 4 / 18
    scores(board, OTHER, dict.fromkeys(range(50), 0.3))  # 15 / 60
    assert best(board, PLAIN.key) == OTHER.key


@pytest.mark.parametrize("worth", [0.5, 0.4])
def test_the_plain_prompt_wins_ties(board: Scoreboard, worth: float) -> None:
    scores(board, PLAIN, {1: 0.5})
    scores(board, OTHER, {1: worth})
    assert best(board, PLAIN.key) == PLAIN.key


def test_the_plain_prompt_is_the_best_of_an_empty_board(board: Scoreboard) -> None:
    assert best(board, PLAIN.key) == PLAIN.key


def test_runs_at_a_temperature_do_not_count(board: Scoreboard) -> None:
    scores(board, PLAIN, {1: 0.0})
    board(example(1), ran(OTHER, 1.0, sampled=True))
    assert board.of(OTHER.key) == {}
    assert best(board, PLAIN.key) == PLAIN.key
