"""Doubt about a question: the ranking sees that another person than the named one said it."""

import re
from collections.abc import Callable, Sequence

from memory.model import Hit, Turn

# How much better the turn of another person must fit, in units of a score. On LoCoMo's seven
# conversations 62 % of the questions about what another person said are doubted and 11 % of all
# others; of answerable questions about our chats 3 to 5 % (docs/decisions.md, 46).
_LEAST_LEAD = 0.2
DOUBT = "What fits best was said by"  # how every doubt begins: prompts are searched for it

# Without "of themselves" 13 % of the answerable questions about our chats were doubted.
_OF_ONESELF = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b", re.IGNORECASE)


def doubt(hits: Sequence[Hit], turn_of: Callable[[int], Turn]) -> str:
    """A sentence for a prompt when what fits a question best was told by another about themselves.

    The best turn by the person that the question names is compared with the best one by anybody
    else, the share of the speaker left aside. `turn_of` brings a turn by its id. Empty where the
    ranking does not doubt.
    """
    # Of the turns by others (False) and by the named person (True): (fit, turn id) of the best.
    best: dict[bool, tuple[float, int]] = {}
    for hit in hits:
        speaker_share = hit.shares["speaker"]
        is_by_named = speaker_share > 0
        fit = (hit.score - speaker_share, hit.turn_id)
        best[is_by_named] = max(best.get(is_by_named, fit), fit)
    if len(best) < 2 or best[False][0] - best[True][0] < _LEAST_LEAD:
        return ""
    another = turn_of(best[False][1])
    named = turn_of(best[True][1])
    if not _OF_ONESELF.search(another.text):
        return ""
    return f"{DOUBT} {another.speaker}, not by {named.speaker}."
