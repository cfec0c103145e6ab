"""Attribution: whether the person a question names said the answer, or somebody else did."""

import re
from collections.abc import Callable, Sequence

from memory.records import Hit, Turn

# How much higher another speaker's turn must score. On LoCoMo's seven conversations this doubts
# 41 % of the questions about what another person said and 3 % of all others; of the answerable
# questions about our chats, 0 to 8 % (docs/decisions.md, 46).
_LEAST_LEAD = 1.0

# Turns in the first person only: without this condition, more of the answerable questions about
# our chats were doubted.
_OF_ONESELF = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b", re.IGNORECASE)


def is_told_by_another(
    hits: Sequence[Hit], turns_by_id: Callable[[Sequence[int]], Sequence[Turn]]
) -> bool:
    """Whether somebody other than the person a question names said what fits it best.

    Compares the best turn by the named person with the best first-person turn by anybody else. The
    scores leave out the speaker feature. `turns_by_id` reads all turns in one call.
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
