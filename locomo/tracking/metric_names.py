"""The numbers of a run under MLflow's names: the differences first, then a group for each system.

MLflow's page lists metrics in the order they come, and makes a section of charts for each prefix
before a slash. A run has few enough to read; the tables of all numbers are artifacts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice

from locomo.results.report import Metric, PairedDifference, ScoreLine
from locomo.tasks.gains import Gain

REFUSED = re.compile(r"[^\w .:/-]", re.ASCII)  # what MLflow takes in no name
SCORE_TABLE, GAIN_TABLE = "scores.csv", "gains.csv"
MOST_METRICS = 60
# A training also logs numbers of each step.
MOST_GAIN_METRICS = 30
_MEASURED = "memory"  # the system that a run is about
_SUMS = ("1-4", "all")  # the lines that decide; the other lines go into separate groups


def score_metrics(
    lines: Sequence[ScoreLine],
    metrics: Sequence[Metric] = (),
    differences: Mapping[str, PairedDifference] | None = None,
) -> dict[str, float]:
    """The differences, the scores of the memory, of other systems, and the memory's by category.

    The first MOST_METRICS of them.
    """
    measures = {"score": lines}
    measures |= {f"judge {m.judge.replace('/', '-')}": m.lines for m in metrics if m.judge}
    numbers = _score_metrics(measures, differences or {})
    known = ((_allowed(name), number) for name, number in numbers if number is not None)
    return dict(islice(known, MOST_METRICS))


def score_table(lines: Sequence[ScoreLine], metrics: Sequence[Metric]) -> str:
    """All numbers of each system and category as CSV, first by F1, then by each judge."""
    judged = [(metric.judge, line) for metric in metrics if metric.judge for line in metric.lines]
    rows = [("F1", line) for line in lines] + judged
    return _csv([{"metric": metric, **asdict(line)} for metric, line in rows])


def gain_metrics(gains: Sequence[Gain]) -> dict[str, float]:
    """Each gain, and of the decisive ones the interval and both sides: sums before categories."""
    numbers: dict[str, float] = {}
    for gain in sorted(gains, key=lambda gain: gain.categories not in _SUMS):
        is_sum = gain.categories in _SUMS
        group = "difference" if is_sum else "difference by category"
        name = _allowed(f"{group}/{gain.component} {gain.categories}")
        numbers[name] = gain.after - gain.before
        if is_sum and gain.component in ("answer", "reward"):
            for side in ("low", "high", "before", "after"):
                numbers[f"{name} {side}"] = getattr(gain, side)
    return dict(islice(numbers.items(), MOST_GAIN_METRICS))


def gain_table(gains: Sequence[Gain]) -> str:
    """All numbers of each gain as CSV."""
    return _csv([asdict(gain) for gain in gains])


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    import pandas as pd  # takes a second

    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def _score_metrics(
    measures: Mapping[str, Sequence[ScoreLine]], differences: Mapping[str, PairedDifference]
) -> Iterator[tuple[str, float | None]]:
    for name, difference in differences.items():
        yield f"difference/{name}", difference.change
        yield f"difference/{name} low", difference.low
        yield f"difference/{name} high", difference.high
    every = [(measure, line) for measure, lines in measures.items() for line in lines]
    sums = [(measure, line) for measure, line in every if line.categories in _SUMS]
    for measure, line in sums:
        if line.system == _MEASURED:
            yield from _line_metrics(measure, line)
    # Of other systems the first sum, which is 1-4: the memory next to them is what matters.
    seen = {_MEASURED: {*measures}}
    for measure, line in sums:
        if measure not in seen.setdefault(line.system, set()):
            seen[line.system].add(measure)
            yield f"{line.system}/{measure} {_categories(line)}", line.score
    for measure, line in every:
        if line.system == _MEASURED and line.categories not in _SUMS:
            yield f"{_MEASURED} by category/{measure} {_categories(line)}", line.score


def _line_metrics(measure: str, line: ScoreLine) -> Iterator[tuple[str, float | None]]:
    categories = _categories(line)
    name = f"{_MEASURED}/{measure} {categories}"
    yield name, line.score
    yield f"{name} low", line.low
    yield f"{name} high", line.high
    if measure == "score":
        yield f"{_MEASURED}/evidence recall {categories}", line.recall
        yield f"{_MEASURED}/questions {categories}", line.questions
        yield f"{_MEASURED}/tokens {categories}", line.tokens
        yield f"{_MEASURED}/unusable answers {categories}", line.unusable
    else:
        yield f"{name} most", line.most


def _categories(line: ScoreLine) -> str:
    """The categories of a line; a question's type may have a slash, which would be a group."""
    return line.categories.replace("/", "-")


def _allowed(name: str) -> str:
    return REFUSED.sub("_", name)
