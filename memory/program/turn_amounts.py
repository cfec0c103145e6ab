"""How many of something there were, where a sentence tells the number: "I got three stitches"."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.dates import COUNT, named_day
from memory.passages import sentences
from memory.program.messages import is_evidence
from memory.program.searched_turns import texts_before
from memory.program.turn_events import (
    AHEAD,
    DENIED,
    UNITS,
    Topic,
    days_told,
    has_any,
    is_told,
    subject_of,
)
from memory.records import Turn
from memory.search.words import words

_TOKEN = re.compile(
    r"\d{1,3}(?:,\d{3})+|\d+(?![\d.:]*\d)|[A-Za-z\u00c0-\u017f][\w'\u2019-]*|[.,;:!?]"
)
_NO_NUMBERS = frozenset(("a", "an", "one"))
_BETWEEN = 2  # words that may stand between a number and what it counts
_NO_BETWEEN = (
    frozenset(
        words(
            "of the my our his her their and or to in at on for from with by than o clock am pm"
            " dollars times per each a an is was"
        )
    )
    | UNITS
)


@dataclass(frozen=True)
class Amount:
    """A number that a sentence tells of what is counted.

    `met` is how many parts of the topic stand in the sentence, `met_around` in its turn or right
    before it; `is_plain`: it is said of those whom the question names; `is_ahead`: it may only be
    planned; `is_adjacent`: it stands right before what is counted.
    """

    number: int
    turn: Turn
    day: date
    met: int
    met_around: int
    is_plain: bool
    is_ahead: bool
    is_adjacent: bool


def read_amounts(topic: Topic, turns: Sequence[Turn]) -> list[Amount]:
    """The numbers that turns tell of a topic, in the order in which they were told."""
    speakers = frozenset(word for turn in turns for word in words(turn.speaker))
    topic = replace(topic, speakers=speakers)
    by_id = {turn.id: turn for turn in turns}
    amounts: list[Amount] = []
    for turn in sorted(turns, key=lambda turn: turn.id):
        said_on = named_day(turn.said_at)
        if (
            said_on is None
            or not is_evidence(turn.text)
            or not has_any(words(turn.text), topic.head)
        ):
            continue
        around = words(" ".join([turn.text, *texts_before(turn, by_id)]))
        parts = sentences(turn.text)
        for position, sentence in enumerate(parts):
            if not is_told(sentence) or DENIED.search(sentence):
                continue
            numbers = _numbers(sentence, topic.head)
            subject = subject_of(topic, turn, sentence, "") if numbers else "other"
            if subject == "other":
                continue
            following = parts[position + 1] if position + 1 < len(parts) else ""
            days, _ = days_told(sentence, sentence, following, said_on)
            amounts += [
                Amount(
                    number=number,
                    turn=turn,
                    day=days[-1],
                    met=sum(has_any(words(sentence), names) for names in topic.parts),
                    met_around=sum(has_any(around, names) for names in topic.parts),
                    is_plain=subject == "plain",
                    is_ahead=bool(AHEAD.search(sentence)),
                    is_adjacent=is_adjacent,
                )
                for number, is_adjacent in numbers
            ]
    return amounts


def _numbers(sentence: str, head: Collection[str]) -> list[tuple[int, bool]]:
    """Each number before a word of `head`, and whether it is right before it."""
    tokens = _TOKEN.findall(sentence)
    numbers = []
    for position, token in enumerate(tokens):
        if not has_any(words(token), head):
            continue
        for distance in range(1, _BETWEEN + 2):
            index = position - distance
            if index < 0 or not tokens[index][0].isalnum():
                break
            number = _value(tokens[index])
            if number:
                numbers.append((number, distance == 1))
                break
            if tokens[index].lower() in _NO_BETWEEN:
                break
    return numbers


def _value(token: str) -> int:
    bare = token.replace(",", "").lower()
    if bare.isdecimal():
        # A year is no amount: "the class of 1979".
        is_year = len(token) == 4 and 1900 <= int(bare) < 2100
        return 0 if is_year else int(bare)
    tens, dash, ones = bare.partition("-")
    if dash and COUNT.get(tens, 0) >= 20 and 0 < COUNT.get(ones, 0) < 10:
        return COUNT[tens] + COUNT[ones]
    return 0 if bare in _NO_NUMBERS else COUNT.get(bare, 0)
