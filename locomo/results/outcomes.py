"""What became of questions: answered right, answered wrong, or nothing said, by system."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal

from rich.table import Table

from locomo.choices import Interval
from locomo.commands import number_table
from locomo.dataset.format import ABSTENTION
from locomo.harness import Result
from locomo.metrics import OPEN_DOMAIN, abstained, stems
from locomo.results.report import NAMES, by_system, score_lines
from locomo.results.tables import interval_text, interval_title
from memory.system import count

Outcome = Literal["right", "wrong", "nothing said"]
LEAST_SQL = 0.1  # of the questions; SELECTs for fewer are too few to measure
# What each system shows of the conversation.
SHOWN = {
    "newest": "newest turns",
    "full": "full conversation",
    "ranking": "turns by ranking",
    "facts": "ranking and facts",
    "memory": "ranking, facts and SELECTs",
}


def outcome(result: Result) -> Outcome:
    """Whether an answer holds all words of the right one, in any order and inflection.

    A long answer may be right here and have a low F1. If it was never told, an abstention is right;
    elsewhere it says nothing.
    """
    if result.category == ABSTENTION:
        return "right" if abstained(result.answer) else "wrong"
    if result.unusable or abstained(result.answer):
        return "nothing said"
    gold = result.gold.split(";")[0] if result.category == OPEN_DOMAIN else result.gold
    return "right" if {*stems(gold)} <= {*stems(result.answer)} else "wrong"


def used_table(results: Sequence[Result], interval: Interval) -> Table:
    """A row for each system: its scores, and how often it showed facts or ran SELECTs.

    F1 is over categories 1 to 4; for things never told, the share that was declined.
    """
    title = f"what each step brings, F1 of categories 1-4, {interval_title(interval)}"
    numbers = ("n", "F1", "interval", "never told: declined", "facts shown", "SELECTs run")
    table = number_table(title, ["system"], numbers)
    lines = {(line.system, line.categories): line for line in score_lines(results, interval)}
    for system, of_system in by_system(results).items():
        answerable = lines.get((system, "1-4"))
        never_told = lines.get((system, f"{ABSTENTION} {NAMES[ABSTENTION]}"))
        table.add_row(
            f"{system} ({SHOWN[system]})" if system in SHOWN else system,
            str(len(of_system)),
            f"{answerable.score:.3f}" if answerable else "",
            interval_text(answerable) if answerable else "",
            f"{never_told.score:.3f}" if never_told else "",
            _share(bool(result.facts) for result in of_system),
            _share(bool(result.sql) for result in of_system),
        )
    return table


def _share(flags: Iterable[bool]) -> str:
    return f"{fmean(flags):.2f}"


def little_sql(results: Sequence[Result]) -> str:
    """A warning where the memory ran SELECTs for so few questions that they measure nothing."""
    of_memory = [result for result in results if result.system == "memory"]
    with_sql = sum(bool(result.sql) for result in of_memory)
    if with_sql >= LEAST_SQL * len(of_memory):
        return ""
    return (
        f"warning: SELECTs ran for {with_sql} of {count(len(of_memory), 'question')}, less"
        " than a tenth: memory minus facts says nothing about SQL here. Ask for each with"
        " --sql always, or give a smaller --budget."
    )


def no_facts(results: Sequence[Result]) -> str:
    """A note if no question of the system "facts" was shown one: it repeats "ranking"."""
    of_facts = [result for result in results if result.system == "facts"]
    if not of_facts or any(result.facts or result.sql for result in of_facts):
        return ""
    return (
        f"note: of {count(len(of_facts), 'question')} not one was shown a fact before a SELECT, so"
        " the row facts measures what ranking does, and memory minus ranking is that of SELECTs."
    )


def outcome_table(results: Sequence[Result]) -> Table:
    """The outcomes of each system, and how many of its answers are based on rows of a SELECT."""
    title = "answers (right: with all words of the right answer)"
    table = number_table(title, ["system"], ("right", "wrong", "nothing said", "with SQL"))
    for system, of_system in by_system(results).items():
        outcomes = Counter(map(outcome, of_system))
        with_sql = sum(bool(result.rows) and not abstained(result.answer) for result in of_system)
        shown = f" ({SHOWN[system]})" if system in SHOWN else ""
        counts = (outcomes["right"], outcomes["wrong"], outcomes["nothing said"], with_sql)
        table.add_row(f"{system}{shown}", *map(str, counts))
    return table
