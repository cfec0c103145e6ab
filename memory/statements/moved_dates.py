"""Appointments with another day: "Leela moved the wedding, it's 28 June now"."""

import re
from collections.abc import Iterator

from memory.records import Turn
from memory.statements.days import named_days
from memory.statements.sentences import sentences, written_out
from memory.statements.statement import End, Statement
from memory.statements.word_lists import word_lists

_EVENT = (
    r"(?P<event>(?:[\w-]+ )?(?:appointment|exam|wedding|party|flight|interview|surgery|operation|op"
    r"|lesson|meeting|viewing|trip|test|check-?up|concert|recital|booking|deadline|hearing|move"
    r"|delivery|scan|rehearsal|christening))"
)
_MOVED = (
    r"(?:moved?|postponed?|rescheduled?|push(?:ed)? back|push(?:ed)?|put back|brought forward"
    r"|bring forward|bump(?:ed)?|shift(?:ed)?|changed?|delayed?)"
)
_WHOSE = r"(?:the |my |our |his |her |their )?(?:date (?:of|for) (?:the |my |our )?)?"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:(?P<name>[A-Z][\w-]+) )?(?i:(?:has |have |had )?(?:had to "
        rf"|to )?{_MOVED} {_WHOSE}{_EVENT})\b",
        rf"(?i:{_WHOSE}{_EVENT}(?:'s| has| is| was)?(?: been| had to be| have been"
        rf"| got)? {_MOVED})\b",
    )
)
# What follows within the turn: "it's 28 June now", "to the 4th", "new date is 3 May".
_NEW_DAY = re.compile(
    r"(?:\bit(?:'s| is)(?: now)?|\bnow|\bnew (?:date|day|time) is|\bback to|\bto|\bfor|\bon"
    r"|\buntil|\btill) (?P<when>(?:on "
    r"|the )?[^,.!?;]{3,40})",
    re.IGNORECASE,
)


def moved_dates(turn: Turn, text: str) -> Iterator[Statement]:
    """An appointment on its new day, which ends the one on the old day."""
    if not re.search(_MOVED, text, re.IGNORECASE):
        return
    plain = " ".join(
        written_out(sentence) for sentence in sentences(text) if not sentence.endswith("?")
    )
    for pattern in _PATTERNS:
        for match in pattern.finditer(plain):
            event = _plain(match["event"])
            for day in _NEW_DAY.finditer(plain, match.end(), match.end() + 120):
                days = named_days(day[0], turn.said_at, ahead=True)
                if len(days) == 1:
                    subject = match.groupdict().get("name") or turn.speaker.strip()
                    if subject.lower() in word_lists().no_names or subject in ("I", "We", "They"):
                        subject = turn.speaker.strip()
                    ends = (End("appointment", event), End("plans", event))
                    yield Statement(subject, "appointment", event, days[0], ends)
                    return


def _plain(event: str) -> str:
    return re.sub(r"^(?:the|my|our|his|her|their|has|have|a|an|and|but|so) ", "", event.lower())
