"""Prepares a model's facts for storing: dated."""

import re
from dataclasses import replace

from memory.records import Fact, Turn

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
