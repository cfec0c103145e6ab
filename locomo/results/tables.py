"""Tables and lines of a report: scores, judges, differences, failures, costs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

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
    interval_of_mean,
)
from memory.program.costs import Cost, Step
from memory.system.terminal import count

_NAMED_QUESTIONS = 10


def interval_title(interval: Interval) -> str:
    """The method of an interval, for the title of a table."""
    resampled = "conversations and their questions" if interval == "clustered" else "questions"
    return f"95 % interval over {resampled}"


def comparison_table(
    lines: Sequence[ScoreLine],
    interval: Interval,
    with_categories: bool = True,
    is_official: bool = True,
) -> Table:
    """The table that `evaluate.py` prints; F1 is official for LoCoMo alone."""
    # LoCoMo's own code looks for two phrases in the answer, so a longer answer counts as well.
    rule = "category 5: an abstaining phrase, the official substring rule"
    metric = f"official F1 ({rule})" if is_official else "F1 as LoCoMo has it, not this benchmark's"
    table = Table(box=SIMPLE, title=f"{metric}, {interval_title(interval)}")
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
    """The share of answers that each judge accepts; verdicts it could not give count as wrong.

    The bracket ends where all of these would be right.
    """
    table = Table(box=SIMPLE, title="judged correct by a model")
    for column in ("judge", "system", "category"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "correct", "bracket"):
        table.add_column(column, justify="right", no_wrap=True)
    for judge in sorted({judge for line in lines for judge in line.verdicts}):
        for line in _printed(lines, with_categories):
            if judge in line.verdicts:
                share, most = line.judged[judge], line.judged_most[judge]
                table.add_row(
                    escape(judge),
                    line.system,
                    line.categories,
                    str(line.verdicts[judge]),
                    f"{share:.3f}",
                    f"{share:.3f}-{most:.3f}" if most > share else "",
                    end_section=line.categories == "all",
                )
    if unreadable := sum(line.unreadable for line in lines if line.categories == "all"):
        table.caption = f"{unreadable} verdicts could not be read and count as wrong"
    return table


def rubric_table(results: Sequence[Result]) -> Table:
    """BEAM's own score by ability: the mean points of rubric lines, mean over questions.

    The 95 % interval resamples chats and their questions. Of verdicts that could not be read the
    score counts none, and the bracket ends where all would be met. Beside orders is tau-b.
    """
    table = Table(box=SIMPLE, title="rubric score by ability, 95 % interval over chats")
    for column in ("judge", "system", "ability"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "score", "interval", "bracket", "tau-b"):
        table.add_column(column, justify="right", no_wrap=True)
    judged = [(judge, result) for result in results for judge in result.rubric_scores]
    for judge, system in dict.fromkeys((judge, result.system) for judge, result in judged):
        of_judge = [r for name, r in judged if (name, r.system) == (judge, system)]
        abilities = sorted({result.question_type for result in of_judge})
        for ability in (*abilities, "all"):
            group = [r for r in of_judge if ability in (r.question_type, "all")]
            scores = [result.rubric_scores[judge] for result in group]
            values = [score.score for score in scores]
            chats = [result.conversation for result in group]
            low_high = ""
            if len(set(chats)) > 1:
                low, high = interval_of_mean(values, chats, within=True)
                low_high = f"{low:.2f}-{high:.2f}"
            highest = fmean(score.highest for score in scores)
            taus = [score.tau for score in scores if score.tau is not None]
            table.add_row(
                escape(judge),
                system,
                ability,
                str(len(group)),
                f"{fmean(values):.3f}",
                low_high,
                f"{fmean(values):.3f}-{highest:.3f}" if highest > fmean(values) else "",
                f"{fmean(taus):+.2f}" if taus else "",
                end_section=ability == "all",
            )
    unreadable = sum(None in result.rubric_scores[judge].points for judge, result in judged)
    if unreadable:
        table.caption = f"{unreadable} answers have lines whose verdict could not be read: 0"
    return table


def _printed(lines: Sequence[ScoreLine], with_categories: bool) -> list[ScoreLine]:
    return [line for line in lines if with_categories or line.categories in ("1-4", "all")]


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
    """The cost of building the memories; below it that of a hundred turns."""
    memories = list(built)
    table = Table(box=SIMPLE, title="memories")
    table.add_column("conversation")
    for column in ("turns", "facts", "failed", "calls", "tokens in", "tokens out", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
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
    table = Table(box=SIMPLE, title="a question")
    for column in ("system", "step"):
        table.add_column(column, no_wrap=True)
    for column in ("calls", "tokens in", "tokens out", "rows", "turns", "p50 s", "p95 s", "cost"):
        table.add_column(column, justify="right", no_wrap=True)
    for system in dict.fromkeys(result.system for result in results):
        of_system = [result for result in results if result.system == system and result.steps]
        names = dict.fromkeys(step.name for result in of_system for step in result.steps)
        for name in names:
            steps = [step for result in of_system for step in result.steps if step.name == name]
            _add_bill(table, ("", name), steps, questions=len(of_system))
        if of_system:
            dollars = [result.dollars for result in of_system if result.dollars is not None]
            cost = sum(dollars) / len(dollars) if len(dollars) == len(of_system) else None
            sums = [_summed(result.steps) for result in of_system]
            price = Cost(dollars=cost).price_text
            _add_bill(table, (system, "all"), sums, questions=len(of_system), price=price)
    table.caption = "turns: of those shown, what only this step brought"
    return table


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
    seconds = sorted(step.seconds for step in steps)
    table.add_row(
        *labels,
        f"{sum(step.calls for step in steps) / questions:.2f}",
        f"{sum(step.tokens_in for step in steps) / questions:,.0f}",
        f"{sum(step.tokens_out for step in steps) / questions:,.0f}",
        f"{sum(step.rows for step in steps) / questions:.1f}",
        f"{sum(step.turns for step in steps) / questions:.1f}",
        f"{seconds[(len(seconds) - 1) // 2]:.2f}",
        f"{seconds[math.ceil(0.95 * len(seconds)) - 1]:.2f}",
        price,
        end_section=bool(price),
    )


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
