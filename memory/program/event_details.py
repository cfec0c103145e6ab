"""Where something happened, and with whom: read from the clause that tells of an event.

What happened is read first (`turn_events`), so that a plan or another's deed names no place.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memory.dates import MONTHS, WEEKDAYS
from memory.passages import sentences
from memory.program.fact_questions import FactQuestion
from memory.program.turn_events import Event, Topic, has_any
from memory.search.words import words

_DAYS = "|".join(day.capitalize() for day in (*MONTHS, *WEEKDAYS))
_WORD = rf"(?!(?:I|{_DAYS}|Christmas|Easter|New Year)\b)[A-Z\u00c0-\u00de][\w'\u00c0-\u017f-]*"
_NAME = rf"{_WORD}(?: (?:(?:of|the|on|upon|de|la|le|da|do|du|del|under)(?: the)? )?{_WORD})*"
_PLACE = re.compile(
    rf"\b(?:in|at|to|near|around|from|through|across|by|on|outside|off|via|into|round|visit\w*)"
    rf"(?: (?:the|beautiful|lovely|old|little|rainy|sunny))* (?P<name>{_NAME})"
)
_ALSO = re.compile(
    rf"(?:,|,? and)(?: (?:in|at|to|then))?(?: the)? (?P<name>{_NAME})(?! (?:and|was))"
)
_COMPANY = re.compile(
    rf"\b(?:with|brought|joined by)(?: (?:my|our|his|her|their|the) (?:[\w-]+ ){{1,3}}?| )"
    rf"(?P<name>{_NAME})|\b(?P<joined>{_NAME}) and I\b|\b(?:took|taken|take) (?P<taken>{_NAME})\b"
)
_PLACE_NOUNS = frozenset(
    words(
        "where place places city cities town towns country countries village villages island"
        " islands region regions lake lakes beach beaches park parks destination destinations"
        " river rivers mountain mountains hill hills pool pools county counties"
    )
)
_ASKS_PLACE = re.compile(
    r"^\W*(?:(?:in|at|to|from|on) )?(?:where\b|(?:which|what) (?P<nouns>\w+(?: \w+)?)\b)",
    re.IGNORECASE,
)
_ASKS_COMPANY = re.compile(
    r"^\W*(?:with whom\b|whom?\b.*\bwith(?: so far| lately| recently)?\W*$)", re.IGNORECASE
)
TRAVELS = frozenset(
    words("travel travelled traveled trip trips visit visited go went gone been fly flown flew")
)
# "I was in York on Friday", of a question for where somebody travelled.
_OWN = re.compile(r"\b(?:I|we|I'm|we're|I've|we've)\b", re.IGNORECASE)
STAYS = frozenset(
    words(
        "was were been went go drove flew travelled traveled cycled sailed trip weekend holiday"
        " visited spent train back"
    )
)
_STAY_PLACE = re.compile(
    rf"\b(?:in|to|from|visited)(?: (?:the|beautiful|lovely|old|little))* (?P<name>{_NAME})(?!'s)"
)


@dataclass(frozen=True)
class Detail:
    """Where an event was or who was there, and the event."""

    value: str
    event: Event


def detail_asked(question: FactQuestion) -> str:
    """Whether a question asks for "place" or "company"; "" for neither."""
    if _ASKS_COMPANY.match(question.text):
        return "company"
    query = _ASKS_PLACE.match(question.text)
    if query and (not query["nouns"] or has_any(words(query["nouns"]), _PLACE_NOUNS)):
        return "place"
    return ""


def details_of(kind: str, events: Sequence[Event], topic: Topic) -> tuple[list[Detail], int]:
    """What events tell of it, in the order of their days, and how many of them tell nothing."""
    details: list[Detail] = []
    silent = 0
    for event in sorted(events, key=lambda event: (event.days[-1], event.turn.id)):
        is_stay = topic.head is STAYS
        values = list(_stays(event, topic) if is_stay else _values(kind, event, topic))
        silent += not values and not is_stay
        details += [Detail(value, event) for value in values]
    distinct: dict[str, Detail] = {}
    for detail in details:
        distinct.setdefault(detail.value.lower(), detail)
    return list(distinct.values()), silent


def _values(kind: str, event: Event, topic: Topic) -> Iterator[str]:
    parts = sentences(event.turn.text)
    number = next((n for n, part in enumerate(parts) if part == event.sentence), 0)
    following = parts[number + 1] if number + 1 < len(parts) else ""
    texts = [event.part, event.clause, event.sentence]
    if not following.rstrip(" )\"'").endswith("?"):
        texts.append(following)
    if number and not has_any(words(parts[number - 1]), topic.head):
        texts.append(parts[number - 1])
    for text in texts:
        hits = list(_in_text(kind, text, topic.speakers | topic.names))
        if hits:
            yield from hits
            return


def _in_text(kind: str, text: str, speakers: Collection[str]) -> Iterator[str]:
    if kind == "company":
        for match in _COMPANY.finditer(text):
            name = match["name"] or match["joined"] or match["taken"]
            if not {*words(name)} & set(speakers):
                yield name
                also = _ALSO.match(text, match.end())
                if also and not {*words(also["name"])} & set(speakers):
                    yield also["name"]
        return
    for place in _PLACE.finditer(text):
        name = place["name"]
        if name.endswith("'s") or {*words(name)} & set(speakers):
            continue
        yield name
        position = place.end()
        while more := _ALSO.match(text, position):
            if {*words(more["name"])} & set(speakers):
                break
            yield more["name"]
            position = more.end()
        return


def _stays(event: Event, topic: Topic) -> Iterator[str]:
    """Where somebody says that they were, in the part that says so."""
    if not _OWN.search(event.part):
        return
    for match in _STAY_PLACE.finditer(event.part):
        if not {*words(match["name"])} & (topic.speakers | topic.names):
            yield match["name"]
            return


def is_travel(question: FactQuestion) -> bool:
    """Whether a question asks where somebody has been, whatever they did there."""
    deeds = [word for word in question.telling if word not in _PLACE_NOUNS]
    return detail_asked(question) == "place" and all(word in TRAVELS for word in deeds)
