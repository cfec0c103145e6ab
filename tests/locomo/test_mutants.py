"""The tests of what numbers rest on notice a changed operator, number or result."""

from pathlib import Path

import pytest

from tests.support.mutants import survivors

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
DRAWN = 40
# What changes nothing that anybody could see, or a bound that no value meets exactly.
HARMLESS = {
    # A rule below a line of a table.
    'end_section=(gain.component, gain.categories) == ("answer", "all"),',
    # Both sides of a pair are of one category and have the same components.
    "if of_label := [pair for pair in pairs if pair[0].category in categories]:",
    "optimized = [name for name in pairs[0][0].components if name not in WEIGHTS]",
    # A likeness that is RIGHT to the last digit does not occur among words.
    "if _best(fact, target) >= RIGHT:",
    "counterparts = [gold for gold in target if _likeness(fact, gold) >= RIGHT]",
    # 99 and 100 % differ only where the share is within half a per cent of one.
    "percent = min(round(100 * share), 99)",
    # How many resamples are drawn at once changes none of them.
    "rows = max(_INDICES // len(sums), 1)",
    # A gain of 0 is 0 either way.
    "return (gain * of_memory if gain > 0 else gain) - lost",
    # At exactly so many facts nothing is taken off either way.
    "if number > FREE_FACTS:",
    # Of a single value scipy gives no number, which becomes 0 as well, with a warning.
    "return float(np.nan_to_num(kendalltau(a, b).statistic)) if len(a) > 1 else 0.0",
    # A share's interval leaves 0 to 1 by rounding alone.
    "return max(middle - half, 0.0), min(middle + half, 1.0)",
    # No question type spans one category and leaves others without a type.
    "if not types or ABSTENTION in categories or len(categories) > 1:",
}


@pytest.mark.parametrize(
    ("module", "test_files"),
    [
        ("locomo.metrics", ["test_metrics.py"]),
        ("locomo.tasks.rewards", ["tasks/test_rewards.py", "tasks/test_labelled.py"]),
        ("locomo.tasks.gains", ["tasks/test_gains.py"]),
        ("locomo.results.report", ["results/test_report.py"]),
    ],
)
def test_a_changed_number_is_noticed(module: str, test_files: list[str]) -> None:
    alive, drawn = survivors(module, [TESTS / name for name in test_files], DRAWN)
    assert drawn == DRAWN
    assert [mutant for mutant in alive if mutant.code not in HARMLESS] == []


def test_a_mutant_that_no_test_notices_survives(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing() -> None: ...\n", "utf-8")
    alive, drawn = survivors("locomo.parallel", [tmp_path / "test_nothing.py"], 2)
    assert len(alive) == drawn == 2
