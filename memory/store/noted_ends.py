"""Which facts are over by what a turn says: those that it names, and plans that have come true.

Pure. Words are compared in any form, with those of a fact's value and of its attribute.
"""

import re
from collections.abc import Sequence

from memory.dates import COUNT
from memory.records import Fact
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.statements import Over, forms_of_verb, is_past
from memory.vocabulary import Vocabulary

# What comes true on its day, and is over then.
PLANNED = ("plans", "appointment", "booked")
_ACTIVITIES = frozenset(
    {
        *("habit", "plays", "plays_instrument", "hobby", "learns", "studies", "studies_at"),
        *("volunteers_at", "works_at", "works_as", "diet", "does_not_eat", "takes_medicine"),
        *("joined", "started"),
    }
)
_POSSESSIONS = frozenset({"owns", "drives", "has_pet"})
_AHEAD = frozenset({*PLANNED, "engaged_to"})
_ILLNESSES = frozenset({"ill_with", "health", "takes_medicine"})
_PEOPLE = frozenset({"partner", "engaged_to", "married_to", "lives_with", "has_flatmate"})
_ABSTINENCE = frozenset({"does_not_eat", "stopped", "diet"})
_ENDED_BY_KIND = {
    "activity": _ACTIVITIES,
    "possession": _POSSESSIONS,
    "ahead": _AHEAD,
    "illness": _ILLNESSES | {"diet", "does_not_eat"},
    "person": _PEOPLE,
    "abstinence": _ABSTINENCE,
    "amount": frozenset[str](),
    "place": frozenset({"lives_in", "works_at"}),
    "any": _ACTIVITIES | _POSSESSIONS | _AHEAD | _ILLNESSES | _PEOPLE | {"lives_in"},
}
# Kinds that also end states whose attribute is a verb: "sings", "is_building".
_OF_VERBS = frozenset({"any", "activity", "possession", "illness", "amount"})
# What the value of an attribute is called by: "the car" is what somebody drives.
_CALLED = {
    "drives": "car van truck lorry",
    "engaged_to": "engagement wedding fiancé fiancée fiance fiancee",
    "partner": "relationship boyfriend girlfriend partner",
    "married_to": "marriage husband wife",
    "learns": "lessons classes course",
    "plays_instrument": "lessons",
    "takes_medicine": "medicine tablets pills medication",
}
_SHORTEST_STEM = 3  # letters
_ENDINGS = frozenset(("", "s", "es", "d", "ed", "ing", "er", "ers", "ings", "'s"))
_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[a-z%]+)\b", re.IGNORECASE)
_SAME_UNITS = {"kilo": "kg", "kilos": "kg", "kgs": "kg", "hours": "hour", "miles": "mile"}
_GOING = frozenset({"go", "fly", "travel", "drive", "visit", "move", "come", "sail", "cycle"})
_GONE = frozenset({"travelled_to", "visited", "went_to", "lives_in", "moved_to", "went"})
_MOVED = frozenset({"moved", "moved_to", "lives_in"})
# Under these a fact says that an appointment took place.
_TAKEN_PLACE = frozenset(
    {
        *("had", "had_operation", "passed", "failed", "attended", "did", "took", "went_to"),
        *("visited", "sat", "finished", "submitted", "got_married", "married_to"),
    }
)
_WEDDING = frozenset({"got_married", "married_to"})


def is_over(over: Over, fact: Fact, vocabulary: Vocabulary) -> bool:
    """Whether words that something is over mean a fact of their subject."""
    known = vocabulary.canonical(fact.attribute)
    if known is None:
        is_meant = over.kind in _OF_VERBS and not is_past(fact.attribute)
    else:
        is_meant = known.name in _ENDED_BY_KIND[over.kind]
    if not is_meant:
        return False
    if over.kind == "amount" and not re.search(r"\d", fact.value):
        return False
    if over.unit:
        return any(_unit(match["unit"]) == _unit(over.unit) for match in _amounts(fact.value))
    name = known.name if known else fact.attribute
    named = words(f"{fact.value} {_CALLED.get(name, '')}")
    named += [] if known else words(fact.attribute.replace("_", " "))
    return _names(over.words, named)


def value_after(over: Over, fact: Fact) -> str:
    """What takes the place of the value of a fact that is over; "" for nothing that is told."""
    if not over.value:
        return ""
    if over.unit:
        [amount, *_] = [
            match for match in _amounts(fact.value) if _unit(match["unit"]) == _unit(over.unit)
        ]
        return f"{fact.value[: amount.start()]}{over.value}{fact.value[amount.end() :]}"
    # Of "piano lessons on Mondays" the guitar has taken the place of a part.
    return over.value if _names(fact.value, words(over.words)) else ""


def has_come_true(planned: Fact, done: Fact, vocabulary: Vocabulary) -> bool:
    """Whether a fact tells that what was planned has happened."""
    name = vocabulary.name_of(done.attribute)
    telling = telling_words(planned.value)
    if not telling or name in PLANNED:
        return False
    of_attribute = words(done.attribute.replace("_", " "))
    named = words(done.value)
    if vocabulary.name_of(planned.attribute) == "plans":
        verb, *objects = telling
        is_same_deed = not forms_of_verb(verb).isdisjoint(of_attribute)
        is_same_deed |= verb in _GOING and name in _GONE
        if not objects and verb == "move":
            return name in _MOVED  # "I'm moving in May", wherever to
        return bool(objects) and is_same_deed and _names(" ".join(objects), named)
    if "wedding" in telling and name in _WEDDING:
        return True
    return name in _TAKEN_PLACE and _names(planned.value, [*named, *of_attribute])


def _names(text: str, named: Sequence[str]) -> bool:
    """Whether each telling word of a text is among other words, in any form."""
    telling = telling_words(text)
    return bool(telling) and all(
        any(_is_same(word, candidate) for candidate in named) for word in telling
    )


def _is_same(word: str, candidate: str) -> bool:
    """Whether two words are forms of one: "swim" and "swimming", "two" and "2"."""
    if COUNT.get(word, word) == COUNT.get(candidate, candidate):
        return True
    shorter, longer = sorted((word.removesuffix("e"), candidate.removesuffix("e")), key=len)
    if len(shorter) < _SHORTEST_STEM or not longer.startswith(shorter):
        return shorter.endswith("y") and longer.startswith(f"{shorter[:-1]}ie")
    ending = longer[len(shorter) :].removeprefix(shorter[-1])
    return ending in _ENDINGS


def _amounts(value: str) -> list[re.Match[str]]:
    return list(_AMOUNT.finditer(value))


def _unit(unit: str) -> str:
    return _SAME_UNITS.get(unit.lower(), unit.lower())
