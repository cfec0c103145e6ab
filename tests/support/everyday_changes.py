"""Thirty everyday changes of facts by hand: what was said before, the change, and a question.

Ten correct a fact, ten end one and ten add what nobody had told. What was said stays in the turns,
so a change must decide against them.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memory import Answer, Turn
from memory.program.quotations import quotation_line

Kind = Literal["wrong", "changed", "over", "new"]
OWNER = "Nora"  # whose memory it is, and who asks
# How an answer says that something is over; the last is that of an abstention.
OVER = ("until", "no more", "any more", "no longer", "no,", "no:", "not hold", "no information")


@dataclass(frozen=True)
class EverydayChange:
    """A change of a fact and the question that it answers.

    Arguments:
        name: of the case.
        said: (speaker, day, text) of what was said before.
        kind: what a person says of the fact: it was wrong, it changed, it is over, or it is new.
        subject: of the fact.
        value: the new value; "" for an end, and where only the day was wrong.
        question: as the owner asks it.
        holds: what the answer has, any one of them, in small letters.
        lacks: what it must not tell as if it were so now, in small letters.
        old: words of the value that the fact has before; "" for a new one.
        attribute: of a new fact, or of one that a person has written before; "" where a template
            has stored it of what was said.
        on: the day of the change (ISO).
    """

    name: str
    said: Sequence[tuple[str, str, str]]
    kind: Kind
    subject: str
    question: str
    holds: Sequence[str]
    value: str = ""
    lacks: Sequence[str] = ()
    old: str = ""
    attribute: str = ""
    on: str = ""

    @property
    def turns(self) -> list[Turn]:
        return [
            Turn(speaker, text, session=day, said_at=f"{day}T18:00")
            for speaker, day, text in self.said
        ]

    def miss(self, answer: Answer) -> str:
        """What is wrong with an answer, or with the first of the nearest turns; "" for a right one.

        The turn that holds a fact comes first, with what a person has done to it.
        """
        if answer.basis != "rows":
            first = quotation_line(answer.quotations[0]).lower()
            is_shown = self.value.lower() in first or any(part in first for part in OVER)
            return "" if is_shown else f"does not show {self.value or 'its end'} first: {first}"
        text = " ".join(answer.text.lower().split())
        if not any(part in text for part in self.holds):
            return f"lacks {' or '.join(self.holds)}: {text}"
        # "Lyon, since ...; before that Ghent" tells the old value as past.
        now = text.partition("before that")[0]
        if wrong := [part for part in self.lacks if part in now]:
            return f"tells {wrong[0]}: {text}"
        return ""


CHANGES = [
    EverydayChange(**read)
    for read in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["changes"]
]
