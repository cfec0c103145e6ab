"""What belongs to a subject: "my birthday is on 3 May", "my physio is Iolo", "my locker is 214"."""

import re
from collections.abc import Iterator

from memory.records import Turn
from memory.statements.clause import Clause, owned, subject_name
from memory.statements.days import day_of_year, named_days
from memory.statements.people import relation_attribute
from memory.statements.rules import possession_rules
from memory.statements.statement import End, Statement
from memory.statements.values import WHOLE, values_in
from memory.statements.word_lists import word_lists


def of_possession(clause: Clause, turn: Turn) -> Iterator[Statement]:
    """What is said of something that a subject has, by the rules for it, a name or a number."""
    facts = [*_of_possession(clause, turn)]
    yield from facts
    if facts:
        return
    called = None if clause.is_past else _CALLED.match(clause.text)
    if called and clause.noun.split()[-1] not in word_lists().relatives | word_lists().pets:
        yield Statement(
            owned(subject_name(clause, turn.speaker), clause.noun), "name", called["name"]
        )
        return
    if (named := _NAME_ALONE.match(clause.text)) and clause.verb in ("is", "'s"):
        yield from _of_name(clause, named["name"], turn)
    elif number := _NUMBER.match(clause.text):
        yield from _of_number(clause, number["value"], turn)


def is_said_plainly(clause: Clause) -> bool:
    """Whether a name or a number alone is said of a possession."""
    named = _NAME_ALONE.match(clause.text) and clause.verb in ("is", "'s")
    return bool(named or _NUMBER.match(clause.text))


def _of_possession(clause: Clause, turn: Turn) -> Iterator[Statement]:
    subject = subject_name(clause, turn.speaker)
    for rule in possession_rules():
        noun = rule.noun.fullmatch(clause.noun) if rule.noun else None
        match = rule.match(clause.text) if noun else None
        if noun is None or match is None:
            continue
        words = "_".join((noun.groupdict().get("noun") or "").lower().split())
        when = match.groupdict().get("when")
        if when and rule.now == "birthday":
            days = named_days(f"{clause.when} {when}", turn.said_at, ahead=not clause.is_past)
            if len(days) == 1 and len(days[0]) == len("2025-01-01"):
                yield Statement(subject, "birthday", day_of_year(days[0]))
            return
        if clause.is_past and when and _TAKEN_PART_IN.search(clause.noun):
            yield from _had(clause, noun["noun"], when, turn)
            return
        if clause.is_past and not rule.ends:
            return  # "my flight was on the 9th", "my birthday was great"
        if when:
            days = named_days(f"{clause.when} {when}", turn.said_at, ahead=True)
            if len(days) == 1:
                event = words.replace("_", " ")
                yield Statement(subject, rule.now, event, days[0], (End("appointment", event),))
            return
        attribute = rule.now.format(noun=words)
        for value in values_in(match["value"], is_whole=attribute in WHOLE)[:1]:
            if rule.ends:  # "my bike was stolen": the bike is what is lost
                value = words.replace("_", " ")
            ends = tuple(End(name, value) for name in rule.ends)
            # "My favourite colour is green": no attribute of the vocabulary says it has one value.
            yield Statement(subject, attribute, value, ends=ends or (End(attribute),))
            if attribute == "name":
                yield from named_pet(clause, value, turn)
        return


def _had(clause: Clause, event: str, when: str, turn: Turn) -> Iterator[Statement]:
    """ "My driving lesson was yesterday": an event that its day has brought."""
    days = named_days(f"{clause.when} {when}", turn.said_at, ahead=False)
    if len(days) == 1 and days[0] <= turn.said_at[:10]:
        subject = subject_name(clause, turn.speaker)
        yield Statement(subject, "had", event.lower(), days[0], is_event=True)


# Events that are one's own, and take place on their day where nothing else is said.
_TAKEN_PART_IN = re.compile(
    r"(?:lesson|session|appointment|exam|interview|check-?up|scan|surgery|operation|op|viva|audition"
    r"|hearing|driving test|recital|graduation)$"
)
# What a thing is called: "our boat is called Maris".
_CALLED = re.compile(
    r"(?:now |still )?(?i:called|named) (?P<name>(?:(?:The|A|An) )?[A-Z][\w&'-]*"
    r"(?: (?:(?:of|and|the|de|la|for|in) )*[A-Z\d][\w&'-]*)*)"
    r"(?=$|[,.!?;:]| (?:and|but|now|after|because|since)\b)"
)
# A name and nothing else: "my physio is Iolo".
_NAME_ALONE = re.compile(r"(?:called )?(?P<name>[A-Z][a-z][\w-]+(?: [A-Z][\w-]+)?)(?=$|[,.!?;])")


def _of_name(clause: Clause, name: str, turn: Turn) -> Iterator[Statement]:
    """ "Nour's hamster is General", "my physio is Iolo": who somebody has."""
    noun = clause.noun.split()[-1]
    words = word_lists()
    if noun not in words.relatives | words.pets or name.split()[0].lower() in words.no_names:
        return
    attribute = relation_attribute(noun) or "_".join(clause.noun.split())
    value = f"{name}, a {noun}" if noun in words.pets else name
    yield Statement(subject_name(clause, turn.speaker), attribute, value)


def _of_number(clause: Clause, value: str, turn: Turn) -> Iterator[Statement]:
    """ "My locker is 214", "the code is now 2903": a new number ends the old one."""
    *_, noun = re.sub(r"^(?:new|old|current|latest) ", "", clause.noun).rpartition("'s ")
    if clause.is_past or len(noun.split()) > 3 or _NO_MEASURE.search(noun):
        return
    attribute = "_".join(noun.split())
    subject = subject_name(clause, turn.speaker)
    yield Statement(subject, attribute, value, ends=(End(attribute),))


_NUMBER = re.compile(
    r"(?:now |still |only |about )?(?P<value>[£$€]? ?\d(?:[\d.,]*\d)?"
    r"(?: ?(?:k|kg|g|cm|m|km|euros?|pounds?|quid|dollars?|%|percent|degrees))?"
    r"(?: (?:each|a|an|per) (?:month|week|year|hour|day|night|head|person)\b| each\b)?)"
    r"(?=$|[,.!?;]| (?:now|from|and|but|so|since)\b)",
    re.IGNORECASE,
)
_NO_MEASURE = re.compile(
    r"\b(?:birthday|wedding|party|exam|flight|date|appointment|surgery|operation|interview|day"
    r"|son|daughter|sister|brother|mum|mom|dad|mother|father|kids?|cat|dog|first|last|next|one)\b",
    re.IGNORECASE,
)


def named_pet(clause: Clause, name: str, turn: Turn) -> Iterator[Statement]:
    """ "We got a dog. He's called Biscuit": the speaker's."""
    pet = clause.subject.removeprefix("my ")
    if clause.subject.startswith("my ") and pet in word_lists().pets:
        yield Statement(turn.speaker.strip(), "has_pet", f"{name}, a {pet}")
