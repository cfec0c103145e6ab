"""Words that name the subject of a clause, and what a clause begins with."""

import re
from functools import cache

from memory.statements.times import TIME_LEAD
from memory.statements.word_lists import is_past_form, word_lists

NAME = r"(?-i:[A-Z][\w-]+(?: (?:de |van |von |la |O')?[A-Z][\w-]+)?)"
AGE = (
    r"(?:(?:older|younger|elder|eldest|youngest|oldest|middle|little|big|baby|twin|new|old|best"
    r"|late|dear|lovely|only|other|former|first) )*"
)


# Where a person of a clause is at home: "my sister in Basel", "my cousin Jed from Bristol".
IN_PLACE = re.compile(
    r",? (?P<preposition>in|from) (?P<place>(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)?),?(?= [a-z])"
)


@cache
def nouns() -> str:
    """The nouns of relatives and pets, as alternatives of a pattern."""
    words = word_lists()
    nouns = sorted({*words.relatives, *words.pets}, key=len, reverse=True)
    return "|".join([*map(re.escape, nouns), "guinea pig", "guinea-pig"])


@cache
def subject_pattern() -> re.Pattern[str]:
    """A subject at the beginning of a clause; its group says what it is."""
    kin = "|".join(sorted(word_lists().names_of_relatives, key=len, reverse=True))
    return re.compile(
        r"(?:(?:me,? (?=i\b))?(?P<speaker>(?:me and [\w ]{2,20}?(?=\s(?:are|were|went|have"
        r"|moved|got|had)\b)"
        r"|i\b|we\b(?: (?:both|all))?))"
        rf"|(?P<possessive>(?:my|our) {AGE}(?:{nouns()})\b)(?:,? (?P<apposition>{NAME})\b,?)?"
        rf"|(?P<titled>(?:aunt|auntie|uncle|grandma|grandpa|granny|nana|cousin|old) {NAME})"
        rf"|(?:my|our) (?P<own>(?-i:[A-Z])[a-z][\w-]+)(?! [\w-]*'s)\b"
        rf"|(?P<kin>{kin})\b"
        r"|(?P<pronoun>he|she|his|her)\b"
        r"|(?P<my>my|our)\b"
        rf"|(?P<the>the|this) (?=(?:{_EVENTS})\b)"
        r"|(?P<other>it|they|you|this|that|there|these|those|who|which|what|everyone|everybody"
        r"|someone|somebody|nobody|people|the|a|an|their|your|its)\b"
        rf"|(?P<name>{NAME})\b)",
        re.IGNORECASE,
    )


@cache
def just_a_subject() -> re.Pattern[str]:
    """A part that is a subject and nothing else: "Gwen" of "Gwen and I are engaged"."""
    return re.compile(
        rf"(?:{NAME}|[a-z]{{3,12}}|(?:my|our) {AGE}(?:{nouns()})(?: {NAME})?|mum|mom"
        rf"|dad)",
        re.I,
    )


@cache
def lead_pattern() -> re.Pattern[str]:
    """Words before the subject that say nothing of it."""
    return re.compile(
        rf"\s*(?:[\"'*>•:-]+\s*|\d+[.)] |(?:{word_lists().openers})\b[\s,:!.-]*(?:that )?)",
        re.IGNORECASE,
    )


@cache
def bare_verb() -> re.Pattern[str]:
    """A verb that a chat begins a clause with, its subject left out."""
    verbs = "|".join(sorted(word_lists().bare_verbs, key=len, reverse=True))
    return re.compile(
        rf"(?:(?:just|finally|also|already|even|only|then|have|has|recently)"
        rf" )*(?:{verbs})\b",
        re.I,
    )


_EVENTS = (
    r"wedding|party|birthday party|funeral|exam|interview|appointment|flight|surgery|operation|op"
    r"|concert|recital|viva|graduation|hearing|driving test|gig|performance|exhibition|move|scan"
)


def without_lead(part: str) -> tuple[str, str]:
    """A part of a sentence from its subject on, and the words of time before that."""
    text = part
    when = ""
    for _ in range(6):
        if time := TIME_LEAD.match(text):
            when = when or time[0].strip(" ,:-")
            text = text[time.end() :]
            continue
        lead = lead_pattern().match(text)
        if lead is None or lead.end() == 0 or lead.end() >= len(text):
            break
        text = text[lead.end() :].lstrip(" ,:-")
    return text, when


_DETERMINER = re.compile(
    r"\s+(?:my|our|his|her|their|the|a|an|some|another|two|three|four|up|out|off|down|in|on)\b"
)


def is_name(name: str, text: str, end: int) -> bool:
    """Whether a word with a capital, which ends at `end` of a text, may name somebody."""
    first = name.split()[0].lower()
    if first in word_lists().no_names or first.endswith("ing") or name.isupper():
        return False
    # "Passed my test", "Got the keys": the subject is left out.
    if _DETERMINER.match(text, end) and is_past_form(first):
        return False
    # What is called so is no person: "Porto is lovely" states nothing that a rule takes.
    return not re.match(r"\s*(?:,|$|:|\d)", text[end:]) or text[end : end + 2] == "'s"
