"""Whether what a small model picked can be the answer: a number for how many, a person for who.

A model of 135 million parameters picks something from the turns that fit best, whether they answer
or not. These checks compare the kind of answer that a question asks for with what was picked, and
what the question names with the turns it was picked from. They read English words alone.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from memory.dates import COUNT, MONTHS, WEEKDAYS, resolve_dates
from memory.passages import sentences
from memory.records import Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.kind_examples import examples_of_kind
from memory.search.question import SpeakerNames, read_question
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import STOP_WORDS, words

# A number, in digits or a word.
NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|dozen|once|twice"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|hundred|thousand)\b",
    re.IGNORECASE,
)
_AUXILIARY = "do|does|did|has|have|had|is|are|was|were|will|can|would|should"
# The first that fits is the kind of answer that a question asks for; "value" where none does.
_KINDS = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "yes or no": r"^\W*(?:(?:so|and|but)\W+)?"
        r"(?:do|does|did|is|are|am|was|were|has|have|had|can|will)\b",
        "length": r"\bhow long\b|\bfor how many (?:days|weeks|months|years)\b",
        "count": r"\bhow (?:many|often)\b|\bnumber of\b",
        "age": r"\bhow old\b",
        "amount": r"\bhow (?:much|far|tall|big|heavy)\b"
        r"|^\W*what (?:did|does|do) .+ (?:pay|spend|charge|earn|weigh|cost)\b"
        r"(?!.* (?:on|with|to)\W*$)",
        "date": r"^\W*(?:(?:since|until|from) )?when\b"
        r"|^\W*(?:\w+ )?(?:what|which) (?:day|date|month|year|time)\b",
        "person": r"^\W*(?:who|whom|whose)\b",
        "place": r"^\W*(?:where|(?:\w+ )?(?:what|which) (?:(?:is|was) the (?:first|last|next) )?"
        r"(?:city|town|country|place|street))\b",
        "list": r"\b(?:all|every|everything|list|what else)\b"
        r"|^\W*(?:what|which)(?: \w+){0,2} \w+[^\Ws]s\b",
    }.items()
}
_FREQUENCY = re.compile(
    r"\b(?:every|daily|weekly|monthly|several|often|always|regularly|most)\b", re.IGNORECASE
)
_TIMES = re.compile(r"\b(?:times?|once|twice|thrice)\b", re.IGNORECASE)
_COUNTED = re.compile(
    rf"how many ((?:\w+ ){{0,3}}?\w+?)"
    rf"(?= (?:{_AUXILIARY}|in|of|to|on|at|from|for|by|with|\w+ed)\b|\?|$)",
    re.IGNORECASE,
)
_HOW_OFTEN = re.compile(r"\bhow often\b", re.IGNORECASE)
_MOST_BETWEEN = 3  # words from a number to what it counts: "two big black dogs"
PERSON = re.compile(
    r"\b(?:mother|mom|mum|father|dad|parents?|brothers?|sisters?|son|daughter|kids?|child(?:ren)?"
    r"|wife|husband|partner|aunt|uncle|cousins?|niece|nephew|grand\w+|friends?|boss|colleagues?"
    r"|coworkers?|neighbou?rs?|teacher|doctor|girlfriend|boyfriend|family|team|people|roommate"
    r"|flatmate|someone|somebody|nobody|fans|group|students?|classmates?|owner|trainer|coach"
    r"|manager|guy|man|woman|girl|boy|landlord|landlady|nurse)\b",
    re.IGNORECASE,
)
_ASKS_NAME = re.compile(
    r"\bnames? of (?:the |an? |my |our |[\w-]+(?:'s|s') )*([\w -]+?)\W*$"
    r"|(?:'s|s') ([\w -]+?) called\W*$|(?:'s|s') ([\w-]+)'s name\W*$",
    re.IGNORECASE,
)
_ASKS_WITH = re.compile(r"\bwho(?:m)? .+ with\W*$|^\W*with whom\b", re.IGNORECASE)
_SAME_NAME = 0.85  # of two spellings: "John" and "Jon"
_DAY_AND_MONTH = re.compile(rf"\W*(\d{{1,2}}) ({'|'.join(MONTHS)})(?: \d{{4}})?\W*", re.IGNORECASE)
_ASKED_VERB = re.compile(
    r"\b(?:did|does|do|will)\b"
    r"(?: (?:not|[A-Z][\w'-]*|and|my|our|her|his|the|their|\w+'s|I|aunt|uncle))*"
    r"(?: (?:first|last|also|finally|ever))? ([a-z]+)"
)
# Verbs whose forms do not begin alike; a verb and its forms on a line.
_IRREGULAR = """be was were been
become became
begin began begun start
break broke broken
bring brought
build built
buy bought
catch caught
choose chose chosen
come came
do did done
draw drew
drink drank
drive drove driven
eat ate eaten
fall fell
feel felt
find found
fly flew flown
get got gotten
give gave given
go went gone
grow grew
have had has
hear heard
hold held
keep kept
know knew known
lead led
leave left
lose lost
make made
marry married wedding wed
meet met
pay paid
ride rode
run ran
say said
see saw seen
sell sold
send sent
sing sang sung
sleep slept
speak spoke spoken
spend spent
stand stood
swim swam swum
take took taken
teach taught
tell told
think thought
wear wore worn
win won
write wrote written"""
# They say little beside another word, so a turn need not have them: "go running", "take a trip".
_LIGHT_VERBS = frozenset(
    words("go get have take make do start attend visit plan become begin happen use say give")
)
_ASKS_MONEY = re.compile(
    r"\bhow much\b.*\b(?:cost|costs|pay|pays|paid|sell|sold|spend|spent|earn|earns|owe|owes|rent"
    r"|price|charge|charged|worth)\b",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"\d ?(?:kilos?|kg|grams?|g|pounds? of|litres?|liters?|metres?|meters?|km|miles?|cm|hours?"
    r"|days?|weeks?|months?|years?|percent|%)(?!\w)",
    re.IGNORECASE,
)
_NO_AGE = re.compile(
    r"[€$£]|\d ?(?:euros?|dollars?|pounds?|quid|cents?|kilos?|kg|grams?|litres?|metres?|km|miles?"
    r"|hours?|minutes?|percent|%)(?!\w)",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"\b(?:minutes?|hours?|days?|nights?|weeks?|fortnights?|months?|years?|decades?|since|until"
    r"|always|ages|long)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?P<order>first|earliest|last|latest|most recent)\b"
    r"(?! (?:name|place|prize|aid|floor|hand|week|weekend|month|year|night|summer"
    r"|winter|spring|autumn|fall|day|\w+day"
    r"|january|february|march|april|may|june|july|august|september|october|november|december)\b)",
    re.IGNORECASE,
)
_TELLS_ORDER = {
    "first": re.compile(r"\b(?:1st|started|began|never before)\b", re.IGNORECASE),
    "last": re.compile(r"\b(?:final|finally|until|no more|any ?more|newest)\b", re.IGNORECASE),
}
_ASKS_CHANGE = re.compile(r"^\W*how (?:has|have|did) .* changed?\b", re.IGNORECASE)
_ASKS_LIKELY = re.compile(r"\b(?:likely|probably|might|may|would|could)\b", re.IGNORECASE)
_ASKS_START = re.compile(r"\bdid\b.*\b(?:start|begin|join)\b", re.IGNORECASE)
_TELLS_START = re.compile(r"\b(?:start|begin|began|begun|join|new|first)", re.IGNORECASE)
_TELLS_END = re.compile(r"\b(?:finish|last day|leav|left|end|quit|stop)", re.IGNORECASE)
_ASKS_STATE_THEN = re.compile(
    r"\b(?:was|were)\b.* (?:living|working|driving|employed|staying|dating|studying|learning)\b"
    r".*\b(?:in|at|during|around) .*(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_ASKS_ALL = re.compile(
    r"^\W*(?:(?:to|for|with|from|in|at|of) )?(?:where|who|whom|(?:what|which)(?: \w+){0,2}) "
    r"(?:has|have) (?!.*\b(?:just|recently|now|lately)\b)"
    r"|^\W*(?:(?:to|for|with|from|in|at|of|on) )?(?:which|what) (?!is\b|was\b|does\b|has\b)"
    r"(?:\w+ )?\w*[^\Ws]s (?:of \w+ )?(?:did|do|does|had|has|have|were|are)\b",
    re.IGNORECASE,
)
# What somebody does for a living, and how a turn tells it.
_ASKS_JOB = re.compile(
    r"\bfor a living\b|\b(?:job|profession|occupation)\W*$|'s (?:job|profession|occupation)\b",
    re.IGNORECASE,
)
_TELLS_JOB = re.compile(
    r"\b(?:work(?:s|ed|ing)?|jobs?|as an?|(?:am|is|was|are|were|[a-z]+'[ms]) an?|became|hired"
    r"|teach(?:es|ing)?|taught|employ\w*|position|profession|qualified|promoted|retired)\b",
    re.IGNORECASE,
)
_RETIRED = re.compile(r"\b(?:retired?|left|leaving|gone|finish(?:ed|ing)|off)\b", re.IGNORECASE)
_ASKS_HOME = re.compile(r"\b(?:live|lives|living)\b", re.IGNORECASE)
_TELLS_HOME = re.compile(
    r"\b(?:liv(?:e|es|ed|ing)|mov(?:e|ed|ing)|home|flat|house|hoose|room|place|address|rent\w*"
    r"|apartment|settled|based|hometown|back in|from|i'm in|am in|country|city|town|staying)\b",
    re.IGNORECASE,
)
_OF_ASKER = re.compile(r"\b(?:I|me|my|mine|we|us|our)\b", re.IGNORECASE)
_RELATION = re.compile(
    r"\b(?:my|our) (mother|mum|mom|father|dad|sister|brother|son|daughter|wife|husband|aunt|uncle"
    r"|cousin|boss|neighbou?r|grandmother|grandfather|niece|nephew)\b",
    re.IGNORECASE,
)
_NAMED_SUBJECT = re.compile(
    r"\W*(?:(?:And|But|So|and|but|so) )?([A-Z][a-z]+)"
    r"(?:'s| is| was| has| can| cannot| can't| will| does| and) "
)
# Whom a question asks about: "What does Solveig weigh?".
_ASKED_SUBJECT = re.compile(
    r"\b(?i:do|does|did|is|was|has|had|will|can|what's)(?: (?:my|our|your|aunt|uncle))?"
    r" ([A-Z][\w-]+)\b"
)
_BEFORE_WHAT = re.compile(
    r"\b(?:before|instead of) (?!that\b|then\b|now\b|\d|the (?:end|summer|winter|weekend)\b)"
    r"(?P<what>[^?.!]+)",
    re.IGNORECASE,
)
_TELLS_BEFORE = re.compile(
    r"\b(?:before|was|were|had|used to|until|till|left|leaving|quit|out of|from(?! \d| (?:the )?\d"
    r"| \w+day)|previously|formerly|instead|given up|gave up|giving up|swapped|after|no longer"
    r"|any ?more)\b",
    re.IGNORECASE,
)
_TELLS_OVER = re.compile(
    r"\b(?:lost|quit|left|sold|given up|gave up|stopped|cancelled|no longer)\b"
)
_ASKS_HOW_LONG_IT_WAS = re.compile(r"\bhow long did\b", re.IGNORECASE)
_STAYS = re.compile(r"\b(?:will|going to|stays|is staying|are staying|arrives)\b|'ll\b", re.I)
_NAMES_CHOICE = re.compile(r"\b(?:or|of|between)\b|,", re.IGNORECASE)
_ASKS_SURNAME = re.compile(
    r"\b(?:surname|last name|family name|maiden name|middle name)\b", re.IGNORECASE
)
_OWN_CLAUSE = re.compile(r"\W*(?:(?i:and|but|so|well|also|now|yes|no|anyway)\W+)*I\b")
_BEFORE_PLACE = re.compile(
    r"\b(?:in|at|on|near|from|into|by|over|under|behind|beside|outside|inside|opposite|to|of"
    r"|around|through|across|for|with|visit\w*|called)\b(?: (?:the|a|an|my|our|his|her|their"
    r"|this|that|some|\w+))?\W*$",
    re.IGNORECASE,
)
_PARENTS = frozenset(words("mom mum mama dad papa mother father granny gran grandma grandpa"))


@dataclass(frozen=True)
class AskedFor:
    """What a question asks for.

    `kind` is one of _KINDS or "value". `names` are the names in it that nobody speaks under,
    `telling` its telling words beside all names. It `is_bounded` when it names a date.
    """

    text: str
    kind: str
    names: tuple[str, ...]
    telling: tuple[str, ...]
    is_bounded: bool


def asked_for(question: str, speakers: Collection[str]) -> AskedFor:
    """Read a question; `speakers` are the names of those who spoke."""
    question = question.replace("\u2019", "'")
    kinds = (kind for kind, pattern in _KINDS.items() if pattern.search(question))
    speaker_words = {word for name in speakers for word in words(name)}
    names = tuple(
        name
        for name in _names_in(question)
        if not get_close_matches(name, speaker_words, cutoff=_SAME_NAME)
    )
    query = read_question(question, SpeakerNames(), newest=20_000_101)
    return AskedFor(
        text=question,
        kind=next(kinds, "value"),
        names=names,
        telling=tuple(telling_words(question, {*speaker_words, *names})),
        is_bounded=bool(query.dates or query.spans),
    )


def _names_in(question: str) -> list[str]:
    """The words with a capital, but for the first one and those of the calendar."""
    tokens = re.findall(r"[^\W\d_][\w'-]*", question)
    names = [
        token.lower().removesuffix("'s").rstrip("'")
        for token in tokens[1:]
        if token[0].isupper() and len(token) > 1
    ]
    return [name for name in names if name not in MONTHS and name not in WEEKDAYS]


@cache
def _verb_forms() -> Mapping[str, frozenset[str]]:
    lines = [line.split() for line in _IRREGULAR.splitlines()]
    return {verb: frozenset(line) for line in lines for verb in line}


def has_word(word: str, text_forms: Collection[str]) -> bool:
    """Whether a word, in any form, is among the forms of a text; "went" is a form of "go"."""
    return any(is_among(form, text_forms) for form in _verb_forms().get(word, {word}))


def can_answer(
    answer: str, question: AskedFor, sources: Sequence[Turn], contexts: Sequence[str]
) -> bool:
    """Whether an answer is of the kind asked for, and its turns speak of what is asked about.

    `contexts` are what tells what each of the `sources` is about: its text and those before it.
    """
    mentions = [clause for turn in sources for clause in _clauses_with(answer, turn)]
    return all(
        (
            _has_kind(answer, question),
            says_more_than_asked(answer, question.text),
            question.kind != "count" or _counts_what_is_asked(answer, question, sources),
            question.kind != "age" or is_age_of(answer, question, sources),
            question.kind not in ("person", "place") or _is_about_what_is_asked(question, contexts),
            question.kind != "person" or not _is_of_another_deed(answer, question, sources),
            not asks_for_company(question)
            or any(is_company(answer, turn.text) for turn in sources),
            _is_whole_date(answer, sources),
            _is_in_month(answer, question),
            question.kind != "amount"
            or _is_about_what_is_asked(question, [turn.text for turn in sources]),
            _says_words(answer, sources),
            _names_are_met(question, sources, contexts),
            _is_about_what_has_the_name(question, contexts),
            not _ASKS_NAME.search(question.text) or _is_name_of(answer, question, sources),
            not _ASKS_JOB.search(question.text)
            or any(map(_TELLS_JOB.search, mentions or [turn.text for turn in sources])),
            not _is_of_speaker(answer, question, sources),
            not _is_said_to_be_over(answer, question, sources),
            not any(tells_what_came_after(clause, question) for clause in mentions),
            not _ASKS_SURNAME.search(question.text) or _has_surname(answer, question, sources),
            _has_form(answer, question, sources),
        )
    )


def _is_of_another_deed(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether sentences tell what a person does, and others of the same turn what is asked about.

    "We married! Lisbeth danced until four." does not say whom they married.
    """

    def tells(sentence: str) -> bool:
        forms = forms_of(words(sentence))
        return any(has_word(word, forms) for word in question.telling)

    does = re.compile(rf"\W*{re.escape(answer)} (?!(?:and|or|&)\b)[a-z]")
    mentions = [
        (sentence, turn)
        for turn in sources
        for sentence in sentences(turn.text)
        if answer in sentence
    ]
    return bool(mentions) and all(
        does.match(sentence)
        and not tells(sentence)
        and not _OF_ASKER.search(sentence)
        and any(map(tells, sentences(turn.text)))
        for sentence, turn in mentions
    )


