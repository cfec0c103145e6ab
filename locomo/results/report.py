"""Statistics of results: means with intervals for each category, and causes of failure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from locomo.dataset.format import ABSTENTION, CATEGORIES
from locomo.harness import Result
from locomo.metrics import bootstrap

NAMES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
Cause = Literal[
    "not stored", "not retrieved", "not answered", "should have abstained", "unusable answer"
]
# An answer below this F1 counts as failed: it shares less than half of its words with gold.
FAILED_BELOW = 0.5


Interval = Literal["clustered", "independent"]
# With fewer conversations, resampling them says too little about how they differ.
LEAST_CONVERSATIONS = 5
_LABELS: dict[str, set[int]] = {
    **{f"{category} {NAMES[category]}": {category} for category in CATEGORIES},
    "1-4": set(CATEGORIES) - {ABSTENTION},
    "all": set(CATEGORIES),
}


@dataclass(frozen=True)
class ScoreLine:
    """Means over the questions of one system in one category, or in several (`categories`).

    `low` to `high` is the 95 % interval of the score; None for a single question. `judged` is the
    share of answers that each judge accepts, `verdicts` the number of its verdicts, `unreadable`
    the number of verdicts that could not be read. `unusable` counts answers that could not be read;
    they score 0. `recall` is over the questions that name their evidence, None if none does.
    """

    system: str
    categories: str
    questions: int
    score: float
    low: float | None
    high: float | None
    recall: float | None
    tokens: float
    calls: float
    judged: dict[str, float]
    verdicts: dict[str, int]
    unreadable: int
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

    @property
    def change(self) -> float:
        """The mean of `after - before`."""
        return self.after - self.before

    @property
    def verdict(self) -> Literal["better", "worse", "no difference shown"]:
        """Better or worse if the interval excludes zero."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "no difference shown"


def usual_interval(results: Iterable[Result]) -> Interval:
    """Clustered if there are at least five conversations, else independent."""
    conversations = {result.conversation for result in results}
    return "clustered" if len(conversations) >= LEAST_CONVERSATIONS else "independent"


def score_lines(results: Sequence[Result], interval: Interval) -> list[ScoreLine]:
    """For each system one line per category or question type, then categories 1-4 and all."""
    lines = []
    for system in dict.fromkeys(result.system for result in results):
        of_system = [result for result in results if result.system == system]
        for label, of_group in _groups(of_system).items():
            lines.append(_line(system, label, of_group, interval))
    return lines


def _groups(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results by category, or by question type if the benchmark has types; then 1-4 and all.

    A type includes its unanswerable questions, as in LongMemEval's own report.
    """
    types = sorted({result.question_type for result in results} - {""})
    groups = {name: [r for r in results if r.question_type == name] for name in types}
    for label, categories in _LABELS.items():
        if not types or ABSTENTION in categories or len(categories) > 1:
            groups[label] = [result for result in results if result.category in categories]
    return {label: of_group for label, of_group in groups.items() if of_group}


def paired_differences(
    before: Sequence[Result], after: Sequence[Result], interval: Interval
) -> list[PairedDifference]:
    """A line for each category, 1-4 and all, over the questions that both sides answered."""
    by_question = {(result.conversation, result.index): result for result in before}
    answered = [r for r in after if (r.conversation, r.index) in by_question]
    return [
        _paired_difference(
            label, [(by_question[r.conversation, r.index], r) for r in of_group], interval
        )
        for label, of_group in _groups(answered).items()
    ]


def _paired_difference(
    label: str, pairs: Sequence[tuple[Result, Result]], interval: Interval
) -> PairedDifference:
    before = [result.score for result, _ in pairs]
    after = [result.score for _, result in pairs]
    changes = [new - old for old, new in zip(before, after, strict=True)]
    low, high = _interval_of(changes, [result for result, _ in pairs], interval)
    return PairedDifference(
        categories=label,
        questions=len(pairs),
        before=fmean(before),
        after=fmean(after),
        low=low,
        high=high,
    )


def _interval_of(
    values: Sequence[float], results: Sequence[Result], interval: Interval
) -> tuple[float, float] | tuple[None, None]:
    """The interval of the mean of values, one for each result; None for a single value."""
    if len(values) == 1:
        return None, None
    if interval == "independent":
        return bootstrap(values)
    return bootstrap(values, groups=[result.conversation for result in results], within=True)


def _line(system: str, label: str, results: Sequence[Result], interval: Interval) -> ScoreLine:
    scores = [result.score for result in results]
    low, high = _interval_of(scores, results, interval)
    judges = sorted({judge for result in results for judge in result.verdicts})
    recalls = [result.recall for result in results if result.recall is not None]
    opinions = {
        judge: [v for r in results if (v := r.verdicts.get(judge)) is not None] for judge in judges
    }
    return ScoreLine(
        system=system,
        categories=label,
        questions=len(results),
        score=fmean(scores),
        low=low,
        high=high,
        recall=fmean(recalls) if recalls else None,
        tokens=fmean(result.tokens for result in results),
        calls=fmean(result.calls for result in results),
        judged={judge: fmean(verdicts) for judge, verdicts in opinions.items() if verdicts},
        verdicts={judge: len(verdicts) for judge, verdicts in opinions.items()},
        unreadable=sum(v is None for r in results for v in r.verdicts.values()),
        unusable=sum(bool(result.unusable) for result in results),
    )


def memory_difference(
    results: Sequence[Result], interval: Interval, beside: str = "baseline"
) -> PairedDifference | None:
    """Memory minus another system, over the questions of categories 1-4 that both answered."""
    before = [result for result in results if result.system == beside]
    memory = [result for result in results if result.system == "memory"]
    differences = paired_differences(before, memory, interval)
    return next((line for line in differences if line.categories == "1-4"), None)


def failure_cause(result: Result) -> Cause | None:
    """The cause of a failed answer, None for a right one.

    All evidence was shown, or the question names none: not answered. Evidence was not shown: not
    stored if no fact names its turn (search did not find it either), else not retrieved.
    """
    if result.unusable:
        return "unusable answer"
    if result.category == ABSTENTION:
        return "should have abstained" if result.score == 0 else None
    if result.score >= FAILED_BELOW:
        return None
    if result.recall in (1, None):
        return "not answered"
    return "not stored" if result.not_stored else "not retrieved"


def failures(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The failed answers by cause, in the order of the steps."""
    causes: tuple[Cause, ...] = (
        "not stored",
        "not retrieved",
        "not answered",
        "should have abstained",
        "unusable answer",
    )
    return {name: [r for r in results if failure_cause(r) == name] for name in causes}
