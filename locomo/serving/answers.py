"""Figures of answers: how well each reader answers, and what facts alone are worth."""

from collections.abc import Mapping, Sequence

from locomo.dataset.format import ABSTENTION, CATEGORIES, Question
from locomo.harness import Result
from locomo.metrics import abstained
from locomo.results.report import NAMES
from locomo.serving.figures import Figure, mean_figure, ratio_figure

ANSWERABLE = "1-4"
F1_TABLE, READING_TABLE, FACTS_ONLY_TABLE = "official F1", "reading", "facts only"


def _category_groups() -> dict[str, set[int]]:
    """Each answerable category by its name, and all of them."""
    answerable = set(CATEGORIES) - {ABSTENTION}
    groups = {f"{category} {NAMES[category]}": {category} for category in sorted(answerable)}
    return {**groups, ANSWERABLE: answerable}


def scores(results: Sequence[Result], categories: set[int]) -> list[float]:
    """The official scores of the questions of these categories, in their order."""
    return [result.score for result in results if result.category in categories]


def answer_figures(
    answers: Mapping[str, Sequence[Result]], questions: Sequence[Question], whole: str
) -> list[Figure]:
    """How well each reader answers, and by how much the reader named `whole` is better.

    Arguments:
        answers: the results of each reader, by its name: one for each question, in their order.
        questions: those that all of them answered. Evidence shown is its recall, over answerable
            questions that have evidence.
    """
    groups = _category_groups()
    whole_scores = scores(answers[whole], groups[ANSWERABLE])
    figures = []
    for reader, results in answers.items():
        for label, categories in groups.items():
            values = scores(results, categories)
            figures += mean_figure(F1_TABLE, reader, label, values=values)

        answerable = [result for result in results if result.category != ABSTENTION]
        # The evidence of category 5 is a distractor: showing it is no merit.
        evidence_shown = [
            result.recall
            for result, question in zip(results, questions, strict=True)
            if question.category != ABSTENTION and result.recall is not None
        ]
        differences = [
            whole_score - result.score
            for whole_score, result in zip(whole_scores, answerable, strict=True)
        ]
        columns = {
            f"abstained, {ABSTENTION}": scores(results, {ABSTENTION}),
            f"answered, {ANSWERABLE}": [
                float(not abstained(result.answer)) for result in answerable
            ],
            "evidence shown": evidence_shown,
            f"{whole} minus it, F1 {ANSWERABLE}": differences if reader != whole else [],
            "seconds a question": [result.seconds for result in results],
        }
        for column, values in columns.items():
            figures += mean_figure(READING_TABLE, reader, column, values=values)
    return figures


def facts_only_figures(
    from_facts: Sequence[Result], from_turns: Sequence[Result], names: tuple[str, str]
) -> list[Figure]:
    """F1 of answers from facts alone beside answers from turns alone, and their ratio."""
    figures = []
    for label, categories in _category_groups().items():
        fact_scores = scores(from_facts, categories)
        turn_scores = scores(from_turns, categories)
        for name, values in zip(names, (fact_scores, turn_scores), strict=True):
            figures += mean_figure(FACTS_ONLY_TABLE, label, name, values=values)
        figures += ratio_figure(
            FACTS_ONLY_TABLE, label, "ratio", above=fact_scores, below=turn_scores
        )
    return figures
