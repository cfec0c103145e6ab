"""What a turn states: a fact, and which facts are over with it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class End:
    """States of a statement's subject that are over with it.

    `attribute` is a name of the default vocabulary, "*" for every state. A `value` narrows them to
    those that name it ("sold my bike" ends owning a bike, whatever its make); "" means all.
    """

    attribute: str
    value: str = ""


@dataclass(frozen=True)
class Statement:
    """A fact that a turn states.

    `happened_on` is the day, month or year (ISO) that the words name, "" where they name none.
    A new value of an attribute of one value ends the old one anyway; `ends` are all others. What
    `is_event` may happen again on another day; the vocabulary says so of its own attributes.
    """

    subject: str
    attribute: str
    value: str
    happened_on: str = ""
    ends: tuple[End, ...] = ()
    is_event: bool = False


# What an `Over` may end.
Ended = Literal[
    "any", "activity", "possession", "ahead", "illness", "person", "abstinence", "amount", "place"
]


@dataclass(frozen=True)
class Over:
    """Words that say that something of a subject is over: it ends what names them, or nothing.

    "The canoe is sold" is no fact by itself: where the speaker has a canoe, that ends. All `words`
    stand in what ends. `value` takes its place under the same attribute ("from the cello to the
    harp"), as of `happened_on`. `unit` narrows it to an amount of that unit, whose number changes.
    """

    subject: str
    words: str
    kind: Ended = "any"
    value: str = ""
    happened_on: str = ""
    unit: str = ""
