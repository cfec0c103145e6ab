"""One table of all systems: evidence shown, scores, tokens, seconds, dollars."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.markup import escape
from rich.table import Table

from locomo.choices import Interval
from locomo.commands import number_table
from locomo.harness import BuiltMemory, Result
from locomo.results.report import Metric, ScoreLine, metrics_of
from locomo.results.tables import half_and_most, interval_title, mean_dollars
from memory.models import Cost

_GROUPS = ("1-4", "5 adversarial")
_WORDS = "5 adversarial: the share of questions without an answer that are declined"


def others_table(
    results: Sequence[Result],
    *,
    titles: Mapping[str, str],
    stored_s: Mapping[str, float],
    storing: Mapping[str, Cost],
    interval: Interval,
    notes: Sequence[str],
) -> Table:
    """A line for each system, in the order of the titles.

    Arguments:
        titles: each system's label.
        stored_s: the seconds that each took to store the conversations.
        storing: what that cost, for systems that ask a model.
        notes: lines below the table.
    """
    metrics = metrics_of(results, interval)
    scored = [
        (metric, group)
        for metric in metrics
        for group in _GROUPS
        if any(line.categories == group for line in metric.lines)
    ]
    columns = (
        *(f"{escape(_short(metric))}\n{group}" for metric, group in scored),
        *("evidence\nshown", "tokens\nin", "tokens\nout", "p50 s", "p95 s", "$ a\nquestion"),
        *("to store\ns", "to store\n$"),
    )
    title = f"the same questions and model, {interval_title(interval)}"
    table = number_table(title, ["system"], columns)
    for system, title in titles.items():
        of_system = [result for result in results if result.system == system]
        if not of_system:
            continue
        recalls = [result.recall for result in of_system if result.recall is not None]
        steps = [step for result in of_system for step in result.steps]
        table.add_row(
            escape(title),
            *(_score(metric, system, group) for metric, group in scored),
            f"{fmean(recalls):.3f}" if recalls else "-",
            f"{sum(step.tokens_in for step in steps) / len(of_system):,.0f}",
            f"{sum(step.tokens_out for step in steps) / len(of_system):,.0f}",
            *half_and_most([result.seconds for result in of_system]),
            Cost(dollars=mean_dollars(of_system)).price_text,
            f"{stored_s[system]:.1f}" if system in stored_s else "-",
            storing[system].price_text if system in storing else "$ 0.00",
        )
    table.caption = "\n".join((_WORDS, *notes))
    return table


def seconds_to_store(built: Sequence[BuiltMemory]) -> float:
    """The seconds that our memories took, all together."""
    return sum(memory.seconds for memory in built)


def cost_to_store(built: Sequence[BuiltMemory]) -> Cost:
    """The calls of the model that stored our memories."""
    return sum(
        (Cost(m.calls, m.tokens_in, m.tokens_out, m.dollars if m.calls else 0.0) for m in built),
        Cost(),
    )


def _short(metric: Metric) -> str:
    return metric.name.removeprefix("judged by ").removeprefix("official ").partition(";")[0]


def _score(metric: Metric, system: str, group: str) -> str:
    """`.412 (40) .31-.51`, with `up to .45` where verdicts could not be read."""
    for line in metric.lines:
        if (line.system, line.categories) == (system, group):
            return _line_text(line)
    return "-"


def _line_text(line: ScoreLine) -> str:
    text = f"{line.score:.3f} ({line.questions})"
    if line.most > line.score:
        text += f", up to {line.most:.3f}"
    return text if line.low is None else f"{text}\n{line.low:.2f}-{line.high:.2f}"
