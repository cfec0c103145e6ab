"""The numbers of a run under MLflow's names: the differences first, then a group for each system.

MLflow's page lists metrics in the order they come, and makes a section of charts for each prefix
before a slash.
"""

import re
from collections.abc import Mapping, Sequence

from locomo.results.report import Metric, PairedDifference, ScoreLine
from locomo.tasks.gains import Gain

REFUSED = re.compile(r"[^\w .:/-]", re.ASCII)  # what MLflow takes in no name
_MEASURED = "memory"  # the system that a run is about
_SUMS = ("1-4", "all")  # the lines that decide; the other lines go into separate groups


def score_metrics(
    lines: Sequence[ScoreLine],
    metrics: Sequence[Metric] = (),
    differences: Mapping[str, PairedDifference] | None = None,
) -> dict[str, float]:
    """The differences, the scores of the memory, of other systems, and then by category."""
    numbers: dict[str, float | None] = {}
    for name, difference in (differences or {}).items():
        numbers |= _with_bounds(
            f"difference/{name}", difference.change, difference.low, difference.high
        )
    systems = dict.fromkeys(line.system for metric in metrics for line in metric.lines)
    systems |= dict.fromkeys(line.system for line in lines)
    ordered = sorted(systems, key=lambda system: system != _MEASURED)
    judged = [metric for metric in metrics if metric.judge]
    for is_sum in (True, False):
        for system in ordered:
            for line in lines:
                if line.system == system and (line.categories in _SUMS) == is_sum:
                    numbers |= _line_metrics(line)
            for metric in judged:
                for line in metric.lines:
                    if line.system == system and (line.categories in _SUMS) == is_sum:
                        numbers |= _judge_metrics(metric.judge, line)
    return {name: number for name, number in numbers.items() if number is not None}


def gain_metrics(gains: Sequence[Gain]) -> dict[str, float]:
    """Each gain with its interval, both sides and number of questions: sums before categories."""
    numbers: dict[str, float] = {}
    for gain in sorted(gains, key=lambda gain: gain.categories not in _SUMS):
        group = "difference" if gain.categories in _SUMS else "difference by category"
        name = _allowed(f"{group}/{gain.component} {gain.categories}")
        numbers[name] = gain.after - gain.before
        for side in ("low", "high", "before", "after", "questions"):
            numbers[f"{name} {side}"] = getattr(gain, side)
    return numbers


def _line_metrics(line: ScoreLine) -> dict[str, float | None]:
    group = _group(line)
    return {
        **_with_bounds(f"{group}/score {_of(line)}", line.score, line.low, line.high),
        _allowed(f"{group}/evidence recall {_of(line)}"): line.recall,
        _allowed(f"{group}/questions {_of(line)}"): line.questions,
        _allowed(f"{group}/tokens {_of(line)}"): line.tokens,
        _allowed(f"{group}/unusable answers {_of(line)}"): line.unusable,
    }


def _judge_metrics(judge: str, line: ScoreLine) -> dict[str, float | None]:
    name = f"{_group(line)}/judge {judge.replace('/', '-')} {_of(line)}"
    return {
        **_with_bounds(name, line.score, line.low, line.high),
        _allowed(f"{name} most"): line.most,
    }


def _group(line: ScoreLine) -> str:
    return line.system if line.categories in _SUMS else f"{line.system} by category"


def _of(line: ScoreLine) -> str:
    """The categories of a line; a question's type may have a slash, which would be a group."""
    return line.categories.replace("/", "-")


def _with_bounds(
    name: str, value: float, low: float | None, high: float | None
) -> dict[str, float | None]:
    return {
        _allowed(name): value,
        _allowed(f"{name} low"): low,
        _allowed(f"{name} high"): high,
    }


def _allowed(name: str) -> str:
    return REFUSED.sub("_", name)
