"""Instructions to try where the model is too small to propose any: each says one thing otherwise.

Asked for an instruction, a model of up to 3 billion parameters repeats what it was
shown, and reads thousands of tokens for that. An optimizer needs candidates.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from types import MappingProxyType
from typing import Any

from locomo.choices import Target
from memory.models import Model
from memory.program import plain_program

_ANSWERS = (
    "Read the memory and answer the question with the shortest phrase of it that is a whole answer."
    "\nWrite a date as day, month and year. If the memory does not answer it: No information"
    " available",
    "Find the line of the memory that answers the question, and copy the words that do."
    "\nNo sentence, no name of the speaker. Without such a line: No information available",
    "Answer the question from the memory alone.\nWhen: the date in the brackets of the line, or the"
    " date that its words mean. How many: a number. Which or what: every item, with commas."
    "\nIf nobody in the memory says it: No information available",
    "The memory has lines of several people. Answer the question about the person that it names,"
    " from lines about this person, in at most ten words."
    "\nIf only another person says it, or nobody: No information available",
    "Answer as a friend would who has read these lines: a few words, exact names and dates."
    "\nThe newest line counts. If no line says it: No information available",
)
_CHOICES = (
    "Which facts of the catalog would answer the question? Write one row:\nshape | attributes\n"
    "Shape: now, at, list, count, first, last or span. Choose several attributes where you are not"
    " sure. If none fits: none",
    "Write one row, as here: shape | attributes\nThe attributes are those of the catalog nearest to"
    " the words of the question. Shape: count for how many, list for all of a kind, first or last"
    " for an order, span for how long, at where it names a date, else now. Write none only where"
    " the catalog has nothing near.",
    "Look at the catalog, then at the question. Write none where no attribute is about the same"
    " thing.\nElse one row: shape | attributes, with shape now, at, list, count, first, last or"
    " span.",
)
_ROWS = (
    "Copy each lasting fact of the message as a row, word for word from one sentence:\nwho | does"
    " what | what, where, when\nWrite the speaker's name for I and we. Where there is no lasting"
    " fact: none",
    "Who has, likes, does, owns or plans what? Write a row for each:\nwho | does what | what,"
    " where, when\nUse words of one sentence alone, and the speaker's name for I. For small talk"
    " and questions: none",
)
# What SIMBA adds to an instruction.
_ADVICE: Mapping[Target, tuple[str, ...]] = MappingProxyType(
    {
        "answer": (
            "Copy the words of one line.",
            "If you are not sure that a line is about the person asked for: No information"
            " available",
            "Write dates as day, month and year.",
        ),
        "retrieve": (
            "Choose the attributes that are nearest to the words of the question.",
            "Write none unless an attribute is about the same thing.",
        ),
        "store": (
            "Two facts in a line are two rows.",
            "Leave out feelings, plans without a day, and what is over by tomorrow.",
        ),
    }
)
_INSTRUCTIONS: Mapping[Target, tuple[str, ...]] = MappingProxyType(
    {"answer": _ANSWERS, "retrieve": _CHOICES, "store": _ROWS}
)


def can_propose(model: Model) -> bool:
    """Whether a model can be asked for instructions: one of up to 3 billion parameters cannot."""
    return not plain_program(model).quotes_rows


class OwnInstructions:
    """Answers an optimizer's requests for instructions and for advice, for one target."""

    def __init__(self, target: Target) -> None:
        self._instructions = cycle(_INSTRUCTIONS[target])
        self._advice = cycle(_ADVICE[target])

    def proposal(
        self, output_fields: Sequence[str], inputs: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The output fields of a request; None for a request of another kind."""
        for field in ("proposed_instruction", "new_instruction"):  # MIPROv2's, GEPA's
            if field in output_fields:
                return {field: next(self._instructions)}
        if "module_advice" in output_fields:  # SIMBA's
            names = json.loads(inputs["module_names"])
            return {"discussion": "", "module_advice": dict.fromkeys(names, next(self._advice))}
        return None
