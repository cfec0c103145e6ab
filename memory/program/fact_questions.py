"""Questions that facts decide: what one asks for, about whom, and which days.

Lists, counts, first and last, lengths of time, now and then, yes or no: ranked turns and a small
model cannot tell these, and rows can. For questions in English; no model is asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from memory.dates import MONTHS, SEASONS
from memory.search.question import SpeakerNames, read_question
from memory.search.word_forms import telling_words
from memory.search.words import STOP_WORDS, words

_MONTH = "|".join(MONTHS)
_TIME_WORD = rf"name|night|week|weekend|month|year|spring|summer|autumn|fall|winter|\w+day|{_MONTH}"
# "Which day trips ...?" asks for trips.
_ASKED_TIME = (
    r"(?:day|date|month|year|time)s?\b(?= (?:do|does|did|is|was|were|will|are|has|have|of)\b)"
)
_NO_VERB = r"(?!(?:is|was|has|does)\b)"
# The first that fits is the kind of a question; "value" where none does.
_KINDS = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "yes or no": (
            r"^\W*(?:(?:so|and|but)\W+)?(?:do|does|did|is|are|am|was|were|has|have|had|can|will)\b"
        ),
        "change": (
            r"^\W*how (?:has|have|had|did|does|do)\b.*\bchanged?\b"
            r"|^\W*what(?:'s| is| has| have)? (?:changed|different|new (?:about|with))\b"
        ),
        "how long": (
            r"\b(?:how long|how much time|(?<!on )how many (?:days|weeks|months|years)"
            r"(?= (?:do|does|did|is|was|were|has|have|had)\b)|since when)\b"
        ),
        "count": r"\bhow (?:many|often)\b|\bnumber of\b",
        "first": r"\b(?:first|earliest)\b(?! name)",
        "last": (rf"\b(?:last|latest|most recent(?:ly)?|newest)\b(?! (?:{_TIME_WORD})\b)"),
        "next": rf"\bnext\b(?! (?:{_TIME_WORD})\b)",
        "when": r"\b(?:all|every|each of) (?:of )?(?:the )?dates?\b|^\W*the dates?\b"
        rf"|^\W*(?:when|(?:\w+ )?(?:what|which) {_ASKED_TIME})\b|^\W*what was the date\b"
        r"|^\W*what(?:'s| is) the date\b|^\W*from when\b",
        "who": r"^\W*(?:(?:for|with|to|by|from) )?(?:who|whom|whose)\b"
        r"|^\W*which (?:of them|of us|people|person|friends?)\b",
        "where": r"^\W*(?:where(?:abouts)?|(?:\w+ )?(?:what|which) (?:city|town|country|place"
        r"|street|village|neighbou?rhood|suburb|area|venue|part of town)s?)\b",
        "list": (
            r"\b(?:all|every|everything|(?<!the )(?<!ing )list|what else)\b"
            rf"|^\W*(?:what|which)(?: {_NO_VERB}\w+){{0,2}} {_NO_VERB}\w+s\b(?!')"
        ),
    }.items()
}
_IS_PAST = re.compile(
    r"\b(?:did|was|were|had|(?:has|have) (?:\w+ ){0,3}been|used? to|before|previous(?:ly)?"
    r"|former(?:ly)?|ago|ever)\b",
    re.IGNORECASE,
)
# "Which pets has Anna had?" asks for those of the past, too.
_IS_PERFECT = re.compile(
    r"\b(?:has|have) (?!got\b)(?:\w+ ){1,4}?\w+(?:ed|en|d|t|ne|wn)\b"
    r"|\b(?:has|have) \w+ (?:had|possess|met|read|run|come|sung|swum|drunk|begun)\b",
    re.I,
)
_IS_AHEAD = re.compile(r"\b(?:will|going to)\b", re.IGNORECASE)
_PREVIOUS = re.compile(
    r"\b(?:before(?: that| then| now)?\W*$|(?:previous|former)(?:ly)?\b)", re.IGNORECASE
)
# "before the library", "before he became a teacher": the state that came before that one.
_BEFORE_WHAT = re.compile(r"\bbefore (?!that|then|now)(?P<what>[^?.!]+)", re.IGNORECASE)
# What would have to be true besides is beyond a SELECT over one fact each.
_OTHER_CLAUSE = re.compile(
    r"\b(?:(?<!look )(?<!looks )(?<!looked )(?<!looking )after|while|because|why)\b"
    r"|(?:\w+ ){3,}when\b",
    re.I,
)
_EXCEPTION = re.compile(r"\b(?:includ(?:ed|ing)|except|excluding|not counting)\b", re.IGNORECASE)
# "the man who ...", "how long the talk took", in what way: what facts do not tell.
_BEYOND = re.compile(
    r"^(?:did|has|have|had|was|is)\b.*\bfirst (?:time|go|try|attempt)\b"
    # What somebody said of a thing is not the thing: "What did Ben say about his dog?"
    r"|^\W*what (?:did|does|has|have|had|do)\b.*\b(?:say|says|said|tell|told|mention|mentioned"
    r"|write|written|think|thought)\b.* (?:about|of)\b"
    r"|(?:\w+ ){2,}(?:who|whose)\b|^how long .*\b(?:take|took|last)\b"
    # In what way: "How does Ben feel about his dog?"
    r"|^\W*how (?:do|does|did|is|are|was|were|can|could|should|would|will|has|have|had)\b"
    r"(?!.*\b(?:chang\w*|called|named|spel\w+|related|get to|commute|travel)\b)",
    re.I,
)
_JOB = re.compile(
    r"\bdo(?:es|ing)? (?:(?:for|as) (?:a living|work|a job)|professionally)\b", re.IGNORECASE
)
_DOES = re.compile(
    r"(?P<who>^\W*what (?:does|did) (?:[A-Z][\w'-]+ ?){1,3}) do"
    r"(?= (?:now|nowadays|currently)\b|\W*$)",
    re.IGNORECASE,
)
# "own" is a verb here; elsewhere, as in "his own bike", it says little.
_OWN = re.compile(r"(\b(?:do|does|did|has|have) (?:[\w'-]+ ){1,4}?)own(?:ed)?\b", re.IGNORECASE)
# "the cat Dolores" is Dolores.
_NOUN = re.compile(
    r"\b(?:the|my|our|his|her|\w+'s) (?:cat|dog|horse|friend|sister|brother|son|daughter|wife"
    r"|husband|boss|colleague|neighbou?r|cousin|boyfriend|girlfriend) (?=[A-Z])"
)
_SINCE = re.compile(rf"\b(?:since|from|after) (?:the end of )?(?:\d|{_MONTH})", re.I)
_UNTIL = re.compile(rf"\b(?:by|until|up to|before) (?:the end of )?(?:\d|{_MONTH})", re.I)
# "Who did Anna meet?" asks for a value, "Who met Anna?" for a subject.
_ASKS_VALUE = re.compile(
    r"\W*(?i:(?:for|with|to|by|from) )?(?i:whom?)(?:'s)?(?: else)?"
    r"(?: (?:is|was|are|were|did|does|has|had|will))?"
    r" (?:my |our |the |aunt |uncle |grandma |grandpa )*[A-Z]"
)
# Titles and kinship before a name.
KIN = frozenset(
    words(
        "aunt auntie uncle grandma grandpa granny gran nan grandad grandmother grandfather cousin"
        " mr mrs ms dr doctor professor"
    )
)
_PREPOSITIONS = frozenset(words("for to with from by at in on about near into after since under"))
# Who asks speaks for others, too: "Do we still have a car?"
_SHARED = re.compile(r"\b(?:we|us|our|ours)\b", re.IGNORECASE)
# Of whom each says something: "Who is allergic to what?"
_BY_SUBJECT = re.compile(r"^\W*who\b.*\b(?:what|which \w+|whom|where)\W*$", re.IGNORECASE)
# They say that a state begins or ends, and not which one.
_BEGIN = re.compile(
    r"\b(?:start|started|starting|begin|began|begun|join|joined)\b"
    r"(?= (?:\w+ )?(?:at|as|in|with|on)\b)"
    r"|\bfirst day\b(?= (?:at|as|in|with|of)\b)",
    re.IGNORECASE,
)
_END = re.compile(
    r"\blast day\b(?= (?:at|as|in|with|of)\b)"
    r"|\b(?:stop|stopped|quit|leave|left|finish|finished)\b(?= (?:\w+ing\b|at\b|[A-Z]))",
    re.IGNORECASE,
)
# "in these calls", "over the year": the whole of what was said.
_WHOLE = re.compile(
    r",? \b(?:in|from|during|over|throughout) (?:these|this|the|our|all these|all the)"
    r" (?:calls?|chats?|conversations?|messages?|talks?|letters?|notes?|years?|months|weeks|time)"
    r"\b(?=\W*$)",
    re.IGNORECASE,
)
# "that has not come back": what is not over.
_NOT_OVER = re.compile(
    r"\b(?:that|which) (?:has|have|is|are)(?: still)? ?(?:not|n't)(?: yet)?(?: been)?"
    r" (?:come back|over|returned|back|ended|finished|given back|brought back)(?: yet)?",
    re.IGNORECASE,
)
_SEASON = re.compile(rf"\b({'|'.join(SEASONS)})(?: of)? (?:19|20)\d\d\b", re.IGNORECASE)
_PART_OF_MONTH = re.compile(
    rf"\b(?P<part>beginning of|start of|early|middle of|mid|end of|late)[ -](?=(?:{_MONTH})\b)",
    re.IGNORECASE,
)
_BETWEEN_DATES = re.compile(rf"\bbetween\b.*\b(?:{_MONTH}|\d{{4}})\b.*\band\b", re.IGNORECASE)
_PARTS = {"b": (1, 10), "s": (1, 10), "m": (10, 20), "e": (1, 10), "l": (21, 31)}
_PRONOUN = re.compile(r"\b(?:i|me|my|we|our|you|your|he|she|his|they|their|him|it|its)\b", re.I)
# What a question is made of, whatever it asks for.
QUESTION_WORDS = frozenset(
    words(
        "many much often long time times first last latest recent recently newest earliest number"
        " list all every everything ever now nowadays currently current present today still day"
        " days date week weeks month months year years name names called know tell told say said"
        " thing things kind kinds sort something exactly anybody anyone somebody someone since"
        " until so far already yet moment other another else end beginning start middle half next"
        " previous previously former formerly altogether these title titles please list tell"
        " anything whole right changed change up instead whatever"
    )
)
_MOST_WORDS = 24
_LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class FactQuestion:
    """A question as facts answer it.

    `telling` are the words that say what it is about, without the names of its subjects. `names`
    are those: for each one its forms, the longest first ("aunt ruby", "ruby"), in small letters;
    none for a question that asks for the subject itself. `span` is the first and the last day (ISO)
    it asks about, None for any; `is_yearless` says that it names a month without a year. `is_past`
    and `is_ahead`: it asks about what was, or is to come. `is_previous` asks for what was before
    the present, `before` for what was before something else. `is_shared`: it asks about whoever
    asks and those with them. `is_by_subject`: it asks what holds of each. `aspect` is "begin" or
    "end" where it asks for the day on which a state began or ended. `is_not_over`: it asks for what
    has not ended. `asker` is who asks.
    """

    kind: str
    text: str
    telling: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    span: tuple[str, str] | None
    is_yearless: bool
    is_past: bool
    is_ahead: bool
    is_previous: bool
    before: tuple[str, ...]
    is_shared: bool = False
    is_by_subject: bool = False
    aspect: str = ""
    is_not_over: bool = False
    asker: str = ""

    def says(self, pattern: str) -> bool:
        """Whether its text has a pattern, in any case."""
        return bool(re.search(pattern, self.text, re.IGNORECASE))


def read_fact_question(question: str, today: str, asker: str = "") -> FactQuestion | None:
    """Read a question in the third person ("Where does Anna live?"), asked on a day (ISO).

    `asker` is whose "we" it is.

    Returns None for a question that facts cannot decide.
    """
    question = _DOES.sub(r"\g<who> have as a job", question.replace("\u2019", "'"))
    question = _JOB.sub("have as a job", question)
    question = _OWN.sub(r"\g<1>possess", question)
    query = read_question(question, SpeakerNames(), newest=int(today[:10].replace("-", "")))
    span = _in_part(question, _in_season(question, _span(query.dates, query.spans, today)))
    before: tuple[str, ...] = ()
    is_not_over = bool(_NOT_OVER.search(question))
    question = _NOT_OVER.sub("", _WHOLE.sub("", question))
    main_clause = question
    if between := _BETWEEN_DATES.search(question):
        span = _between(between, query.dates, today) or span
        if span:
            query = replace(query, dates=query.dates[:1])
    if _EXCEPTION.search(question) or _BEYOND.search(question) or len(set(query.dates)) > 1:
        return None
    if not span:
        if _OTHER_CLAUSE.search(question):
            return None
        if clause := _BEFORE_WHAT.search(question):
            before = tuple(telling_words(clause["what"], QUESTION_WORDS))
            main_clause = question[: clause.start()]
    if span and (until := _UNTIL.search(question)):
        is_before = until[0].lower().startswith("before") and "end of" not in until[0]
        span = ("0001-01-01", _day_before(span[0]) if is_before else span[1])
    elif span and _SINCE.search(question):
        span = (span[0], max(today, span[1]))
    aspect, begin = "", None
    if begin := _BEGIN.search(main_clause):
        aspect = "begin"
    elif begin := _END.search(main_clause):
        aspect = "end"
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.search(main_clause)), "value")
    names = _names(_NOUN.sub("", main_clause))
    if aspect and begin and begin[0].lower().endswith("day"):
        kind = "when"
    if aspect and kind != "when":
        aspect = ""
    aspect_words = words(begin[0]) if aspect and begin else []
    if kind == "who" and not _ASKS_VALUE.match(main_clause):
        names = ()
    is_shared = bool(asker and not names and _SHARED.search(main_clause))
    if not names and kind != "who" and not is_shared and _PRONOUN.search(main_clause):
        return None  # whose, nobody knows
    of_names = {word for forms in names for word in words(forms[-1])}
    named_months = {MONTHS[month - 1] for _, month, _ in query.dates if month}
    telling = tuple(
        word
        for word in dict.fromkeys(telling_words(_NOUN.sub("", main_clause), QUESTION_WORDS))
        if word not in named_months
        and not word.isdigit()
        and word not in of_names
        and word not in aspect_words
    )
    if not 0 < len(telling) <= _MOST_WORDS or max(map(len, telling)) > _LONGEST_NAME:
        return None
    return FactQuestion(
        kind=kind,
        text=question,
        telling=telling,
        names=names,
        span=span,
        is_yearless=bool(not query.spans and query.dates and not query.dates[0][0]),
        is_past=bool(_IS_PAST.search(question))
        or (kind in ("list", "count", "value") and bool(_IS_PERFECT.search(question))),
        is_ahead=bool(_IS_AHEAD.search(question)),
        is_previous=bool(before or _PREVIOUS.search(question)),
        before=before,
        is_shared=is_shared,
        is_by_subject=bool(_BY_SUBJECT.search(question)),
        aspect=aspect,
        is_not_over=is_not_over,
        asker=asker,
    )


def read_span(question: str, today: str) -> tuple[str, str] | None:
    """The first and the last day (ISO) that a question asks about; None for any."""
    query = read_question(question, SpeakerNames(), newest=int(today[:10].replace("-", "")))
    span = _in_part(question, _span(query.dates, query.spans, today))
    if span and _UNTIL.search(question):
        return "0001-01-01", span[1]
    if span and re.search(r"\bsince\b", question, re.IGNORECASE):
        return span[0], max(today, span[1])
    return span


def _span(
    dates: Sequence[tuple[int, int, int]], spans: Sequence[tuple[int, int, int]], today: str
) -> tuple[str, str] | None:
    """The days a question names; a month without a year is the latest one that has begun."""
    if spans:
        first_day, last_day, _ = spans[0]
        return _iso(first_day), _iso(last_day)
    if not dates:
        return None
    year, month, day = dates[0]
    if not year:
        year = int(today[:4]) - (month > int(today[5:7]))
    return f"{year:04}-{month or 1:02}-{day or 1:02}", f"{year:04}-{month or 12:02}-{day or 31:02}"


def _between(
    match: re.Match[str], dates: Sequence[tuple[int, int, int]], today: str
) -> tuple[str, str] | None:
    """The days from the first to the last of two dates: "between March and May 2025"."""
    if len(dates) != 2:
        return None
    first, last = dates
    years = [year for year, _, _ in dates if year]
    if len(set(years)) == 1:
        first, last = ((years[0], month, day) for _, month, day in (first, last))
    begin, end = _span([first], (), today), _span([last], (), today)
    return (begin[0], end[1]) if begin and end and begin[0] <= end[1] else None


def with_named_asker(question: str, asker: str) -> str:
    """A question in which whoever asks is a name like others, should they be called "user"."""
    if not asker[:1].islower():
        return question
    return re.sub(rf"\b{re.escape(asker)}\b", asker.capitalize(), question)


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _in_season(question: str, span: tuple[str, str] | None) -> tuple[str, str] | None:
    """The season of a year that a question names: "in the spring of 2024"."""
    match = _SEASON.search(question)
    if not match or not span or (span[0][4:], span[1][4:]) != ("-01-01", "-12-31"):
        return span
    first = SEASONS[match[1].lower()]
    year = int(span[0][:4])
    last_year, last = (year + 1, 2) if first == 12 else (year, first + 2)
    return f"{year}-{first:02}-01", f"{last_year}-{last:02}-31"


def _in_part(question: str, span: tuple[str, str] | None) -> tuple[str, str] | None:
    """The part of a month that a question names: "in the middle of February"."""
    match = _PART_OF_MONTH.search(question)
    if not match or not span or span[0][:7] != span[1][:7] or _UNTIL.search(question):
        return span
    if _SINCE.search(question):
        return span
    first, last = _PARTS[match["part"][0].lower()]
    if match["part"].lower().startswith("end"):
        first, last = 21, 31
    return f"{span[0][:7]}-{first:02}", f"{span[1][:7]}-{last:02}"


def _iso(packed: int) -> str:
    return f"{packed // 10_000:04}-{packed // 100 % 100:02}-{packed % 100:02}"


def _names(question: str) -> tuple[tuple[str, ...], ...]:
    """Those whom a question is about: "Anna" and "Ben" in "Do Anna and Ben live in Oslo?".

    They are the first words with a capital that follow no preposition ("the age of Clarence" is of
    him, though), and what "and" joins to them. All other names are words like others.
    """
    runs: list[tuple[str, ...]] = []
    parts = re.findall(r"[\w'-]+|,", question)
    start = 0
    while start < len(parts):
        part = parts[start]
        if not _is_capital(part, is_first=start == 0):
            start += 1
            continue
        end = start + 1
        # A possessive ends a name: "Anna's sister".
        while end < len(parts) and not _is_possessive(parts[end - 1]):
            if not _is_capital(parts[end], is_first=False):
                break
            end += 1
        title = start and parts[start - 1].lower() in KIN
        before = parts[start - 1 - title].lower() if start - title > 0 else ""
        joined = before in ("and", "or", "both", ",") and runs
        if (before in _PREPOSITIONS and not _is_possessive(parts[end - 1])) or (
            runs and not joined
        ):
            start = end
            continue
        name = _bare(parts[start:end])
        forms = [name]
        if title:
            forms.insert(0, f"{parts[start - 1].lower()} {name}")
        if _is_possessive(parts[end - 1]) and end < len(parts):
            tail = parts[end].lower().removesuffix("'s")
            forms.insert(0, f"{name}'s {tail}")
        if len(name) <= _LONGEST_NAME:
            runs.append(tuple(forms))
        start = end
    return tuple(dict.fromkeys(runs))


def _is_capital(part: str, *, is_first: bool) -> bool:
    """Whether a word begins a name. The capital of the first word of a question says little."""
    if not part[0].isupper() or part == "I" or part.lower() in MONTHS:
        return False
    return not is_first or (_is_possessive(part) and part.lower()[:-2] not in STOP_WORDS)


def _is_possessive(part: str) -> bool:
    return part.endswith(("'s", "s'"))


def _bare(parts: Sequence[str]) -> str:
    return " ".join(parts).lower().removesuffix("'s").removesuffix("'")
