"""The values of statements: where one ends, and what several are."""

import re

from memory.dates import COUNT, MONTHS, WEEKDAYS
from memory.statements.coordinations import things_of
from memory.statements.predicates import is_finite

_MONTH = "|".join(MONTHS)
_WEEKDAY = "|".join(WEEKDAYS)
# What follows says when, why or of whom, and is no part of a value.
_ENDS = (
    r"\s*(?:\b(?:because|since|so that|so|which|who|that's|that|when|while|until|till|til"
    r"|after|before"
    r"|though|although|cos|bc|if|as well|too|again|anyway|actually|honestly|lol|haha|obviously"
    r"|apparently|now|currently|these days|at the moment|right now|already|any ?more|any longer"
    r"|at last|for good|instead"
    r"|finally"
    r"|btw|by the way|tbh|unfortunately|sadly|but|whereas|where|although|thanks to|just|yet|still"
    r"|recently|lately|here|once|only"
    r" because)\b"
    r"|\b(?:yesterday|today|tonight|tomorrow)\b|\b(?:last|next|this) (?:night|week|weekend|month"
    rf"|year|morning|evening|afternoon|spring|summer|autumn|winter|fall|time|{_WEEKDAY}"
    rf"|{_MONTH})\b"
    rf"|\b(?:on|by|from|since|until|every|each|at|in|last|next)? ?(?:early |late "
    rf"|mid-?)?(?<!black )(?<!good )(?<!cyber )(?:{_WEEKDAY})\b"
    rf"|\b(?:on|by|from|since|in|until|for|at the end of|last|this|next) (?:early |late |mid-?)?"
    rf"(?:{_MONTH})\b"
    r"|\b(?:on|by|from|since|until) (?:the )?\d(?!\d?(?:[:.]\d\d| ?[ap]m\b| o'clock| to \d))"
    r"|\b(?:on|in|since|by|until|from) (?:jan|feb"
    r"|mar|apr|jun|jul|aug"
    r"|sep|sept|oct|nov|dec)\b|\b(?:at|over|before|after|since|for|this|last|on) (?:christmas"
    r"|easter"
    r"|new year|xmas|thanksgiving|halloween)\b|\b\d{1,2}(?:st|nd|rd|th)\b(?! floor)"
    rf"|\b(?:on |the )?\d{{1,2}} (?:of )?(?:{_MONTH})\b"
    r"|\b(?:in|since|from|back in) (?:the )?(?:early |late )?(?:19|20)\d\ds?\b"
    r"|\b(?:about |around |over |almost |nearly )?(?:a|an|one|two|three|four|five|six|seven"
    r"|eight|nine|ten|\d+|a few|a couple of"
    r"|several|many)"
    r" (?:hours?|days?|weeks?|months?|years?|minutes?) (?:ago|now|later|earlier)\b"
    r"{length}"
    r"|\b(?:this|the) (?:past|coming) \w+\b"
    r"|\b(?:on )?(?:the )?(?:next|following|same) (?:day|night|morning|afternoon|evening|week"
    r"|weekend"
    r"|month|year)\b|\bthe (?:day|night|week|month|year|weekend) (?:after|before)\b"
    r"|(?<=\w )to (?:make|get|pay|help|use|see|have|keep|avoid|save|celebrate|support|find|be"
    r"|do|go"
    r"|take|watch|learn|try|meet|give|show|work|eat|buy|visit|create|improve|discuss)\b"
    r"|[;!?(\[]|:(?!\d\d)|\.(?:\s|$)|\s-\s).*"
)
_LENGTH = (
    r"|\bfor (?:the (?:last|past) )?(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|\d+|a few"
    r"|about \w+|nearly \w+|almost \w+|over \w+|several|many|\w+) (?:hours?|days?|weeks?"
    r"|months?|years?)\b"
)
# Attributes whose values keep the days that stand in them.
WHOLE = frozenset({"plans", "habit", "decided", "address", "wants", "birthday", "born_on"})
_END = re.compile(_ENDS.replace("{length}", _LENGTH), re.IGNORECASE | re.DOTALL)
_END_AFTER_LENGTH = re.compile(_ENDS.replace("{length}", ""), re.IGNORECASE | re.DOTALL)
# "olives, anchovies and capers" is three; a comma alone may add anything ("a bike, second hand").
_LIST = re.compile(r"[^,]+(?:, [^,]+)*,? (?:and|or|&|AND) [^,]+", re.IGNORECASE)
_COMMENT = re.compile(
    r", (?:like|a bit|properly|badly|not|really|you|i|so|it|as|especially|which|write|please"
    r"|but)\b.*",
    re.IGNORECASE,
)
_ITEMS = re.compile(r",? (?:and|or|&) (?:also )?|, (?:and )?", re.IGNORECASE)
# "a book with novels and pictures" is one.
_ONE_THING = re.compile(r"\b(?:with|for|from|of|between|about|in|at|to)\b.* (?:and|or|&) ", re.I)
# "Rome, Naples and the Isle of Man": each a value. Of two a title may be made: "War and Peace".
_NAME = r"(?:the )?(?-i:[A-Z])[\w'-]*(?: (?:(?:of|the|de|la) ){0,2}(?-i:[A-Z])[\w'-]*){0,4}"
_SERIES_END = (
    r"(?=\W*$|[.!?;]| (?:in|on|at|last|next|yesterday|today|this|for|with|from|by|too|so|since"
    r"|before|after|over|during|already|now|again)\b)"
)
_TITLE = rf"{_NAME}(?: and {_NAME})??"  # "Pride and Prejudice, Emma and Clueless" is three
_SERIES = re.compile(
    rf"(?P<first>{_TITLE}(?:, {_TITLE})+),? (?:and|&) (?P<last>{_NAME}){_SERIES_END}"
)
_PAIR = re.compile(
    rf"(?!Bosnia|Trinidad|Antigua)(?P<first>{_NAME}) (?:and|&) (?P<last>{_NAME}){_SERIES_END}"
)
# "in Bonn with my two cats", "in Bonn with Ines": not "in a house with a garden".
_COMPANY = re.compile(
    r"(?<=\w) (?:together |along )?with (?:(?:my|our|his|her|their|both|all) |(?-i:[A-Z])).*",
    re.IGNORECASE,
)
_LONGEST = 14  # words
_LONGEST_CHARACTERS = 120
_ARTICLE = re.compile(
    r"(?:(?:a bit of|a little)(?= (?-i:[A-Z]))|a|an|the|my|our|his|her|some|also|even|just|about"
    r"|and|both)\s+",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"[\s,.!;:'\"*_~-]+$|\s+(?:and|or|with|in|at|on|to|for|of|from|by|the|a|an|my|is|are|was|i"
    r"|not|than|as)$",
    re.IGNORECASE,
)
_EMPTY = frozenset(
    {
        *(
            "it",
            "that",
            "this",
            "them",
            "him",
            "her",
            "one",
            "ones",
            "some",
            "more",
            "stuff",
            "all",
        ),
        *("things", "thing", "something", "anything", "nothing", "everything", "there", "here"),
        *("out", "up", "me", "us", "you", "myself", "so", "what", "these", "those", "both", "lots"),
        *("back", "off", "on", "in", "away", "down", "over", "too", "again", "he", "she", "they"),
        *("a lot", "a bit", "mine", "his", "hers", "yours", "each other", "yes", "no", "someone"),
        *("somebody", "people", "well", "to", "of", "for", "with", "at", "much", "many", "few"),
    }
)
# "pushed her round the hall", "lost two in the harbour": whom and of what stands elsewhere.
_SOMEBODY_OR_COUNT = re.compile(
    r"(?:her|him|them|some|one|two|three|four|five|a few|a couple|both|all) (?:in|on|at|of|to"
    r"|from|round"
    r"|around|with|into|out|up|for|over|by|the|a|an|that|this)\b(?! (?:days?|weeks?|the best)\b)",
    re.IGNORECASE,
)
_NUMBER_ALONE = re.compile(
    r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred)(?:-\w+)?|thousands?"
    r"|dozens?"
    r"|first|second|third|fourth|fifth|last|next",
    re.IGNORECASE,
)
_EMPTY_BEGINNING = re.compile(
    r"(?:it|that|this|these|those|them|him|you|your|here|there|his,|mine\b|what|how|when|why"
    r"|which|who|because|if|as|than"
    r"|like|not|no|so|such|too|having such|more than|everyone|everything|nothing|anything"
    r"|something|whatever"
    r"|\W+$)\b",
    re.IGNORECASE,
)


