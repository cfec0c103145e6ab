"""The parts of a clause around its verb: who does it, what it is done to, where.

A sentence is cut into clauses, and the words beside a verb into noun phrases, by the words that can
stand in none. No dictionary says what is a noun.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memory.dates import COUNT, MONTHS, WEEKDAYS
from memory.program.fact_words import is_past_verb
from memory.search.words import words

CLAUSE_END = re.compile(
    r"[;:()]|\s[-\u2013\u2014]+\s|\.\.\.|,?\s\b(?:but|because|when|while|cos|so(?! far)|although"
    r"|though|even if|until|that|if)\b"
    r"|,?\s(?:before|after|since)\s(?=(?:i|we|he|she|they|it|you)\b)"
    r"|,?\s\b(?:who|which|where)\b"
    r"|,?\s(?:and|then)\s(?=(?:i|we|he|she|they|it|you|there|now|then|at least)\b)"
    r"|,\s(?=(?:i|we|he|she|they|it|you|there|though)\b)"
    # "..., and a neighbour took the lamp"
    r"|,\sand\s(?=(?:the|an?|my|our|his|her|[\w-]+'s)\s(?:\w+\s){1,3}?(?:\w+ed|took|went|came|got"
    r"|gave|bought|made|paid|sold|had|was|were|is)\b)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_][\w'\u2019.,-]*[\w'\u2019]|[^\W_]")
_LEAD = re.compile(
    r"^\W*(?:(?:and|but|so|then|also|well|yes|no|oh|ok|okay|now|today|yesterday|actually|luckily"
    r"|sadly|finally|anyway|meanwhile|because|that|when|if|as|first|later|instead|news|guess what"
    r"|this (?:morning|afternoon|evening)|last (?:night|week|month)|by the way|in the end|at last"
    rf"|on (?:the )?(?:{'|'.join(WEEKDAYS)}|\d\w*)|one more thing|good news|bad news)\b[\s,:]*)+",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"(?P<before>.*?),?\s(?:and|then|or)\s(?P<after>.*)$", re.IGNORECASE | re.DOTALL
)
_HELPERS = frozenset(
    words(
        "have has had did do does is was are were be been being will would just also already"
        " finally still now then both all really actually probably only even never not first"
        " later kindly"
        " always usually often ve s d ll"
    )
)
_NP_END = frozenset(
    words(
        "to in at on for from with by about into near off over through around after against"
        " between under behind above during since until till without because but when while so if"
        " that which who whom whose where than as and or plus then i we he she they you it me us"
        " him them is was are were be been has have had do did does will would can could should"
        " might may must not"
        " never just also already again yesterday today tonight tomorrow last next this ago too now"
        " here there back away up out down together instead once twice myself yourself himself"
        " herself ourselves themselves both all only even still soon though always usually"
        " home anyway alone"
    )
)
_DETERMINERS = frozenset(
    words("the a an my our your his her their its some any another one two three four five six")
)
_TIME = frozenset(
    [
        *MONTHS,
        *WEEKDAYS,
        *words(
            "day days week weeks weekend month months year years morning afternoon evening night"
            " time moment christmas easter spring summer autumn winter noon midnight minute minutes"
            " hour hours beginning end middle meantime past future first"
        ),
    ]
)
_PLACE_PREPOSITION = re.compile(
    r"\b(?P<preposition>in|at|on|to|into|near|under|behind|by|from|outside|inside|opposite|beside"
    r"|next to|above|below|over|around)\s",
    re.IGNORECASE,
)
_MOST_WORDS = 8  # of a noun phrase


@dataclass(frozen=True)
class Clause:
    """A clause of a sentence, with the sentence's text before it."""

    text: str
    before: str


def clauses_of(sentence: str) -> list[Clause]:
    """The clauses of a sentence, in order."""
    ends = [match.start() for match in CLAUSE_END.finditer(sentence)]
    return [
        Clause(sentence[start:end], sentence[:start])
        for start, end in zip([0, *ends], [*ends, len(sentence)], strict=True)
        if sentence[start:end].strip()
    ]


def subject_of_verb(clause: Clause, position: int) -> str:
    """The words that say whose deed a verb is, which stands at a position of a clause.

    "Efua came and cooked" has one subject for both verbs. "" where none is named.
    """
    if re.match(r"[\s,]*(?:who|which)\b", clause.text, re.IGNORECASE):
        # "my brother Tom, who is allergic": whoever stands before it
        return _last_phrase(clause.before) or "that"
    lead = _LEAD.sub("", clause.text[:position])
    # "The chair went to Ann, and a neighbour took the lamp."
    joined = _JOINED.match(lead)
    if joined and _tokens(joined["after"]) and _has_verb(joined["before"]):
        lead = joined["after"]
    phrase = _first_phrase(lead)
    if phrase or _tokens(lead):
        return phrase
    if re.match(r"[\s,]*(?:and|but|then|so)\b", clause.text, re.IGNORECASE) and clause.before:
        return _first_phrase(_LEAD.sub("", clause.before))
    return ""


def _has_verb(text: str) -> bool:
    return any(is_past_verb(word) or word in _HELPERS for word in words(text))


