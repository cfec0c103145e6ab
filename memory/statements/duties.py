"""What somebody has to do by a day: "we have to leave the house by the end of May"."""

import re

from memory.records import Turn
from memory.statements.clause import Clause
from memory.statements.days import named_days
from memory.statements.plans import SAYS_LITTLE
from memory.statements.statement import Statement
from memory.statements.values import values_in

_DUTY = re.compile(
    r"(?:(?:now|still|also|only|just|then|all) )?(?:must|have to|has to|need to|needs to"
    r"|have got to) (?:also |now |both |all )?(?P<deed>(?!be sure\b|be careful\b|have been\b|say\b"
    r"|admit\b|confess\b|ask\b|tell\b|remember\b|think\b|know\b|see\b|feel\b|laugh\b|look\b|sound\b"
    r"|seem\b|try\b|wait\b|go\W*$|go now\b)[a-z]+ [^.!?;:]+)"
)

_UNTIL = re.compile(r"\b(?:until|till?)\b", re.IGNORECASE)


def duty_of(clause: Clause, turn: Turn) -> Statement | None:
    """The `has_to` of a clause whose duty has a day of its own; None for any other."""
    duty = _DUTY.match(clause.text)
    if duty is None or clause.is_thing or clause.is_pasted or not clause.has_subject:
        return None
    if _UNTIL.search(duty["deed"]):
        return None
    days = named_days(f"{clause.when} {duty['deed']}", turn.said_at, ahead=True)
    deeds = values_in(duty["deed"])[:1]
    if len(days) != 1 or not deeds or len(deeds[0].split()) < 2 or SAYS_LITTLE.search(deeds[0]):
        return None
    return Statement("", "has_to", deeds[0], days[0])
