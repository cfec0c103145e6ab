"""The SELECT for the facts that a question may be about, and its rows as facts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from memory.program.fact_questions import KIN, FactQuestion
from memory.records import Rows
from memory.search.words import words
from memory.sql import quoted
from memory.statements.denials import HAS_NO, NEVER

_MOST_FACTS = 200
_MOST_ABOUT = 1_000  # the newest, of which the words of a question choose
_MOST_NAMES = 8
# They say little beside another word ("go running", "take a trip"), so nothing need explain them.
# Of these, the names of attributes say nothing either: a place_of_work is no place "visited".
EMPTY_WORDS = frozenset(words("place places person people ones new total included both them us"))
LIGHT_WORDS = EMPTY_WORDS | frozenset(
    words(
        "go goes went going gone get gets got gotten do done have has had take took taken make made"
        " be been being happen use used trip trips own come came put give keep"
        " become became"
    )
)
_SELECT = """SELECT f.id, f.subject, f.attribute, f.value, f.happened_on, f.ended_on, f.turn_id, \
t.said_at, f.entity
FROM facts f JOIN turns t ON t.id = f.turn_id
WHERE {conditions}
ORDER BY f.id DESC LIMIT {most}"""
_KINSHIP = (
    r"(?i:mother|father|mum|mom|dad|sister|brother|son|daughter|child|boy|girl|kid|wife"
    r"|husband|partner|girlfriend|boyfriend|boss|friend|cat|dog|pet|colleague|cousin|aunt|uncle"
    r"|grandmother|grandfather|gran|grandad|fianc[e\u00e9]e?|ex-husband|ex-wife|ex)\b"
)
_PERSON = r"(?:(?:Mr|Mrs|Ms|Dr|Aunt|Uncle) )?[A-Z][\w-]*"
_RELATION = re.compile(
    rf"\b(?P<of>{_PERSON})'s (?P<word>{_KINSHIP})|\b(?P<whose>{_KINSHIP}) of (?P<person>{_PERSON})"
)


@dataclass(frozen=True)
class DatedFact:
    """A fact with the date of its turn. Dates are ISO text or ""."""

    id: int
    subject: str
    attribute: str
    value: str
    happened_on: str
    ended_on: str
    turn_id: int
    said_at: str
    entity: str

    @property
    def date(self) -> str:
        """When it happened or began; "" where nobody said so."""
        return self.happened_on.partition("/")[0]

    @property
    def day(self) -> str:
        """The day it counts for: when it happened or began, else when it was said."""
        return self.date or self.said_at[:10]

    @property
    def names(self) -> str:
        """The names of its subject."""
        return f"{self.subject} {self.entity}"


def select_about(question: FactQuestion) -> str:
    """The SELECT for all facts about those whom a question names; for all facts where none is."""
    named = [
        max(words(forms[-1]), key=lambda word: (word not in KIN, len(word)), default="")
        for forms in question.names[:_MOST_NAMES]
    ]
    likes = [
        f"LOWER(f.{column}) LIKE {_containing(name)}"
        for name in dict.fromkeys(filter(None, named))
        for column in ("subject", "entity", "value")
    ]
    return _SELECT.format(conditions=" OR ".join(likes) or "1 = 1", most=_MOST_ABOUT)


def select_same(facts: Sequence[DatedFact]) -> str:
    """The SELECT for the facts of the same subjects and attributes."""
    subjects = dict.fromkeys(fact.subject for fact in facts)
    attributes = dict.fromkeys(fact.attribute for fact in facts)
    return _SELECT.format(
        conditions=f"f.subject IN ({', '.join(map(quoted, subjects))})"
        f"\n  AND f.attribute IN ({', '.join(map(quoted, attributes))})",
        most=_MOST_FACTS,
    )


def _containing(text: str) -> str:
    """The pattern of LIKE for a text; a letter that a database may not lower is any."""
    text = re.sub(r"[%_\\]", "", text)
    return quoted(f"%{''.join(c if c.isascii() else '_' for c in text)}%")


def relation_in(question: str) -> tuple[str, str] | None:
    """The person and the relation in "Mara's sister", None where a question has no such words."""
    match = _RELATION.search(question.replace("\u2019", "'"))
    if match is None:
        return None
    return match["of"] or match["person"], (match["word"] or match["whose"]).lower()


def select_relatives(person: str) -> str:
    """The SELECT for what is true now of a person, among it who is their sister, boss or dog."""
    title, _, name = person.lower().partition(" ")
    is_titled = title in KIN and name
    whose = f"LIKE {quoted(f'%{name}')}" if is_titled else f"= {quoted(person.lower())}"
    conditions = f"LOWER(f.subject) {whose}\n  AND COALESCE(f.ended_on, '') = ''"
    return _SELECT.format(conditions=conditions, most=_MOST_FACTS)


def facts_in(rows: Rows, today: str) -> list[DatedFact]:
    """The facts in the rows of `select_about`, by id, as they stand on a day (ISO).

    What somebody was going to do is what they do once its day has come and what was before has
    ended: will_live_in is lives_in.
    """
    columns = len(fields(DatedFact))
    facts = []
    for row in rows.rows:
        # Rows of several memories begin with the memory's name.
        cells: tuple[Any, ...] = tuple("" if cell is None else cell for cell in row[-columns:])
        if (fact := DatedFact(*cells)).attribute not in (NEVER, HAS_NO):  # what is not the case
            facts.append(fact)
    current = {(fact.subject, fact.attribute) for fact in facts if not fact.ended_on}
    begun = []
    for fact in facts:
        if fact.attribute.startswith("will_") and "" < fact.date <= today[: len(fact.date)]:
            verb, _, rest = fact.attribute.removeprefix("will_").partition("_")
            present = "_".join(filter(None, (f"{verb}s", rest)))
            if (fact.subject, present) not in current:
                fact = replace(fact, attribute=present)
        begun.append(fact)
    return sorted(begun, key=lambda fact: fact.id)
