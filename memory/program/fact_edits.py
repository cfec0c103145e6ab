"""What a listener takes back of an answer, read by a model: edits of the facts it rested on."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import dspy

from memory.program.signatures.further import CorrectFacts

# An id, a kind, a value and a date, as `CorrectFacts` asks for them.
_LINE = re.compile(r"\W*(?:id )?(\d{1,18})\s*\|([^|\n]*)\|([^|\n]*)(?:\|([^|\n]*))?")


@dataclass(frozen=True)
class FactEdit:
    """An edit of a fact: its id, one of `memory.facts.EDIT_KINDS`, the value and the date."""

    fact_id: int
    kind: str
    value: str = ""
    on: str = ""


def fact_edits(
    facts: str, answer: str, message: str, fact_ids: Collection[int]
) -> Iterator[FactEdit]:
    """The edits that a model reads in a message; raises what a call of a model does.

    Arguments:
        facts: lines of the facts that the last answer rested on.
        answer: that answer.
        message: what the listener said to it.
        fact_ids: the ids of the facts; edits of others are left out.
    """
    prediction = dspy.Predict(CorrectFacts)(facts=facts, answer=answer, message=message)
    for match in _LINE.finditer(str(prediction.edits or "")):
        number, kind, value, on = (part.strip(" \t.'\"`") for part in match.groups(""))
        if int(number) in fact_ids:
            yield FactEdit(int(number), kind, value, on)
