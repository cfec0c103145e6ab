"""Answers read by rule from the clause of a turn that tells what is asked: a day, a person, a code.

A model of 135 million parameters picks the wrong words of the right turn. Where a sentence has all
that a question asks about, said by or of whom it asks, the day or the one new name in it answers.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from memory.dates import MONTHS, WEEKDAYS, WORD, named_day
from memory.passages import sentences
from memory.program.answer_checks import (
    AskedFor,
    asks_for_all,
    asks_for_company,
    has_word,
    is_company,
)
from memory.program.spoken_days import SpokenDay, days_in, spoken
from memory.records import Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.word_forms import forms_of
from memory.search.words import words

REACH = 8  # turns in which somebody corrects what they said
# They say how a question is asked, and nothing of what is asked about.
_NO_PART = frozenset(
    words(
        "first last latest earliest recent recently now currently today still ever day date month"
        " year time get got go gone went take took taken place happen happened exactly again"
        " finally actually next upcoming monday tuesday wednesday thursday friday saturday sunday"
    )
) | {*MONTHS}
_SAME = (
    "doctor dr gp",
    "marry married wedding wed",
    "dentist teeth",
    "smoke smoking cigarettes fags",
    "mother mum mom mam mama",
    "father dad papa",
    "film movie",
    "flat apartment",
    "partner girlfriend boyfriend",
    "born birth baby",
    "die died dead passed",
    "arrive arrived came come",
    "quit resigned stopped",
)
_SYNONYMS = {word: line.split() for line in _SAME for word in line.split()}
_ASKS_PAST = re.compile(r"\b(?:did|was|were|had|has|have)\b", re.IGNORECASE)
_ASKS_FIRST = re.compile(r"\b(?:first|earliest)\b", re.IGNORECASE)
_ASKS_LAST = re.compile(
    r"\b(?:last|latest|most recent(?:ly)?)\b(?! (?:day|week|month|year|name)\b)", re.IGNORECASE
)
_TELLS_AHEAD = re.compile(
    r"\b(?:will|going to|gonna|'ll|tomorrow|next|due|booked|planned|planning|supposed|until|till"
    r"|deadline)\b",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:maybe|perhaps|might|if|would|wish|hope|hoping|thinking|wants?|wanted|needs?|could"
    r"|should|dream\w*|almost|nearly|cannot|can't|won't|not|never|cancelled|called off|is off"
    r"|'s off)\b|n't\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\b(?:again|second|third|another|once more|back)\b", re.IGNORECASE)
_SUBJECT = re.compile(r"\W*(?:(?:and|but|so|then) )?([A-Z][a-z][\w-]*)(?:'s)?\b")
_CORRECTS = re.compile(
    r"\W*(?:\w+ )?(?:sorry|wait|wrong|correction|scratch that|my mistake|oops|i meant|make that"
    r"|mea culpa|i mixed|i swapped|typo)\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_CODE = re.compile(r"\b(?:code|password|pin|passcode|combination)\b", re.IGNORECASE)
_CODE_VALUE = re.compile(r"(?<![\w.-])(?!\d+(?:st|nd|rd|th)\b)(?=[\w-]*\d)[\w-]{3,}(?![\w-])")
_OLD = re.compile(r"\b(?:old|was|former|previous|used to be|not|instead of|any ?more)\b", re.I)
_CLAUSE_END = re.compile(
    r"(?:;|\s-+\s|--|[()]|\.{2,}|,?\s(?:and|but|so|because|cos|then|while|although|though|as)\s"
    r"|,\s(?=(?:who|which|where|when|i|we|he|she|they|it|it's|he's|she's|i'm|i've)\b))",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:(?:Dr|Mr|Mrs|Ms|Miss|Uncle|Aunt|Auntie)\.? )?"
    r"[A-Z][a-z][\w-]*(?: (?:de |van |von |O')?[A-Z][a-z][\w-]*)*"
)
# "Tom and I are getting married" is of two, and none of a sentence that ends behind "Tom".
_WITH_SPEAKER = re.compile(
    r"(?P<before>^\W*|[,;:] |\b(?:and|but|so|that|because|when) )"
    r"(?:(?P<name>[A-Z][a-z][\w-]*) and (?:I|me)|(?:[Mm]e|I) and (?P<other>[A-Z][a-z][\w-]*))\b"
)
_NO_NAMES = frozenset((*MONTHS, *WEEKDAYS))


@dataclass(frozen=True)
class Reading:
    """An answer, and the turns that say it."""

    text: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class _Sentence:
    """A sentence that tells what is asked, in its turn."""

    turn: Turn
    text: str


def read_turns(
    question: AskedFor,
    turns: Sequence[Turn],
    following: Callable[[Turn], Sequence[Turn]] = lambda turn: (),
) -> Reading | None:
    """What a rule reads, or None where no clause is plain.

    Arguments:
        question: the question, with names in place of "I".
        turns: the best of the ranking, best first.
        following: the turns of the session after one, in which its speaker may correct it.
    """
    telling = [word for word in question.telling if word not in _NO_PART]
    if asks_for_company(question) and not asks_for_all(question):
        telling = telling or [*question.names]  # "Who did Anna go to Rome with?"
    if not telling:
        return None
    if question.kind == "date":
        return _read_day(question, telling, turns, following)
    if question.kind == "person":
        return _read_person(question, telling, turns)
    if _CODE.search(question.text) and question.kind in ("value", "amount"):
        return _read_code(question, telling, turns, following)
    return None


def names_in(text: str, whole: str) -> list[str]:
    """The names in a part of a text; a first word with a capital is none."""
    names = []
    for match in _NAME.finditer(text):
        begins = not whole[: whole.find(text) + match.start()].strip(" \"'(*-")
        if not begins and not {*WORD.findall(match[0].lower())} & _NO_NAMES:
            names.append(match[0])
    return names


def _telling_sentences(
    question: AskedFor, telling: Sequence[str], turns: Sequence[Turn]
) -> Iterator[_Sentence]:
    """The sentences with all telling words and names of a question, by or of whom it asks."""
    asked_words = set(words(question.text))
    speakers = {word for turn in turns for word in words(turn.speaker)}
    named = speakers & asked_words
    about = [*telling, *question.names]
    for turn in turns:
        for written in sentences(turn.text):
            sentence = with_company(written)
            sentence_words = words(sentence)
            forms = forms_of(sentence_words)
            is_question = sentence.rstrip(" )\"'").endswith("?")
            if is_question or not all(_has_word(word, forms) for word in about):
                continue
            if named and named.isdisjoint(sentence_words):
                subject = _SUBJECT.match(sentence)
                is_of_other = subject and subject[1].lower() in speakers - asked_words
                if is_of_other or named.isdisjoint(words(turn.speaker)):
                    continue
            yield _Sentence(turn, sentence)


def with_company(sentence: str) -> str:
    """A sentence of the speaker and somebody else, in the order of "I with Tom"."""
    return _WITH_SPEAKER.sub(
        lambda match: f"{match['before']}I with {match['name'] or match['other']}", sentence
    )


def _has_word(word: str, forms: Collection[str]) -> bool:
    """Whether a text has a word of a question, or another for the same."""
    return any(has_word(other, forms) for other in (word, *_SYNONYMS.get(word, ())))


def _read_day(
    question: AskedFor,
    telling: Sequence[str],
    turns: Sequence[Turn],
    following: Callable[[Turn], Sequence[Turn]],
) -> Reading | None:
    asks_past = bool(_ASKS_PAST.search(question.text))
    readings: list[tuple[date, Turn]] = []
    for sentence in _telling_sentences(question, telling, turns):
        said_on = named_day(sentence.turn.said_at)
        if said_on is None or _UNSURE.search(sentence.text):
            continue
        if _ASKS_FIRST.search(question.text) and _AGAIN.search(sentence.text):
            continue
        is_past = asks_past and not _TELLS_AHEAD.search(sentence.text)
        day = _only_day(days_in(sentence.text, said_on, is_past), sentence.text, telling)
        if day is not None:
            readings.append((day.day, sentence.turn))
    if not readings:
        return None
    if _ASKS_FIRST.search(question.text):
        day_read, turn = min(readings, key=lambda reading: reading[0])
    elif _ASKS_LAST.search(question.text):
        day_read, turn = max(readings, key=lambda reading: reading[0])
    elif asks_past and len({day for day, _ in readings}) > 2:
        return None  # it happened more than once
    else:
        # What was said last holds: a day that was moved was told again.
        day_read, turn = max(readings, key=lambda reading: reading[1].id)
    corrected = _corrected_day(turn, day_read, following(turn), asks_past)
    return Reading(spoken(corrected or day_read), (turn,))


def _only_day(days: Sequence[SpokenDay], text: str, telling: Sequence[str]) -> SpokenDay | None:
    """The one day in the clause of a sentence that has most of what is asked."""
    ends = [match.start() for match in _CLAUSE_END.finditer(text)]
    best: list[SpokenDay] = []
    most = 0
    for start, end in pairwise([0, *ends, len(text)]):
        within = [day for day in days if start <= day.start < end]
        forms = forms_of(words(text[start:end]))
        count = sum(_has_word(word, forms) for word in telling)
        if within and count > most:
            best, most = within, count
    return best[0] if len(best) == 1 else None


def _corrected_day(turn: Turn, day: date, following: Sequence[Turn], is_past: bool) -> date | None:
    """The day that somebody names when correcting what they just said."""
    for later in following[:REACH]:
        said_on = named_day(later.said_at)
        if later.speaker != turn.speaker or said_on is None or not _CORRECTS.match(later.text):
            continue
        days = days_in(later.text, said_on, is_past)
        if not days:
            continue
        if days[-1].is_whole:
            return days[-1].day
        try:
            return day.replace(day=days[-1].day.day)  # "No, the 26th": of the same month
        except ValueError:
            return days[-1].day
    return None


def corrected_number(
    answer: str,
    question: AskedFor,
    source: Turn,
    following: Sequence[Turn],
    later_turns: Sequence[Turn] = (),
) -> tuple[str, Turn] | None:
    """An answer of one number as its speaker corrected it: "3,200 euro" after "Sorry 3,200".

    None where nothing was corrected. `following` are the next turns of the session; of any of the
    `later_turns` the words "3,200, not 2,900" say so.
    """
    numbers = _DIGITS.findall(answer)
    if question.kind not in ("amount", "age", "count") or len(numbers) != 1:
        return None
    number = re.escape(numbers[0])
    instead = re.compile(
        rf"(?<![\d.,])(?P<number>{_DIGITS.pattern})\D{{0,12}}, not {number}(?![\d.,]*\d)"
        rf"|\bnot {number},? but (?P<other>{_DIGITS.pattern})"
    )
    for later in later_turns:
        match = instead.search(later.text)
        if match and later.speaker == source.speaker and later.id > source.id:
            return answer.replace(numbers[0], match["number"] or match["other"]), later
    for later in following[:REACH]:
        if later.speaker != source.speaker or not _CORRECTS.match(later.text):
            continue
        others = [number for number in _DIGITS.findall(later.text) if number != numbers[0]]
        if len(others) == 1:
            return answer.replace(numbers[0], others[0]), later
    return None


def _read_person(
    question: AskedFor, telling: Sequence[str], turns: Sequence[Turn]
) -> Reading | None:
    """The one new name in the clause that has all telling words."""
    asked_words = set(words(question.text))
    readings: list[tuple[str, Turn]] = []
    for sentence in _telling_sentences(question, telling, turns):
        no_news = {*asked_words, *words(sentence.turn.speaker)}
        for clause in _CLAUSE_END.split(sentence.text):
            forms = forms_of(words(clause))
            if not all(_has_word(word, forms) for word in telling) or _UNSURE.search(clause):
                continue
            clause_names = names_in(clause, sentence.text)
            names = {name for name in clause_names if no_news.isdisjoint(words(name))}
            if asks_for_company(question):
                names = {name for name in names if is_company(name, clause)}
            if len(names) == 1:
                readings.append((names.pop(), sentence.turn))
    if not readings:
        return None
    if not asks_for_present(question.text) and len({name for name, _ in readings}) > 1:
        return None
    name, turn = max(readings, key=lambda reading: reading[1].id)
    return Reading(name, (turn,))


def _read_code(
    question: AskedFor,
    telling: Sequence[str],
    turns: Sequence[Turn],
    following: Callable[[Turn], Sequence[Turn]],
) -> Reading | None:
    """The newest code or password that a turn tells, corrected where its speaker did so."""
    tellers = [
        turn
        for turn in turns
        if all(has_word(word, forms_of(words(turn.text))) for word in [*telling, *question.names])
    ]
    for turn in sorted(tellers, key=lambda turn: -turn.id):
        values = {
            value
            for sentence in sentences(turn.text)
            for clause in re.split(r"[,;]\s|\.\s", sentence)
            if not _OLD.search(clause)
            for value in _CODE_VALUE.findall(clause)
        }
        if len(values) != 1:
            continue
        value = values.pop()
        source = turn
        for later in following(turn)[:REACH]:
            if later.speaker != turn.speaker or not _CORRECTS.match(later.text):
                continue
            others = {other for other in _CODE_VALUE.findall(later.text) if other != value}
            if len(others) == 1:
                value = others.pop()
                source = later
        return Reading(value, (source,))
    return None
