"""Tables and lines of a report: scores, judges, differences, failures, costs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from rich.markup import escape
from rich.table import Table

from locomo.choices import Interval
from locomo.commands import number_table
from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.harness import BuiltMemory, Result
from locomo.metrics import abstained, bleu1
from locomo.results.judging import has_own_metric
from locomo.results.report import (
    FAILED_BELOW,
    NAMES,
    Metric,
    PairedDifference,
    ScoreLine,
    by_category,
    by_system,
    failures,
    judges_of,
    score_by,
)
from memory.models import Cost, Step
from memory.system import count

_NAMED_QUESTIONS = 10


def interval_title(interval: Interval) -> str:
    """The method of an interval, for the title of a table."""
    resampled = "conversations and their questions" if interval == "clustered" else "questions"
    return f"95 % interval over {resampled}"


def interval_text(line: ScoreLine) -> str:
    """`0.20-0.34`; empty for a single question, which has no interval."""
    return "" if line.low is None else f"{line.low:.2f}-{line.high:.2f}"


def comparison_table(
    lines: Sequence[ScoreLine], interval: Interval, is_official: bool = True
) -> Table:
    """The table that `evaluate.py` prints; F1 is official for LoCoMo alone."""
    # LoCoMo's own code looks for two phrases in the answer, so a longer answer counts as well.
    rule = "category 5: an abstaining phrase, the official substring rule"
    metric = f"official F1 ({rule})" if is_official else "F1 as LoCoMo has it, not this benchmark's"
    title = f"{metric}, {interval_title(interval)}"
    numbers = ("n", "score", "interval", "recall", "tokens", "calls")
    table = number_table(title, ("system", "category"), numbers)
    for line in lines:
        table.add_row(
            line.system,
            line.categories,
            str(line.questions),
            f"{line.score:.3f}",
            interval_text(line),
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


def judge_table(metrics: Sequence[Metric], interval: Interval) -> Table:
    """The mean score by each judge: the share that it accepts, or the points of rubric lines.

    A verdict that could not be read counts as wrong; the bracket ends where all of these would be
    right. Beside orders is Kendall's tau-b.
    """
    judged = [(metric.judge, line) for metric in metrics if metric.judge for line in metric.lines]
    numbers = ["n", "score", "interval", "bracket"]
    if any(line.tau is not None for _, line in judged):
        numbers.append("tau-b")
    title = f"judged by a model, {interval_title(interval)}"
    table = number_table(title, ("judge", "system", "category"), numbers)
    for judge, line in judged:
        cells = [
            *(escape(judge), line.system, line.categories),
            str(line.questions),
            f"{line.score:.3f}",
            interval_text(line),
            f"{line.score:.3f}-{line.most:.3f}" if line.unreadable else "",
            "" if line.tau is None else f"{line.tau:+.2f}",
        ]
        table.add_row(*cells[: len(table.columns)], end_section=line.categories == "all")
    if unreadable := sum(line.unreadable for _, line in judged if line.categories == "all"):
        table.caption = f"{unreadable} verdicts could not be read in full and count as wrong there"
    return table


def paper_table(results: Sequence[Result]) -> Table:
    """Each system in the form that papers print, and what a question took, for judged answers.

    J is the percentage that a judge accepts, or its points of a rubric; F1 and BLEU-1, which a
    rubric has not, are percentages too. LoCoMo's papers leave out category 5; a benchmark with its
    own judge counts all questions.
    """
    judges = sorted({judge for result in results for judge in judges_of(result)})
    numbers = ("n", *(f"J, {escape(judge)}" for judge in judges), "F1", "BLEU-1")
    own = has_own_metric(results)
    title = "in the form of papers, means of a question"
    table = number_table(
        title if own else f"{title}, category 5 left out",
        ("system", "category"),
        (*numbers, "tokens", "seconds"),
    )
    answered = [result for result in results if own or result.category != ABSTENTION]
    left_out, last = ("1-4", "all") if own else ("all", "1-4")
    for system, of_system in by_system(answered).items():
        for label, of_label in by_category(of_system).items():
            if label == left_out:
                continue
            points = [
                [score_by(judge, r) for r in of_label if judge in judges_of(r)] for judge in judges
            ]
            in_words = [] if any(r.rubric for r in of_label) else of_label
            table.add_row(
                system,
                label,
                str(len(of_label)),
                *map(_percentage, points),
                _percentage([result.score for result in in_words]),
                _percentage([bleu1(result.answer, result.gold) for result in in_words]),
                f"{fmean(result.tokens for result in of_label):.0f}",
                f"{fmean(result.seconds for result in of_label):.2f}",
                end_section=label == last,
            )
    return table


def _percentage(scores: Sequence[float]) -> str:
    """The mean in percent; empty without scores."""
    return f"{100 * fmean(scores):.1f}" if scores else ""


def _signed_interval(difference: PairedDifference) -> str:
    """`-0.01 to +0.34`; empty for a single question, which has no interval."""
    if difference.low is None or difference.high is None:
        return ""
    return f"{difference.low:+.2f} to {difference.high:+.2f}"


def difference_table(
    differences: Sequence[PairedDifference],
    sides: tuple[str, str],
    interval: Interval,
    metric: str = "official F1",
) -> Table:
    """Two runs over the same questions, with the intervals of their paired differences."""
    title = f"{metric} of the same questions, {interval_title(interval)}"
    numbers = ("n", *map(escape, sides), "change", "interval")
    table = number_table(title, ["category"], numbers)
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


def difference_line(name: str, difference: PairedDifference) -> str:
    """One system minus another in a line, such as `memory - ranking`, with the verdict."""
    return f"{name}, categories 1-4: {difference_text(difference)}: {difference.verdict}"


def difference_text(difference: PairedDifference) -> str:
    """The change and its interval."""
    interval = _signed_interval(difference)
    bounds = f"95 % interval {interval}" if interval else "of a single question"
    return f"{difference.change:+.3f}, {bounds}"


def building_table(built: Iterable[BuiltMemory]) -> Table:
    """The cost of building the memories; below it that of a hundred turns."""
    memories = list(built)
    numbers = ("turns", "facts", "failed", "calls", "tokens in", "tokens out", "seconds")
    table = number_table("memories", ["conversation"], numbers)
    for memory in memories:
        table.add_row(
            escape(memory.conversation),
            str(memory.turns),
            str(memory.facts),
            str(memory.failed),
            str(memory.calls),
            f"{memory.tokens_in:,}",
            f"{memory.tokens_out:,}",
            f"{memory.seconds:.0f}",
        )
    turns = sum(memory.turns for memory in memories)
    calls = sum(memory.calls for memory in memories)
    if calls and turns:
        total = sum(map(_storing_cost, memories), Cost())
        hundred = Cost(
            round(100 * total.calls / turns),
            round(100 * total.tokens_in / turns),
            round(100 * total.tokens_out / turns),
            None if total.dollars is None else 100 * total.dollars / turns,
        )
        table.caption = (
            f"a hundred turns: {100 * calls / turns:.1f} calls,"
            f" {hundred.tokens_text}, {hundred.price_text}"
        )
    return table


def _storing_cost(memory: BuiltMemory) -> Cost:
    return Cost(memory.calls, memory.tokens_in, memory.tokens_out, memory.dollars)


def bill_table(results: Sequence[Result]) -> Table:
    """What a question costs on average, by system and step, and how long half and 95 % take."""
    numbers = ("calls", "tokens in", "tokens out", "rows", "turns", "p50 s", "p95 s", "cost")
    table = number_table("a question", ("system", "step"), numbers)
    for system, of_system in by_system([result for result in results if result.steps]).items():
        names = dict.fromkeys(step.name for result in of_system for step in result.steps)
        for name in names:
            steps = [step for result in of_system for step in result.steps if step.name == name]
            _add_bill(table, ("", name), steps, questions=len(of_system))
        sums = [_summed(result.steps) for result in of_system]
        price = Cost(dollars=mean_dollars(of_system)).price_text
        _add_bill(table, (system, "all"), sums, questions=len(of_system), price=price)
    table.caption = "turns: of those shown, what only this step brought"
    return table


def mean_dollars(results: Sequence[Result]) -> float | None:
    """What a question costs on average; None if the price of one is unknown."""
    dollars = [result.dollars for result in results if result.dollars is not None]
    return fmean(dollars) if len(dollars) == len(results) else None


def half_and_most(seconds: Sequence[float]) -> tuple[str, str]:
    """In how many seconds half of the times end, and 95 % of them."""
    ordered = sorted(seconds)
    median, slow = ordered[(len(ordered) - 1) // 2], ordered[math.ceil(0.95 * len(ordered)) - 1]
    return f"{median:.2f}", f"{slow:.2f}"


def _summed(steps: Sequence[Step]) -> Step:
    return Step(
        "answer",
        calls=sum(step.calls for step in steps),
        tokens_in=sum(step.tokens_in for step in steps),
        tokens_out=sum(step.tokens_out for step in steps),
        seconds=sum(step.seconds for step in steps),
        rows=sum(step.rows for step in steps),
        turns=sum(step.turns for step in steps),
    )


def _add_bill(
    table: Table, labels: tuple[str, str], steps: Sequence[Step], *, questions: int, price: str = ""
) -> None:
    """A row of the bill: means over the questions, and quantiles of the seconds."""
    table.add_row(
        *labels,
        f"{sum(step.calls for step in steps) / questions:.2f}",
        f"{sum(step.tokens_in for step in steps) / questions:,.0f}",
        f"{sum(step.tokens_out for step in steps) / questions:,.0f}",
        f"{sum(step.rows for step in steps) / questions:.1f}",
        f"{sum(step.turns for step in steps) / questions:.1f}",
        *half_and_most([step.seconds for step in steps]),
        price,
        end_section=bool(price),
    )


def failure_table(results: Sequence[Result]) -> Table:
    """The number of failed answers by cause and category."""
    title = f"where answers fail (F1 below {FAILED_BELOW})"
    table = number_table(title, ["cause"], [*map(str, CATEGORIES), "all"])
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


def cost_table(
    title: str, costs: Mapping[str, Cost], at_most: Mapping[str, Cost] | None = None
) -> Table:
    """Calls, tokens and dollars of each step, and their sum; of a forecast also the most."""
    numbers = ["calls", "tokens in", "tokens out", "cost"]
    table = number_table(
        title, [""], [*numbers, *(["calls at most", "cost at most"] * bool(at_most))]
    )
    most = at_most or {}
    sums = {"all": sum(costs.values(), Cost())}
    most_sums = {"all": sum(most.values(), Cost())}
    for step, cost in {**costs, **sums}.items():
        counts = (cost.calls, cost.tokens_in, cost.tokens_out)
        cells = [*(f"{number:,}" for number in counts), cost.price_text]
        if at_most:
            highest = {**most, **most_sums}[step]
            cells += [f"{highest.calls:,}", highest.price_text]
        table.add_row(step, *cells)
    return table


def forecast_line(run: str, cost: Cost, minutes: float | None) -> str:
    """What a run takes, in a line: `9.1 million tokens, about $ 1.60, about 35 minutes`."""
    tokens = cost.tokens_in + cost.tokens_out
    size = f"{tokens / 1e6:.1f} million" if tokens >= 1e6 else f"{tokens:,}"
    parts = [count(cost.calls, "call"), f"{size} tokens"]
    if cost.dollars != 0:  # a model in this process costs nothing
        parts.append("price unknown" if cost.dollars is None else f"about {cost.price_text}")
    if minutes is not None:
        parts.append(f"about {count(max(1, round(minutes)), 'minute')}")
    return f"{run}: {', '.join(parts)}"


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
