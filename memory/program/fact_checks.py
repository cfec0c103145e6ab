"""Prepares a model's facts for storing: dated, and in the turn's words."""

import re
from dataclasses import replace

from memory.evidence.messages import is_evidence
from memory.records import Fact, Turn
from memory.text.words import words

# A date computed for the model is in brackets after the words that mean it.
_ISO = r"\d{4}(?:-\d\d){0,2}"
_COMPUTED = re.compile(rf" ?\(({_ISO}(?:/{_ISO})?)\)")


def dated(fact: Fact, turn: Turn) -> Fact:
    """A fact with the date computed for its turn as `happened_on`, and not in its value.

    If it has a `happened_on`, or its value has two such dates, only the value changes.
    """
    computed = [day for day in _COMPUTED.findall(fact.value) if f"({day})" not in turn.text]
    value = fact.value
    for day in computed:
        value = value.replace(f" ({day})", "").replace(f"({day})", "")
    happened_on = fact.happened_on or (computed[0] if len({*computed}) == 1 else "")
    return replace(fact, value=value.strip() or fact.value, happened_on=happened_on)


def is_quoted(fact: Fact, turn: Turn) -> bool:
    """Whether a turn holds a fact's value word for word, and its subject in its text or speaker.

    The packaged model completes sentences, so its facts must be in the words of their turn.
    """
    if not is_evidence(turn.text):
        return False
    value, subject, text = words(fact.value), words(fact.subject), words(turn.text)
    starts = range(len(text) - len(value) + 1)
    has_value = bool(value) and any(text[n : n + len(value)] == value for n in starts)
    return has_value and bool(subject) and {*subject} <= {*text, *words(turn.speaker)}
