"""The gain of a compiled program over the plain one, on conversations that it never saw."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from statistics import fmean
from typing import Literal

from rich.table import Table

from locomo.commands import number_table
from locomo.dataset.format import ABSTENTION, LEAST_CONVERSATIONS
from locomo.metrics import paired_bootstrap
from locomo.results.report import GROUPS
from locomo.split_data import SplitConversations
from locomo.tasks.rewards import REWARD_NAMES, STATEMENTS, WEIGHTS, QuestionScore
from memory.program import Card
from memory.system import count

Prompts = Mapping[str, tuple[str, Sequence[Mapping[str, str]]]]  # module: instructions, demos
Verdict = Literal["gain", "no gain", "too few conversations", "not measured"]
# With fewer groups the bootstrap mistakes noise for a gain: in 22 % of cases with 2 groups, in 11 %
# with 4, in 2.3 % with 10.
LEAST_GROUPS = 10
RECALL = "recall at 10"  # of the ranking, if that was fitted: no model answers then
ROWS = "rows"  # of what was stored, if gold rows say what is right
# By category of a turn: it says something, or nothing.
_ROW_GROUPS: Mapping[str, Collection[int]] = {
    "statements": {STATEMENTS},
    "small talk": {ABSTENTION},
    "all": {STATEMENTS, ABSTENTION},
}


@dataclass(frozen=True)
class Gain:
    """Means of one component over the same questions, before and after compiling.

    `low` to `high` is the 95 % interval of after - before. It resamples `groups` (questions; for
    store: windows) and, of LEAST_CONVERSATIONS or more, `conversations`: the wider one.
    """

    component: str
    categories: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    groups: int = 0
    conversations: int = LEAST_CONVERSATIONS


def gains(before: Sequence[QuestionScore], after: Sequence[QuestionScore]) -> list[Gain]:
    """One line for each component over all questions; the answer by category and 1-4 as well.

    Components are from WEIGHTS, with the optimized reward if that is another one (see `measure`),
    and "reward".

    Questions are paired by key, in any order; without questions there are no lines. Raises
    ValueError when a key repeats, or is on one side only.
    """
    plain, compiled = _by_key(before), _by_key(after)
    if unpaired := sorted(plain.keys() ^ compiled.keys()):
        raise ValueError(f"{unpaired[0]} was not scored both before and after")
    if not plain:
        return []

    # Sorted by key: the order of answering must not change an interval.
    pairs = [(plain[key], compiled[key]) for key in sorted(plain)]
    if any(ROWS in score.components for score, _ in pairs):
        return gains_by_category(ROWS, pairs, _ROW_GROUPS)
    optimized = [name for name in pairs[0][0].components if name not in WEIGHTS]
    components = [name for name in (*WEIGHTS, *optimized, "reward") if name != "answer"]
    return gains_by_category("answer", pairs) + [
        component_gain(component, "all", pairs) for component in components
    ]


def gains_by_category(
    component: str,
    pairs: Sequence[tuple[QuestionScore, QuestionScore]],
    groups: Mapping[str, Collection[int]] = GROUPS,
) -> list[Gain]:
    """The gain of one component in each group of categories that has questions."""
    result = []
    for label, categories in groups.items():
        if of_label := [pair for pair in pairs if pair[0].category in categories]:
            result.append(component_gain(component, label, of_label))
    return result


def _by_key(scores: Sequence[QuestionScore]) -> dict[str, QuestionScore]:
    by_key: dict[str, QuestionScore] = {}
    for score in scores:
        if score.key in by_key:
            raise ValueError(f"{score.key} was scored twice")
        by_key[score.key] = score
    return by_key


def component_gain(
    component: str, label: str, pairs: Sequence[tuple[QuestionScore, QuestionScore]]
) -> Gain:
    """The gain of one component, or of "reward", over questions scored before and after."""
    before = [_value(score, component) for score, _ in pairs]
    after = [_value(score, component) for _, score in pairs]
    # Questions about one window depend on the same facts: they are not independent.
    groups = [score.group or score.key for score, _ in pairs]
    conversations = [score.conversation for score, _ in pairs]
    low, high = paired_bootstrap(after, before, groups=groups, clusters=conversations)
    return Gain(
        component=component,
        categories=label,
        questions=len(pairs),
        before=fmean(before),
        after=fmean(after),
        low=low,
        high=high,
        groups=len(set(groups)),
        conversations=len(set(conversations)),
    )


def _value(score: QuestionScore, component: str) -> float:
    return score.reward if component == "reward" else score.components[component]


def _decisive(results: Sequence[Gain]) -> Gain | None:
    """The line that decides: the answer over all questions; the recall of a fitted ranking, the
    score of rows."""
    for gain in results:
        if gain.component in {"answer", RECALL, ROWS} and gain.categories == "all":
            return gain
    return None


def verdict(results: Sequence[Gain]) -> Verdict:
    """Whether the interval over all questions, of at least LEAST_GROUPS groups, is above zero.

    The interval is the answer's; for a fitted ranking, the recall's. With fewer than
    LEAST_CONVERSATIONS conversations there is no verdict: it would not generalize.
    """
    answer = _decisive(results)
    return _verdict_of(answer) if answer else "not measured"


def _verdict_of(gain: Gain) -> Verdict:
    if gain.conversations < LEAST_CONVERSATIONS:
        return "too few conversations"
    return "gain" if gain.groups >= LEAST_GROUPS and gain.low > 0 else "no gain"


def program_card(
    split: SplitConversations,
    results: Sequence[Gain],
    *,
    model: str,
    optimizer: str,
    target: str,
    metric: dict[str, float],
) -> Card:
    """The card of a program that was compiled or tuned on these conversations, with its gains."""
    scores: dict[str, float] = {}
    for gain in results:
        for side in ("before", "after", "low", "high"):
            scores[f"{gain.component}, {gain.categories}: {side}"] = round(getattr(gain, side), 4)
    return Card(
        model=model,
        optimizer=optimizer,
        target=target,
        metric=metric,
        data=split.sha256,
        conversations={name: list(ids) for name, ids in split.parts.items()},
        scores=scores,
        verdict=verdict(results),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def gain_table(results: Sequence[Gain], weights: Mapping[str, float]) -> Table:
    """The table that `optimize.py` prints; `weights` are the components' shares of the reward."""
    title = "before and after compiling, paired 95 % interval"
    numbers = ("n", "before", "after", "change", "interval")
    table = number_table(title, ("component", "category"), numbers)
    for gain in results:
        weight = weights.get(gain.component)
        table.add_row(
            gain.component if weight is None else f"{gain.component} x {_short(f'{weight:g}')}",
            gain.categories,
            str(gain.questions),
            _short(f"{gain.before:.3f}"),
            _short(f"{gain.after:.3f}"),
            _short(f"{gain.after - gain.before:+.3f}"),
            _interval(gain),
            end_section=(gain.component, gain.categories) == ("answer", "all"),
        )
    return table


