"""Answers that rules read from a turn: yes or no, the day a weekday means, the year of a day.

A small model guesses these. What a rule cannot read for certain it leaves: None, or as it was.
"""

import re
from collections.abc import Sequence
from datetime import date

from memory.dates import MONTHS, WEEKDAYS, add_days, named_day, resolve_dates
from memory.passages import sentences
from memory.program.answer_checks import NUMBER, AskedFor, asked_verb, has_word
from memory.program.asked_deeds import read_deed
from memory.program.spoken_days import days_in, spoken
from memory.records import Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.word_forms import forms_of, telling_words
from memory.search.words import words

_NEGATION = re.compile(
    r"\b(?:no|not|never|none|without|nobody|nothing|neither|no longer|cannot|(?:do|does|did|is|are"
    r"|was|were|have|has|had|ca|wo|would|should|could|must|need|ai)n['\u2019]?t)\b",
    re.IGNORECASE,
)
# After these something is no more.
_ENDING = re.compile(
    r"\b(?:quit|stopped|gave up|given up|giving up|sold|lost|broke up|split up|no more|any ?more"
    r"|gone off|went off|gone right off|i'm off|(?:am|is|are|been) off|left|cancelled|canceled"
    r"|called off|died)\b",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:maybe|perhaps|might|(?<!in )(?-i:may)|if|would|wish|hope|hoping|plan"
    r"|planning|thinking|almost|nearly|should|could|supposed|want|wants|wanted|promised?|unless|until)\b|\?",
    re.IGNORECASE,
)
_ASKS_STILL = re.compile(r"\b(?:still|any ?more|any longer)\b", re.IGNORECASE)
_TELLS_STILL = re.compile(r"\b(?:still|again|back)\b", re.IGNORECASE)
_AHEAD = re.compile(r"\b(?:will|going to|'ll|tomorrow|next)\b", re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"\W*({'|'.join(MONTHS)}) (\d{{4}})\W*", re.IGNORECASE)
_WILL_BE = re.compile(r"\b(?:will|going to|is|are)\b", re.IGNORECASE)
_OF_BIRTH = re.compile(r"\b(?:birthday|born|birth)\b", re.IGNORECASE)
_ASKS_PAST = re.compile(r"\b(?:did|was|were|had)\b", re.IGNORECASE)
_SMALL = frozenset(
    words("still now yet already currently ever any anymore longer go get have take make own used")
)
# "I gave up meat" tells whether somebody eats meat.
_HABITS = frozenset(words("eat drink smoke play use wear practise practice"))
_NO_PART = frozenset(("no", "not", "never", "avoid", "avoids", "without", "stop", "stopped"))
_CLAUSE_END = re.compile(r"(?<=[.!?;])\s+|\n+|, (?:but|and|so) | - ")
_WEEKDAY = re.compile(
    rf"(?<!last )(?<!next )(?<!this )(?<!every )(?<!past )(?<!from )(?<!not )"
    rf"\b({'|'.join(WEEKDAYS)})\b",
    re.IGNORECASE,
)
_SAME_DAY = re.compile(r"\b(?:today|tonight|just|this (?:morning|afternoon|evening))\b", re.I)
_ITEM = r"[\w'-]+(?: (?!and\b)[\w'-]+)?"  # of a list
_RESOLVED_DAY = re.compile(r"\((\d{1,2} \w+ \d{4})\)")
_DAY_MONTH_YEAR = re.compile(rf"\W*(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})\W*", re.IGNORECASE)


def yes_or_no(question: AskedFor, turns: Sequence[Turn]) -> tuple[str, Turn] | None:
    """`Yes: "I'm allergic to cats"` for "Is Ben allergic to cats?", and the turn that says so.

    One clause must hold every telling word of the question, by whom it names or naming them. Of
    several turns the newest tells what holds now. None where no clause is plain.
    """
    if question.kind != "yes or no":
        return None
    telling = [word for word in (*question.names, *question.telling) if word not in _SMALL]
    about = [word for word in telling if word not in _NO_PART]
    if not about:
        return None
    asked_words = set(words(question.text))
    speakers = {word for turn in turns for word in words(turn.speaker)} & asked_words
    is_present = asks_for_present(question.text)
    asks_denial = not _NO_PART.isdisjoint(asked_words) or "n't" in question.text
    # "Does she eat no meat?" names the deed that is not done.
    deed = None if asks_denial else read_deed(question.text, speakers=speakers)
    readings = []
    for turn in turns:
        for clause in clauses(turn.text):
            forms = forms_of(words(clause))
            missing = {word for word in about if not has_word(word, forms)}
            is_given_up = is_present and missing <= _HABITS and _ENDING.search(clause)
            if missing == set(about) or (missing and not is_given_up):
                continue
            clause_words = set(words(clause))
            if speakers and speakers.isdisjoint({*words(turn.speaker), *clause_words}):
                continue
            # "Sam is allergic to cats", said by Tamsin, tells nothing of Tamsin.
            subject = re.match(r"\W*(?i:and |but |so )?([A-Z][\w-]+?)(?:'s|s)? ", f"{clause} ")
            is_of_other = subject and subject[1].lower() not in {*asked_words, "i", "i'm"}
            if subject and is_of_other and _is_name(subject[1], clause):
                continue
            if deed and not deed.is_told_in(turn, text=clause):
                continue
            readings.append((turn, clause))
    if not readings:
        return None
    turn, clause = max(readings, key=lambda pair: pair[0].id) if is_present else readings[0]
    if _UNSURE.search(clause) or (not is_present and _AHEAD.search(clause)):
        return None
    is_denied = bool(_NEGATION.search(clause)) or (is_present and bool(_ENDING.search(clause)))
    text = "No" if is_denied != asks_denial else "Yes"
    # Whoever asks whether it still is knows that it was: an older turn that it was says nothing.
    if text == "Yes" and _ASKS_STILL.search(question.text) and not _TELLS_STILL.search(clause):
        return None
    return f"{text}: {clause.strip()}", turn


