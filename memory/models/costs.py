"""The cost of work with a model in calls, tokens and dollars: estimated before, summed after."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, TypeVar

import dspy
from dspy.utils.usage_tracker import UsageTracker

from memory.models.model import Model
from memory.records import Step as Step  # the benchmark reads it here
from memory.system.terminal import count

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """Calls of a model, tokens in and out, and US dollars (None if the price is unknown)."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0

    def __add__(self, added: "Cost") -> "Cost":
        priced = self.dollars is not None and added.dollars is not None
        return Cost(
            calls=self.calls + added.calls,
            tokens_in=self.tokens_in + added.tokens_in,
            tokens_out=self.tokens_out + added.tokens_out,
            dollars=(self.dollars or 0.0) + (added.dollars or 0.0) if priced else None,
        )

    def __str__(self) -> str:
        """`12 calls, 9,000 + 800 tokens, $ 0.01`."""
        return f"{count(self.calls, 'call')}, {self.tokens_text}, {self.price_text}"

    @property
    def tokens_text(self) -> str:
        """`9,000 + 800 tokens`, read and written."""
        return f"{self.tokens_in:,} + {self.tokens_out:,} tokens"

    @property
    def price_text(self) -> str:
        """`$ 0.31`, with more digits for small amounts, or "price unknown"."""
        if self.dollars is None:
            return "price unknown"
        return f"$ {self.dollars:.{2 if self.dollars >= 0.1 or not self.dollars else 4}f}"


def priced(model: Model, *, calls: int, tokens_in: float, tokens_out: float) -> Cost:
    """The cost of these calls and tokens, in dollars too if the model's price is known."""
    dollars = None
    if price := model.price:
        dollars = tokens_in * price[0] + tokens_out * price[1]
    return Cost(calls, round(tokens_in), round(tokens_out), dollars)


# The tokens of each call, by the name of the model.
Usage = dict[str, list[dict[str, int]]]
_COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")


class CallCounter(UsageTracker):
    """The calls of a block of code."""

    def add_usage(self, lm: str, usage_entry: dict[str, Any]) -> None:
        """Count a call, even if the server does not report its tokens."""
        self.usage_data[lm].append({name: int(usage_entry.get(name) or 0) for name in _COUNTED})


class Spending(CallCounter):
    """The calls of a model in a block of code; `cost` is the sum so far."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    @property
    def cost(self) -> Cost:
        """The calls that were answered, and their tokens as the provider counts them."""
        calls = [entry for entries in self.usage_data.values() for entry in entries]
        return priced(
            self._model,
            calls=len(calls),
            tokens_in=sum(call.get("prompt_tokens") or 0 for call in calls),
            tokens_out=sum(call.get("completion_tokens") or 0 for call in calls),
        )


@contextmanager
def spending(model: Model) -> Iterator[Spending]:
    """Sums up the use of `model` inside, by this thread and by threads with its context.

    A sum inside another block counts there, too.
    """
    spent = Spending(model)
    try:
        with dspy.context(usage_tracker=spent):
            yield spent
    finally:
        add_usage(spent.usage_data)


@contextmanager
def counting(usage: Usage) -> Iterator[None]:
    """Add the use of models inside to `usage`; it counts outside, too."""
    calls = CallCounter()
    try:
        with dspy.context(usage_tracker=calls):
            yield
    finally:
        usage.update(calls.usage_data)
        add_usage(usage)


def with_usage(call: Callable[[], Result]) -> tuple[Result, Usage]:
    """Call a function; return its result and the model usage meanwhile, for `add_usage`."""
    calls = CallCounter()
    with dspy.context(usage_tracker=calls):
        result = call()
    return result, dict(calls.usage_data)


def add_usage(usage: Usage) -> None:
    """Count calls made elsewhere as if they were made here."""
    if tracker := dspy.settings.usage_tracker:
        for lm, calls in usage.items():
            tracker.usage_data[lm].extend(calls)


def added(step: Step, calls: Sequence[Mapping[str, int]], seconds: float) -> Step:
    """A step with further calls of a model, by the usage of each."""
    return replace(
        step,
        calls=step.calls + len(calls),
        tokens_in=step.tokens_in + sum(map(itemgetter("prompt_tokens"), calls)),
        tokens_out=step.tokens_out + sum(map(itemgetter("completion_tokens"), calls)),
        seconds=round(step.seconds + seconds, 3),
    )