def _last_phrase(text: str) -> str:
    """The noun phrase that a text ends with."""
    tokens: list[str] = []
    for token in reversed(re.findall(r"[\w'\u2019-]+", text)):
        lower = token.lower().replace("\u2019", "'")
        if lower in _HELPERS or lower in _NP_END or ("'" in lower and not lower.endswith("'s")):
            break
        tokens.insert(0, token)
    return " ".join(tokens)


def _first_phrase(text: str) -> str:
    """The noun phrase at the beginning of a text, up to a verb or preposition."""
    # Of "For my birthday my sister came" the subject stands behind the comma, if at all.
    if re.match(r"(?:in|at|on|for|from|with|after|before)\b", text, re.IGNORECASE):
        _, comma, tail = text.partition(",")
        text = tail.strip() if comma else ""
    # Of "Something nice, Ann passed" it is the last part, unless the parts are a list.
    if ", " in text and not re.search(r",? and ", text):
        text = text.rpartition(", ")[2]
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0].rstrip(",.")
        lower = token.lower().replace("\u2019", "'")
        if not tokens and lower in ("i", "we", "he", "she", "they", "you", "it"):
            return token
        if not tokens and lower.split("'")[0] in ("i", "we", "he", "she", "they", "you", "it"):
            return lower.split("'")[0]
        if lower == "i" and tokens and tokens[-1].lower() == "and":
            return " ".join((*tokens, "I"))
        if lower in ("and", "of", "from", "at", "in") and tokens:
            tokens.append(token)
            continue
        if lower in _HELPERS or lower in _NP_END or (is_past_verb(lower) and lower != "called"):
            break
        tokens.append(token)
        if len(tokens) > _MOST_WORDS:
            return ""
    while tokens and tokens[-1].lower() in ("and", "of", "from", "at", "in"):
        tokens.pop()
    return " ".join(tokens)


def phrase_after(text: str, *, with_list: bool = False) -> str:
    """The noun phrase that a text begins with: "a climbing rose" of "a climbing rose in the end".

    `with_list`: with what "and" joins to it.
    """
    tokens: list[str] = []
    last_end = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        between = text[last_end : match.start()]
        lower = token.lower().rstrip(",.").replace("\u2019", "'")
        if re.search(r"[.;:!?()\u2013\u2014\u201c\u201d]|\s-\s", between):
            break
        if "," in between and not with_list:
            break
        if lower in ("and", "or") and with_list and tokens:
            tokens.append(lower)
            last_end = match.end()
            continue
        is_named = lower in ("called", "named", "of") and tokens
        if not is_named:
            if lower in _NP_END or lower.split("'")[0] in ("i", "we", "he", "she", "they", "you"):
                break
            if is_past_verb(lower) and tokens and tokens[-1].lower() not in _DETERMINERS:
                break
            if lower in _HELPERS or (lower in WEEKDAYS and tokens):
                break
        tokens.append(token.rstrip(",."))
        last_end = match.end()
        if len(tokens) > _MOST_WORDS:
            break
    while tokens and tokens[-1].lower() in ("and", "or", "of", "called", "named", *_DETERMINERS):
        tokens.pop()
    return " ".join(tokens)


def place_after(text: str) -> str:
    """Where a text says that something is: from the first preposition of a place on, without it."""
    for match in _PLACE_PREPOSITION.finditer(text):
        phrase = phrase_after(text[match.end() :])
        if not phrase or is_time(phrase) or not _may_be_place(phrase):
            continue
        # "to move", and not "to the sea"
        if match["preposition"].lower() == "to" and not re.match(r"[A-Z]|\w+ ", phrase):
            continue
        value = phrase
        tail = text[match.end() + len(phrase) :]
        # "in the basement of a church in Gimli"
        while more := re.match(r"\W?\s*(in|at|on|near|of|behind|under)\s", tail, re.IGNORECASE):
            following = phrase_after(tail[more.end() :])
            if not following or is_time(following):
                break
            value = f"{value} {more[1]} {following}"
            tail = tail[more.end() + len(following) :]
        return value
    return ""


def phrases_behind(text: str, prepositions: str) -> Iterator[str]:
    """The noun phrases behind prepositions ("to|for") in a text."""
    for match in re.finditer(rf"\b(?:{prepositions})\s", text, re.IGNORECASE):
        if phrase := phrase_after(text[match.end() :]):
            yield phrase


def is_time(phrase: str) -> bool:
    """Whether a phrase names a day or a time: "the 5th", "Friday", "the end of March"."""
    phrase_words = words(phrase)
    return not phrase_words or any(
        word in _TIME or re.fullmatch(r"\d+(?:st|nd|rd|th)?", word) for word in phrase_words[-2:]
    )


def _may_be_place(phrase: str) -> bool:
    lower = phrase.lower().split()
    return not set(lower) <= {*_DETERMINERS, *COUNT, "way", "phone", "advance", "love", "bed"}


def _tokens(text: str) -> list[str]:
    return [
        match[0]
        for match in _TOKEN.finditer(text)
        if match[0].lower() not in _HELPERS and match[0].lower() not in ("and", "then", "but", "so")
    ]
