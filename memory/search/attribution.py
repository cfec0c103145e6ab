"""Doubt that the person whom a question names said its answer: another one may have."""

import re
from collections.abc import Callable, Sequence

from memory.records import Hit, Turn

# How much better the turn of another person must fit, in units of a score. On LoCoMo's seven
# conversations 41 % of the questions about what another person said are doubted and 3 % of all
# others; of answerable questions about our chats 0 to 8 % (docs/decisions.md, 46).
_LEAST_LEAD = 1.0

# Without "of themselves" more of the answerable questions about our chats were doubted.
_OF_ONESELF = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b", re.IGNORECASE)


def is_told_by_another(
    hits: Sequence[Hit], turns_by_id: Callable[[Sequence[int]], Sequence[Turn]]
) -> bool:
    """Whether what fits a question best was told by another than the person it names.

    The best turn by the named person is compared with the best one in which anybody else tells of
    themselves, the share of the speaker left aside. `turns_by_id` looks up turns, all at once.
    """
    fits_by_named = [_fit(hit) for hit in hits if is_by_named(hit)]
    if not fits_by_named:
        return False
    least = max(fits_by_named) + _LEAST_LEAD
    better = [hit.turn_id for hit in hits if not is_by_named(hit) and _fit(hit) >= least]
    return any(_OF_ONESELF.search(turn.text) for turn in turns_by_id(better))


def is_by_named(hit: Hit) -> bool:
    """Whether the question that found this turn names its speaker."""
    return hit.shares["speaker"] > 0


def _fit(hit: Hit) -> float:
    return hit.score - hit.shares["speaker"]
