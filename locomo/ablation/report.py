"""The figures of an ablation that scores do not show: abstention, facts alone, facts, SQL."""

from collections.abc import Sequence
from pathlib import Path

from locomo.ablation.facts import FactsByTurn, fact_figures, storing_seconds, turn_facts
from locomo.ablation.first_attempts import VALID_SQL_TABLE, accepted_retrieval, accepted_windows
from locomo.ablation.systems import FACTS, TURNS
from locomo.dataset.format import ABSTENTION
from locomo.examples.gold import Gold
from locomo.harness import BuiltMemory, Result
from locomo.metrics import abstained
from locomo.results.figures import Figure, mean_figure, ratio_figure
from locomo.results.report import GROUPS, by_system
from memory.program import Model

READING_TABLE, FACTS_ONLY_TABLE = "reading", "facts only"
ANSWERABLE = "1-4"


def answer_figures(results: Sequence[Result]) -> list[Figure]:
    """How often each system answers and abstains, the evidence shown, seconds per question.

    Evidence shown is its recall, over answerable questions that name evidence: the evidence of
    category 5 is a distractor.
    """
    figures = []
    for system, of_system in by_system(results).items():
        answerable = [result for result in of_system if result.category != ABSTENTION]
        columns = {
            f"abstained, {ABSTENTION}": _scores(of_system, {ABSTENTION}),
            f"answered, {ANSWERABLE}": [
                float(not abstained(result.answer)) for result in answerable
            ],
            "evidence shown": [result.recall for result in answerable if result.recall is not None],
            "seconds a question": [result.seconds for result in of_system],
        }
        for column, values in columns.items():
            figures += mean_figure(READING_TABLE, system, column, values=values)
    return figures


def facts_only_figures(results: Sequence[Result]) -> list[Figure]:
    """F1 of answers from facts alone and from turns alone, and their ratio."""
    answers = by_system(results)
    figures = []
    for label, categories in GROUPS.items():
        if ABSTENTION in categories:
            continue
        fact_scores = _scores(answers[FACTS], categories)
        turn_scores = _scores(answers[TURNS], categories)
        for name, values in ((FACTS, fact_scores), ("turns only", turn_scores)):
            figures += mean_figure(FACTS_ONLY_TABLE, label, name, values=values)
        figures += ratio_figure(
            FACTS_ONLY_TABLE, label, "ratio", above=fact_scores, below=turn_scores
        )
    return figures


def storing_figures(
    name: str, built: Sequence[BuiltMemory], golds: Sequence[tuple[Gold, FactsByTurn]]
) -> list[Figure]:
    """How well a system stores: its facts compared with the gold facts, and its seconds."""
    paths = {memory.conversation: memory.path for memory in built}
    turns = []
    for gold, facts in golds:
        turns += turn_facts(gold, facts, paths[gold.conversation.id])
    return [*fact_figures(name, turns), *storing_seconds(name, built)]


def sql_figures(
    name: str,
    model: Model,
    built: Sequence[BuiltMemory],
    attempts: Path,
    answers: Sequence[Result],
) -> list[Figure]:
    """How often the first SQL of each module without a grammar is accepted.

    Arguments:
        built: the memories that the model stored; `attempts` is the record of its first SQL.
        answers: those for which the model retrieved.
    """
    accepted = {
        "store": [value for memory in built for value in accepted_windows(attempts, memory.path)],
        "retrieve": [accepted_retrieval(result) for result in answers],
    }
    figures = []
    for module, values in accepted.items():
        if module in model.modules_without_grammar:  # what a grammar allows is always valid
            figures += mean_figure(VALID_SQL_TABLE, module, name, values=values)
    return figures


def _scores(results: Sequence[Result], categories: set[int]) -> list[float]:
    return [result.score for result in results if result.category in categories]
