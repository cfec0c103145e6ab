"""Lists that a sentence announces: "I read two books: Dracula and Kidnapped"."""

import re
from collections.abc import Iterator

from memory.records import Turn
from memory.statements.days import named_days
from memory.statements.sentences import sentences, written_out
from memory.statements.statement import Statement
from memory.statements.values import values_in

_ATTRIBUTES = {
    "book": "read",
    "novel": "read",
    "film": "watched",
    "movie": "watched",
    "country": "visited",
    "city": "visited",
    "place": "visited",
    "island": "visited",
    "museum": "visited",
    "town": "visited",
    "camping trip": "went_camping",
    "trip": "travelled_to",
    "run": "went_running",
    "swim": "went_swimming",
    "lesson": "had",
    "driving lesson": "had",
    "concert": "attended",
    "wedding": "attended",
    "language": "speaks",
    "instrument": "plays_instrument",
    "allergy": "allergic_to",
}
_NOUNS = "|".join(sorted((noun.removesuffix("y") for noun in _ATTRIBUTES), key=len, reverse=True))
_ANNOUNCED = re.compile(
    r"(?:^\W*|[,;] |\b(?:and|but|so) )(?P<subject>(?:i|we) )?(?:have |just |already )*(?:read"
    r"|got through"
    r"|finished|watched|saw|seen|visited|went (?:to|on)|been (?:to|on)|did|had|have|speak|play|am"
    r" allergic to|made) (?:about |these |all |my |the )?(?:two|three|four|five|six|seven"
    r"|eight|nine|ten"
    rf"|\d+)(?: \w+)?? (?P<noun>{_NOUNS})(?:y|ies|s)?\b[^:.!?]{{0,50}}: (?P<items>[^.!?]+)",
    re.IGNORECASE,
)
_ITEMS = re.compile(r",? (?:and|&) (?:then |finally )?|, ")


def listed(turn: Turn, text: str) -> Iterator[Statement]:
    """An item of a list is a fact each, with its own day where it has one."""
    for sentence in sentences(text):
        match = _ANNOUNCED.search(written_out(sentence))
        if match is None or sentence.endswith("?"):
            continue
        noun = match["noun"].lower()
        attribute = _ATTRIBUTES.get(noun) or _ATTRIBUTES[f"{noun}y"]
        for item in _ITEMS.split(match["items"]):
            days = named_days(item, turn.said_at, ahead=False)
            day = days[0] if len(days) == 1 else ""
            values = values_in(item) or ([f"a {noun}"] if day else [])
            for value in values[:1]:
                yield Statement(turn.speaker.strip(), attribute, value, day)
