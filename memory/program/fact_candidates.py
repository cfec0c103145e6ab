"""Which facts can answer a question: those about its subject that have what it asks for.

Where it asks for a person, a place, a day or a number, a fact without one is no answer.
"""

import re
from collections.abc import Sequence

from memory.dates import COUNT, MONTHS, WEEKDAYS
from memory.program.fact_questions import FactQuestion
from memory.program.fact_select import DatedFact
from memory.program.fact_words import is_near
from memory.search.words import STOP_WORDS, words

TIME_WORDS = frozenset(
    {*MONTHS, *WEEKDAYS, *words("day date month year time today yesterday tomorrow week weekend")}
)
_DWELLINGS = STOP_WORDS | set(words("at home house flat apartment place room new old own"))
_ASKS_WHO = re.compile(r"\W*(?:(?:for|with|to|by|from) )?whom?\b", re.IGNORECASE)
# Whose deed a question asks for: "What has Gord made?".
_DOER = re.compile(r"\b(?i:do|does|did|has|have|had|will)(?: (?:my|our|the))? ([A-Z][\w-]+)\b")
_OF_HOME = frozenset({"lives_in", "moved", "moved_in", "moved_out_of"})
_NUMBERS = COUNT.keys() - {"a", "an"}
# What a question asks for, by its wording.
WANTED = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "person": (
            r"\b(?:who(?:m|se|'s)?|which (?:of|one|person|friend|member|people|relative))\b"
        ),
        "place": (
            r"\bwhere(?:abouts)?\b|\b(?:what|which) (?:\w+ )?(?:city|town|country|place|street"
            r"|address|village|neighbou?rhood|venue|area|part|region|room)s?\b"
        ),
        "time": (
            r"^\W*(?:(?:since|until|from) )?when\b"
            r"|\b(?:what|which) (?:date|day|month|year|time)s?\b|\bdates?\b"
        ),
        "number": (
            r"\bhow (?:much|old|many|big|tall|heavy|far|fast)\b|\b(?:what|which) (?:age|size"
            r"|number|amount|price|weight|dose|code|score|result|percentage)\b"
        ),
        "length": r"\bhow long\b|\bhow many (?:days|weeks|months|years)\b",
        "name": r"\bnames?\b|\bcalled\b",
        "job": r"\bas a job\b|\b(?:job|profession|occupation|trade|position|role|work as)\b",
        "yes": r"^\W*(?:do|does|did|is|are|am|was|were|has|have|had|can|will)\b",
    }.items()
}
_IS_DENIAL = re.compile(r"(?:^|_)not_|dislike|avoid")
_ASKS_DENIAL = (
    r"\b(?:not|cannot|avoid|without|never|dislike|hate|stand|off limits|forbidden)\b|n't\b"
)
_ASKS_PARENT = r"\b(?:father|mother|dad|mum|mom)\b"
_ASKS_WHEN = re.compile(r"\W*when\b", re.IGNORECASE)
_APPOINTMENT = re.compile(
    r"\b(?!(?:next|first|last|the|an|my|your|his|her|our|their|new|another|old|'?s)\b)"
    r"(?P<what>[\w-]+)(?<!'s)(?<!s') appointments?\b",
    re.IGNORECASE,
)
_WHOSE = re.compile(r"\bwhose [\w ]+? (?:is|was|are|were) ([A-Z][\w-]+)\W*$", re.IGNORECASE)
_ASKS_THING = re.compile(
    r"\W*(?:what|which) (?:instruments?|sports?|games?|languages?|books?|films?|songs?)\b", re.I
)
_TELLS_WHERE = re.compile(r"(?:in|at|on|for|with|to) ", re.IGNORECASE)
_ASKS_TRAVELS = r"\bwhere (?:has|have|did) .*\b(?:been|go|gone)\b"
# "What is Anna reading?"
ASKS_GOING_ON = r"^\W*(?:what|which)\b.* (?:is|are|am) [A-Z][\w'-]* (?:still |now )?\w+ing\b"
_DONE = frozenset({"finished", "read", "watched", "completed"})
_ASKS_PLAN = r"\b(?:plan|want|goal|wish|hope|intend|suppose|meant|expect|appoint|due)"
CAPITAL = re.compile(r"[A-Z][\w-]+")
_PLACES = frozenset(
    words("lives lived moved works worked studies comes born visited travelled address attended")
) | {"move", "travel", "went", "venue", "location", "place", "held", "trip", "camping", "holiday"}
TELLS_PLACE = re.compile(
    r"\b(?:in|at|on|near|to) (?:the )?[A-Z]"
    r"|\b(?:in|at|under|near|behind|beside|outside|inside|above|below|next to|opposite|beneath) "
    r"(?:the |a |an |his |her |their |my |our )?[A-Za-z]|\b(?:upstairs|downstairs|abroad)\b"
)
_TELLS_TIME = re.compile(
    rf"\d|\b(?:{'|'.join((*MONTHS, *WEEKDAYS))})s?\b|\b(?:minute|hour|day|week|month|year)s?\b",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:now|nowadays|currently|current|at present|at the moment|these days|today|still)\b", re.I
)
IS_PLAN = re.compile(
    r"plan|appointment|will_|wants|goal|is_going_to|expects|\w+_planned(?:_|$)"
    r"|is_(?:moving|leaving|flying|going|coming|starting|marrying|getting_married)(?:_|$)"
)


