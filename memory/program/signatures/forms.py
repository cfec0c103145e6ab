"""The forms of the three modules' prompts, and what each shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import dspy

from memory.models.sizes import LITTLE_BUDGET, LITTLE_WINDOW
from memory.models.small_prompts import SMALL
from memory.program.signatures.brief import AnswerBrieflyFromMemory, ChooseColumns, WriteRows
from memory.program.signatures.full import AnswerFromMemory, WriteFacts, WriteQuery
from memory.program.signatures.short import AnswerFromMemoryShort, WriteFactsShort, WriteQueryShort

# "full" for large models, "short" for 3 to 8 billion parameters, "brief" for fewer, "tiny" for the
# packaged model.
Form = Literal["full", "short", "brief", "tiny"]


@dataclass(frozen=True)
class Prompts:
    """One form of the prompts, and the limits of what they show.

    `known_tokens` are for the facts that a window may be about. The short form shows only
    `attributes` that a window's words point at; None: all that fit. `with_names` says whether names
    and summaries, and the statements about them, are shown. A model that `follows` reads the asker,
    dates, what was known before a window, and what the asker wants of answers; another one gets the
    question with its asker's name, and one turn by itself. A model that `looks` may ask for more of
    the memory instead of answering, one that `quotes_rows` gives a turn's facts as rows and not as
    SQL; if it `composes`, it also replies, tells stories and merges facts. `session_heads`: a
    window says which session each turn is from.
    """

    form: Form
    store: type[dspy.Signature]
    retrieve: type[dspy.Signature]
    answer: type[dspy.Signature]
    known_tokens: int
    attributes: int | None
    with_names: bool
    window: int
    window_tokens: int
    budget: int
    follows: bool = True
    looks: bool = False
    session_heads: bool = False
    quotes_rows: bool = False
    composes: bool = True


def _tiny(signature: type[dspy.Signature]) -> type[dspy.Signature]:
    """A full prompt with the packaged model's instructions."""
    return signature.with_instructions(SMALL[tuple(signature.fields)].instructions)


PROMPTS: Mapping[Form, Prompts] = MappingProxyType(
    {
        "full": Prompts(
            "full",
            WriteFacts,
            WriteQuery,
            AnswerFromMemory,
            # About sixty facts: .74 of the facts that a model needs to see with a window of 48
            # turns; .60 in 1,500, .86 in 2,500 (the log).
            known_tokens=2_000,
            attributes=None,
            with_names=True,
            window=48,
            window_tokens=8_000,
            budget=6_000,
            looks=True,
            session_heads=True,
        ),
        "short": Prompts(
            "short",
            WriteFactsShort,
            WriteQueryShort,
            AnswerFromMemoryShort,
            known_tokens=400,
            attributes=12,
            with_names=False,
            window=12,
            window_tokens=2_000,
            budget=2_000,
        ),
        "brief": Prompts(
            "brief",
            WriteRows,
            ChooseColumns,
            AnswerBrieflyFromMemory,
            known_tokens=0,
            attributes=0,
            with_names=False,
            window=1,
            window_tokens=LITTLE_WINDOW,
            budget=LITTLE_BUDGET,
            follows=False,
            quotes_rows=True,
        ),
        "tiny": Prompts(
            "tiny",
            _tiny(WriteFacts),
            _tiny(WriteQuery),
            _tiny(AnswerFromMemory),
            known_tokens=0,
            attributes=0,
            with_names=False,
            window=1,
            window_tokens=200,
            budget=360,
            follows=False,
            composes=False,
        ),
    }
)