def _is_name(word: str, clause: str) -> bool:
    """Whether a clause's first word is somebody's name: no word that a sentence begins with."""
    return bool(telling_words(word)) and not re.match(
        r"\W*(?:and|but|so|yes|no|ok|oh|well|just|also|still|never|today|yesterday|actually|sad"
        r"|got|had|went|been|have|loved?|sold|bought)\b",
        clause,
        re.IGNORECASE,
    )


def clauses(text: str) -> list[str]:
    """The clauses of a text that may be true by themselves."""
    return [
        part
        for sentence in sentences(text)
        for part in _CLAUSE_END.split(sentence.strip())
        if part.strip()
    ]


def told_date(answer: str, question: AskedFor, source: Turn) -> str:
    """A date with the day that a weekday means and the year that the question means.

    "I took her on Friday", said on a Sunday, was two days before, and not on the Sunday. "We marry
    on 6 March", said in October, is next year's. Other answers stay as they are.
    """
    match = _DAY_MONTH_YEAR.fullmatch(answer)
    said_on = named_day(source.said_at)
    if said_on and (month_of_year := _MONTH_YEAR.fullmatch(answer)):
        return _told_month(month_of_year, question, source, said_on)
    if not match or not said_on:
        return answer
    day, month = int(match[1]), MONTHS.index(match[2].lower()) + 1
    is_past = bool(_ASKS_PAST.search(question.text))
    if (day, month) == (said_on.day, said_on.month):
        weekday = _told_weekday(question, source)
        if not weekday or not is_past or _SAME_DAY.search(source.text):
            return answer
        days_ago = (said_on.weekday() - WEEKDAYS.index(weekday) - 1) % 7 + 1
        return spoken(add_days(said_on, -days_ago))
    if match[3] in source.text or not _names_day(source.text, day, month):
        return answer
    if _OF_BIRTH.search(question.text):
        return answer
    # A verb beside the day says whether it had passed; where none does, the question does.
    for sentence in sentences(source.text):
        for told in days_in(sentence, said_on, is_past):
            if (told.day.day, told.day.month) == (day, month):
                return spoken(told.day)
    return answer


def _told_month(match: re.Match[str], question: AskedFor, source: Turn, said_on: date) -> str:
    """A month with the year that is meant: "in May", of what will be, is the next one."""
    month = MONTHS.index(match[1].lower()) + 1
    is_named = re.search(rf"\b{match[1]}\b", source.text, re.IGNORECASE)
    if not is_named or re.search(r"\b(?:19|20)\d\d\b", source.text):
        return match[0]
    if re.search(r"\bnext year\b", source.text, re.IGNORECASE):
        year = said_on.year + 1
    elif _ASKS_PAST.search(question.text):
        year = said_on.year - (month > said_on.month)
    elif _WILL_BE.search(question.text):
        year = said_on.year + (month < said_on.month)
    else:
        return match[0]
    return f"{MONTHS[month - 1].capitalize()} {year}"


def with_rest_of_list(answer: str, question: AskedFor, source: Turn) -> str:
    """`cats and dogs` for the answer `cats` where its turn says "allergic to cats and dogs"."""
    if question.kind not in ("value", "list"):
        return answer
    match = re.search(
        rf"(?<!\w){re.escape(answer)}(,? (?:and|&) {_ITEM})(?=[.,!?;)]|$| and\b)",
        source.text,
        re.IGNORECASE,
    )
    if not match:
        return answer
    items = re.split(r",? (?:and|&) |, ", match[1], flags=re.IGNORECASE)
    items = [item for item in items if item]
    is_plain = all(
        telling_words(item.split()[0]) and (answer[0].isupper() or not item[0].isupper())
        for item in items
    )
    return match[0] if is_plain else answer