def values_in(
    text: str,
    *,
    is_list: bool = False,
    is_whole: bool = False,
    keeps_length: bool = False,
    may_be_several: bool = False,
) -> list[str]:
    """The values that a text has: one, or with `is_list` each of several.

    With `may_be_several` each thing of "the sign and the gate" is one too.
    With `is_whole` a date inside stays part of it, as in a plan, and with `keeps_length` a length
    of time ("for three weeks").
    """
    end = _END_AFTER_LENGTH if keeps_length else _END
    cut = text if is_whole else end.sub("", text)
    if is_list:
        cut = _COMMENT.sub("", _without_comment(cut))
    if is_list and _LIST.fullmatch(cut.strip(" ,.")) and not _ONE_THING.search(cut):
        items = _ITEMS.split(_until_next_verb(cut))
    elif is_list or is_whole:
        items = [cut]
    else:
        items = [_until_next_verb(cut)]
    if may_be_several and len(items) == 1 and not is_whole:
        items = things_of(items[0].strip(" ,."))
    return [value for item in items if (value := _clean(item))]


def without_company(place: str) -> str:
    """ "Bonn" of "Bonn with my two cats": who lives there too is no part of a place."""
    return _COMPANY.sub("", place)


def names_in_series(text: str, *, may_be_two: bool) -> tuple[list[str], str]:
    """The names that a text begins with, where it has several, and the words that they stand in.

    Of "Rome, Naples and Amalfi in May" three, and "Rome, Naples and Amalfi"; two names count only
    with `may_be_two`.
    """
    match = _SERIES.match(text) or (_PAIR.match(text) if may_be_two else None)
    return ([*match["first"].split(", "), match["last"]], match[0]) if match else ([], "")


