"""Records a GRPO run: one row per step on disk, and its reasons to stop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from locomo.json_lines import JsonLines
from memory.system import count

# Steps whose rewards are averaged: one group is of one question, and by tens of steps the answer's
# reward of a rehearsal still went .10 .02 .14 .04 .08 (the log, 2026-11-20).
WINDOW = 20
# Groups without any spread of reward, after which nothing will be learned: GRPO's advantage is the
# distance from the group's mean. In a rehearsal 17 of 50 groups had a useful one.
SIGNAL = 40
PATIENCE = 200  # steps without a better window
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


def step_line(row: StepRecord) -> str:
    """A step in words, next to the bar of a run; what the trainer did not report is left out."""
    parts = [f"reward {row.reward:.2f}", f"spread {row.spread:.2f}"]
    if row.own is not None:
        parts.insert(1, f"own {row.own:.2f}")
    if (kl := row.trainer.get("kl")) is not None:
        parts.append(f"KL {kl:.2g}")
    return ", ".join(parts)


def reward_summary(rows: Sequence[StepRecord]) -> str:
    """The reward of the first and the last steps, and of each component: one line.

    They are WINDOW steps each, or half of all: the same step is not on both sides.
    """
    if not rows:
        return "no step was done"
    size = max(min(WINDOW, len(rows) // 2), 1)
    first, last = rows[:size], rows[-size:]

    def both(value: str) -> str:
        ends = (fmean(row.numbers().get(value, 0.0) for row in window) for window in (first, last))
        return " -> ".join(f"{end:.3f}" for end in ends)

    parts = [f"{name} {both(f'component/{name}')}" for name in rows[-1].components]
    reward = [f"reward {both('reward')}"]
    if rows[-1].own is not None:
        reward.append(f"of it what the trained module can change {both('reward_own')}")
    if all("no_difference" in row.trainer for row in rows):
        share = fmean(row.trainer["no_difference"] for row in rows)
        parts.append(f"groups without a difference {share:.0%}")
    numbers = ", ".join([*reward, *parts, f"valid SQL {both('valid_sql')}"])
    return f"{numbers} (means of the first and the last {count(size, 'step')})"
