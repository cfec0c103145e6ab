"""How large a model is, as far as its prompts depend on it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from memory.records import FormChoice

# "small" models have up to 8 billion parameters and choose a line at a time; "large" ones get full
# prompts.
Size = Literal["small", "large"]
# "short" is an older name: memories keep it in their settings.
SIZE_OF_FORM: Mapping[FormChoice, Size] = MappingProxyType(
    {"brief": "small", "short": "small", "full": "large"}
)
# What a small model reads at once: of a memory with a question, and of the one turn that it
# stores. It gets lost in more, and a core reads some 30 tokens a second.
SMALL_BUDGET, SMALL_WINDOW = 300, 400  # tokens
# What a digest in full form needs: 2,200 tokens of instruction, of known facts, names, attributes,
# a catalog and the turns before the window up to 3,800, some 1,400 of 24 turns, 1,400 of rows.
_FULL_CONTEXT = 8_800
_LARGEST_SMALL = 8.0  # billion parameters
# "7b" in a model's name, "8x7b" for eight of them; "a3b", the active ones, is not a size.
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


def size_for(name: str, context: int | None, choice: FormChoice = "auto") -> Size:
    """The size of a hosted model.

    Arguments:
        name: the model's, "provider/model".
        context: the tokens that it reads, if known.
        choice: a form of its prompts, or "auto".

    Small if the name gives a size of at most 8 billion parameters ("qwen2.5:1.5b"), or if a digest
    with full prompts does not fit the context; else large. Only the name tells the size of a model:
    without a size in it, a model counts as large.
    """
    if choice != "auto":
        return SIZE_OF_FORM[choice]
    billions = _billions(name)
    if context is not None and context < _FULL_CONTEXT:
        return "small"
    return "small" if billions is not None and billions <= _LARGEST_SMALL else "large"


def _billions(name: str) -> float | None:
    """The parameters that a model's name gives, in billions; None if it gives none."""
    sizes = [
        int(times or 1) * float(number) / (1_000 if unit in "mM" else 1)
        for times, number, unit in _SIZE.findall(name)
    ]
    return max(sizes, default=None)
