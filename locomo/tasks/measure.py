"""Measures a module on examples: each question's score, and the failed runs."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy

from locomo.choices import Reward, Target
from locomo.commands import writable_folder
from locomo.tasks.modules import example_name
from locomo.tasks.rewards import (
    REFINE_COMPONENTS,
    QuestionScore,
    metric,
    metric_of,
    question_score,
    reward_name,
    rows_metric,
    turn_scores,
)
from memory.errors import ModelError


def evaluate_task(
    student: dspy.Module,
    examples: Sequence[dspy.Example],
    judge: Callable[..., Any],
    threads: int,
    log: Path,
) -> list[tuple[dspy.Example, dspy.Prediction]]:
    """Each example with the module's prediction; messages of DSPy go to the file `log`."""
    evaluate = dspy.Evaluate(
        devset=list(examples),
        metric=judge,
        num_threads=threads,
        display_progress=False,
        max_errors=len(examples) + 1,
    )
    with log_to_file(log):
        return [(example, pred) for example, pred, _ in evaluate(student).results]


def measure(
    student: dspy.Module,
    examples: Sequence[dspy.Example],
    threads: int,
    log: Path,
    done: Callable[[], object] = lambda: None,
    reward: Reward = "memory",
    target: Target = "answer",
    scores: dict[str, list[QuestionScore]] | None = None,
) -> tuple[dict[str, list[QuestionScore]], list[str]]:
    """The scores of each example's questions, by its name, and why the others failed.

    `done` is called after each example. If modules were optimized by another reward than `metric`,
    it is one more component: the example's own, for the measured `target`; for a refining module
    its parts follow. A failed run says nothing about the program, so it has no score. `scores` is
    filled as they come, so an interruption keeps the scores so far. Raises ModelError when more
    than a third of the examples fail.
    """
    scores = {} if scores is None else scores

    def judge(*arguments: Any) -> Any:
        done()
        example, pred, *_ = arguments
        if not pred.failed:
            scores[example_name(example)] = _scores(example, pred, reward, target)
        return (rows_metric if reward == "rows" else metric)(*arguments)

    results = evaluate_task(student, examples, judge=judge, threads=threads, log=log)
    failed = [pred.failed for _, pred in results if pred.failed]
    if len(failed) * 3 > len(results):
        raise ModelError(f"{len(failed)} of {len(results)} runs failed, the last: {failed[-1]}")
    # In the order of the examples, whichever thread was first.
    names = [example_name(example) for example in examples]
    return {name: scores[name] for name in names if name in scores}, failed


def _scores(
    example: dspy.Example, pred: dspy.Prediction, reward: Reward, target: Target
) -> list[QuestionScore]:
    """The scores of an example's questions; of its turns, where rows are scored."""
    if reward == "rows":
        return turn_scores(example_name(example), example, pred)
    optimized: dict[str, float] = {}
    if name_of_reward := reward_name(reward, target):
        judged = metric_of(reward, target)(example, pred)
        optimized[name_of_reward] = float(judged.score)
        if target == "refine":
            optimized |= {part: float(judged[part]) for part in REFINE_COMPONENTS}
    # The questions of one example share a group: questions about a window depend on the same facts.
    return [
        replace(score, group=example_name(example), components=score.components | optimized)
        for question, outcome in zip(example.gold, pred.outcomes, strict=True)
        for score in [question_score(example.conversation, question, outcome)]
    ]


@contextlib.contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Send an optimizer's prints and logs to a file, away from the progress bar."""
    names = ("dspy", "gepa", "optuna")
    usual_handlers = {name: logging.getLogger(name).handlers[:] for name in names}
    with (
        writable_folder(path.parent),
        path.open("a", encoding="utf-8", errors="backslashreplace") as file,
    ):
        handler = logging.StreamHandler(file)
        try:
            for name in names:
                logging.getLogger(name).handlers = [handler]
                logging.getLogger(name).propagate = False
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            for name, handlers in usual_handlers.items():
                logging.getLogger(name).handlers = handlers
