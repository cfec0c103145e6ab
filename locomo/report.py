"""What the results say: means with intervals for each category, and where answers fail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.harness import BuiltMemory, Result
from locomo.metrics import abstained, bootstrap, paired_bootstrap

NAMES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
Cause = Literal["not stored", "not retrieved", "not answered", "should have abstained"]
# Below this F1 an answer counts as failed; half of its words are not those of the gold answer.
FAILED_BELOW = 0.5


@dataclass(frozen=True)
class ScoreLine:
    """Means over the questions of one system in one category, or in several (`categories`)."""

    system: str
    categories: str
    questions: int
    score: float
    low: float
    high: float
    recall: float
    tokens: float
    calls: float
    judged: dict[str, float]
    unreadable: int


def score_lines(results: Sequence[Result]) -> list[ScoreLine]:
    """One line for each system and category that occurs, then categories 1-4 and all."""
    groups: list[tuple[str, set[int]]] = [(f"{c} {NAMES[c]}", {c}) for c in CATEGORIES]
    groups += [("1-4", {1, 2, 3, 4}), ("all", set(CATEGORIES))]
    lines = []
    for system in sorted({result.system for result in results}):
        of_system = [result for result in results if result.system == system]
        for label, categories in groups:
            of_group = [result for result in of_system if result.category in categories]
            if of_group:
                lines.append(_line(system, label, of_group))
    return lines


def _line(system: str, label: str, results: Sequence[Result]) -> ScoreLine:
    scores = [result.score for result in results]
    low, high = bootstrap(scores)
    judges = sorted({judge for result in results for judge in result.verdicts})
    opinions = {
        judge: [v for r in results if (v := r.verdicts.get(judge)) is not None] for judge in judges
    }
    return ScoreLine(
        system=system,
        categories=label,
        questions=len(results),
        score=fmean(scores),
        low=low,
        high=high,
        recall=fmean(result.recall for result in results),
        tokens=fmean(result.tokens for result in results),
        calls=fmean(result.calls for result in results),
        judged={judge: fmean(verdicts) for judge, verdicts in opinions.items() if verdicts},
        unreadable=sum(v is None for r in results for v in r.verdicts.values()),
    )


def comparison_table(lines: Sequence[ScoreLine], with_categories: bool = True) -> Table:
    """The table that `evaluate.py` prints; category 5 is scored by exact abstention."""
    judges = sorted({judge for line in lines for judge in line.judged})
    table = Table(box=SIMPLE, title="official F1 (category 5: exact abstention), 95 % interval")
    for column in ("system", "category"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "score", "interval", *judges, "recall", "tokens", "calls"):
        table.add_column(column, justify="right", no_wrap=column not in judges)
    for line in lines:
        if not with_categories and line.categories not in ("1-4", "all"):
            continue
        table.add_row(
            line.system,
            line.categories,
            str(line.questions),
            f"{line.score:.3f}",
            f"{line.low:.2f}-{line.high:.2f}",
            *(f"{line.judged[j]:.2f}" if j in line.judged else "" for j in judges),
            f"{line.recall:.2f}",
            f"{line.tokens:.0f}",
            f"{line.calls:.1f}",
            end_section=line.categories == "all",
        )
    if unreadable := sum(line.unreadable for line in lines if line.categories == "all"):
        table.caption = f"{unreadable} verdicts could not be read and count neither way"
    return table


def difference(results: Sequence[Result]) -> str:
    """Memory minus baseline over the questions of categories 1-4 that both answered.

    The interval is of paired differences, which says more than two intervals side by side.
    """
    scores = {r.key: r.score for r in results if r.category != ABSTENTION}
    questions = [
        (conversation, index)
        for system, conversation, index in scores
        if system == "memory" and ("baseline", conversation, index) in scores
    ]
    if not questions:
        return "no question was answered by both"
    memory = [scores["memory", conversation, index] for conversation, index in questions]
    baseline = [scores["baseline", conversation, index] for conversation, index in questions]
    low, high = paired_bootstrap(memory, baseline)
    mean = fmean(memory) - fmean(baseline)
    return (
        f"memory - baseline, categories 1-4: {mean:+.3f}, 95 % interval {low:+.2f} to {high:+.2f}"
    )


def building_table(built: Iterable[BuiltMemory]) -> Table:
    """What it took to build the memories."""
    table = Table(box=SIMPLE, title="memories")
    table.add_column("conversation")
    for column in ("turns", "facts", "failed", "calls", "a turn", "tokens", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for memory in built:
        table.add_row(
            escape(memory.conversation),
            str(memory.turns),
            str(memory.facts),
            str(memory.failed),
            str(memory.calls),
            f"{memory.calls / max(memory.turns, 1):.2f}",
            str(memory.tokens),
            f"{memory.seconds:.0f}",
        )
    return table


def failure_cause(result: Result) -> Cause | None:
    """Where an answer failed, None for one that is right.

    Evidence that was shown and not used: not answered. Evidence that was not shown: not stored
    when no fact names its turn (the words of the question did not find it either), else not
    retrieved.
    """
    if result.category == ABSTENTION:
        return "should have abstained" if result.score == 0 else None
    if result.score >= FAILED_BELOW:
        return None
    if result.recall == 1:
        return "not answered"
    return "not stored" if result.not_stored else "not retrieved"


def failures(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The failed answers by cause, in the order in which a question is worked on."""
    causes: tuple[Cause, ...] = (
        "not stored",
        "not retrieved",
        "not answered",
        "should have abstained",
    )
    return {name: [r for r in results if failure_cause(r) == name] for name in causes}


def failure_table(results: Sequence[Result]) -> Table:
    """How many answers of each category failed where."""
    table = Table(box=SIMPLE, title=f"where answers fail (F1 below {FAILED_BELOW})")
    table.add_column("cause", no_wrap=True)
    for category in CATEGORIES:
        table.add_column(str(category), justify="right", no_wrap=True)
    table.add_column("all", justify="right", no_wrap=True)
    groups: dict[str, Sequence[Result]] = {**failures(results), "questions": results}
    for name, of_group in groups.items():
        counts = [sum(r.category == category for r in of_group) for category in CATEGORIES]
        table.add_row(name, *map(str, counts), str(len(of_group)))
    silent = sum(r.category != ABSTENTION and abstained(r.answer) for r in results)
    table.caption = (
        ", ".join(f"{category} {name}" for category, name in NAMES.items())
        + f"\n{silent} questions with an answer were answered by abstaining"
    )
    return table


def example_text(result: Result) -> str:
    """One question, the SQL that looked for it, and what became of it (rich markup)."""
    sql = "\n".join(f"    [dim]{escape(statement)}[/dim]" for statement in result.sql)
    return (
        f"[bold]{escape(result.question)}[/bold]"
        f"  ({escape(result.conversation)}, {result.category})\n"
        f"{sql or '    no SQL that runs; the ranking alone'}\n"
        f"    {result.rows} rows, evidence shown {result.recall:.0%}\n"
        f"    answer: {escape(result.answer)}  {escape(' '.join(result.cited))}\n"
        f"    gold:   {escape(result.gold or 'No information available')}"
        f"  (score {result.score:.2f})"
    )
