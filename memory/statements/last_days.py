"""Last days at work: "my last day at the bakery is the 30th", "Friday was my last shift"."""

import re
from collections.abc import Iterator

from memory.records import Turn
from memory.statements.days import named_days
from memory.statements.sentences import sentences, written_out
from memory.statements.statement import End, Statement

_LAST_DAY = r"last (?:working )?(?:day|shift|night)"
_PLACE = r"(?: (?:at|with) (?:the )?(?P<place>[\w'& -]{2,40}?))"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:my|me) {_LAST_DAY}{_PLACE}? (?:is|was|will be) (?P<when>[^,.!?;]+)",
        rf"(?:^|[:,;] )(?:the )?{_LAST_DAY}{_PLACE} (?:is|was|will be) (?P<when>[^,.!?;]+)",
        rf"(?P<when>[\w ]{{2,25}}) (?:is|was|will be) (?:my|me) {_LAST_DAY}{_PLACE}?"
        r"(?=$|[,.!?;]| (?:and|but|so)\b)",
    )
)


def last_days(turn: Turn, text: str) -> Iterator[Statement]:
    """That the speaker leaves a job, and when."""
    if not re.search(_LAST_DAY, text, re.IGNORECASE):
        return
    for sentence in sentences(text):
        plain = written_out(sentence)
        match = next((match for pattern in _PATTERNS if (match := pattern.search(plain))), None)
        if match is None or sentence.endswith("?"):
            continue
        is_ahead = " was " not in match[0]
        days = named_days(match["when"], turn.said_at, ahead=is_ahead)
        if len(days) == 1:
            ends = (End("works_at"), End("works_as"))
            yield Statement(
                turn.speaker.strip(), "left_job", match["place"] or "job", days[0], ends
            )
