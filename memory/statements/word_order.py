"""Sentences in the order of words that rules read: "the zoo hired me" is "I was hired by the zoo".

Each change says the same in other words; what no pattern fits stays as it is.
"""

import re
from collections.abc import Callable
from functools import cache

from memory.statements.rules import part_of_rules
from memory.statements.word_lists import verb_forms, word_lists

_CAPITALS = re.compile(r"\b[A-Z]{2,}(?:'[A-Z]+)?\b")
_CAPITAL_WORDS = re.compile(r"\b(?:[A-Z]{2,}(?:'[A-Z]+)?|A)\b")
_WORD = re.compile(r"\b[A-Za-z]{2,}\b")
_NOUNS = r"[a-z-]+(?: [a-z-]+){0,2}"
_EMPLOYER = r"(?P<who>they|(?:the|my|our) [\w'-]+(?: [\w'-]+){0,2}|(?-i:[A-Z])[\w'-]+)"

_PERSON = r"(?:(?:my|our) [a-z]+|(?-i:[A-Z])[\w-]+|mum|mom|dad)"
_OF_TWO = (
    r"[a-z]+ed|are|were|have|went|got|moved|split|saw|did|made|ate|ran|took|met|drove|flew|had"
)

# What a sentence must have for its pattern to be tried, the pattern, and the other words.
_ORDERS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        # "it is my birthday on Friday"
        " my ",
        re.compile(
            rf"\b(?:it|today|tomorrow)(?: is|'s) (?P<what>(?:my|our) {_NOUNS}?)"
            r" (?=on (?!an?\b)|tomorrow\b|today\b|next \w|this \w)",
            re.IGNORECASE,
        ),
        r"\g<what> is ",
    ),
    (
        # "me, Tom and Noor watched it"
        "me",
        re.compile(
            rf"^(?P<lead>\W*(?:(?:so|and|but|also|yes|today|yesterday|last night|btw),? )?)me"
            rf"(?P<others>(?:, {_PERSON})*),? and (?P<last>{_PERSON})(?= (?:{_OF_TWO})\b)",
            re.IGNORECASE,
        ),
        lambda match: f"{match['lead']}{_joined(match['others'], match['last'])} and I",
    ),
    (
        # "new job: head nurse at the Royal"
        ": ",
        re.compile(
            r"^\W*(?:my |our )?new job: (?=(?:an? |the )?(?:[\w-]+ ){0,2}"
            rf"{part_of_rules('job')}\b)",
            re.IGNORECASE,
        ),
        "I work as ",
    ),
    (
        # "new password: otter7"
        ": ",
        re.compile(
            r"^\W*(?:my |our |the )?(?P<what>(?:[\w-]+ ){0,2}?(?:password|code|pin|phone number"
            r"|number|address|email|postcode|weight|rent))(?: now)?: (?=\S)",
            re.IGNORECASE,
        ),
        r"my \g<what> is ",
    ),
    (
        # "they made me head nurse"
        " made me ",
        re.compile(
            rf"\b{_EMPLOYER} (?:have |has )?(?:just )?made me "
            rf"(?=(?:an? |the )?(?:[\w-]+ ){{0,2}}{part_of_rules('job')}"
            r"(?:[,.!?;]|$| (?:in|on|at|of|last|this|from)\b))",
            re.IGNORECASE,
        ),
        "I became ",
    ),
    (
        # "the zoo has hired me as a keeper"
        " me",
        re.compile(
            rf"\b{_EMPLOYER} (?:have |has )?(?:just )?(?:hired|employed) me"
            r"(?P<job> as (?:an? )?[\w -]+)?"
            r"(?=[,.!?;]|$| (?:in|on|at|last|this|today|yesterday)\b)",
            re.IGNORECASE,
        ),
        lambda match: _hired(match["who"], match["job"] or ""),
    ),
    (
        # "I went to Siena on Thursday and to Lucca yesterday"
        "to ",
        re.compile(
            r"\b(?P<verb>went|drove|flew|travelled) (?P<first>to [A-Z][^,.;!?]{2,40}?),? and"
            r" (?:then )?(?P<when>(?:yesterday|today|on \w+|last \w+) )?"
            r"(?P<second>to [A-Z][\w'-]*(?: [A-Z][\w'-]*)*)"
        ),
        r"\g<verb> \g<first> and \g<verb> \g<second> \g<when>",
    ),
    (
        # "I read Middlemarch, then Emma and Persuasion"
        "then ",
        re.compile(
            r"(?<=\w), (?:and )?then (?=(?:the )?[A-Z][\w'-]*"
            r"(?:(?:,? and|,| of| the){0,2} (?:then )?[A-Z][\w'-]*)*[.!]?\s*$)"
        ),
        ", ",
    ),
    (
        # "Nora has me eating eggs again"
        " me ",
        re.compile(
            rf"{_EMPLOYER}(?: has|'s| have) (?:got )?me (?=(?:eating|drinking|doing|playing"
            r"|running|learning|reading|walking|cycling|swimming|taking)\b)",
            re.IGNORECASE,
        ),
        "I am ",
    ),
    (
        # "no cigarettes since May"
        "since ",
        re.compile(
            r"^\W*(?:and |so |still |also )?(?:no|not one|not a single) (?P<what>cigarettes?"
            r"|smoking|alcohol|sugar|meat|coffee|caffeine|gluten|dairy|social media|booze|weed)"
            r" (?=since )",
            re.IGNORECASE,
        ),
        r"I stopped \g<what> ",
    ),
)


def plain_order(text: str) -> str:
    """A sentence in the order of words that rules read, and without shouting."""
    if _CAPITALS.search(text):
        text = _without_shouting(text)
    for trigger, pattern, other in _ORDERS:
        if trigger in text:
            text = pattern.sub(other, text)
    return text


def _joined(others: str, last: str) -> str:
    """ "Tom and Noor" for ", Tom" and "Noor"."""
    return " and ".join([*filter(None, others.split(", ")), last])


def _hired(who: str, job: str) -> str:
    if job:
        return f"I work{job}"
    return "I was hired" if who.lower() == "they" else f"I was hired by {who}"


def _without_shouting(text: str) -> str:
    """ "I moved" for "I MOVED"; a text in capitals throughout is in small letters."""
    letters = _WORD.findall(text)
    shouted = _CAPITALS.findall(text)
    if len(shouted) > 2 and len(shouted) * 2 > len(letters):
        return _CAPITAL_WORDS.sub(lambda word: word[0].lower(), text)
    return _CAPITALS.sub(
        lambda word: word[0].lower() if word[0].lower() in _verbs() else word[0], text
    )


@cache
def _verbs() -> frozenset[str]:
    words = word_lists()
    forms = frozenset(verb_forms({*words.irregular, *words.verbs, "marry", "move"}))
    return forms - {"ring", "tape"} | {"done", "not", "the"}
