"""Records the reward of every prompt on every example, and selects the best prompt.

DSPy's optimizers return the program that they choose. The best of all prompts that they tried is
chosen here instead, by one rule, so that a compile may be stopped at any moment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from threading import Lock
from typing import Any

import dspy

from locomo.commands import writable_folder
from locomo.json_lines import JsonLines
from locomo.tasks.modules import Candidate, example_name

# A difference to the plain prompt counts as if this many more examples had shown none, so eight
# lucky examples do not outweigh fifty.
PRIOR = 10
# The least number of runs before a third of failed ones stops the compile.
ENOUGH_RUNS = 12


class TooManyFailures(BaseException):
    """More than a third of the runs failed; no optimizer's `except Exception` may go on."""


@dataclass(frozen=True)
class Run:
    """One run of a prompt on an example: its reward, and how many calls had been made by then.

    `sampled` runs were made at a temperature, by an optimizer in search of variety; in `copied`
    ones the prompt held this very example; in `failed` ones the model gave no answer, and why.
    None of these says how good a prompt is.
    """

    candidate: str
    example: str
    reward: float
    sampled: bool = False
    copied: bool = False
    failed: str = ""
    calls: int = 0


class Scoreboard:
    """The metric for optimizers, which also writes every run to disk before it returns.

    Arguments:
        metric: of locomo.tasks.rewards, five arguments.
        prompts: the prompts by key, as tasks collect them.
        folder: where runs.jsonl and prompts.jsonl are; read again with `resume`.
        calls: the model calls so far.
        progress: told after each run.
    """

    def __init__(
        self,
        metric: Callable[..., dspy.Prediction],
        prompts: dict[str, Candidate],
        folder: Path,
        resume: bool,
        calls: Callable[[], int],
        progress: Callable[["Scoreboard"], None] = lambda board: None,
    ) -> None:
        self._metric, self.prompts = metric, prompts
        self._calls, self._progress = calls, progress
        self._lock = Lock()
        self.count = self.failures = 0  # of this session
        self.last_failure = ""
        self._closed = False
        with writable_folder(folder):
            pass
        self._run_lines = JsonLines(
            folder / "runs.jsonl",
            Run,
            key=lambda run: (run.candidate, run.example, run.sampled),
            resume=resume,
        )
        self._prompt_lines = JsonLines(
            folder / "prompts.jsonl", Candidate, key=lambda prompt: prompt.key, resume=resume
        )
        self.runs = self._run_lines.records
        prompts.update(self._prompt_lines.records)

    def __call__(
        self,
        gold: dspy.Example,
        pred: Any,
        trace: object = None,
        pred_name: str | None = None,
        pred_trace: object = None,
    ) -> dspy.Prediction:
        result = self._metric(gold, pred, trace, pred_name, pred_trace)
        if pred_name is None and getattr(pred, "candidate", None):  # else GEPA asks once more
            self._file(gold, pred, float(result.score))
        return result

    def _file(self, gold: dspy.Example, pred: dspy.Prediction, reward: float) -> None:
        run = Run(
            candidate=pred.candidate,
            example=example_name(gold),
            reward=reward,
            sampled=pred.sampled,
            copied=pred.copied,
            failed=pred.failed,
            calls=self._calls(),
        )
        with self._lock:
            if self._closed:  # a thread that an optimizer left behind
                return
            # The prompt first: after a kill a prompt may lack its run, but no run its prompt.
            if pred.candidate not in self._prompt_lines.records:
                self._prompt_lines.add(self.prompts[pred.candidate])
            news = self._is_news(run)
            if news:
                self._run_lines.add(run)
            if news or run.sampled:  # what is replayed says nothing of the model's health
                self.count += 1
                self.failures += bool(run.failed)
                self.last_failure = run.failed or self.last_failure
        self._progress(self)
        if self.count >= ENOUGH_RUNS and self.failures * 3 > self.count:
            raise TooManyFailures(
                f"{self.failures} of {self.count} runs failed, the last: {self.last_failure}"
            )

    def _is_news(self, run: Run) -> bool:
        """Whether the run is new, or repeats a failed one."""
        before = self.runs.get((run.candidate, run.example, run.sampled))
        return before is None or bool(before.failed)

    def close(self) -> None:
        """Record no more runs."""
        with self._lock:
            self._closed = True

    def of(self, candidate: str) -> dict[str, Run]:
        """The runs of a prompt that count for its quality, by example."""
        runs = [run for run in list(self.runs.values()) if run.candidate == candidate]
        return {r.example: r for r in runs if not (r.sampled or r.copied or r.failed)}


def advantage(board: Scoreboard, candidate: str, plain: str) -> float:
    """How much more reward an example earns with this prompt than with the plain one.

    The mean of paired differences, drawn towards zero as if PRIOR more examples showed none.
    """
    before, after = board.of(plain), board.of(candidate)
    both = before.keys() & after.keys()
    return fsum(after[e].reward - before[e].reward for e in both) / (len(both) + PRIOR)


def best(board: Scoreboard, plain: str) -> str:
    """The key of the prompt with the greatest advantage; the plain one when none has any."""
    # Sorted, so that of equally good prompts the same one is chosen after a resumed compile.
    tried = sorted({run.candidate for run in list(board.runs.values())} & set(board.prompts))
    best_key = max(tried, key=lambda key: advantage(board, key, plain), default=plain)
    return best_key if advantage(board, best_key, plain) > 0 else plain
