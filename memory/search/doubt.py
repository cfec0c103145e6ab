"""Doubt: what in the ranking speaks against a question."""

import re
from collections.abc import Callable, Sequence

from memory.model import Hit, Turn

# In units of a score. LoCoMo's seven: 62 % of the questions about what another person said are
# doubted, 11 % of all others; of questions about real chats 3 to 5 %.
_BY_ANOTHER = 0.2


DOUBT = "What fits best was said by"


_OF_ONESELF = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b", re.IGNORECASE)


def doubt(hits: Sequence[Hit], turn: Callable[[int], Turn]) -> str:
    """What speaks against a question: that what fits it best is what another told of themselves.

    The best turn by the person that the question names is compared with the best one by anybody
    else, the share of the speaker left aside. `turn` brings a turn by its id. Empty where the
    ranking does not doubt.
    """
    best: dict[bool, tuple[float, int]] = {}
    for hit in hits:
        by_named = hit.shares["speaker"]
        fits = hit.score - by_named, hit.turn_id
        best[by_named > 0] = max(best.get(by_named > 0, fits), fits)
    if len(best) < 2 or best[False][0] - best[True][0] < _BY_ANOTHER:
        return ""
    another, named = (turn(best[of][1]) for of in (False, True))
    if not _OF_ONESELF.search(another.text):
        return ""
    return f"{DOUBT} {another.speaker}, not by {named.speaker}."
