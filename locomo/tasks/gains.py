"""What a compiled program gained over the plain one on conversations that it never saw."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from statistics import fmean
from typing import Literal

from rich.box import SIMPLE
from rich.table import Table

from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.metrics import paired_bootstrap
from locomo.report import NAMES
from locomo.tasks.rewards import WEIGHTS, QuestionScore

COMPONENTS = (*WEIGHTS, "reward")
Prompts = Mapping[str, tuple[str, Sequence[Mapping[str, str]]]]  # module: instructions, demos
Verdict = Literal["gain", "no gain"]
# Fewer questions are no proof: the bootstrap finds a "gain" of mere noise in 22 % of cases with 2
# of them, in 11 % with 4, in 2.3 % with 10.
LEAST = 10


@dataclass(frozen=True)
class Gain:
    """Means of one component over the same questions, before and after compiling.

    `low` to `high` is the 95 % interval of after - before, `groups` the questions (for store: the
    windows) that it takes as independent.
    """

    component: str
    categories: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    groups: int = 0


def gains(before: Sequence[QuestionScore], after: Sequence[QuestionScore]) -> list[Gain]:
    """One line for each component over all questions; the answer by category and 1-4 as well.

    Questions are paired by key, in whatever order they come; none give no line. Raises
    ValueError when a key repeats, or stands on one side only.
    """
    plain, compiled = _by_key(before), _by_key(after)
    if alone := sorted(plain.keys() ^ compiled.keys()):
        raise ValueError(f"{alone[0]} was not scored both before and after")
    if not plain:
        return []
    pairs = [(plain[key], compiled[key]) for key in sorted(plain)]
    groups: list[tuple[str, set[int]]] = [(f"{c} {NAMES[c]}", {c}) for c in CATEGORIES]
    groups.append(("1-4", set(CATEGORIES) - {ABSTENTION}))
    found = [
        _gain("answer", label, some)
        for label, categories in groups
        if (some := [pair for pair in pairs if pair[0].category in categories])
    ]
    return found + [_gain(component, "all", pairs) for component in COMPONENTS]


def _by_key(scored: Sequence[QuestionScore]) -> dict[str, QuestionScore]:
    found: dict[str, QuestionScore] = {}
    for one in scored:
        if one.key in found:
            raise ValueError(f"{one.key} was scored twice")
        found[one.key] = one
    return found


def _gain(component: str, label: str, pairs: Sequence[tuple[QuestionScore, QuestionScore]]) -> Gain:
    before = [_value(one, component) for one, _ in pairs]
    after = [_value(one, component) for _, one in pairs]
    groups = [one.group or one.key for one, _ in pairs]
    low, high = paired_bootstrap(after, before, groups=groups)
    means, independent_ones = (fmean(before), fmean(after)), len(set(groups))
    return Gain(component, label, len(pairs), *means, low, high, independent_ones)


def _value(one: QuestionScore, component: str) -> float:
    return one.reward if component == "reward" else one.components[component]


def _decisive(found: Sequence[Gain]) -> Gain | None:
    """The answer over all questions: what a user gets. The other components explain it."""
    every = (one for one in found if (one.component, one.categories) == ("answer", "all"))
    return next(every, None)


def verdict(found: Sequence[Gain]) -> Verdict:
    """A gain only when the answer's interval over all, LEAST groups or more, is above zero."""
    answer = _decisive(found)
    return "gain" if answer and answer.groups >= LEAST and answer.low > 0 else "no gain"


def gain_table(found: Sequence[Gain], weights: Mapping[str, float]) -> Table:
    """The table that `optimize.py` prints; `weights` are the components' shares of the reward."""
    table = Table(box=SIMPLE, title="before and after compiling, paired 95 % interval")
    for column in ("component", "category"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "before", "after", "change", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found:
        weight = weights.get(one.component)
        table.add_row(
            one.component if weight is None else f"{one.component} x {_short(f'{weight:g}')}",
            one.categories,
            str(one.questions),
            _short(f"{one.before:.3f}"),
            _short(f"{one.after:.3f}"),
            _short(f"{one.after - one.before:+.3f}"),
            _interval(one),
            end_section=(one.component, one.categories) == ("answer", "all"),
        )
    return table


def gain_line(found: Sequence[Gain], what: str = "answer") -> str:
    """The answer before and after over all questions, and the verdict: one line."""
    one = _decisive(found)
    if one is None:
        return f"no question was scored: {verdict(found)}"
    return (
        f"{what}, all {one.questions} questions: {_short(f'{one.before:.3f}')}"
        f" -> {_short(f'{one.after:.3f}')} ({_short(f'{one.after - one.before:+.3f}')},"
        f" 95 % interval {_interval(one)}): {verdict(found)}"
    )


def _interval(one: Gain) -> str:
    return f"{_short(f'{one.low:+.2f}')} to {_short(f'{one.high:+.2f}')}"


def _short(number: str) -> str:
    """`0.182` as `.182`."""
    return re.sub(r"^([+-]?)0\.", r"\1.", number)


def prompt_diff(before: Prompts, after: Prompts) -> str:
    """A unified diff of each module's instructions and demos, as plain text with whole lines.

    Modules that did not change are left out; one that is on one side only was or becomes empty.
    """
    changed: list[str] = []
    for name in {**before, **after}:
        old, new = (_prompt(*side.get(name, ("", ()))) for side in (before, after))
        changed += unified_diff(old, new, f"{name} before", f"{name} after", lineterm="")
    return "".join(f"{line}\n" for line in changed)


def _prompt(instructions: str, demos: Sequence[Mapping[str, str]]) -> list[str]:
    text = instructions
    for demo in demos:
        text += "\n\nexample"
        for field, value in demo.items():
            text += f"\n  {field}: " + value.replace("\n", "\n    ")
    return text.split("\n") if text else []
