"""Answers judged by a model, after all of them were given: nothing but the answers is needed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rich.console import Console

from locomo.dataset.format import Question
from locomo.harness import AnswerLog, Result
from locomo.llm_judge import Kind, judge, kinds_for
from locomo.parallel import run_parallel
from memory import Model
from memory.progress import progress_bar


def judge_answers(
    results: Sequence[Result], model: Model, log: AnswerLog, threads: int, console: Console
) -> list[Result]:
    """The results with the verdicts of their judges; each is kept in the log as it comes.

    An interrupted run, or one with a second model, keeps the verdicts that it has. Raises
    ModelError when the model cannot be used.
    """

    def judges(question: Question) -> dict[Kind, str]:
        return {kind: f"{kind} ({model.name})" for kind in kinds_for(question)}

    def judged(result: Result) -> Result:
        question = _question(result)
        if result.unusable:  # no judge is asked about nothing
            return replace(result, verdicts=dict.fromkeys(judges(question).values(), False))
        verdicts = {
            name: judge(kind, question, answer=result.answer, model=model).correct
            for kind, name in judges(question).items()
        }
        return replace(result, verdicts={**result.verdicts, **verdicts})

    unjudged = [
        result
        for result in results
        if not set(judges(_question(result)).values()) <= set(result.verdicts)
    ]
    with progress_bar(console) as bar:
        line = bar.add_task("judging", total=len(unjudged))

        def keep(result: Result) -> None:
            log.add(result)
            bar.advance(line)

        run_parallel([partial(judged, result) for result in unjudged], threads, keep)
    return [log.records[result.key] for result in results]


def _question(result: Result) -> Question:
    """The question of a result, as far as a judge needs it."""
    return Question(
        index=result.index,
        text=result.question,
        answer=result.gold,
        category=result.category,
        evidence=(),
        question_type=result.question_type,
    )
