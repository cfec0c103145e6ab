"""Tables and lines of a report: scores, judges, differences, failures, costs."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.harness import BuiltMemory, Result
from locomo.metrics import abstained
from locomo.results.report import (
    FAILED_BELOW,
    NAMES,
    Interval,
    PairedDifference,
    ScoreLine,
    failures,
)
from memory.program.costs import Cost
from memory.terminal import count

_NAMED_QUESTIONS = 10


def interval_title(interval: Interval) -> str:
    """The method of an interval, for the title of a table."""
    resampled = "conversations and their questions" if interval == "clustered" else "questions"
    return f"95 % interval over {resampled}"


def comparison_table(
    lines: Sequence[ScoreLine], interval: Interval, with_categories: bool = True
) -> Table:
    """The table that `evaluate.py` prints."""
    # LoCoMo's own code looks for two phrases in the answer, so a longer answer counts as well.
    rule = "category 5: an abstaining phrase, the official substring rule"
    table = Table(box=SIMPLE, title=f"official F1 ({rule}), {interval_title(interval)}")
    for column in ("system", "category"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "score", "interval", "recall", "tokens", "calls"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in _printed(lines, with_categories):
        table.add_row(
            line.system,
            line.categories,
            str(line.questions),
            f"{line.score:.3f}",
            "" if line.low is None else f"{line.low:.2f}-{line.high:.2f}",
            "" if line.recall is None else f"{line.recall:.2f}",
            f"{line.tokens:.0f}",
            f"{line.calls:.1f}",
            end_section=line.categories == "all",
        )
    if unusable := sum(line.unusable for line in lines if line.categories == "all"):
        table.caption = (
            f"{unusable} answers could not be used: they score 0 and do not count as abstentions"
        )
    return table


def judge_table(lines: Sequence[ScoreLine], with_categories: bool = True) -> Table:
    """The share of answers that each judge accepts, of its readable verdicts."""
    table = Table(box=SIMPLE, title="judged correct by a model, of its readable verdicts")
    for column in ("judge", "system", "category"):
        table.add_column(column, no_wrap=True)
    for column in ("verdicts", "correct"):
        table.add_column(column, justify="right", no_wrap=True)
    for judge in sorted({judge for line in lines for judge in line.verdicts}):
        for line in _printed(lines, with_categories):
            if judge in line.verdicts:
                share = line.judged.get(judge)
                table.add_row(
                    escape(judge),
                    line.system,
                    line.categories,
                    str(line.verdicts[judge]),
                    "" if share is None else f"{share:.3f}",
                    end_section=line.categories == "all",
                )
    if unreadable := sum(line.unreadable for line in lines if line.categories == "all"):
        table.caption = f"{unreadable} verdicts could not be read and count neither way"
    return table


def _printed(lines: Sequence[ScoreLine], with_categories: bool) -> list[ScoreLine]:
    return [line for line in lines if with_categories or line.categories in ("1-4", "all")]


def _signed_interval(difference: PairedDifference) -> str:
    """`-0.01 to +0.34`; empty for a single question, which has no interval."""
    if difference.low is None or difference.high is None:
        return ""
    return f"{difference.low:+.2f} to {difference.high:+.2f}"


def difference_table(
    differences: Sequence[PairedDifference], sides: tuple[str, str], interval: Interval
) -> Table:
    """Two runs over the same questions, with the intervals of their paired differences."""
    title = f"official F1 of the same questions, {interval_title(interval)}"
    table = Table(box=SIMPLE, title=title)
    table.add_column("category", no_wrap=True)
    for column in ("n", *sides, "change", "interval"):
        table.add_column(escape(column), justify="right", no_wrap=True)
    for line in differences:
        table.add_row(
            line.categories,
            str(line.questions),
            f"{line.before:.3f}",
            f"{line.after:.3f}",
            f"{line.change:+.3f}",
            _signed_interval(line),
        )
    return table


def difference_line(difference: PairedDifference | None, beside: str = "baseline") -> str:
    """Memory minus another system, in a sentence."""
    if difference is None:
        return "no question was answered by both"
    text = f"memory - {beside}, categories 1-4: {difference.change:+.3f}"
    interval = _signed_interval(difference)
    return f"{text}, 95 % interval {interval}" if interval else f"{text}, of a single question"


def building_table(built: Iterable[BuiltMemory]) -> Table:
    """The cost of building the memories."""
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


def failure_table(results: Sequence[Result]) -> Table:
    """The number of failed answers by cause and category."""
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


def evidence_text(result: Result) -> str:
    """How much of a question's evidence was shown, if the question names any."""
    if result.recall is None:
        return "no evidence named"
    return f"evidence shown {result.recall:.0%}"


def no_evidence_line(results: Iterable[Result]) -> str:
    """The questions without evidence, which recall leaves out; empty if all name some."""
    questions = {
        f"{result.conversation} {result.index}": None for result in results if result.recall is None
    }
    if not questions:
        return ""
    names = ", ".join(list(questions)[:_NAMED_QUESTIONS])
    more = ", ..." if len(questions) > _NAMED_QUESTIONS else ""
    number = count(len(questions), "question")
    return f"without evidence, so not in recall: {number} ({names}{more})"


def cost_table(title: str, costs: Mapping[str, Cost]) -> Table:
    """Calls, tokens and dollars of each step, and their sum."""
    table = Table(box=SIMPLE, title=title)
    table.add_column("", no_wrap=True)
    for column in ("calls", "tokens in", "tokens out", "cost"):
        table.add_column(column, justify="right", no_wrap=True)
    for step, cost in {**costs, "all": sum(costs.values(), Cost())}.items():
        counts = (cost.calls, cost.tokens_in, cost.tokens_out)
        table.add_row(step, *(f"{number:,}" for number in counts), cost.price_text)
    return table


def example_text(result: Result) -> str:
    """One question with its SQL, evidence, answer and score (rich markup)."""
    sql = "\n".join(f"    [dim]{escape(statement)}[/dim]" for statement in result.sql)
    return (
        f"[bold]{escape(result.question)}[/bold]"
        f"  ({escape(result.conversation)}, {result.category})\n"
        f"{sql or '    no SQL; the ranking alone'}\n"
        f"    {result.rows} rows, {evidence_text(result)}\n"
        f"    answer: {escape(result.answer)}  {escape(' '.join(result.cited))}\n"
        f"    gold:   {escape(result.gold or 'No information available')}"
        f"  (score {result.score:.2f})"
    )
