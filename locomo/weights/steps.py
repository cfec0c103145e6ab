"""Records a GRPO run: one row per step, on disk and in a live table, and its reasons to stop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from statistics import fmean, median
from typing import TypeVar

from rich.table import Table

from locomo.json_lines import JsonLines

# Steps whose rewards are averaged: one group is of one question, and by tens of steps the answer's
# reward of a rehearsal still went .10 .02 .14 .04 .08 (docs/log.md, 2026-11-20).
WINDOW = 20
# Groups without any spread of reward, after which nothing will be learned: GRPO's advantage is the
# distance from the group's mean. In a rehearsal 17 of 50 groups had a useful one.
SIGNAL = 40
PATIENCE = 200  # steps without a better window
_SHOWN = 12
_SHOWN_COMPONENTS = 4  # the first ones; a refining module has more, which are on record
_SPREAD = 1e-6
_MIN_REWARD = 0.05  # a window's reward below which a collapse means nothing


@dataclass(frozen=True)
class StepRecord:
    """One group: its rewards' mean and spread, the metric's components, the trainer's metrics.

    `valid_sql` is the share of runs whose SQL ran, `trainer` holds kl, loss, completion_length and
    the like as the server reports them, `gpu` the mean use of its GPUs, 0 to 1. `own` is the part
    of the reward that the trained modules can change, None where that is all of it: what is shown
    to an answering module, and thus evidence and budget, is not its doing.
    """

    step: int
    reward: float
    spread: float
    seconds: float
    components: dict[str, float] = field(default_factory=dict)
    valid_sql: float = 0.0
    trainer: dict[str, float] = field(default_factory=dict)
    gpu: float | None = None
    own: float | None = None

    def numbers(self) -> dict[str, float]:
        """The numbers to log, by name."""
        named = {f"component/{name}": value for name, value in self.components.items()}
        named |= {f"trainer/{name}": value for name, value in self.trainer.items()}
        if self.gpu is not None:
            named["gpu"] = self.gpu
        if self.own is not None:
            named["reward_own"] = self.own
        plain = {"reward": self.reward, "reward_spread": self.spread, "seconds": self.seconds}
        return plain | {"valid_sql": self.valid_sql} | named


@dataclass(frozen=True)
class HeldOutRecord:
    """The means over the validation examples after a step: components and reward, by name."""

    step: int
    questions: int
    means: dict[str, float]


_Record = TypeVar("_Record", StepRecord, HeldOutRecord)


def lines_by_step(path: Path, kind: type[_Record], up_to: int = 0) -> JsonLines[int, _Record]:
    """A file of records by step: begun anew, or gone on with after step `up_to`.

    Later records belong to steps that were lost. Raises InputError when it cannot be written.
    """
    return JsonLines(
        path,
        kind,
        key=attrgetter("step"),
        resume=up_to > 0,
        keep=lambda record: record.step <= up_to,
    )


def window_means(rows: Sequence[StepRecord], window: int = WINDOW) -> list[float]:
    """The mean reward of each `window` steps in a row, the earliest first."""
    ends = range(window, len(rows) + 1)
    return [fmean(row.reward for row in rows[end - window : end]) for end in ends]


def reason_to_stop(rows: Sequence[StepRecord], groups_an_update: int = 1) -> str | None:
    """Why a run should stop: the reward collapsed, all rewards are equal, or it stalls.

    WINDOW and PATIENCE count changes of the weights.
    """
    window, patience = WINDOW * groups_an_update, PATIENCE * groups_an_update
    last = rows[-SIGNAL:]
    if len(last) == SIGNAL and all(row.spread < _SPREAD for row in last):
        return (
            f"no signal: in {SIGNAL} steps all answers of each group earned the same; start from a "
            "tuned adapter (--mode sft), or raise --temperature"
        )
    means = window_means(rows, window)
    if not means:
        return None
    best = max(means)
    if best > _MIN_REWARD and means[-1] < best / 2:
        return (
            f"collapse: the reward of the last {window} steps is {means[-1]:.3f}, it was "
            f"{best:.3f}; go on from an earlier checkpoint with a smaller --learning-rate"
        )
    since = len(means) - 1 - means.index(best)
    if since >= patience:
        return f"stalled: no better {window} steps than {best:.3f} for {since} steps"
    return None


# Explains the columns of `step_table`.
COLUMNS = (
    "columns: reward is the mean of a step's answers, own the part of it that the trained module"
    " can change; spread is the answers' difference, without which nothing is learned; ran is the"
    " share of runs whose SQL ran; KL is the distance from the start; tokens is an answer's length;"
    " s is the step's seconds"
)


def step_table(rows: Sequence[StepRecord], steps: int) -> Table:
    """The last rows of a run of `steps` steps (see COLUMNS), and how long it will take."""
    last = rows[-1]
    own = last.own is not None
    # A trainer without GPUs reports none; what it lacks leaves room for the others in 80 columns.
    gpu = any(row.gpu is not None for row in rows) and not own
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.title = (
        f"about {minutes_left(rows, steps):.0f} minutes left, and the measuring at the end"
    )
    components = list(last.components)[:_SHOWN_COMPONENTS]
    for column in ("step", "reward", *(["own"] if own else []), "spread", *components):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("ran", "KL", "tokens", *(["GPU"] if gpu else []), "s"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows[-_SHOWN:]:
        cells = [f"{row.step}/{steps}", f"{row.reward:.2f}"]
        cells += [_cell(row.own, ".2f")] if own else []
        cells += [f"{row.spread:.2f}"]
        cells += [f"{row.components.get(part, 0):.2f}" for part in components]
        cells += [f"{row.valid_sql:.2f}", _cell(row.trainer.get("kl"), ".2g")]
        cells += [_cell(row.trainer.get("completion_length"), ".0f")]
        cells += [_cell(row.gpu, ".0%")] if gpu else []
        table.add_row(*cells, f"{row.seconds:.1f}")
    return table


def minutes_left(rows: Sequence[StepRecord], steps: int) -> float:
    """The minutes that the remaining steps will take, by the median of the last ones."""
    return median(row.seconds for row in rows[-WINDOW:]) * max(steps - rows[-1].step, 0) / 60


def _cell(value: float | None, form: str) -> str:
    """A formatted number; "-" if the trainer did not report it."""
    return "-" if value is None else format(value, form)


def reward_summary(rows: Sequence[StepRecord]) -> str:
    """The reward of the first and the last WINDOW steps, and of each component: one line."""
    if not rows:
        return "no step was done"
    first, last = rows[:WINDOW], rows[-WINDOW:]

    def both(value: str) -> str:
        ends = (fmean(row.numbers().get(value, 0.0) for row in window) for window in (first, last))
        return " -> ".join(f"{end:.3f}" for end in ends)

    parts = [f"{name} {both(f'component/{name}')}" for name in rows[-1].components]
    reward = [f"reward {both('reward')}"]
    if rows[-1].own is not None:
        reward.append(f"of it what the trained module can change {both('reward_own')}")
    numbers = ", ".join([*reward, *parts, f"valid SQL {both('valid_sql')}"])
    return f"{numbers} (means of the first and the last {min(WINDOW, len(rows))} steps)"
