"""Which form of the prompts a model is given."""

import re
from typing import Literal

from memory.records import FormChoice

Form = Literal["full", "short"]
# What a digest in full form needs: 2,200 tokens of instruction, of known facts, names, attributes,
# a catalog and the turns before the window up to 3,800, some 1,400 of 24 turns, 1,400 of rows.
_FULL_CONTEXT = 8_800
_LARGEST_SMALL = 8.0  # billion parameters
# "7b" in a model's name, "8x7b" for eight of them; "a3b", those active at a time, says no size.
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


def form_for(name: str, context: int | None, choice: FormChoice = "auto") -> Form:
    """The form of the prompts for a hosted model.

    Arguments:
        name: the model's, "provider/model".
        context: the tokens that it reads, where they are known.
        choice: a form, or "auto".

    Short where a digest in full form does not fit the context, and where the name gives a size of
    at most 8 billion parameters ("qwen2.5:7b"); else full. Nothing but its name tells the size of
    a model: one whose name gives none is taken for a large one.
    """
    if choice != "auto":
        return choice
    if context is not None and context < _FULL_CONTEXT:
        return "short"
    size = _billions(name)
    return "short" if size is not None and size <= _LARGEST_SMALL else "full"


def _billions(name: str) -> float | None:
    """The parameters that a model's name gives, in billions; None where it gives none."""
    sizes = [
        int(times or 1) * float(number) / (1_000 if unit in "mM" else 1)
        for times, number, unit in _SIZE.findall(name)
    ]
    return max(sizes, default=None)
