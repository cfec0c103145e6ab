"""A page of a run's questions, one file to open in a browser: `python -m locomo.inspect --html`.

The page asks for nothing from anywhere. Its data are JSON in the file, and its script puts texts in
as text: what a model wrote is never read as markup.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

from locomo.dataset.format import CATEGORIES
from locomo.harness import AnswerKey, Result
from locomo.results.judging import has_own_metric
from locomo.results.report import NAMES, failure_cause
from locomo.results.traces import Trace
from locomo.results.written import MEMORIES, WrittenResults
from memory import InputError, Turn, open_store

RIGHT, WRONG = "right", "judged wrong"
_SETTINGS = ("model", "adapter", "program", "budget", "embedder", "reranker", "judge_model", "data")
_PLACE = "__DATA__"


@dataclass(frozen=True)
class Run:
    """The results in a folder, its traces where there are any, and a name for the page."""

    name: str
    folder: Path
    written: WrittenResults
    traces: Mapping[AnswerKey, Trace] = field(default_factory=dict)


def page(runs: Sequence[Run], prompts: bool = False) -> str:
    """The page, as HTML, of one run or of two beside each other.

    Arguments:
        prompts: also every prompt and answer, of runs with traces; large.

    Raises InputError if the runs have a question of one number with different texts.
    """
    data = {
        "runs": [
            {
                "name": run.name,
                "settings": {name: str(run.written.params.get(name, "?")) for name in _SETTINGS},
                "traced": bool(run.traces),
            }
            for run in runs
        ],
        "categories": {str(category): NAMES[category] for category in CATEGORIES},
        "questions": _questions(runs, prompts),
        "turns": _turns(runs),
    }
    # `</script>` would end the block that holds the data, `<!--` begin a comment.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    # A model may write half of a pair of surrogates, which goes into no file.
    text = text.encode("utf-8", "replace").decode()
    template = files("locomo.results").joinpath("viewer.html").read_text("utf-8")
    return template.replace(_PLACE, text)


def _questions(runs: Sequence[Run], prompts: bool) -> list[dict[str, Any]]:
    """A question of a system with what each run made of it; None where a run did not ask it."""
    by_key = [{result.key: result for result in run.written.results} for run in runs]
    own = has_own_metric(result for run in runs for result in run.written.results)
    questions = []
    for key in dict.fromkeys(key for of_run in by_key for key in of_run):
        results = [of_run.get(key) for of_run in by_key]
        asked = [result for result in results if result]
        if len({(result.question, result.gold) for result in asked}) > 1:
            raise InputError(
                f"question {key[2]} of {key[1]} is not the same in both runs: the data differ"
            )
        first = asked[0]
        questions.append(
            {
                "system": first.system,
                "conversation": first.conversation,
                "index": first.index,
                "category": first.category,
                "type": first.question_type,
                "question": first.question,
                "gold": first.gold,
                "evidence": next((r.evidence for r in asked if r.evidence), ()),
                "rubric": first.rubric,
                "answers": [
                    _answer(result, run.traces.get(key), own, prompts) if result else None
                    for run, result in zip(runs, results, strict=True)
                ],
            }
        )
    return questions


def outcome(result: Result, own_metric: bool) -> str:
    """Right, or why it failed; where the benchmark has a metric of its own its verdict decides."""
    cause = failure_cause(result)
    points = [scores.score for scores in result.rubric_scores.values()]
    points += [float(bool(verdict)) for verdict in result.verdicts.values()]
    if not own_metric or not points or result.unusable:
        return cause or RIGHT
    return RIGHT if fmean(points) >= 0.5 else cause or WRONG


def _answer(result: Result, trace: Trace | None, own_metric: bool, prompts: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "outcome": outcome(result, own_metric),
        "answer": result.answer,
        "unusable": result.unusable,
        "score": result.score,
        "recall": result.recall,
        "verdicts": result.verdicts,
        "rubric": {
            judge: {"score": scores.score, "points": scores.points}
            for judge, scores in result.rubric_scores.items()
        },
        "cited": result.cited,
        "sql": result.sql,
        "number": result.rows,
        "shown": result.turns_shown,
        "recorded": bool(result.shown or result.evidence),
        "without_fact": result.without_fact,
        "tokens": result.tokens,
        "calls": result.calls,
        "seconds": result.seconds,
    }
    if trace:
        answer["rows"] = [
            {"sql": read.sql, "columns": read.columns, "rows": read.rows} for read in trace.rows
        ]
        answer["refusals"] = trace.refusals
        if prompts:
            answer["prompts"] = [
                {"messages": call.messages, "answers": call.answers, "error": call.error}
                for call in trace.calls
            ]
    return answer


def _turns(runs: Sequence[Run]) -> dict[str, dict[int, tuple[str, str, str, str]]]:
    """Source, day, speaker and text of turns that are shown or evidence, by conversation.

    A conversation whose memory is gone has none.
    """
    turns: dict[str, dict[int, tuple[str, str, str, str]]] = {}
    results = [result for run in runs for result in run.written.results]
    for run in runs:
        for memory in run.written.memories:
            of_memory = [r for r in results if r.conversation == memory.conversation]
            # Results have the name of the memory's file.
            path = run.folder / MEMORIES / memory.path
            if not turns.get(memory.conversation):
                turns[memory.conversation] = _turns_of(path, of_memory)
    return turns


def _turns_of(path: Path, results: Iterable[Result]) -> dict[int, tuple[str, str, str, str]]:
    if not path.exists():
        return {}
    numbers: set[int] = set()
    sources: set[str] = set()
    for result in results:
        numbers.update(result.turns_shown)
        sources.update(result.evidence)

    def fields(turn: Turn) -> tuple[str, str, str, str]:
        return turn.source, turn.said_at[:10], turn.speaker, turn.text

    with open_store(path, read_only=True) as store:
        return {
            turn.id: fields(turn)
            for turn in store.turns()
            if turn.id in numbers or turn.source in sources
        }
