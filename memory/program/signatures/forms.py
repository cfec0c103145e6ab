"""The two forms of the prompts of the three modules, and what is shown with each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import dspy

from memory.program.signatures.choice import Form
from memory.program.signatures.full import AnswerFromMemory, WriteFacts, WriteQuery
from memory.program.signatures.short import AnswerFromMemoryShort, WriteFactsShort, WriteQueryShort


@dataclass(frozen=True)
class Prompts:
    """One form of the prompts, and what is shown in them at most.

    `known_tokens` are those of the facts that a window may be about. In short form only those
    `attributes` are shown that a window's words point at; None: all that fit. `with_names` says
    whether names and summaries, and the statements about them, are shown.
    """

    form: Form
    store: type[dspy.Signature]
    retrieve: type[dspy.Signature]
    answer: type[dspy.Signature]
    known_tokens: int
    attributes: int | None
    with_names: bool


PROMPTS: Mapping[Form, Prompts] = MappingProxyType(
    {
        "full": Prompts(
            "full",
            WriteFacts,
            WriteQuery,
            AnswerFromMemory,
            # About sixty facts: .74 of those that a window of 48 turns should be stored beside;
            # .60 in 1,500, .86 in 2,500 (docs/log/code-and-tests.md).
            known_tokens=2_000,
            attributes=None,
            with_names=True,
        ),
        "short": Prompts(
            "short",
            WriteFactsShort,
            WriteQueryShort,
            AnswerFromMemoryShort,
            known_tokens=400,
            attributes=12,
            with_names=False,
        ),
    }
)