def suitable(question: FactQuestion, facts: Sequence[DatedFact]) -> list[DatedFact]:
    """The facts that can answer: with a person, a place, a day or a number where one is asked for.

    Where the question names a subject, those of others are left out that do not mention it.
    """
    is_of_all = question.is_shared and question.says(r"\b(?:we|us)\b")
    named = [fact for fact in facts if not is_of_all and is_subject_named(question, fact)]
    named_words = {word for fact in named for word in subject_words(fact)}
    asked_words = named_words & set(words(question.text))
    professions = {fact.subject for fact in facts if fact.attribute == "works_as"}
    asks_profession = WANTED["job"].search(question.text) and question.kind != "where"
    return [
        fact
        for fact in facts
        if not (asks_profession and fact.attribute == "works_at" and fact.subject in professions)
        and (
            not named
            or is_subject_named(question, fact)
            or not asked_words.isdisjoint(words(fact.value))
        )
        and not _is_done_to_doer(question, fact)
        and _has_what_is_asked(question, fact)
    ]


def _has_what_is_asked(question: FactQuestion, fact: DatedFact) -> bool:
    if IS_PLAN.match(fact.attribute) and not question.says(_ASKS_PLAN):
        is_of_deeds = question.is_past or question.says(r"\b(?:has|have)\b")
        is_of_deeds = is_of_deeds or question.kind in ("first", "last", "count", "list")
        if _NOW.search(question.text) or (is_of_deeds and not question.is_ahead):
            return False
    is_denial = question.kind == "yes or no" or question.says(_ASKS_DENIAL)
    if _IS_DENIAL.search(fact.attribute) and not is_denial:
        return False
    is_of_child = question.kind == "who" and fact.attribute.startswith("has_")
    if is_of_child and question.says(_ASKS_PARENT) and not is_subject_named(question, fact):
        return False  # nobody knows whether the father or the mother
    if fact.attribute in _DONE and question.says(ASKS_GOING_ON):
        return False
    whose = _WHOSE.search(question.text)
    if whose and not any(
        is_near(word, other)
        for word in words(whose[1])
        for other in words(f"{fact.value} {fact.names}")
    ):
        return False  # "Whose dog is Waldo?" by "has_pet | dog"
    if _ASKS_THING.match(question.text) and _TELLS_WHERE.match(fact.value):
        return False  # "in a band" is no instrument
    if fact.attribute == "appointment" and _is_other_appointment(question, fact):
        return False
    if question.kind in ("first", "last") and _ASKS_WHEN.match(question.text) and not fact.date:
        return False  # the day on which it was told is not the day on which it was
    if question.says(r"\bhow old\b|\b(?:what|which) age\b"):
        return not {"age", "aged", "old", "born"}.isdisjoint(fact.attribute.split("_"))
    if question.kind == "where":
        if question.says(_ASKS_TRAVELS) and not is_of_place(fact):
            return False  # "put up | kayak in the rafters"
        is_of_home = fact.attribute in _OF_HOME or question.says(r"\bliv(?:e|es|ed|ing)\b")
        if is_of_home and _DWELLINGS.issuperset(words(fact.value)):
            return False  # "in a house", "at home" and "moved house" tell what, and not where
        return is_of_place(fact) or bool(TELLS_PLACE.search(fact.value))
    if question.kind == "when":
        return bool(fact.date or question.is_past or _TELLS_TIME.search(fact.value))
    if question.kind == "how long":
        return bool(fact.date or fact.ended_on or _TELLS_TIME.search(fact.value))
    is_of_person = question.kind == "who" or (
        question.kind in ("first", "last", "next") and _ASKS_WHO.match(question.text)
    )
    if is_of_person and is_subject_named(question, fact):
        return any(
            word not in TIME_WORDS for name in CAPITAL.findall(fact.value) for word in words(name)
        )
    if WANTED["number"].search(question.text) and question.kind == "value":
        return bool(re.search(r"\d", fact.value) or _NUMBERS & set(words(fact.value)))
    return True


def _is_other_appointment(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether a question asks for another appointment: the dentist's, and a fact tells a wedding's.

    What is asked for stands before the word, and has a word like the fact's, or its beginning.
    """
    appointment = _APPOINTMENT.search(question.text)
    if appointment is None:
        return False
    of_fact = words(fact.value)
    return not any(
        is_near(word, other) or word[:4] == other[:4]
        for word in words(appointment["what"])
        for other in of_fact
    )


def _is_done_to_doer(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether a fact tells what was done to or for the one whose deeds are asked for.

    "What has Gord made?" does not ask for "Kayla, made, Gord a cake".
    """
    doer = _DOER.search(question.text)
    return (
        doer is not None
        and not is_subject_named(question, fact)
        and words(fact.value)[:1] == [doer[1].lower()]
    )


def is_of_place(fact: DatedFact) -> bool:
    parts = set(fact.attribute.split("_"))
    return not _PLACES.isdisjoint(parts) or fact.attribute.endswith(("_in", "_at"))


def is_subject_named(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether a question names the subject of a fact, or whoever asks for "our" things is it."""
    if question.is_shared and fact.subject.lower() == question.asker.lower():
        return True
    text_words = set(words(question.text))
    of_subject = subject_words(fact)
    if "'s " in fact.subject.partition(" (")[0]:  # "Anna's mother" is not named by "Anna"
        return all(any(is_near(word, other) for other in text_words) for word in of_subject)
    return not of_subject.isdisjoint(text_words)


def subject_words(fact: DatedFact) -> set[str]:
    return {
        word
        for name in (fact.subject, fact.entity)
        for word in words(name.partition(" (")[0])
        if word not in STOP_WORDS
    }
