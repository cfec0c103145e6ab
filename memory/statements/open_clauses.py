"""Clauses that no rule is for: their verb becomes the attribute, the words behind it the value.

What people think, say and wish tells of no fact, nor do idioms ("took a while", "made sense").
The names of attributes are those that the package describes.
"""

import re
from functools import cache

from memory.dates import COUNT
from memory.statements.coordinations import BEGINS_LAST_THING, OF_ALL_TOGETHER
from memory.statements.predicates import Predicate
from memory.statements.times import TIME_LEAD
from memory.statements.values import values_in
from memory.statements.word_lists import (
    regular_past,
    third_person,
    verb_forms,
    word_lists,
)

_PARTICLE = re.compile(
    r"(?P<particle>up|down|out|off|away|back|over|apart)\b(?! of)", re.IGNORECASE
)
# "in" and "on" open a place more often than they belong to the verb.
_LAST_PARTICLE = re.compile(
    r"(?P<particle>in|on|through|around|round)(?=\s*(?:$|[,.!?;:]))", re.IGNORECASE
)
_PARTED = re.compile(
    r"(?P<object>(?:(?:the|a|an|my|our|his|her|both|two|three|four|\d+) )?(?!to\b|and\b)[\w'-]+"
    r"(?: (?!to\b|and\b|in\b|on\b|at\b|for\b|with\b|of\b|from\b)[\w'-]+)?)"
    r" (?P<particle>up|down|out|off|away|back)(?=\s*(?:$|[,.!?;:]|(?:at|from|to|on|in|for|with|by"
    r"|this|last|yesterday|today|tonight|again)\b))",
    re.IGNORECASE,
)
_ARTICLE = (
    r"(?:an?|the|my|our|his|her|their|some|another|two|three|four|five|six|both|all|every|no"
    r"|\d[\d.,]*)"
)
_OBJECT = re.compile(rf"{_ARTICLE}\b|(?-i:[A-Z\"'£$€])", re.IGNORECASE)
_NEW_OBJECT = re.compile(
    r"(?:an?|two|three|four|five|six|seven|eight|nine|ten|\d[\d.,]*|another|some|my|his|her|our)\b"
    r"|(?-i:[A-Z])",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(?:home\b|(?:to|at|in|on|into|onto|off|from|for|with|by|under|over|round|around|through"
    r"|past|across"
    r"|between|against|near|behind|along|about|without)\s+\w)",
    re.IGNORECASE,
)
# Pronouns stand for what another sentence names.
_REFERS = re.compile(
    r"\b(?:it+|this|that|them|those|these|they|you|your|yours|yourself|him|her|us|one|ones|stuff"
    r"|something|anything|everything|nothing|someone|somebody|anyone|everyone|nobody|such|so"
    r"|what|how|why|where|when|if|whether|thing|things|way|lot|bit|here|there)\b(?! \w+'s)",
    re.IGNORECASE,
)
_HER = re.compile(
    r"\b(?:her|that|this|these|those|one)\b (?!(?:in|on|at|to|for|with|from|of|and|by|up|down|out"
    r"|off|back|away|over|until|till|about|into|a|an|the)\b)(?=[a-z\d])",
    re.IGNORECASE,
)


_TO_DO = re.compile(r"to (?!(?:the|an?|my|our|his|her)\b)[a-z]+ (?:if|what|how|it|them|you)\b")


@cache
def _dated_noun() -> re.Pattern[str]:
    """ "had physio on Monday", "took mum to the eye doctor on Friday"."""
    kin = "|".join(sorted(word_lists().names_of_relatives))
    return re.compile(
        rf"(?:{kin})\b|[a-z]{{4,}}(?: [a-z]+)? (?:on|yesterday|last|this|today|again)\b",
        re.IGNORECASE,
    )


@cache
def _idiom() -> re.Pattern[str]:
    return re.compile(word_lists().idioms, re.IGNORECASE)


# What is said of oneself in passing: moods and speech, "I lay awake".


@cache
def _mood() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{word_lists().moods})\b", re.IGNORECASE)


# States of a subject behind "is" that are worth a fact; moods are not.


@cache
def _condition() -> re.Pattern[str]:
    return re.compile(rf"(?P<value>(?:{word_lists().conditions})\b[^,.!?;:]*)", re.IGNORECASE)


# Of these the day alone tells nothing: "I went on Tuesday".
_TOO_LITTLE = frozenset(
    {"go", "come", "see", "call", "ring", "meet", "book", "order", "check", "ship"}
)
# "broke", "arrived": verbs that say enough alone.
_LONGEST_VALUE = 14  # words


def open_statement(
    verbs: Predicate, *, is_dated: bool, has_subject: bool = True
) -> tuple[str, list[str]]:
    """Attribute and values of a clause that no rule is for; "" and none where it states nothing.

    `is_dated`: the clause names its day, without which a bare verb says too little.
    """
    attribute, complement = open_attribute(verbs)
    if not attribute or is_idle(verbs):
        return "", []
    if verbs.verb == "be":
        match = _condition().match(verbs.rest)
        return (
            (attribute, [match["value"]])
            if match and not _REFERS.search(match["value"])
            else ("", [])
        )
    if (time := TIME_LEAD.match(complement)) and not _OBJECT.match(complement):
        complement = _DAY.sub("", complement[time.end() :]).lstrip(
            " ,"
        )  # "on Tuesday the 4th by Tom"
    is_light = verbs.verb in word_lists().light
    is_dated_noun = (
        is_dated and verbs.verb in ("have", "take") and bool(_dated_noun().match(complement))
    )
    if not has_subject and not _OBJECT.match(complement) and not is_dated_noun:
        return "", []  # "ate sells batchoy"
    if not complement.strip(" .!,;:") or _is_only_time(complement):
        # "I smoked on Wednesday"
        is_deed = is_dated and has_subject and not (is_light or verbs.verb in _TOO_LITTLE)
        is_enough = verbs.tense in ("past", "perfect") and (
            verbs.is_passive or verbs.verb in word_lists().intransitive or is_deed
        )
        return (attribute, ["yes"]) if is_enough and (has_subject or is_dated) else ("", [])
    if not (
        _OBJECT.match(complement) or _PREPOSITION.match(complement) or _is_plain_object(complement)
    ):
        return "", []
    if is_light and not _OBJECT.match(complement) and not is_dated_noun:
        return "", []
    if verbs.verb in ("go", "come") and not _PREPOSITION.match(complement):
        return "", []  # "went grey"
    if verbs.verb in ("go", "come") and verbs.tense == "present" and _TO_DO.match(complement):
        return "", []  # "I go to look"
    if verbs.verb == "have" and verbs.tense == "present" and not _NEW_OBJECT.match(complement):
        return "", []
    values = open_values(verbs, complement)
    if not values or not _is_telling(values[0]):
        return "", []
    return attribute, [value for value in values if _is_telling(value)]


def open_values(verbs: Predicate, complement: str) -> list[str]:
    """The values of the words behind a verb: one, or each thing of a coordination."""
    may_be_several = verbs.verb not in OF_ALL_TOGETHER
    return values_in(first_part(complement), keeps_length=True, may_be_several=may_be_several)


def open_attribute(verbs: Predicate) -> tuple[str, str]:
    """The attribute of a predicate, and the words behind it without its particle."""
    particle, complement = _without_particle(verbs.rest)
    if verbs.is_passive:
        name = f"{'was' if verbs.tense in ('past', 'perfect') else 'is'}_{verbs.word}"
        is_stated = not verbs.is_denied and (
            name.startswith("was") or not _is_plain_object(complement)
        )
        return (_joined(name, particle), complement) if is_stated else ("", "")
    if verbs.is_denied:
        return "", ""
    if verbs.tense in ("past", "perfect") and not verbs.word.endswith("ing"):
        return _joined(past_of(verbs), particle), complement
    if verbs.tense == "present":
        return _joined(third_person(verbs.verb), particle), complement
    if verbs.tense == "progressive":
        return _joined(f"is_{verbs.word}", particle), complement
    if verbs.tense == "former":
        return _joined(f"used_to_{verbs.verb}", particle), complement
    return "", ""


def is_past(attribute: str) -> bool:
    """Whether the name of an open attribute tells what happened, rather than what holds."""
    verb = attribute.split("_")[0]
    return verb in ("was", "were") or verb.endswith("ed") or verb in _irregular_pasts()


@cache
def _irregular_pasts() -> frozenset[str]:
    return frozenset(past for past, _ in word_lists().irregular.values())


def past_of(verbs: Predicate) -> str:
    """ "wrote" for "wrote" and "have written", "planted" for both."""
    irregular = word_lists().irregular.get(verbs.verb)
    if irregular:
        return irregular[0]
    return verbs.word if verbs.word.endswith("ed") else regular_past(verbs.verb)


def _without_particle(complement: str) -> tuple[str, str]:
    for pattern in (_PARTICLE, _LAST_PARTICLE):
        if match := pattern.match(complement):
            return match["particle"].lower(), complement[match.end() :].strip()
    if (match := _PARTED.match(complement)) and match["object"].lower() not in (
        "it",
        "them",
        "him",
        "me",
    ):
        return match["particle"].lower(), f"{match['object']}{complement[match.end() :]}"
    return "", complement


def _joined(verb: str, particle: str) -> str:
    return f"{verb}_{particle}" if particle else verb


def is_idiom(verbs: Predicate) -> bool:
    """Whether a predicate is an idiom or tells of a mood: "had a great time"."""
    text = f"{verbs.word} {verbs.rest}"
    return bool(_idiom().match(text) or is_moody(verbs.rest))


def is_idle(verbs: Predicate) -> bool:
    """Whether a predicate tells of a thought, of speech or in an idiom."""
    is_copula = verbs.verb == "be"  # its words say whether it tells of a condition
    if not is_copula and (verbs.word in _idle_forms() or verbs.word in word_lists().no_verbs):
        return True
    return is_idiom(verbs)


@cache
def _idle_forms() -> frozenset[str]:
    return frozenset(verb_forms(word_lists().idle_verbs))


def _is_only_time(complement: str) -> bool:
    return not values_in(complement, keeps_length=True) and bool(
        _TIME.match(complement.strip(" ,"))
    )


_TIME = re.compile(
    r"(?:on|in|at|last|this (?:morning|afternoon|evening|week|weekend|month|year|time"
    r"|\w+day)|yesterday|today|tonight|again|early|late|two|three|the \d|since|by"
    r"|mon|tues|wednes|thurs|fri"
    r"|satur|sun)\b|\d",
    re.IGNORECASE,
)


def first_part(complement: str) -> str:
    """The words up to a comma, and an amount or a last thing behind it: "a bike, sixty quid"."""
    complement = _NEXT_SUBJECT.split(complement)[0]
    if _LIST.match(complement):
        return complement
    first, *others = complement.split(", ")
    for part in others:
        if not (_AMOUNT.match(part) or BEGINS_LAST_THING.match(part)):
            break
        first = f"{first}, {part}"
    return first


_LIST = re.compile(
    r"[\w' -]{2,30}, (?:[\w' -]{2,30}, )*(?:and )?[\w' -]{2,30} and [\w' -]{2,30}(?:$|[.!])"
)
# "in the day i don't need windows": a chat leaves out the full stop.
_NEXT_SUBJECT = re.compile(r" (?=(?:i|we|he|she|they) \w)", re.IGNORECASE)
_DAY = re.compile(r"^(?:the )?\d{1,2}(?:st|nd|rd|th)\b")
_AMOUNT = re.compile(
    r"(?:about |only |for )?(?:[£$€]? ?\d[\d.,]*(?: ?(?:k|km|kg|euros?|pounds?|quid|dollars?|bucks"
    r"|%|percent|litres?|m|miles?|minutes?|hours?|cm|words|pages|[ap]m))?"
    r"|(?:\w+ )?(?:hundred|thousand|ninety|eighty"
    r"|seventy|sixty|fifty|forty|thirty|twenty|ten)(?: \w+)?"
    r" (?:quid|euros?|pounds?|dollars?|miles?"
    r"|minutes?|hours?)|second[- ]hand|brand new)(?=$|[,.!?;:])",
    re.IGNORECASE,
)


def _is_plain_object(complement: str) -> bool:
    """ "bees" of "keeps bees": a noun that stands without an article."""
    match = re.match(r"[a-z][\w'-]{2,}", complement)
    if match is None:
        return False
    word = match[0].lower()
    return not (
        word in word_lists().adverbs
        or word in word_lists().no_objects
        or word.endswith(("ly", "er", "est"))
        or word in COUNT
    )


def refers(text: str) -> bool:
    """Whether words stand for what another sentence names: "it", "the same thing"."""
    return bool(_REFERS.search(_HER.sub("", text)))


def is_moody(text: str) -> bool:
    """Whether words tell of a mood or speak in an image."""
    return bool(_mood().search(text))


def _is_telling(value: str) -> bool:
    if refers(value) or is_moody(value):
        return False
    words = value.split()
    return len(value) > 2 and len(words) <= _LONGEST_VALUE
