"""Whether shown turns support what the packaged model says: its words must stand in one of them.

A model of 135 million parameters completes sentences, and what it completes them with need not
stand anywhere. Words are compared, not meanings: what is not found word for word was not said.
"""

import re
from collections.abc import Sequence

from memory.prompt import turn_forms
from memory.records import Hit, Turn
from memory.search.word_forms import is_among, telling_words

_ITEM_END = re.compile(r", (?:and )?| and ")
_YEAR = re.compile(r"(?:19|20)\d\d")


def supported_part(answer: str, turns: Sequence[Turn]) -> tuple[str, list[Turn]]:
    """What turns support of an answer, the whole or some items of a list, and these turns.

    Arguments:
        answer: what a model wrote.
        turns: where it may come from, those that the ranking holds likely first.

    Returns ("", []) where no turn holds all telling words of the answer, or of an item.
    """
    if source := _source(answer, turns):
        return answer, [source]
    sources = {item: _source(item, turns) for item in _ITEM_END.split(answer)}
    supported = {item: turn for item, turn in sources.items() if turn}
    return ", ".join(supported), list(dict.fromkeys(supported.values()))


def is_by_named(hit: Hit) -> bool:
    """Whether the question that found this turn names its speaker."""
    return hit.shares["speaker"] > 0


def is_attributed(sources: Sequence[Turn], hits: Sequence[Hit], shown: Sequence[Turn]) -> bool:
    """Whether the person whom a question names said it, where turns of theirs are shown.

    The packaged model hardly sees who said what.
    """
    by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
    if not any(turn.id in by_named for turn in shown):
        return True
    return any(turn.id in by_named for turn in sources)


def _source(answer: str, turns: Sequence[Turn]) -> Turn | None:
    """The first turn that holds every telling word of an answer.

    A year aside, which the program computes from a relative date.
    """
    telling = telling_words(answer)
    telling = [word for word in telling if not _YEAR.fullmatch(word)] or telling
    if not telling:
        return None
    for turn in turns:
        forms = turn_forms(turn)
        if all(is_among(word, forms) for word in telling):
            return turn
    return None
