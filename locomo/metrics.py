"""LoCoMo's official scores, and bootstrap intervals for their means.

The definitions are from `task_eval/evaluation.py` in snap-research/locomo (Maharana et al.,
"Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024, section 4.1), so that
numbers can be compared with published ones, oddities included.
"""

import math
import re
import string
from calendar import month_abbr, month_name
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locomo.dataset.format import ABSTENTION, LEAST_CONVERSATIONS, Question

MULTI_HOP = 1
OPEN_DOMAIN = 3
_WORDS_LEFT_OUT = re.compile(r"\b(?:a|an|the|and)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MONTHS = {name.lower(): n for names in (month_abbr, month_name) for n, name in enumerate(names)}
_MONTHS = {name: n for name, n in _MONTHS.items() if name} | {"sept": 9}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?P<year>[12]\d{3})"
_DATES = tuple(
    re.compile(rf"\b{form}\b", re.IGNORECASE)
    for form in (
        rf"{_YEAR}-(?P<number>[01]\d)(?:-(?P<day>[0-3]\d))?",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH})\.?,? {_YEAR}",
        rf"(?P<name>{_MONTH})\.?(?: (?P<day>\d{{1,2}})(?:st|nd|rd|th)?)?,? {_YEAR}",
    )
)
CARDINALS = re.findall(
    "[a-z]+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen",
)
TENS = re.findall("[a-z]+", "twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBERS = {word: n for n, word in enumerate(CARDINALS)}
_NUMBERS |= {word: n * 10 for n, word in enumerate(TENS, 2)}
_NUMBER_WORDS = re.compile(
    rf"\b(?:(?P<ten>{'|'.join(TENS)})[ -](?P<unit>{'|'.join(CARDINALS[1:10])})"
    rf"|(?P<word>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}))\b",
    re.IGNORECASE,
)


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer  # brings scikit-learn along: three seconds

    return PorterStemmer()


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


def normalize(text: str) -> str:
    """Lower-case words with single spaces, without ASCII punctuation and a, an, the, and.

    Commas vanish before words are split: `1,000` is one word, and so is `a,b`.
    """
    return " ".join(_WORDS_LEFT_OUT.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def stems(text: str) -> list[str]:
    """The stemmed words of a text, as `f1` compares them."""
    return [_stem(word) for word in normalize(text).split()]


def f1(prediction: str, gold: str) -> float:
    """Harmonic mean of precision and recall over stemmed words (a multiset), 0 to 1.

    Two empty texts score 0, as in the official code.
    """
    predicted, expected = stems(prediction), stems(gold)
    same = (Counter(predicted) & Counter(expected)).total()
    return 2 * same / (len(predicted) + len(expected)) if same else 0.0


def bleu1(prediction: str, gold: str) -> float:
    """BLEU-1 as papers about memories have it: NLTK's, of lower-case words, 0 to 1."""
    from nltk.tokenize import NLTKWordTokenizer  # takes a second
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    tokenize = NLTKWordTokenizer().tokenize
    smoothing = SmoothingFunction().method1
    reference, words = tokenize(gold.lower()), tokenize(prediction.lower())
    return float(sentence_bleu([reference], words, weights=(1,), smoothing_function=smoothing))


def multi_f1(prediction: str, gold: str) -> float:
    """For answers that are lists: mean over gold's comma-separated parts of the best part's F1."""
    parts = prediction.split(",")
    best = [max(f1(part, gold_part) for part in parts) for gold_part in gold.split(",")]
    return sum(best) / len(best)


def abstained(text: str) -> bool:
    """Whether an answer is an abstention."""
    lower = text.lower()
    return "no information available" in lower or "not mentioned" in lower


def gold(question: Question) -> str:
    """The gold answer that is scored: in category 3 the part before `;`, without the reason."""
    if question.category == OPEN_DOMAIN:
        return question.answer.split(";")[0].strip()
    return question.answer


def score(prediction: str, question: Question) -> float:
    """The official score of one answer, 0 to 1, by the question's category."""
    if question.category == ABSTENTION:
        return float(abstained(prediction))
    if question.category == MULTI_HOP:
        return multi_f1(prediction, gold(question))
    return f1(prediction, gold(question))


def meaning_score(prediction: str, question: Question) -> float:
    """The score of one answer to learn from, 0 to 1: equal dates and numbers count as equal words.

    The official score sees two words in "2022-05-18" and "18 May 2022", and in "two" and "2". Where
    an optimizer learns from it, it learns a spelling. This one is never lower.
    """
    plain = replace(question, answer=in_one_spelling(question.answer))
    return max(score(prediction, question), score(in_one_spelling(prediction), plain))


def in_one_spelling(text: str) -> str:
    """A text with its dates as `18 may 2022` or `may 2022`, and number words as figures."""
    for form in _DATES:
        text = form.sub(_spelled_date, text)
    return _NUMBER_WORDS.sub(_figures, text)


def _spelled_date(match: re.Match[str]) -> str:
    parts = match.groupdict()
    number = int(parts.get("number") or _MONTHS[parts["name"].lower()])
    day = int(parts["day"] or 0)
    if not 1 <= number <= 12:
        return match.group()
    return f"{day or ''} {month_name[number].lower()} {parts['year']}".strip()


def _figures(match: re.Match[str]) -> str:
    if word := match["word"]:
        return str(_NUMBERS[word.lower()])
    return str(_NUMBERS[match["ten"].lower()] + _NUMBERS[match["unit"].lower()])


@dataclass(frozen=True)
class RubricScores:
    """An answer's points for each line of a rubric, None if a verdict could not be read.

    `tau` is Kendall's tau-b of the order that it tells, None if no order is asked for.
    """

    points: tuple[float | None, ...]
    tau: float | None = None

    @property
    def score(self) -> float:
        """The mean of the points, 0 to 1; a line without a verdict has none."""
        return sum(point or 0.0 for point in self.points) / len(self.points)

    @property
    def highest(self) -> float:
        """The mean if every line without a verdict were met."""
        return sum(1.0 if point is None else point for point in self.points) / len(self.points)


def kendall_tau_b(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation of two orders, -1 to 1, where ties count (Kendall 1945, Biometrika 33).

    0 if all of one side are tied, or for fewer than two.
    """
    from scipy.stats import kendalltau  # takes a second, and only rubrics of orders need it

    return float(np.nan_to_num(kendalltau(a, b).statistic)) if len(a) > 1 else 0.0


def recall(retrieved: Iterable[str], evidence: Sequence[str]) -> float:
    """Share of evidence (sources of turns) that was retrieved, 0 to 1; 1 if there is none."""
    if not evidence:
        return 1.0
    sources = set(retrieved)
    return sum(source in sources for source in evidence) / len(evidence)


def words_shown(gold_answer: str, text: str) -> float:
    """Share of the gold answer's stemmed words that a text has, 0 to 1; 1 for an answer of none."""
    words = set(stems(gold_answer))
    return len(words & set(stems(text))) / len(words) if words else 1.0


# Indices drawn at once: a megabyte. All indices for LoCoMo would take 60 MB, and one resample at a
# time takes twenty times as long. The intervals are the same to the bit.
_INDICES = 2**17


def bootstrap(
    values: Sequence[float],
    seed: int = 0,
    n: int = 2000,
    groups: Sequence[str] | None = None,
    within: bool = False,
) -> tuple[float, float]:
    """95 % percentile interval of the mean, from `n` resamples (Efron & Tibshirani 1993, ch. 13).

    With `groups` (the group of each value), whole groups are resampled, because their values depend
    on one another. With `within`, the values of each drawn group are resampled as well:
    conversations, then their questions (Davison & Hinkley 1997, section 3.8). Without groups,
    values are taken as independent; questions about one conversation are not quite independent, so
    the interval is somewhat too narrow. Raises ValueError when there is no value.
    """
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        raise ValueError("no values to take the mean of")
    group_indices = np.unique(groups, return_inverse=True)[1] if groups else np.arange(len(sample))
    rng = np.random.default_rng(seed)
    if within:
        members = [sample[group_indices == index] for index in range(group_indices.max() + 1)]
        low, high = np.percentile([_nested_mean(members, rng) for _ in range(n)], [2.5, 97.5])
        return float(low), float(high)

    sums, counts = np.bincount(group_indices, weights=sample), np.bincount(group_indices)
    rows = max(_INDICES // len(sums), 1)
    means: list[float] = []
    for first in range(0, n, rows):
        resamples = rng.integers(len(sums), size=(min(rows, n - first), len(sums)))
        means.extend(sums[resamples].sum(axis=1) / counts[resamples].sum(axis=1))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _nested_mean(groups: Sequence[NDArray[np.float64]], rng: np.random.Generator) -> float:
    """The mean of one resample: groups drawn with replacement, then values within each group."""
    drawn = [groups[index] for index in rng.integers(len(groups), size=len(groups))]
    total = sum(group[rng.integers(len(group), size=len(group))].sum() for group in drawn)
    return float(total / sum(map(len, drawn)))


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927): a bootstrap of equal values gives none."""
    from scipy.stats import binomtest  # takes a second, and only equal values and shares need it

    interval = binomtest(count, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[str] | None = None,
    clusters: Sequence[str] | None = None,
) -> tuple[float, float]:
    """95 % interval of the mean of `a - b`, where a[i] and b[i] score the same question.

    With `clusters` (the conversation of each question), of `LEAST_CONVERSATIONS` or more, it speaks
    of other conversations, too, and is the wider of two: see `clustered_interval`. Differences of
    scores in 0..1 stay within -1..1. Raises ValueError when the lengths differ or there is no
    value.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    low, high = bootstrap(differences, groups=groups)
    if clusters is None or len(set(clusters)) < LEAST_CONVERSATIONS:
        return low, high
    low_of_clusters, high_of_clusters = clustered_interval(differences, clusters)
    low, high = min(low, low_of_clusters), max(high, high_of_clusters)
    if all(0 <= score <= 1 for score in (*a, *b)):  # so no mean difference is beyond 1
        low, high = max(low, -1.0), min(high, 1.0)
    return low, high


def clustered_interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """95 % interval of the mean, from resamples of whole clusters, of three or more.

    Percentiles of few clusters are too narrow: of three they exclude a true zero in 13 % of cases.
    Each side is widened as Student's t is wider than the normal distribution, and as the variance
    of a resample is smaller than the sample's (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap", section 5.3): 2 to 3 %.
    """
    low, high = bootstrap(values, groups=clusters)
    return _widened(float(np.mean(values)), low, high, len(set(clusters)))


def _widened(value: float, low: float, high: float, number: int) -> tuple[float, float]:
    from scipy.stats import norm, t  # takes a second

    wider = t.ppf(0.975, number - 1) / norm.ppf(0.975) * math.sqrt(number / (number - 1))
    return value - float(wider) * (value - low), value + float(wider) * (high - value)


def resampled_interval(
    clusters: Sequence[str],
    figure: Callable[[Sequence[str]], float],
    bounds: tuple[float, float],
    n: int = 500,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % interval of any figure of clusters, from `n` resamples of whole clusters.

    For figures that are no mean, such as an F1 over all rows; None for fewer than three clusters.
    Widened as `clustered_interval` is, within the `bounds` of the figure.
    """
    if len(clusters) < LEAST_CONVERSATIONS:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(clusters), size=(n, len(clusters)))
    values = [figure([clusters[index] for index in row]) for row in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    low, high = _widened(figure(clusters), float(low), float(high), len(clusters))
    return max(low, bounds[0]), min(high, bounds[1])
