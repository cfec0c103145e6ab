"""What people said, repeated to the asker: as "You told me that ...", or quoted."""

import re
from collections.abc import Collection, Sequence
from datetime import date

from memory.dates import MONTHS, WEEKDAYS, resolve_dates
from memory.passages import passage
from memory.program.grounding import ASKS_DATE
from memory.program.phrases import all_phrases, language_of
from memory.records import Turn
from memory.tokens import trim

_QUOTED_TOKENS = 300  # of one turn
_LONG_TEXT = 240  # characters; of a longer text one sentence is quoted
_LONGEST_SENTENCE = 160  # characters of one that is told in other words than it was said
_WEEK = 7

# Of whoever speaks, told to them; "was" and "am" only where they stand beside "I".
_SECOND_PERSON = {
    "i am": "you are",
    "i was": "you were",
    "i'm": "you're",
    "i": "you",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "we": "you",
    "us": "you",
    "our": "your",
    "ours": "yours",
    "ourselves": "yourselves",
}
_FIRST_PERSON = re.compile(
    rf"\b(?:{'|'.join(sorted(_SECOND_PERSON, key=len, reverse=True))})\b", re.IGNORECASE
)
_OPENING = re.compile(r"(?:i|i'm|i've|i'll|i'd|my|we|we're|we've|our)\s", re.IGNORECASE)
# Where these stand, other words would have to change too: who is spoken to, a second verb of "I".
_UNSAFE = re.compile(
    r"\byou|\blet's\b|[\"\u201c\u201d:;?]|\b(?:and|but|then|so|never|also|still|really|just|only)"
    r" (?:am|was|'m)\b|\bam i\b|\bwas i\b",
    re.IGNORECASE,
)


def recall(question: Turn, turns: Sequence[Turn], listener_names: Collection[str]) -> str:
    """The turns that answer a question, as they are told; what is said when there are none.

    `listener_names` are all names of whoever asks. What they said is told in the second person
    where that takes no more than other pronouns; all else is quoted, in the question's language.
    """
    phrases = all_phrases()[language_of(question.text)]
    if not turns:
        return phrases.nothing
    parts = []
    for turn in turns:
        text = " ".join(turn.text.split())
        if len(text) > _LONG_TEXT:
            text = passage(question.text, text)
        is_own = turn.speaker in listener_names
        day = _when(turn.said_at, question.said_at, phrases.date)
        sentence = _in_second_person(text, turn, question) if is_own and phrases.retold else ""
        if sentence:
            form = phrases.retold if day else phrases.retold_once
        elif is_own:
            form = phrases.you_said if day else phrases.you_said_once
        else:
            form = phrases.said if day else phrases.said_once
        words = sentence or trim(text, _QUOTED_TOKENS)
        parts.append(form.format(speaker=turn.speaker, date=day, text=words))
    return " ".join(parts)


def _in_second_person(text: str, turn: Turn, question: Turn) -> str:
    """`your dog is called Rufus` of "My dog is called Rufus."; empty where a rule may be wrong."""
    text = text.replace("\u2019", "'").rstrip(".! ")
    is_plain = _OPENING.match(text) and len(text) <= _LONGEST_SENTENCE
    if not is_plain or _UNSAFE.search(text) or re.search(r"[.!] ", text):
        return ""
    if turn.said_at[:10] != question.said_at[:10] or ASKS_DATE.search(question.text):
        text = resolve_dates(text, turn.said_at)
    return _FIRST_PERSON.sub(lambda match: _SECOND_PERSON[match[0].lower()], text)


def _when(said_at: str, now: str, numbers: str = "") -> str:
    """`today`, `yesterday`, `on Saturday`, `on 3 May`, `on 3 May 2017`, `in May 2017`, `in 2017`.

    With `numbers`, a form for year, month and day, in that form. Empty for an unknown date.
    """
    try:
        day = date.fromisoformat((said_at + "-01-01")[:10])
    except ValueError:
        return ""
    if numbers:
        return numbers.format(year=day.year, month=day.month, day=day.day)
    month = MONTHS[day.month - 1].capitalize()
    if len(said_at) == len("2017"):
        return f"in {day.year}"
    if len(said_at) == len("2017-05"):
        return f"in {month} {day.year}"
    try:
        today = date.fromisoformat(now[:10])
    except ValueError:
        return f"on {day.day} {month} {day.year}"
    days = (today - day).days
    if days in (0, 1):
        return ("today", "yesterday")[days]
    if 0 < days < _WEEK:
        return f"on {WEEKDAYS[day.weekday()].capitalize()}"
    return f"on {day.day} {month}" if day.year == today.year else f"on {day.day} {month} {day.year}"
