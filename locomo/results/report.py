"""Statistics of results: means with intervals for each category, and causes of failure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from statistics import fmean
from typing import Literal, get_args

from locomo.choices import Interval
from locomo.dataset.format import ABSTENTION, CATEGORIES, LEAST_CONVERSATIONS
from locomo.harness import Result
from locomo.metrics import bootstrap, paired_bootstrap, wilson_interval
from locomo.results.judging import has_own_metric

NAMES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
Cause = Literal[
    "not shown, no fact", "not shown", "not answered", "should have abstained", "unusable answer"
]
# An answer below this F1 counts as failed: it shares less than half of its words with gold.
FAILED_BELOW = 0.5


ComparisonVerdict = Literal[
    "better", "worse", "no difference shown", "too few questions", "too few conversations"
]
# Of fewer questions no verdict is given: two that agree by chance would make one.
LEAST_QUESTIONS = 20
GROUPS: dict[str, set[int]] = {
    **{f"{category} {NAMES[category]}": {category} for category in CATEGORIES},
    "1-4": set(CATEGORIES) - {ABSTENTION},
    "all": set(CATEGORIES),
}


@dataclass(frozen=True)
class ScoreLine:
    """Means over the questions of one system in one category, or in several (`categories`).

    The score is a judge's, or F1. `low` to `high` is its 95 % interval, None for a single question.
    `unreadable` counts answers with an unreadable verdict, which counts as wrong; `most` is the
    mean if all such were right. `tau` is the mean of Kendall's tau-b, for questions about an order.
    `unusable` counts answers that could not be read; they score 0. `recall` is over the questions
    that name their evidence, None if none does.
    """

    system: str
    categories: str
    questions: int
    score: float
    low: float | None
    high: float | None
    most: float
    unreadable: int
    tau: float | None
    recall: float | None
    tokens: float
    calls: float
    unusable: int


@dataclass(frozen=True)
class PairedDifference:
    """Mean scores of two systems or runs over the same questions of some categories.

    `low` to `high` is the 95 % interval of `after - before`; None for a single question.
    """

    categories: str
    questions: int
    before: float
    after: float
    low: float | None
    high: float | None
    conversations: int = LEAST_CONVERSATIONS

    @property
    def change(self) -> float:
        """The mean of `after - before`."""
        return self.after - self.before

    @property
    def verdict(self) -> ComparisonVerdict:
        """Better or worse if the interval excludes zero.

        Of fewer than `LEAST_QUESTIONS` there is no verdict, and of fewer than `LEAST_CONVERSATIONS`
        it would say nothing of other conversations.
        """
        if self.questions < LEAST_QUESTIONS:
            return "too few questions"
        if self.conversations < LEAST_CONVERSATIONS:
            return "too few conversations"
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "no difference shown"


@dataclass(frozen=True)
class Metric:
    """The scores of a judge, or F1 without one, with a line for each system and category."""

    name: str
    judge: str
    lines: Sequence[ScoreLine]


def usual_interval(results: Iterable[Result]) -> Interval:
    """Clustered if there are at least three conversations, else independent."""
    conversations = {result.conversation for result in results}
    return "clustered" if len(conversations) >= LEAST_CONVERSATIONS else "independent"


def by_system(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results of each system, in the order that systems first answer."""
    names = dict.fromkeys(result.system for result in results)
    return {name: [result for result in results if result.system == name] for name in names}


def score_lines(results: Sequence[Result], interval: Interval, judge: str = "") -> list[ScoreLine]:
    """For each system one line per category or question type, then categories 1-4 and all.

    F1, or the scores of a judge that has judged every answer.
    """
    return [
        _line(system, label, of_group, interval, judge)
        for system, of_system in by_system(results).items()
        for label, of_group in by_category(of_system).items()
    ]


def metrics_of(results: Sequence[Result], interval: Interval) -> list[Metric]:
    """F1, and the score of each judge over the answers that it has judged.

    A benchmark's own metric comes before F1.
    """
    judges = sorted({judge for result in results for judge in judges_of(result)})
    judged = {judge: f"judged by {judge}" for judge in judges}
    own = has_own_metric(results)
    f1 = {"": "F1 as LoCoMo has it" if own else "official F1; category 5: an abstaining phrase"}
    names = judged | f1 if own else f1 | judged
    return [
        Metric(
            name,
            judge,
            score_lines(
                [r for r in results if not judge or judge in judges_of(r)], interval, judge
            ),
        )
        for judge, name in names.items()
    ]


def judges_of(result: Result) -> set[str]:
    """The judges that have judged an answer."""
    return {*result.verdicts, *result.rubric_scores}


def score_by(judge: str, result: Result) -> float:
    """A judge's score of an answer, or F1 without one; a verdict that is unreadable is wrong."""
    if not judge:
        return result.score
    if judge in result.rubric_scores:
        return result.rubric_scores[judge].score
    return float(bool(result.verdicts[judge]))


def most_by(judge: str, result: Result) -> float:
    """A judge's score of an answer if a verdict that could not be read were right."""
    if not judge:
        return result.score
    if judge in result.rubric_scores:
        return result.rubric_scores[judge].highest
    return float(result.verdicts[judge] is not False)


