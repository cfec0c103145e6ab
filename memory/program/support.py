"""Whether shown turns support what the packaged model says: one must contain its words.

A model of 135 million parameters completes sentences, with words that may occur nowhere. This
compares words, not meanings: a text not found word for word was not said.
"""

import re
from collections.abc import Collection, Sequence

from memory.records import Hit, Turn
from memory.text.turn_lines import turn_forms
from memory.text.words import is_among, telling_words

_ITEM_END = re.compile(r", (?:and )?| and ")


def supported_part(
    answer: str, turns: Sequence[Turn], asked: Collection[str] = ()
) -> tuple[str, list[Turn]]:
    """The part of an answer that turns support, all or some items of a list, and these turns.

    Arguments:
        answer: what a model wrote.
        turns: where it may come from, the likeliest by the ranking first.
        asked: words of the question, which support nothing.

    Returns ("", []) if no turn has all telling words of the answer, or of an item.
    """
    if source := _source(answer, turns, asked):
        return answer, [source]
    sources = {item: _source(item, turns, asked) for item in _ITEM_END.split(answer)}
    supported = {item: turn for item, turn in sources.items() if turn}
    return ", ".join(supported), list(dict.fromkeys(supported.values()))


def is_by_named(hit: Hit) -> bool:
    """Whether the question that found this turn names its speaker."""
    return hit.shares["speaker"] > 0


def is_attributed(sources: Sequence[Turn], hits: Sequence[Hit], shown: Sequence[Turn]) -> bool:
    """Whether the person named in a question said it, if turns of theirs are shown.

    The packaged model hardly sees who said what.
    """
    by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
    if not any(turn.id in by_named for turn in shown):
        return True
    return any(turn.id in by_named for turn in sources)


def _source(answer: str, turns: Sequence[Turn], asked: Collection[str]) -> Turn | None:
    """The first turn that holds every telling word of an answer, dates of its words among them."""
    telling = telling_words(answer, asked)
    if not telling:
        return None
    for turn in turns:
        forms = turn_forms(turn)
        if all(is_among(word, forms) for word in telling):
            return turn
    return None