def asks_for_company(question: AskedFor) -> bool:
    """Whether a question asks with whom: "Who did Anna go to the opera with?"."""
    return bool(_ASKS_WITH.search(question.text))


def is_company(name: str, text: str) -> bool:
    """Whether a text names somebody as company: "with Tom", "Tom and I", "Tom came"."""
    name = re.escape(name)
    return bool(
        re.search(
            rf"\b(?:with|and|both|by) (?:\w+ ){{0,3}}{name}\b|(?:^|[.!?;] ){name}\b"
            rf"|\b{name}(?:,| and\b| (?:invited|took|joined|came|went|drove)\b)",
            text,
            re.IGNORECASE,
        )
    )


def asks_for_all(question: AskedFor) -> bool:
    """Whether a question asks for all there ever were: "Which cats has Nell had?".

    One turn tells of one of them.
    """
    return bool(_ASKS_ALL.search(question.text))


def _has_form(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether an answer from a few turns can tell a length, an order, a change or a place."""
    texts = " ".join(turn.text for turn in sources)
    if _ASKS_CHANGE.search(question.text):
        return False  # it takes what was before and what is after
    if question.kind == "length":
        forms = forms_of(words(texts))
        is_named = all(has_word(word, forms) for word in question.telling if word != "long")
        if not is_named or not _LENGTH.search(answer):
            return False
        clauses = [clause for turn in sources for clause in _clauses_with(answer, turn)]
        if _ASKS_HOW_LONG_IT_WAS.search(question.text) and any(map(_STAYS.search, clauses)):
            return False  # "stays for three months" was the plan
    if question.kind == "person" and asks_for_present(question.text) and _RETIRED.search(answer):
        return False
    if (
        question.kind == "place"
        and _ASKS_HOME.search(question.text)
        and not _TELLS_HOME.search(texts)
    ):
        return False
    if _is_of_relative(answer, question, sources):
        return False
    if order := _ORDER.search(question.text):
        is_first = order["order"].lower() in ("first", "earliest")
        told_order = _ORDER.search(texts)
        is_told = (
            told_order is not None
            and (told_order["order"].lower() in ("first", "earliest")) == is_first
        )
        if not is_told and not _TELLS_ORDER["first" if is_first else "last"].search(texts):
            return False
    if answer.lower().startswith(("likely", "probably")):
        return bool(_ASKS_LIKELY.search(question.text))
    if question.kind == "date" and _ASKS_START.search(question.text):
        return bool(_TELLS_START.search(texts) or not _TELLS_END.search(texts))
    if _ASKS_STATE_THEN.search(question.text) and not _is_said_then(question, sources):
        return False
    return question.kind != "place" or _is_place(answer, sources)


def _is_of_relative(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether a question in the first person is answered by what a turn says of another.

    "Nour is allergic to kiwi" tells nothing of who says so.
    """
    if not _OF_ASKER.search(question.text):
        return False
    relation = _RELATION.search(question.text)
    said = {word for turn in sources for word in words(turn.text)}
    if relation:
        names = _PARENTS if relation[1].lower() in _PARENTS else {relation[1].lower()}
        return names.isdisjoint(said) and not question.names
    asked_words = set(words(question.text))
    for turn in sources:
        for clause in re.split(r"(?<=[.!?;])\s+", turn.text):
            subject = _NAMED_SUBJECT.match(clause)
            if answer.lower() in clause.lower() and subject:
                return subject[1].lower() not in {*asked_words, *STOP_WORDS}
    return False


def _is_of_speaker(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether a question about somebody is answered by what a speaker says of themselves.

    "What does Solveig weigh?" is not answered by "I weigh 91.".
    """
    subject = _ASKED_SUBJECT.search(question.text)
    if not subject:
        return False
    name = subject[1].lower()
    mentions = [
        clause
        for turn in sources
        if name not in words(turn.speaker)
        for clause in _clauses_with(answer, turn)
    ]
    if any(_clauses_with(answer, turn) for turn in sources if name in words(turn.speaker)):
        return False
    return bool(mentions) and all(
        _OWN_CLAUSE.match(clause) and not _names_person(clause, subject[1]) for clause in mentions
    )


def _clauses_with(answer: str, turn: Turn) -> list[str]:
    """The clauses of a turn that have an answer, word for word."""
    clauses = re.split(r"(?<=[.!?;])\s+", turn.text)
    return [clause for clause in clauses if answer.lower() in clause.lower()]


def tells_what_came_after(text: str, question: AskedFor) -> bool:
    """Whether a text tells of the state that a question only compares with.

    "Where did Nora live before Ghent?" is not answered by "Nora has moved to Ghent".
    """
    before = _BEFORE_WHAT.search(question.text)
    if before is None or question.kind in ("date", "yes or no", "length"):
        return False
    forms = forms_of(words(text))
    named = telling_words(before["what"])
    is_named = bool(named) and all(has_word(word, forms) for word in named)
    return is_named and not _TELLS_BEFORE.search(text)


def _is_said_to_be_over(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether what holds now is answered by what somebody says to be over: "lost the job"."""
    if not asks_for_present(question.text) or question.kind in ("yes or no", "date", "length"):
        return False
    if _TELLS_OVER.search(question.text):
        return False
    mentions = [clause for turn in sources for clause in _clauses_with(answer, turn)]
    between = r"(?: \w+)?(?: (?:the|my|his|her|our|their|a|an))?"
    over = rf"{_TELLS_OVER.pattern}{between} {re.escape(answer)}\b"
    return bool(mentions) and all(re.search(over, clause, re.IGNORECASE) for clause in mentions)


def _has_surname(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether turns say that an answer is a surname, or have it behind a name asked about."""
    if any(_ASKS_SURNAME.search(turn.text) for turn in sources):
        return True
    return any(
        re.search(rf"\b{re.escape(word)} {re.escape(answer)}\b", turn.text, re.IGNORECASE)
        for turn in sources
        for word in words(question.text)
    )


def _names_person(clause: str, name: str) -> bool:
    return bool(re.search(rf"\b(?:{re.escape(name)}|he|she|they)\b", clause, re.IGNORECASE))


def _is_said_then(question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether a turn was said in the year, and the month, that the question names."""
    years = re.findall(r"\b(?:19|20)\d\d\b", question.text)
    months = [f"-{MONTHS.index(word) + 1:02}" for word in words(question.text) if word in MONTHS]
    spans = [f"{year}{month}" for year in years for month in months or [""]]
    return any(turn.said_at.startswith(span) for turn in sources for span in spans)


def _is_place(answer: str, sources: Sequence[Turn]) -> bool:
    """Whether an answer names something, or follows a preposition where it was said."""
    if re.search(r"\b[A-Z]", answer) or _BEFORE_PLACE.match(f"{answer.split(' ')[0]} "):
        return True
    # What a model put together from several words of a turn is not looked up.
    mentions = [
        turn.text[: match.start()]
        for turn in sources
        for match in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", turn.text, re.IGNORECASE)
    ]
    return not mentions or any(_BEFORE_PLACE.search(before) for before in mentions)


def _has_kind(answer: str, question: AskedFor) -> bool:
    if question.kind == "count":
        # Turns tell of one time after another: what was until a day, they do not sum up.
        is_number = NUMBER.search(answer) or _FREQUENCY.search(answer)
        return bool(is_number) and not question.is_bounded
    if question.kind in ("age", "amount"):
        no_answer = _NO_AGE if question.kind == "age" else _NO_MONEY
        asks_one = question.kind == "age" or _ASKS_MONEY.search(question.text)
        return bool(NUMBER.search(answer)) and not (asks_one and no_answer.search(answer))
    if question.kind == "person":
        asked_words = set(words(question.text))
        names = [name.removesuffix("'s") for name in re.findall(r"[A-Z][\w'-]+", answer)]
        is_other = any(name.lower() not in {*asked_words, *STOP_WORDS} for name in names)
        return is_other or bool(PERSON.search(answer))
    return True


def _counts_what_is_asked(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether the number stands before what is counted: "three cats", "went twice"."""
    counted = _COUNTED.search(question.text)
    if not counted and not _HOW_OFTEN.search(question.text):
        return True
    if not counted and _FREQUENCY.search(answer):
        return True
    noun = (telling_words(counted[1]) or [""])[-1] if counted else "times"
    numbers = {word for word in words(answer) if NUMBER.search(word)}
    numbers |= {str(COUNT[word]) for word in numbers if word in COUNT}
    if noun in ("", "time", "times"):
        texts = [answer, *(text for turn in sources for text in _after(numbers, turn.text, 1))]
        is_last = any(
            re.search(rf"\bnumber {re.escape(number)}\b", turn.text, re.IGNORECASE)
            for turn in sources
            for number in numbers
        )
        return is_last or any(_TIMES.search(text) for text in texts)
    forms = forms_of([noun, *examples_of_kind(noun)])
    return any(
        is_among(word, forms)
        for turn in sources
        for text in _after(numbers, turn.text, _MOST_BETWEEN)
        for word in words(text)
    )


def _after(numbers: Collection[str], text: str, most: int) -> list[str]:
    """The few words after each of these numbers in a text."""
    text_words = words(text)
    return [
        " ".join(text_words[place + 1 : place + 1 + most])
        for place, word in enumerate(text_words)
        if word in numbers or str(COUNT.get(word)) in numbers
    ]


def is_age_of(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether the person named last before the number is the one asked about.

    "My son Caio is 9 and my ex Duarte is 41": 41 is not the son's age.
    """
    asked_words = {word for word in words(question.text) if word not in ("old", "how", "is")}
    for number in re.findall(r"\d+|\w+", answer):
        if not NUMBER.search(number):
            continue
        for turn in sources:
            for match in re.finditer(rf"(?<!\w){re.escape(number)}(?!\w)", turn.text):
                people = _people_in(turn.text[: match.start()])
                if people and asked_words.isdisjoint(words(people[-1])):
                    continue
                return True
    return False


def _people_in(text: str) -> list[str]:
    """Those whom a text names, in order; "my son Caio" and "one son, Caio" are one each."""
    mention = rf"(?:{PERSON.pattern},? (?-i:[A-Z][\w-]+)|{PERSON.pattern}|(?-i:[A-Z][a-z][\w-]+))"
    return [match[0] for match in re.finditer(mention, text, re.IGNORECASE)]


def _is_about_what_is_asked(question: AskedFor, contexts: Sequence[str]) -> bool:
    """Whether a turn, or what it replies to, has a word of the question that is no name."""
    forms = forms_of(word for context in contexts for word in words(context))
    return not question.telling or any(has_word(word, forms) for word in question.telling)


def asked_verb(question: AskedFor) -> str:
    """The verb of "When did Anna pass her exam?"; "" for one that says little, like "go"."""
    verb = _ASKED_VERB.search(question.text)
    return verb[1] if verb and verb[1] not in _LIGHT_VERBS else ""


def _is_whole_date(answer: str, sources: Sequence[Turn]) -> bool:
    """Whether a date is one that a turn names, or its own; not the day of one, month of another."""
    match = _DAY_AND_MONTH.fullmatch(answer)
    if not match:
        return True
    day, month = int(match[1]), match[2].lower()
    month_day = f"{MONTHS.index(month) + 1:02}-{day:02}"
    short = month[:3]
    in_text = re.compile(
        rf"\b0?{day}(?:st|nd|rd|th)?\.? (?:of )?{short}|\b{short}\w*\.? (?:the )?0?{day}\b",
        re.IGNORECASE,
    )
    return any(
        turn.said_at[5:10] == month_day or in_text.search(resolve_dates(turn.text, turn.said_at))
        for turn in sources
    )


def says_more_than_asked(answer: str, question: str) -> bool:
    """Whether an answer has a word that its question lacks, if the question names no choice.

    "the coffee machine" does not say what they call the coffee machine.
    """
    if _NAMES_CHOICE.search(question):
        return True
    told = telling_words(answer)
    asked = forms_of(telling_words(question))
    return not told or not all(is_among(word, asked) for word in told)


def _is_in_month(answer: str, question: AskedFor) -> bool:
    """Whether a date is in the month that the question names, if it names one."""
    match = _DAY_AND_MONTH.fullmatch(answer)
    months = [month for month in MONTHS if month in words(question.text)]
    return not match or len(months) != 1 or match[2].lower() == months[0]


def _is_about_what_has_the_name(question: AskedFor, contexts: Sequence[str]) -> bool:
    """Whether turns speak of what a question asks the name of: "the name of Anna's teacher"."""
    match = _ASKS_NAME.search(question.text)
    telling = telling_words(next(filter(None, match.groups()))) if match else []
    if not telling:
        return True
    forms = forms_of(word for context in contexts for word in words(context))
    return any(has_word(word, forms) for word in (telling[-1], *examples_of_kind(telling[-1])))


def _is_name_of(answer: str, question: AskedFor, sources: Sequence[Turn]) -> bool:
    """Whether an answer has a name beside those in the question: not "Seattle" for a school there.

    In a turn without capitals every word may be one.
    """
    asked_words = set(words(question.text))
    is_without_capitals = all(turn.text.islower() for turn in sources)
    return any(
        word.lower() not in asked_words and (word[0].isupper() or is_without_capitals)
        for word in re.findall(r"[^\W_][\w'-]*", answer)
    )


_SHORTEST_STEM = 4  # letters that two forms of a word share
_LONGEST_ENDING = 3


def _says_words(answer: str, sources: Sequence[Turn]) -> bool:
    """Whether a word of an answer is one of its turns, and no beginning that a model made up."""
    said = {
        word
        for turn in sources
        for word in words(f"{turn.speaker} {turn.said_at[:10]} {turn.text}")
    }
    said |= {str(COUNT[word]) for word in said if word in COUNT}
    telling = telling_words(answer, {"likely", "probably"})
    return not telling or any(
        word in said or word.isdigit() or word in MONTHS or _has_stem(word, said)
        for word in telling
    )


def _has_stem(word: str, others: Collection[str]) -> bool:
    if not word.isascii():  # forms of other scripts do not begin alike
        return True
    if word in COUNT and str(COUNT[word]) in others:
        return True

    def is_form(other: str) -> bool:
        length = max(_SHORTEST_STEM, min(len(word), len(other)) - _LONGEST_ENDING)
        return len(other) >= _SHORTEST_STEM and word[:length] == other[:length]

    return any(is_form(other) for other in others)


def _names_are_met(question: AskedFor, sources: Sequence[Turn], contexts: Sequence[str]) -> bool:
    """Whether turns name one of those whom the question names, beside those who speak.

    Left out are questions for a date, which name games and books by other names than turns do, and
    those about two people together, as a turn tells of one of them.
    """
    if (
        not question.names
        or question.kind == "date"
        or re.search(r"\bboth\b", question.text, re.IGNORECASE)
    ):
        return True
    said = {word for context in contexts for word in words(context)}
    said |= {word for turn in sources for word in words(turn.speaker)}

    def is_met(name: str) -> bool:
        if any(word in said or word.rstrip("s") in said for word in words(name)):
            return True
        return name in _PARENTS and not _PARENTS.isdisjoint(said)

    return any(is_met(name) for name in question.names)