def _told_weekday(question: AskedFor, source: Turn) -> str:
    """The weekday of the clause that speaks of what is asked; "" for none or several."""
    fitting = [
        clause
        for clause in clauses(source.text)
        if any(has_word(word, forms_of(words(clause))) for word in question.telling)
    ]
    days = {match[1].lower() for clause in fitting for match in _WEEKDAY.finditer(clause)}
    return days.pop() if len(days) == 1 else ""


def _names_day(text: str, day: int, month: int) -> bool:
    name = MONTHS[month - 1][:3]
    return bool(
        re.search(
            rf"\b0?{day}(?:st|nd|rd|th)? (?:of )?{name}|\b{name}\w* (?:the )?0?{day}\b",
            text,
            re.IGNORECASE,
        )
    )


def date_by_verb(
    question: AskedFor, sources: Sequence[Turn], turns: Sequence[Turn], contexts: Sequence[str]
) -> tuple[str, Turn] | None:
    """The day told by the turn that has the verb asked for, where the sources have it not.

    "I failed the exam today" does not tell when it was passed, "I PASSED. yesterday" does. None
    where the sources have the verb, or the best turn of the same speaker with it tells no day.
    """
    verb = asked_verb(question) if question.kind == "date" else ""
    if not verb or any(has_word(verb, forms_of(words(context))) for context in contexts):
        return None
    speakers = {turn.speaker for turn in sources}
    tellers = [
        turn
        for turn in turns
        if turn.speaker in speakers and has_word(verb, forms_of(words(turn.text)))
    ]
    if not tellers:
        return None
    days = _RESOLVED_DAY.findall(resolve_dates(tellers[0].text, tellers[0].said_at))
    return (days[0], tellers[0]) if len(days) == 1 else None


# Words of a state that has one value at a time, and words of a turn that may tell of a new one.
_STATES = (
    (
        r"\b(?:live|lives|living|home|address|flat|house|apartment)\b",
        r"\b(?:mov(?:e|ed|ing)|new (?:flat|place|house|home|address|apartment)|lease"
        r"|(?:found|got|have|'ve|bought) an? (?:flat|place|house|apartment|room)|keys)\b",
    ),
    (
        r"\b(?:work|works|working|job|employed|employer|living|profession|boss)\b",
        r"\b(?:quit|resigned|retired|fired|laid off|new job|notice|changed jobs|last day|hired"
        r"|got the job|got it|start(?:ed|ing)? (?:at|on|as|in)|i start|promoted|left the"
        r"|i'm at (?:the|a)|(?:manager|director|head|boss|chief) (?:of|from|since))\b",
    ),
    (
        r"\b(?:dating|seeing|together|girlfriend|boyfriend|partner|relationship|married|single)\b",
        r"\b(?:broke up|split|divorced|single again|are done|engaged|seeing (?:someone|somebody)"
        r"|i'm with|met (?:someone|somebody))\b",
    ),
)
_CHANGES = tuple(
    (re.compile(state, re.IGNORECASE), re.compile(change, re.IGNORECASE))
    for state, change in _STATES
)


_MEASURED = re.compile(r"\bhow much (\w+) (?:do|does|did|is|are|has|have)\b", re.IGNORECASE)


def newer_state(question: AskedFor, source: Turn, turns: Sequence[Turn]) -> Turn | None:
    """A newer turn of the same speaker which tells that the state asked for changed, or None."""
    if not asks_for_present(question.text):
        return None
    later = [turn for turn in turns if turn.id > source.id and turn.speaker == source.speaker]
    for state, change in _CHANGES:
        if state.search(question.text):
            changes = [turn for turn in later if change.search(turn.text)]
            if changes:
                return changes[-1]
    return None


def newest_number(
    question: AskedFor, source: Turn, turns: Sequence[Turn]
) -> tuple[str, Turn] | None:
    """The number of the newest turn that tells as much of what is asked as the source does.

    None where the source is the newest, or the newest tells several numbers.
    """
    if question.kind != "amount" or not asks_for_present(question.text):
        return None

    def met(turn: Turn) -> int:
        forms = forms_of(words(turn.text))
        return sum(has_word(word, forms) for word in question.telling)

    what = _MEASURED.search(question.text)
    about = telling_words(what[1]) if what else []
    least = met(source)

    asked_words = set(words(question.text))

    def tells_as_much(turn: Turn) -> bool:
        # "I weigh 80", said by Tom, is no newer weight of Anna.
        is_of_same = turn.speaker == source.speaker or not asked_words.isdisjoint(
            telling_words(turn.text, question.telling)
        )
        if not is_of_same:
            return False
        forms = forms_of(words(turn.text))
        if about:
            return all(has_word(word, forms) for word in about)
        return 0 < least <= met(turn)

    later = [turn for turn in turns if turn.id > source.id and tells_as_much(turn)]
    later = [turn for turn in later if NUMBER.search(turn.text)]
    if not later:
        return None
    newest = max(later, key=lambda turn: turn.id)
    numbers = re.findall(r"\d+(?:[.,]\d+)*", newest.text)
    return (numbers[0], newest) if len(numbers) == 1 else None