def _without_comment(text: str) -> str:
    """ "kiwi and nuts" of "kiwi and nuts, write that in red": a list ends before its last comma."""
    shorter = text
    while not _LIST.fullmatch(shorter.strip(" ,.")):
        shorter, comma, _ = shorter.rpartition(",")
        if not comma:
            return text
    return shorter


def _until_next_verb(text: str) -> str:
    """ "Newtown" of "Newtown and drives here": what comes next is another predicate."""
    for match in re.finditer(r"(?:,? (?:and|but|then) |, )(?:then |also )?(\w+)", text):
        if is_finite(match[1]):
            return text[: match.start()]
    return text


def _clean(text: str) -> str:
    value = text.strip(" \t,.;:!\"'*_~-()")
    if _SOMEBODY_OR_COUNT.match(value):
        return ""
    if article := _ARTICLE.match(value):
        value = value[article.end() :]
    while True:
        shorter = _TRAILING.sub("", value)
        if shorter == value:
            break
        value = shorter
    words = value.split()
    if (
        not words
        or value.lower() in _EMPTY
        or value.lower() in COUNT
        or _NUMBER_ALONE.fullmatch(value)
        or _EMPTY_BEGINNING.match(value)
    ):
        return ""
    if len(value) > _LONGEST_CHARACTERS or len(words) > _LONGEST:
        return ""
    if value.count('"') == 1 or '""' in value:
        return value.replace('"', "").strip() if '""' not in value else ""
    return value


_UNITS = [
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def in_digits(value: str) -> str:
    """ "82" for "eighty-two"; other words as they are."""
    tens, _, ones = value.lower().replace("-", " ").partition(" ")
    if tens in _TENS and (not ones or ones in _UNITS):
        return str(20 + 10 * _TENS.index(tens) + (_UNITS.index(ones) + 1 if ones else 0))
    return str(_UNITS.index(tens) + 1) if tens in _UNITS and not ones else value
