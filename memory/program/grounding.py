"""Whether a small model's answer was said: its words must stand in the turns that it rests on.

A model of 135 million parameters completes sentences, and what it completes them with need not
stand anywhere. Words are compared, not meanings: what is not found word for word was not said.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from memory.dates import MONTHS, resolve_dates
from memory.model import Turn
from memory.program.messages import ABSTAIN, is_first_person
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words

# Words of questions that stand in turns about anything: they do not tell whether a turn fits.
_ANY_QUESTION = frozenset(
    words(
        "called color colour date day family first get go going got kind last long made make many"
        " month much name often old people person thing time type week went year"
    )
)
_HEDGES = frozenset({"likely", "probably"})
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(rf"\W*\d{{1,2}} (?:{'|'.join(MONTHS)}) \d{{4}}\W*", re.IGNORECASE)
ASKS_DATE = re.compile(
    r"\b(?:when|since|until|(?:what|which|on which) (?:day|date|month|year))\b", re.IGNORECASE
)
LEAST_COVERAGE = 0.5  # of .5 and .67; fewer quotations made no fewer wrong answers
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


def ground(answer: str, question: str, turns: Sequence[Turn]) -> tuple[str, list[Turn]]:
    """An answer that was said, with the turns that say it; else a quotation; else an abstention.

    `turns` are those that the ranking holds likely, the likeliest first. Where they do not say the
    answer, the better of the first two is quoted when it covers half of the question: of 60 facts
    told in data/personal_chats.json the model's own words were right for 41 and wrong for 13, and
    so they are right for 48 and wrong for 3 (docs/log.md).
    """
    if answer.lower().startswith(ABSTAIN.lower()):
        return answer, []
    if supporting := supporting_turns(answer, question, turns):
        return answer, supporting
    speakers = {turn.speaker for turn in turns}
    best = max(turns[:2], key=lambda turn: coverage(question, turn, speakers), default=None)
    if best is None or coverage(question, best, speakers) < LEAST_COVERAGE:
        return ABSTAIN, []
    return passage(question, best.text), [best]


def supporting_turns(answer: str, question: str, turns: Sequence[Turn]) -> list[Turn]:
    """The turns that an answer is made of; empty for an answer that was not said.

    Arguments:
        answer: what a model wrote.
        question: what it was asked.
        turns: where the answer may come from, the likeliest first.

    One turn that holds every telling word of the answer (dates as resolved, a year aside, which the
    program computes) and a telling word of the question; of a list, a turn for each item.
    """
    question_words = _question_words(question, turns)
    answer_words = telling_words(answer, _HEDGES)
    answer_words = [word for word in answer_words if not _YEAR.fullmatch(word)] or answer_words
    if not answer_words:
        return []
    if _DATE.fullmatch(answer) and not ASKS_DATE.search(question):
        return []

    def fits(turn: Turn) -> bool:
        if is_first_person(question) and set(answer_words) <= set(words(turn.speaker)):
            return False  # "Who lent me a ladder?" is not answered by the name of who says so
        forms = forms_of(words(turn.text))
        return not question_words or any(is_among(word, forms) for word in question_words)

    for turn in turns:
        if fits(turn) and _all_in(answer_words, turn_forms(turn)):
            return [turn]

    items = [telling_words(item) for item in answer.split(",")]
    if len(items) < 2 or not all(items):
        return []
    sources = [
        next((turn for turn in turns if _all_in(item, turn_forms(turn))), None) for item in items
    ]
    found = [turn for turn in sources if turn is not None]
    is_supported = len(found) == len(items) and any(map(fits, found))
    return list(dict.fromkeys(found)) if is_supported else []


def coverage(question: str, turn: Turn, speakers: Collection[str] = ()) -> float:
    """The share of a question's telling words, names of speakers aside, that a turn holds (0-1)."""
    names = [Turn(name, "") for name in speakers]
    question_words = _question_words(question, [turn, *names])
    forms = forms_of(words(turn.text))
    return _number_in(question_words, forms) / max(len(question_words), 1)


def passage(question: str, text: str) -> str:
    """The sentence that shares most telling words with a question; of equals the first."""
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(text)] or [text]
    question_words = telling_words(question)
    shared = [_number_in(question_words, forms_of(words(sentence))) for sentence in sentences]
    return sentences[shared.index(max(shared))]


def _question_words(question: str, turns: Iterable[Turn]) -> list[str]:
    names = {word for turn in turns for word in words(turn.speaker)}
    return telling_words(question, _ANY_QUESTION | names)


def turn_forms(turn: Turn) -> set[str]:
    """Forms of all that a turn says: its speaker, its day, its text with dates resolved."""
    day = ""
    if re.match(r"\d{4}-[01]\d-\d\d", turn.said_at):
        year, month, number = turn.said_at[:10].split("-")
        day = f"{int(number)} {MONTHS[int(month) - 1]} {year}"
    text = f"{turn.speaker} {day} {resolve_dates(turn.text, turn.said_at)}"
    return forms_of(words(text))


def _number_in(telling: Iterable[str], forms: Collection[str]) -> int:
    return sum(is_among(word, forms) for word in telling)


def _all_in(telling: Iterable[str], forms: Collection[str]) -> bool:
    return all(is_among(word, forms) for word in telling)
