"""A GRPO run as it goes: rows on disk, a line, and when it should stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from locomo.weights.steps import (
    PATIENCE,
    SIGNAL,
    WINDOW,
    StepRecord,
    lines_by_step,
    reason_to_stop,
    reward_summary,
    step_line,
)
from memory import InputError


def rows(*rewards: float, spread: float = 0.2) -> list[StepRecord]:
    return [StepRecord(n, reward, spread, 1.0) for n, reward in enumerate(rewards, 1)]


@pytest.mark.parametrize(
    ("rewards", "spread", "reason"),
    [
        ([0.5] * WINDOW + [0.1] * WINDOW, 0.2, "collapse"),
        ([0.5] * WINDOW + [0.3] * WINDOW, 0.2, None),
        ([0.04] * WINDOW + [0.0] * WINDOW, 0.2, None),
        ([0.4] * SIGNAL, 0.0, "no signal"),
        ([0.4] * (SIGNAL - 1), 0.0, None),
        ([0.5] * WINDOW + [0.45] * PATIENCE, 0.2, "stalled"),
        ([n / 300 for n in range(250)], 0.2, None),
        ([], 0.2, None),
    ],
    ids=["collapse", "weaker", "tiny", "no-signal", "almost", "stalled", "rising", "empty"],
)
def test_a_run_stops_when_its_reward_collapses_or_teaches_nothing(
    rewards: list[float], spread: float, reason: str | None
) -> None:
    stop = reason_to_stop(rows(*rewards, spread=spread))
    assert (stop or "").startswith(reason or "")
    assert bool(stop) == bool(reason)


def test_rows_are_on_disk_as_they_come_and_read_again_up_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    log = lines_by_step(path, StepRecord)
    row = StepRecord(1, 0.5, 0.1, 2.0, {"answer": 0.4}, 0.9, {"kl": 0.01}, 0.7)
    for record in (row, *rows(0.1, 0.2, 0.3)[1:]):
        log.add(record)
    with path.open("a") as file:
        file.write('{"step": 4, "rew')  # a kill
    again = lines_by_step(path, StepRecord, up_to=2)
    assert [*again.records.values()] == [*log.records.values()][:2]
    assert again.records[1] == row
    again.add(rows(0.1, 0.2, 0.9)[2])
    third = lines_by_step(path, StepRecord, up_to=3).records
    assert [r.reward for r in third.values()] == [0.5, 0.2, 0.9]
    assert lines_by_step(path, StepRecord).records == {}


def test_rows_that_cannot_be_written_say_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*steps\.jsonl"):
        lines_by_step(tmp_path / "file" / "steps.jsonl", StepRecord)


def test_a_step_is_told_in_words_with_what_the_trainer_says() -> None:
    row = StepRecord(450, 0.5, 0.1, 102.4, trainer={"kl": 0.0123})
    assert step_line(row) == "reward 0.50, spread 0.10, KL 0.012"
    answering = replace(row, own=0.28, trainer={})
    assert step_line(answering) == "reward 0.50, own 0.28, spread 0.10"


def test_the_curve_tells_the_first_and_the_last_steps() -> None:
    records = [StepRecord(n, n / 100, 0.1, 1.0, {"answer": n / 50}) for n in range(1, 41)]
    assert "reward 0.105 -> 0.305, answer 0.210 -> 0.610" in reward_summary(records)
    assert reward_summary([]) == "no step was done"
    answering = [replace(row, own=row.reward / 2) for row in records]
    summary = reward_summary(answering)
    assert "0.305, of it what the trained module can change 0.053 -> 0.152, answer" in summary
