"""How large a model's own tokens are, as far as its name tells its vocabulary.

Budgets are a model's own tokens, texts are counted by the packaged tokenizer, whose vocabulary is
small. A rate by name needs neither litellm, which takes seconds to import, nor a vocabulary that a
tokenizer would fetch.
"""

import re
from functools import lru_cache
from math import ceil

# A model's tokens for each of ours, the highest of eight kinds of text by `python -m
# tests.benchmarks.token_rates` (the log), so that every kind fits a budget.
_RATES = (
    (re.compile(r"(?:^|/)(?:chatgpt-4o|gpt-(?:4o|4\.\d|[5-9])|o\d)"), 0.86),
    (re.compile(r"(?:^|/)gpt-(?:4|3\.5)"), 0.87),
    (re.compile(r"(?:^|/)deepseek"), 0.88),
)


@lru_cache(maxsize=64)
def token_rate(name: str) -> float:
    """A model's tokens for each of ours, by its name; 1 if its vocabulary is not known."""
    return next((rate for pattern, rate in _RATES if pattern.search(name)), 1.0)


def packaged_tokens(name: str, own_tokens: int) -> int:
    """How many tokens by our count take at most this many of a model's own."""
    return int(own_tokens / token_rate(name))


def own_tokens(name: str, packaged_tokens: int) -> int:
    """About how many of a model's own tokens this many by our count are, rather too many."""
    return ceil(packaged_tokens * token_rate(name))
