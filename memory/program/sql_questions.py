"""For which questions SELECTs pay: if the ranking leaves out turns that may matter."""

from collections.abc import Sequence
from math import log

from memory.records import Hit

# How likely a turn that is left out must be, compared with the best one. Scores of the ranking are
# logarithms of such odds: its weights are fitted as a softmax over turns (locomo.retrieval.fit).
# With 6,000 tokens, .4 of the questions of BEAM and LoCoMo get SELECTs (the log).
_LEAST_ODDS = 1 / 100


def sql_pays(hits: Sequence[Hit], fitting: int) -> bool:
    """Whether SELECTs may bring up what the budget has no room for.

    A question for a single thing has one turn far above the others; for a list, a count, an order
    or a summary many turns are about as near as the best, in any language. If all fit, rows add
    nothing.

    Arguments:
        hits: what the ranking found for the question.
        fitting: how many turns the ranking alone shows within the budget.
    """
    if fitting >= len(hits):
        return False
    scores = sorted([hit.score for hit in hits], reverse=True)
    return scores[fitting] > scores[0] + log(_LEAST_ODDS)
