"""Figures with their intervals, and the tables that show them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.metrics import bootstrap

# The default of `bootstrap`.
_RESAMPLES = 2000


@dataclass(frozen=True)
class Figure:
    """One cell of a table: a mean over `n` questions, turns or facts, and its 95 % interval.

    Under the column `ratio` it is the ratio of two means over the same `n` questions. Figures are
    written to ablation.json, so their fields are a file format.
    """

    table: str
    row: str
    column: str
    value: float
    low: float
    high: float
    n: int


def mean_figure(
    table: str,
    row: str,
    column: str,
    *,
    values: Sequence[float],
    groups: Sequence[str] | None = None,
) -> list[Figure]:
    """The mean as a figure, none without values. Groups of dependent values are resampled whole."""
    if not values:
        return []
    low, high = bootstrap(values, groups=groups)
    return [
        Figure(
            table=table,
            row=row,
            column=column,
            value=fmean(values),
            low=low,
            high=high,
            n=len(values),
        )
    ]


def ratio_figure(
    table: str, row: str, column: str, *, above: Sequence[float], below: Sequence[float]
) -> list[Figure]:
    """The ratio of the means of paired values, resampled as pairs; none if all below are 0."""
    if not any(below):
        return []
    numerators, denominators = np.asarray(above), np.asarray(below)
    rng = np.random.default_rng(0)  # fixed: the same answers give the same report
    ratios = []
    for _ in range(_RESAMPLES):
        sample = rng.integers(len(numerators), size=len(numerators))
        # A resample whose denominators are all 0 has no ratio.
        if denominators[sample].any():
            ratios.append(numerators[sample].sum() / denominators[sample].sum())
    low, high = np.percentile(ratios, [2.5, 97.5])
    return [
        Figure(
            table=table,
            row=row,
            column=column,
            value=fmean(above) / fmean(below),
            low=float(low),
            high=float(high),
            n=len(above),
        )
    ]


# --- tables -----------------------------------------------------------------------------------


def figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """One table for the terminal: means, the number of their values, and 95 % intervals."""
    rows = list(dict.fromkeys(figure.row for figure in figures))
    columns = list(dict.fromkeys(figure.column for figure in figures))
    cells = {(figure.row, figure.column): _cell(figure) for figure in figures}
    table = Table("", box=SIMPLE, title=f"{title}: mean (n), 95 % interval")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row, *(escape(cells.get((row, column), "")) for column in columns))
    return table


def _cell(figure: Figure) -> str:
    interval = f"[{figure.low:.2f}, {figure.high:.2f}]"
    cell = f"{figure.value:.3f} ({figure.n})\n{interval}"
    # Most figures are shares: without the 0 before the point more columns fit a line.
    return re.sub(r"\b0\.", ".", cell)
