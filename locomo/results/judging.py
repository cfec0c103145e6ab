"""Judges answers with a model. Needs the results only, so it can run later."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from rich.console import Console

from locomo.dataset.format import Question
from locomo.harness import AnswerLog, Result
from locomo.llm_judge import ATTEMPTS, Kind, judge, kinds_for
from locomo.metrics import RubricScores
from locomo.parallel import run_parallel
from locomo.rubric_judge import judge_rubric, rubric_calls
from memory.models import Cost, Model, priced
from memory.system import progress_bar

# Tokens of a judge's call: the prompt with question and answers; the reason and the verdict.
_CALL_TOKENS = (500, 60)


def judging_cost(questions: Iterable[Question], model: Model, at_most: bool = False) -> Cost:
    """The expected cost of judging one answer to each of these questions.

    `at_most`: where no verdict can be read at once, and each is asked for again.
    """
    calls = sum(
        rubric_calls(question) if question.rubric else len(kinds_for(question))
        for question in questions
    )
    calls *= ATTEMPTS if at_most else 1
    tokens_in, tokens_out = (calls * tokens for tokens in _CALL_TOKENS)
    return priced(model, calls=calls, tokens_in=tokens_in, tokens_out=tokens_out)


def is_judged(result: Result, model: Model) -> bool:
    """Whether an answer has all verdicts of a model, each readable."""
    if result.rubric:
        scores = result.rubric_scores.get(model.name)
        return scores is not None and None not in scores.points
    names = verdict_names(question_of(result), model).values()
    return all(result.verdicts.get(name) is not None for name in names)


def has_own_metric(results: Iterable[Result]) -> bool:
    """Whether answers are of a benchmark with its own judge, whose metric is not LoCoMo's."""
    return any(r.rubric or kinds_for(question_of(r)) == ("benchmark",) for r in results)


def verdict_names(question: Question, model: Model) -> dict[Kind, str]:
    return {kind: f"{kind} ({model.name})" for kind in kinds_for(question)}


def judge_answers(
    results: Sequence[Result], model: Model, log: AnswerLog, threads: int, console: Console
) -> list[Result]:
    """The results with the verdicts of a judge, written to the log one by one.

    Earlier verdicts stay, from an interrupted run or from another judge. Raises ModelError when the
    model cannot be used.
    """

    def judged(result: Result) -> Result:
        question = question_of(result)
        if result.rubric:
            # An answer that could not be read has nothing to judge.
            scores = (
                RubricScores((0.0,) * len(result.rubric))
                if result.unusable
                else judge_rubric(question, result.answer, model)
            )
            return replace(result, rubric_scores={**result.rubric_scores, model.name: scores})
        names = verdict_names(question, model)
        if result.unusable:  # there is nothing to judge
            return replace(result, verdicts=dict.fromkeys(names.values(), False))
        verdicts = {
            name: judge(kind, question, answer=result.answer, model=model).correct
            for kind, name in names.items()
            if result.verdicts.get(name) is None
        }
        return replace(result, verdicts={**result.verdicts, **verdicts})

    unjudged = [result for result in results if not is_judged(result, model)]
    with progress_bar(console) as bar:
        line = bar.add_task("judging", total=len(unjudged))

        def keep(result: Result) -> None:
            log.add(result)
            bar.advance(line)

        run_parallel([partial(judged, result) for result in unjudged], threads, keep)
    return [log.records[result.key] for result in results]


def question_of(result: Result) -> Question:
    """The question of a result, with the fields that a judge needs."""
    return Question(
        index=result.index,
        text=result.question,
        answer=result.gold,
        category=result.category,
        evidence=(),
        question_type=result.question_type,
        rubric=result.rubric,
    )
