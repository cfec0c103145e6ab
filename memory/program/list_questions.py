"""Questions for lists and counts as turns answer them: whose it was, and in which time.

`read_fact_question` reads a question as facts answer it. What asks for a list often names its time
in more words than facts need ("from March until the end of May", "in the last three months of
2024", "since last autumn"), is asked by somebody without a name of their own ("user"), and says
more of how to answer ("Give all the days.").
"""

import re
from dataclasses import replace

from memory.dates import COUNT, MONTHS, SEASONS
from memory.program.fact_questions import FactQuestion, read_fact_question

_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" for month in MONTHS).replace("sep(", "sept?(")
_SEASON = "|".join(SEASONS)
_NUMBER = rf"\d{{1,2}}|{'|'.join(word for word in COUNT if word.isalpha())}"


def _point(name: str) -> str:
    """The pattern of a month or a day, with its parts named after `name`."""
    return (
        rf"(?:(?:the )?(?P<{name}_part>start|beginning|middle|end) of )?"
        rf"(?:(?:the )?(?P<{name}_day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? )?"
        rf"(?P<{name}_month>{_MONTH})\b\.?"
        rf"(?: (?:the )?(?P<{name}_day_after>\d{{1,2}})(?:st|nd|rd|th)?\b)?"
        rf"(?:,? (?:of )?(?P<{name}_year>(?:19|20)\d\d))?"
    )


_YEAR = r"(?:(?:of |in )?(?P<year>(?:19|20)\d\d)(?:/\d\d(?:\d\d)?)?)"
_BETWEEN = re.compile(
    rf",? \b(?:between|from) {_point('first')} (?:and|to|until|till|through|up to)"
    rf" (?:the )?{_point('last')}(?=\W*$|[ ,?])",
    re.IGNORECASE,
)
_SINCE = re.compile(
    rf",? \b(?:since|from)(?: last| this past)? {_point('first')}(?: on(?:wards?)?)?(?=\W*$|[ ,?])",
    re.IGNORECASE,
)
_SINCE_SEASON = re.compile(
    rf",? \bsince (?:last |the )?(?P<season>{_SEASON})\b(?: {_YEAR})?", re.IGNORECASE
)
_IN_SEASON = re.compile(
    rf",? \b(?:in|during|over)(?: the)?(?: whole)? (?P<season>{_SEASON})(?: (?:of )?{_YEAR})"
    r"(?=\W*$|[ ,?])",
    re.IGNORECASE,
)
_MONTHS_OF = re.compile(
    rf",? \b(?:in|during|over) the (?P<which>first|last) (?P<number>{_NUMBER}) months of {_YEAR}",
    re.IGNORECASE,
)
_HALF_OF = re.compile(
    rf",? \b(?:in|during|over) the (?P<which>first|second) half of {_YEAR}", re.IGNORECASE
)
# They ask for all of it, or for the time that everything was told of.
_NO_MATTER = re.compile(
    r",? \b(?:in all|in total|altogether|all told|so far|overall|to date|up to now"
    rf"|(?:that|over the whole|over the|throughout the|the whole|all) (?:{_SEASON}))\b(?=\W*$)",
    re.IGNORECASE,
)
# "Give all the days.", behind a question.
_HOW_TO_ANSWER = re.compile(
    r"(?<=\?)\W*(?:please )?(?:give|name|list|tell) (?:me )?(?P<all>all|each|every)?\b[^?.]*\W*$",
    re.IGNORECASE,
)
# "What has Ben fixed or installed?" asks for deeds of one kind.
_EITHER = re.compile(r"\b(?P<verb>\w{3,}ed) or \w{3,}ed\b")
# "Which Spanish dishes did Ben cook?" is not of anybody called Spanish.
_KIND = re.compile(
    r"(?i:^\W*(?:(?:in|at|to|on|for|from|with) )?(?:which|what|how many)"
    r"(?: (?:new|different|other))?)"
    r" [A-Z][a-z]+(?= [a-z]+ (?:did|has|have|had|does|do|was|were|is|are)\b)"
)
# How dates are written beside the words for them: "last October (2024-10)".
_WRITTEN = re.compile(r" ?\((?:19|20)\d\d-[\d/-]+(?: to [\d/-]+)?\)")


def read_list_question(question: str, today: str, asker: str = "") -> FactQuestion | None:
    """A question for a list or a count, see `read_fact_question`; None for what is none.

    Its span is the time that it names, in whatever words, and those are no words of what it asks
    about. Who asks is one whom it names ("user" in small letters, too).
    """
    text = question.replace("\u2019", "'")
    asks_all = _HOW_TO_ANSWER.search(text)
    text = _NO_MATTER.sub("", _HOW_TO_ANSWER.sub("", text))
    text = _KIND.sub(lambda match: match[0].lower(), text)
    text = _EITHER.sub(r"\g<verb>", text)
    text, span = _without_time(text, today[:10])
    if asker and asker.islower():
        text = re.sub(rf"\b{re.escape(asker)}\b", asker.capitalize(), text)
    read = read_fact_question(text, today, asker)
    if read is None:
        return None
    if asks_all and asks_all["all"] and read.kind == "when":
        read = replace(read, text=f"{read.text} All the days")
    if span:
        read = replace(read, span=span, is_yearless=False)
    return read


def _without_time(text: str, today: str) -> tuple[str, tuple[str, str] | None]:
    """A question without the time that it names, and the first and the last day (ISO) of it."""
    if match := _BETWEEN.search(text):
        last_year = match["last_year"] or match["first_year"]
        last = _day(match, "last", int(last_year) if last_year else 0, today, is_end=True)
        first_year = int(match["first_year"] or last[:4])
        first = _day(match, "first", first_year, today)
        if first > last and not match["first_year"]:
            first = _day(match, "first", first_year - 1, today)
        elif first > last and not match["last_year"]:
            last = f"{int(last[:4]) + 1}{last[4:]}"
        return (_without(text, match), (first, last)) if first <= last else (text, None)
    if match := _MONTHS_OF.search(text):
        number = _number(match["number"])
        months = (1, number) if match["which"].lower() == "first" else (13 - number, 12)
        return _without(text, match), _months(int(match["year"]), *months)
    if match := _HALF_OF.search(text):
        months = (1, 6) if match["which"].lower() == "first" else (7, 12)
        return _without(text, match), _months(int(match["year"]), *months)
    if match := _IN_SEASON.search(text):
        start = SEASONS[match["season"].lower()]
        return _without(text, match), _months(int(match["year"]), start, start + 2)
    if match := _SINCE_SEASON.search(text):
        start = SEASONS[match["season"].lower()]
        year = int(match["year"]) if match["year"] else _last_year_of(start + 2, today)
        return _without(text, match), (f"{year:04}-{start:02}-01", today)
    if match := _SINCE.search(text):
        year = int(match["first_year"] or 0)
        return _without(text, match), (_day(match, "first", year, today), today)
    return text, None


def _without(text: str, match: re.Match[str]) -> str:
    tail = _WRITTEN.sub("", text[match.end() :])
    return text[: match.start()] + tail


def _months(year: int, first: int, last: int) -> tuple[str, str]:
    """The days of some months; the 14th is the second of the next year."""
    end_year = year + (last - 1) // 12
    return f"{year:04}-{first:02}-01", f"{end_year:04}-{(last - 1) % 12 + 1:02}-31"


def _last_year_of(last_month: int, today: str) -> int:
    """The year of the latest season that was over on a day; it ends with this month."""
    year = int(today[:4])
    return year if last_month < int(today[5:7]) else year - 1


def _day(match: re.Match[str], name: str, year: int, today: str, *, is_end: bool = False) -> str:
    """A day (ISO) that a question names; without a year it is the latest that has begun."""
    month = next(
        number
        for number, word in enumerate(MONTHS, 1)
        if word.startswith(match[f"{name}_month"].lower()[:3])
    )
    if not year:
        year = int(today[:4]) - (month > int(today[5:7]))
    bare = match[f"{name}_day"] or match[f"{name}_day_after"]
    part = (match[f"{name}_part"] or "").lower()
    day = int(bare) if bare else 31 if is_end else 1
    if part and not bare:
        day = {"start": 1, "beginning": 1, "middle": 15, "end": 31 if is_end else 25}[part]
    return f"{year:04}-{month:02}-{day:02}"


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else COUNT[word.lower()]
