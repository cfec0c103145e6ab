"""Whether an answer of the packaged model is worth giving: one calibrated decision.

A model of 135 million parameters completes anything. Its text, how likely it held that, and which
turns say it too give the probability that the answer is right, by a logistic regression (Cox 1958)
over answers to questions of LoCoMo and of our everyday chats. It pays to give an answer that is
right with probability p if p > cost / (1 + cost): the cost of a wrong answer, counted in right
ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log1p
from typing import Any

from memory.errors import InputError

# To people a wrong answer costs at least as much as a right one gains: without an answer they see
# the nearest turns. Benchmarks penalize a wrong answer only for unanswerable questions, and ask at
# a lower cost (docs/figures.md has the curve).
PEOPLE_COST, BENCHMARK_COST = 1.0, 0.25


@dataclass(frozen=True)
class Grounds:
    """The evidence for an answer.

    `likelihood` is the mean log-probability of its tokens, 0 if the model gives none. `is_whole`:
    turns support all of it, not just some items of a list; `is_by_named`: the person named in the
    question said it, or it names no one; `rank` is the rank of the best turn that supports it, 0
    for the best.
    """

    likelihood: float
    is_whole: bool
    is_by_named: bool
    rank: int


# Fitted by `python -m tests.benchmarks.calibration` to 379 answers, half to LoCoMo's questions and
# half to questions about everyday chats.
_WEIGHTS: Mapping[str, float] = {"likelihood": 2.23, "whole": 1.11, "by_named": 2.19, "rank": -1.04}
_INTERCEPT = -2.98


def features_of(grounds: Grounds) -> dict[str, float]:
    """The features of the regression, by name."""
    return {
        "likelihood": grounds.likelihood,
        "whole": float(grounds.is_whole),
        "by_named": float(grounds.is_by_named),
        "rank": log1p(grounds.rank),
    }


def probability(grounds: Grounds) -> float:
    """The probability that an answer is right, 0 to 1."""
    features = features_of(grounds)
    logit = _INTERCEPT + sum(_WEIGHTS[name] * value for name, value in features.items())
    return 1 / (1 + exp(-logit))


def pays(grounds: Grounds, cost: float) -> bool:
    """Whether to give an answer if a wrong one costs as much as `cost` right ones gain."""
    return probability(grounds) > cost / (1 + cost)


def checked_cost(cost: float) -> float:
    """The cost of a wrong answer. Raises InputError if it is negative or not a number."""
    if not 0 <= cost < inf:
        raise InputError(
            f"the cost of a wrong answer is {cost}; give 0 (answer whatever can be answered) or"
            " more: 1 is as much as a right one gains"
        )
    return cost


def likelihood_of(logprobs: Mapping[str, Any] | None) -> float:
    """The mean log-probability of the tokens of an answer; 0 without them."""
    tokens = (logprobs or {}).get("content") or ()
    return sum(token["logprob"] for token in tokens) / len(tokens) if tokens else 0.0
