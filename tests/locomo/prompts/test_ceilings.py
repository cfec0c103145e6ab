"""What is said before and after a compile that has nothing to gain."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from locomo.choices import Target
from locomo.ledger import BudgetSpent
from locomo.prompts.compile import ceilings, why_untried
from locomo.prompts.scoreboard import Run, Scoreboard
from locomo.tasks.rewards import QuestionScore


def score(reward: float, evidence: float, index: int = 0) -> QuestionScore:
    parts = {"answer": reward, "evidence": evidence}
    return QuestionScore(f"conv/{index}", 4, parts, reward)


@pytest.mark.parametrize(
    ("scores", "targets", "said"),
    [
        ([score(0.3, 1.0), score(0.3, 1.0)], ["answer"], ["all rewards are equal: 0.30 on each"]),
        ([score(0.3, 1.0), score(0.4, 1.0)], ["answer"], []),
        ([score(0.3, 1.0), score(0.4, 1.0)], ["retrieve"], ["evidence is 1.0 before the start"]),
        ([score(0.3, 1.0), score(0.4, 0.5)], ["retrieve"], []),
        ([score(0.3, 0.5)], ["answer"], []),
        ([], ["retrieve"], []),
    ],
)
def test_a_ceiling_is_known_after_the_first_measurement(
    scores: Sequence[QuestionScore], targets: Sequence[Target], said: list[str]
) -> None:
    warnings = ceilings(scores, targets)
    assert len(warnings) == len(said)
    assert all(words in warning for words, warning in zip(said, warnings, strict=True))


def board(*runs: tuple[str, float]) -> Scoreboard:
    """A scoreboard of these prompts and rewards."""
    filed = {n: Run(prompt, f"conv/{n}", reward) for n, (prompt, reward) in enumerate(runs)}
    fields: Any = SimpleNamespace(runs=filed)
    return cast("Scoreboard", fields)


@pytest.mark.parametrize(
    ("runs", "stopped", "said"),
    [
        ([("plain", 0.2), ("plain", 0.2)], None, "all rewards are equal: 0.20 in each of 2 runs"),
        ([("plain", 0.2), ("plain", 0.9)], None, ""),
        ([("plain", 0.2), ("other", 0.2)], None, ""),
        ([("plain", 0.2)], BudgetSpent("9 calls are spent"), "9 calls are spent"),
    ],
)
def test_the_cause_is_named_where_no_prompt_was_tried(
    runs: list[tuple[str, float]], stopped: BaseException | None, said: str
) -> None:
    assert why_untried(board(*runs), "plain", stopped) == said