def gain_line(results: Sequence[Gain], measured: str = "answer") -> str:
    """The answer before and after over all questions, and the verdict: one line.

    A second line has the same for the optimized reward, if that is another one.
    """
    answer = _decisive(results)
    if answer is None:
        return f"no question was scored: {verdict(results)}"
    lines = [_change_line(measured, answer)]
    for gain in results:
        if gain.component in REWARD_NAMES and gain.component != answer.component:
            lines.append(_change_line(f"{gain.component}, the reward that was optimized", gain))
            lines.append(f"the verdict is of what is given to users: {measured}")
    return "\n".join(lines)


def outcome(results: Sequence[Gain]) -> str:
    """The verdict and the change in a few words, for a run's name."""
    decisive = _decisive(results)
    change = _short(f"{decisive.after - decisive.before:+.3f}") if decisive else ""
    return f"{verdict(results)} {change}".rstrip()


def _change_line(name: str, gain: Gain) -> str:
    before, after = _short(f"{gain.before:.3f}"), _short(f"{gain.after:.3f}")
    change = _short(f"{gain.after - gain.before:+.3f}")
    caution = ""
    if gain.conversations < LEAST_CONVERSATIONS:
        measured = count(gain.conversations, "conversation")
        caution = f"this says nothing of other conversations, for only {measured} measured it: "
    of = "turns" if gain.component == ROWS else "questions"
    return (
        f"{caution}{name}, all {gain.questions} {of}: {before} -> {after} ({change},"
        f" 95 % interval {_interval(gain)}): {_verdict_of(gain)}"
    )


def _interval(gain: Gain) -> str:
    return f"{_short(f'{gain.low:+.2f}')} to {_short(f'{gain.high:+.2f}')}"


def _short(number: str) -> str:
    """`0.182` as `.182`."""
    return re.sub(r"^([+-]?)0\.", r"\1.", number)


def prompt_diff(before: Prompts, after: Prompts) -> str:
    """A unified diff of each module's instructions and demos, as plain text with whole lines.

    Unchanged modules are left out; a module on one side only is compared with an empty text.
    """
    changed: list[str] = []
    for name in {**before, **after}:
        old, new = (_prompt_lines(side.get(name, ("", ()))) for side in (before, after))
        changed += unified_diff(old, new, f"{name} before", f"{name} after", lineterm="")
    return "".join(f"{line}\n" for line in changed)


def _prompt_lines(prompt: tuple[str, Sequence[Mapping[str, str]]]) -> list[str]:
    text, demos = prompt
    for demo in demos:
        text += "\n\nexample"
        for field, value in demo.items():
            text += f"\n  {field}: " + value.replace("\n", "\n    ")
    return text.split("\n") if text else []
