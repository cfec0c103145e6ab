"""Charts as plain geometry, which a template draws as SVG above a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Of a drawing, in its own units: about those of a phone, where letters keep their size.
WIDTH, HEIGHT = 360, 200
_LEFT, _BOTTOM, _TOP = 40, 22, 22
_MOST_LABELS, _LABEL = 5, 48  # below the columns: how many, and the width of one
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class Bar:
    """A bar with its label; positions and lengths in units of the drawing.

    `address` is the page of what it counts, empty for none.
    """

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str
    address: str = ""


@dataclass(frozen=True)
class Dot:
    """A point with its label; positions in units of the drawing."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A drawing, and a table of the same numbers.

    `unit` is that of the scale; `ticks` are its horizontal lines, as (y, text); `labels` are below
    the drawing, as (x, text).
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    height: int = HEIGHT
    is_sideways: bool = False
    bars: Sequence[Bar] = ()
    dots: Sequence[Dot] = ()
    ticks: Sequence[tuple[float, str]] = ()
    labels: Sequence[tuple[float, str]] = ()
    width: int = WIDTH
    unit: str = ""


def columns(
    title: str,
    heads: tuple[str, str],
    values: Sequence[tuple[str, float]],
    address: Callable[[str], str] = lambda label: "",
) -> Chart:
    """A column chart, with the labels in the given order; the second head is the unit."""
    unit = heads[1]
    top = _round_up(max((value for _, value in values), default=0))
    step = (WIDTH - _LEFT) / max(len(values), 1)
    room = HEIGHT - _BOTTOM - _TOP
    bars = []
    for index, (label, value) in enumerate(values):
        height = room * value / top
        bars.append(
            Bar(
                round(_LEFT + index * step + step * 0.1, 1),
                round(HEIGHT - _BOTTOM - height, 1),
                width=round(step * 0.8, 1),
                height=round(height, 1),
                label=label,
                value=_number(value, unit),
                address=address(label) if value else "",
            )
        )
    ticks = [
        (round(HEIGHT - _BOTTOM - room * share, 1), _number(top * share)) for share in (0, 0.5, 1)
    ]
    label_step = max(-(-len(values) // _MOST_LABELS), 1)
    labels = [
        (round(min(bar.x + bar.width / 2, WIDTH - _LABEL / 2), 1), bar.label)
        for index, bar in enumerate(bars)
        if index % label_step == 0
    ]
    rows = [(label, _number(value)) for label, value in values]
    return Chart(title, heads, rows, bars=bars, ticks=ticks, labels=labels, unit=unit)


def rows_of_bars(
    title: str,
    heads: tuple[str, str],
    values: Sequence[tuple[str, float]],
    address: Callable[[str], str] = lambda label: "",
) -> Chart:
    """A bar chart with horizontal bars, each below its label; the second head is the unit."""
    top = max((value for _, value in values), default=0) or 1
    line_height, bar_height = 36, 12
    bars = [
        Bar(
            0,
            (index + 1) * line_height - bar_height,
            width=round((WIDTH - 110) * value / top, 1),
            height=bar_height,
            label=label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…",
            value=_number(value, heads[1]),
            address=address(label),
        )
        for index, (label, value) in enumerate(values)
    ]
    return Chart(
        title,
        heads,
        [(label, _number(value)) for label, value in values],
        height=line_height * len(values) + 4,
        is_sideways=True,
        bars=bars,
    )


def scatter(
    title: str, heads: tuple[str, str, str], points: Sequence[tuple[str, float, float]]
) -> Chart:
    """A scatter plot; y goes from 0 to 1."""
    right = _round_up(max((x for _, x, _ in points), default=0))
    room = HEIGHT - _BOTTOM - _TOP
    dots = [
        Dot(
            round(_LEFT + (WIDTH - _LEFT - 120) * x / right, 1),
            round(HEIGHT - _BOTTOM - room * y, 1),
            label,
        )
        for label, x, y in points
    ]
    ticks = [(round(HEIGHT - _BOTTOM - room * share, 1), f"{share:.1f}") for share in (0, 0.5, 1)]
    labels = [
        (round(_LEFT + (WIDTH - _LEFT - 120) * share, 1), _number(right * share))
        for share in (0, 0.5, 1)
    ]
    rows = [(label, _number(x), f"{y:.3f}") for label, x, y in points]
    unit = f"{heads[2]} (up), {heads[1]} (right)"
    return Chart(title, heads, rows, dots=dots, ticks=ticks, labels=labels, unit=unit)


def _round_up(value: float) -> float:
    """Round up to 1, 2, 3, 4, 5, 6, 8, 10, 20, 30 ..."""
    step = 1.0
    while value > 10 * step:
        step *= 10
    return next(
        (step * factor for factor in (1, 2, 3, 4, 5, 6, 8, 10) if value <= step * factor), 1.0
    )


def _number(value: float, unit: str = "") -> str:
    text = f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()
