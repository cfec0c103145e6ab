"""What became of questions: answered right, answered wrong, or nothing said, by system."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from rich.table import Table

from locomo.commands import number_table
from locomo.dataset.format import ABSTENTION
from locomo.harness import Result
from locomo.metrics import OPEN_DOMAIN, abstained, stems
from locomo.results.report import by_system

Outcome = Literal["right", "wrong", "nothing said"]
# What each system shows of the conversation.
SHOWN = {
    "baseline": "newest turns",
    "ranking": "ranking alone",
    "memory": "ranking and SQL",
}


def outcome(result: Result) -> Outcome:
    """Whether an answer holds all words of the right one, in any order and inflection.

    A long answer may be right here and have a low F1. Of what was never told, an abstention is
    right; elsewhere it says nothing.
    """
    if result.category == ABSTENTION:
        return "right" if abstained(result.answer) else "wrong"
    if result.unusable or abstained(result.answer):
        return "nothing said"
    gold = result.gold.split(";")[0] if result.category == OPEN_DOMAIN else result.gold
    return "right" if {*stems(gold)} <= {*stems(result.answer)} else "wrong"


def outcome_table(results: Sequence[Result]) -> Table:
    """The outcomes of each system, and how many of its answers rest on rows of a SELECT."""
    title = "answers (right: with all words of the right answer)"
    table = number_table(title, ["system"], ("right", "wrong", "nothing said", "with SQL"))
    for system, of_system in by_system(results).items():
        outcomes = Counter(map(outcome, of_system))
        with_sql = sum(bool(result.rows) and not abstained(result.answer) for result in of_system)
        shown = f" ({SHOWN[system]})" if system in SHOWN else ""
        counts = (outcomes["right"], outcomes["wrong"], outcomes["nothing said"], with_sql)
        table.add_row(f"{system}{shown}", *map(str, counts))
    return table
