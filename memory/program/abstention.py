"""Whether an answer of the packaged model is worth giving: one calibrated decision.

A model of 135 million parameters completes whatever it is asked. What it wrote, how likely it held
that, and which turns say it too make the probability that the answer is right, by a logistic
regression (Cox 1958) over answers to questions of LoCoMo and of everyday chats of our own. It
pays to give an answer that is right with probability p where p > cost / (1 + cost): the cost of a
wrong answer, counted in right ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log1p
from typing import Any

from memory.errors import InputError
from memory.program.messages import ABSTAIN

# To people a wrong answer costs more than a right one gains: they are shown the nearest turns where
# none is given. Benchmarks take nothing off for a wrong answer, but where a question has none, and
# ask at a lower cost (docs/figures.md has the curve).
PEOPLE_COST, BENCHMARK_COST = 1.0, 0.4
_ABSTENTION_TOKEN = ABSTAIN.split()[0]
_UNLIKELY = -8.0  # the log-probability of what is not among the likely tokens


@dataclass(frozen=True)
class Evidence:
    """What speaks for an answer.

    `likelihood` is the mean log-probability of its tokens and `margin` that of the first less that
    of an abstention's, both 0 where the model gives none. `is_whole`: turns support all of it;
    `is_by_named`: the person named said it, or nobody is named; `rank` that of the best turn that
    supports it, 0 for the best, `words` their number.
    """

    likelihood: float
    margin: float
    is_whole: bool
    is_by_named: bool
    rank: int
    words: int


# Fitted by `python -m tests.benchmarks.calibration` on answers to LoCoMo's seven conversations and
# to everyday chats; cross-validated by conversation there.
_WEIGHTS: Mapping[str, float] = {}
_INTERCEPT = 0.0


def probability(evidence: Evidence) -> float:
    """The probability that an answer is right, 0 to 1."""
    features = features_of(evidence)
    logit = _INTERCEPT + sum(_WEIGHTS[name] * value for name, value in features.items())
    return 1 / (1 + exp(-logit))


def features_of(evidence: Evidence) -> dict[str, float]:
    """The features of the regression, by name."""
    return {
        "likelihood": evidence.likelihood,
        "margin": evidence.margin,
        "whole": float(evidence.is_whole),
        "named": float(evidence.is_by_named),
        "rank": log1p(evidence.rank),
        "words": log1p(evidence.words),
    }


def pays(evidence: Evidence, cost: float) -> bool:
    """Whether to give an answer, where a wrong one costs as much as `cost` right ones gain."""
    return probability(evidence) > cost / (1 + cost)


def checked_cost(cost: float) -> float:
    """The cost of a wrong answer. Raises InputError where it is negative or no number."""
    if not 0 <= cost < float("inf"):
        raise InputError(
            f"the cost of a wrong answer is {cost}; give 0 (answer whatever can be answered) or"
            " more: 1 is as much as a right one gains"
        )
    return cost


def likelihoods(logprobs: Mapping[str, Any] | None) -> tuple[float, float]:
    """The mean log-probability of an answer's tokens, and the first's less an abstention's."""
    tokens: Sequence[Mapping[str, Any]] = (logprobs or {}).get("content") or ()
    if not tokens:
        return 0.0, 0.0
    nearly = {other["token"]: other["logprob"] for other in tokens[0]["top_logprobs"]}
    mean = sum(token["logprob"] for token in tokens) / len(tokens)
    return mean, tokens[0]["logprob"] - nearly.get(_ABSTENTION_TOKEN, _UNLIKELY)
