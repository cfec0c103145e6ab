"""How long the calls of a run take, from one timed call of each model."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from memory.models import Cost, Model, is_file

# A model in this process reads four to five tokens while it writes one.
WRITING = 5
# A hosted model, at least: gpt-4o-mini writes about twice as many. The timed call writes one word.
_WRITTEN_A_SECOND = 50
_TIMED_PROMPT = "The quick brown fox jumps over the lazy dog. " * 20 + "Say yes."
_TIMED_TOKENS = 210 + WRITING  # a word is written


@dataclass(frozen=True)
class Speed:
    """How fast a model is: seconds of a short call to a server, or of a token read by a file."""

    call: float = 0.0
    token: float = 0.0

    def seconds(self, cost: Cost, kept_tokens: int = 0, threads: int = 1) -> float:
        """How long these calls take. A server answers `threads` of them at a time.

        A file reads `kept_tokens` of each call only once: they begin each of its prompts.
        """
        if self.token:
            read = max(0, cost.tokens_in - cost.calls * kept_tokens)
            return self.token * (read + WRITING * cost.tokens_out)
        return (self.call * cost.calls + cost.tokens_out / _WRITTEN_A_SECOND) / threads


def timed_speed(model: Model, ask: Callable[[], object]) -> Speed:
    """How fast a model is. `ask` asks it for a word, and raises ModelError when it cannot."""
    began = time.monotonic()
    ask()
    call = time.monotonic() - began
    return Speed(call=call, token=seconds_a_token(model) or 0.0)


def seconds_a_token(model: Model) -> float | None:
    """How long a model file takes to read a token, by one timed call; None for other models.

    Raises ModelError when the model cannot be used.
    """
    if not is_file(model.name):
        return None
    timed = model.uncached()
    # A base model goes on until its limit, which says nothing of how fast it reads.
    with timed.active(), _cut_off_quietly():
        timed.lm("Say yes.", max_tokens=1)  # loads the file
        began = time.monotonic()
        timed.lm(_TIMED_PROMPT, max_tokens=1)
    return (time.monotonic() - began) / _TIMED_TOKENS


@contextmanager
def _cut_off_quietly() -> Iterator[None]:
    """DSPy warns of answers that reach their limit of tokens; here they are meant to."""
    log = logging.getLogger("dspy.clients.lm")
    disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = disabled