def by_category(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results by category, or by question type if the benchmark has types; then 1-4 and all.

    A type includes its unanswerable questions, as in LongMemEval's own report.
    """
    types = sorted({result.question_type for result in results} - {""})
    groups = {name: [r for r in results if r.question_type == name] for name in types}
    for label, categories in GROUPS.items():
        if not types or ABSTENTION in categories or len(categories) > 1:
            groups[label] = [result for result in results if result.category in categories]
    return {label: of_group for label, of_group in groups.items() if of_group}


def paired_differences(
    before: Sequence[Result],
    after: Sequence[Result],
    interval: Interval,
    score: Callable[[Result], float] = attrgetter("score"),
) -> list[PairedDifference]:
    """A line for each category, 1-4 and all, over the questions that both sides answered."""
    by_question = {(result.conversation, result.index): result for result in before}
    answered = [r for r in after if (r.conversation, r.index) in by_question]
    return [
        _paired_difference(
            label, [(by_question[r.conversation, r.index], r) for r in of_group], interval, score
        )
        for label, of_group in by_category(answered).items()
    ]


def _paired_difference(
    label: str,
    pairs: Sequence[tuple[Result, Result]],
    interval: Interval,
    score: Callable[[Result], float],
) -> PairedDifference:
    before = [score(result) for result, _ in pairs]
    after = [score(result) for _, result in pairs]
    changes = [new - old for old, new in zip(before, after, strict=True)]
    conversations = [result.conversation for result, _ in pairs]
    number = len(set(conversations))
    low: float | None
    high: float | None
    if interval == "clustered" and number >= LEAST_CONVERSATIONS and min(changes) < max(changes):
        low, high = paired_bootstrap(after, before, clusters=conversations)
        low, high = max(low, -1.0), min(high, 1.0)
    else:
        low, high = _interval_of(changes, [result for result, _ in pairs], interval, lowest=-1.0)
    return PairedDifference(
        categories=label,
        questions=len(pairs),
        before=fmean(before),
        after=fmean(after),
        low=low,
        high=high,
        conversations=number,
    )


def _interval_of(
    values: Sequence[float], results: Sequence[Result], interval: Interval, lowest: float = 0.0
) -> tuple[float, float] | tuple[None, None]:
    """The interval of the mean of values, one for each result; None for a single value."""
    if len(values) == 1:
        return None, None
    if interval == "independent":
        return interval_of_mean(values, lowest=lowest)
    groups = [result.conversation for result in results]
    return interval_of_mean(values, groups, within=True, lowest=lowest)


def interval_of_mean(
    values: Sequence[float],
    groups: Sequence[str] | None = None,
    within: bool = False,
    lowest: float = 0.0,
) -> tuple[float, float]:
    """The 95 % interval of a mean of values between `lowest` and 1: a bootstrap's.

    Resamples of equal values are all alike, which would be an interval without width: eleven zeros
    are no proof of zero. They get the width of the score interval of a share of none or of all
    (Wilson 1927).
    """
    value = min(values)
    if value < max(values):
        return bootstrap(values, groups=groups, within=within)
    _, width = wilson_interval(0, len(values))
    return max(lowest, value - width), min(1.0, value + width)


def _line(
    system: str, label: str, results: Sequence[Result], interval: Interval, judge: str
) -> ScoreLine:
    scores = [score_by(judge, result) for result in results]
    highest = [most_by(judge, result) for result in results]
    low, high = _interval_of(scores, results, interval)
    rubrics = [r.rubric_scores[judge] for r in results if judge in r.rubric_scores]
    return ScoreLine(
        system=system,
        categories=label,
        questions=len(results),
        score=fmean(scores),
        low=low,
        high=high,
        most=fmean(highest),
        unreadable=sum(a < b for a, b in zip(scores, highest, strict=True)),
        tau=_mean(rubric.tau for rubric in rubrics),
        recall=_mean(result.recall for result in results),
        tokens=fmean(result.tokens for result in results),
        calls=fmean(result.calls for result in results),
        unusable=sum(bool(result.unusable) for result in results),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def memory_difference(
    results: Sequence[Result], interval: Interval, beside: str = "newest", system: str = "memory"
) -> PairedDifference | None:
    """A system minus another one, over the questions of categories 1-4 that both answered."""
    before = [result for result in results if result.system == beside]
    after = [result for result in results if result.system == system]
    differences = paired_differences(before, after, interval)
    return next((line for line in differences if line.categories == "1-4"), None)


def system_differences(
    results: Sequence[Result], interval: Interval
) -> dict[str, PairedDifference]:
    """Differences between systems by name, such as "memory - ranking": what each step brings.

    First what a compile or tuning, SQL and facts, and the ranking bring. Then memory minus each
    other system, the one most like it first, and the others in the same way.
    """
    systems = list(dict.fromkeys(result.system for result in results))
    pairs = [("memory", "plain"), ("memory", "ranking"), ("ranking", "newest")]
    pairs += [("memory", other) for other in reversed(systems) if other != "memory"]
    pairs += [(after, before) for before, after in pairwise(systems) if after != "memory"]
    differences = {
        f"{after} - {before}": memory_difference(results, interval, beside=before, system=after)
        for after, before in pairs
    }
    return {name: difference for name, difference in differences.items() if difference}


def failure_cause(result: Result) -> Cause | None:
    """The cause of a failed answer, None for a right one.

    All evidence was shown, or the question names none: not answered. Else evidence was not shown,
    neither its turn nor a fact of it; "no fact" says that a turn had none.
    """
    if result.unusable:
        return "unusable answer"
    if result.category == ABSTENTION:
        return "should have abstained" if result.score == 0 else None
    if result.score >= FAILED_BELOW:
        return None
    if result.recall in (1, None):
        return "not answered"
    return "not shown, no fact" if result.without_fact else "not shown"


def failures(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The failed answers by cause, in the order of the steps."""
    causes = get_args(Cause)
    return {name: [r for r in results if failure_cause(r) == name] for name in causes}
