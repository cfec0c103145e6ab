"""Whether turns support a small model's answer: its words must occur in the turns it rests on.

A model of 135 million parameters completes sentences, and what it completes them with need not
stand anywhere. Words are compared, not meanings: what is not found word for word was not said.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence

from memory.dates import MONTHS, SEASONS, WEEKDAYS, resolve_dates
from memory.program.answer_checks import NUMBER, asked_for, asks_for_all, can_answer
from memory.program.messages import ABSTAIN, is_first_person
from memory.program.turn_answers import (
    date_by_verb,
    newer_state,
    newest_number,
    told_date,
    with_rest_of_list,
    yes_or_no,
)
from memory.records import Turn
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
_ITEM_END = re.compile(r", (?:and )?| and ")
_ASKS_NUMBER = re.compile(r"\bhow (?:old|many|much|often|long|far|tall)\b", re.IGNORECASE)
# What a sentence needs to say when something was: a number, a month, a day, a time of day or year.
_TIME = re.compile(
    rf"\d|\b(?:{'|'.join((*MONTHS, *WEEKDAYS, *SEASONS))}|yesterday|today|tomorrow|tonight|weekend"
    r"|ago|since|until|before|after|during|last|next|morning|noon|afternoon|evening|night|birthday"
    r"|weeks?|months?|years?|christmas|easter|new year)\b",
    re.IGNORECASE,
)
_ASKS_PLACE = re.compile(
    r"^\W*(?:where|(?:\w+ )?(?:what|which) (?:city|town|country|place|street))\b", re.IGNORECASE
)
_PLACE = re.compile(
    r"\b(?:in|at|on|near|from|into|by|over|under|behind|beside|outside|inside|opposite"
    r"|to (?:the|my|our|(?-i:[A-Z]\w*)))\b",
    re.IGNORECASE,
)
_ASKS_NAME = re.compile(r"\b(?:name|called)\b", re.IGNORECASE)
_NAME = re.compile(r"\w\W+(?!I\b)[^\W\d_a-z]")  # a capital, not of the first word
_ASKS_OF_ASKER = re.compile(
    r"\b(?:do|did|am|was|have|had|will|can|should|would) i\b", re.IGNORECASE
)
_OTHER_SUBJECT = re.compile(r"\W*(?:(?:my|our|his|her) (\w+)|(?:he|she|they)\b)", re.IGNORECASE)
PERHAPS_MORE = "perhaps more"
_ASKS = re.compile(
    r"\W*(?:(?:so|and|but|wait|ok|hey) )?(?:(?:what|which|where|who|whose|how|why|when)"
    r"(?: \w+){0,2} (?:did|do|does|is|are|was|were|has|have|can|will|should)"
    r"|(?:did|do|does|can|could|will|would|should|are|is|has|have) (?:i|you|we|he|she|they))\b",
    re.IGNORECASE,
)
_MOST_READ = 8  # of the best turns, for a yes or no
LEAST_COVERAGE = 0.5  # of .5 and .67; fewer quotations made no fewer wrong answers


def ground(
    answer: str,
    question: str,
    turns: Sequence[Turn],
    context: Callable[[Turn], str] = lambda turn: "",
) -> tuple[str, list[Turn]]:
    """A supported answer with the turns that support it; else an abstention.

    Arguments:
        answer: what a model wrote.
        question: what it was asked.
        turns: where the answer may come from, those that the ranking holds likely first.
        context: what else tells what a turn is about.
    """
    speakers = {turn.speaker for turn in turns}
    wanted = asked_for(question, speakers)
    if reading := yes_or_no(wanted, turns[:_MOST_READ]):
        return reading[0], [reading[1]]
    if answer.lower().startswith(ABSTAIN.lower()):
        return answer, []

    def can_be(text: str, sources: Sequence[Turn]) -> bool:
        contexts = [f"{turn.text} {context(turn)}" for turn in sources]
        return can_answer(text, wanted, sources, contexts)

    part, sources = _supported_part(answer, question, turns, context)
    if sources:
        if not can_be(part, sources):
            return ABSTAIN, []
        by_verb = date_by_verb(
            wanted, sources, turns, [f"{turn.text} {context(turn)}" for turn in sources]
        )
        if by_verb:
            return by_verb[0], [by_verb[1]]
        if newer := newest_number(wanted, sources[0], turns):
            return newer[0], [newer[1]]
        if newer_state(wanted, sources[0], turns):
            return ABSTAIN, []
        part = with_rest_of_list(part, wanted, sources[0])
        if asks_for_all(wanted):
            return as_a_part(part), sources
        return told_date(part, wanted, sources[0]), sources
    return ABSTAIN, []


def as_a_part(items: str) -> str:
    """A list that may not be the whole: a turn tells of one thing where there may have been more.

    The word for it stands last, so that the list reads as any other.
    """
    return f"{items}{';' if '; ' in items else ','} {PERHAPS_MORE}"


def without_part(text: str) -> str:
    """A list without the word that there may be more."""
    return re.sub(rf"[;,] {PERHAPS_MORE}$", "", text)


def is_question(sentence: str) -> bool:
    """Whether a sentence begins as a question does; its mark may be missing."""
    return bool(_ASKS.match(sentence))


def _supported_part(
    answer: str,
    question: str,
    turns: Sequence[Turn],
    context: Callable[[Turn], str],
) -> tuple[str, list[Turn]]:
    """The supported part of an answer, with the turns that support it; no turns if none do.

    That is the whole; or those items of a list; or all but the first word, when it is in small
    letters ("placed new beds" for "I got new beds").
    """
    if sources := supporting_turns(answer, question, turns, context):
        return answer, sources
    if not _HEDGES.isdisjoint(words(answer)):  # a reason without its conclusion is no answer
        return "", []
    sources_of_items = {
        item: supporting_turns(item, question, turns, context) for item in _ITEM_END.split(answer)
    }
    items = [item for item, item_sources in sources_of_items.items() if item_sources]
    if items:
        sources = [turn for item in items for turn in sources_of_items[item]]
        return ", ".join(items), list(dict.fromkeys(sources))
    first, _, further = answer.partition(" ")
    if not first.islower():
        return "", []
    return further, supporting_turns(further, question, turns, context)


def supporting_turns(
    answer: str,
    question: str,
    turns: Sequence[Turn],
    context: Callable[[Turn], str] = lambda turn: "",
) -> list[Turn]:
    """The turns that support an answer; empty for an unsupported one.

    One turn that holds every telling word of the answer (dates as resolved, a year aside, which the
    program computes) and, or its context, a telling word of the question; of a list, a turn for
    each item.
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
        forms = forms_of(words(f"{turn.text} {context(turn)}"))
        return not question_words or any(is_among(word, forms) for word in question_words)

    for turn in turns:
        if _all_in(answer_words, turn_forms(turn)) and fits(turn):
            return [turn]

    items = [telling_words(item) for item in answer.split(",")]
    if len(items) < 2 or not all(items):
        return []
    sources = [
        next((turn for turn in turns if _all_in(item, turn_forms(turn))), None) for item in items
    ]
    present = [turn for turn in sources if turn is not None]
    is_supported = len(present) == len(items) and any(map(fits, present))
    return list(dict.fromkeys(present)) if is_supported else []


def suits(quotation: str, question: str) -> bool:
    """Whether a sentence has the time, number or name asked for, and is of the asker."""
    if ASKS_DATE.search(question) and not _TIME.search(quotation):
        return False
    if _ASKS_NUMBER.search(question) and not NUMBER.search(quotation):
        return False
    if _ASKS_PLACE.search(question) and not _PLACE.search(quotation):
        return False
    if _ASKS_NAME.search(question) and not _NAME.search(quotation):
        return False
    # "What do I study?" is not answered by "My neighbour studies law.".
    subject = _OTHER_SUBJECT.match(quotation)
    if subject and _ASKS_OF_ASKER.search(question):
        return is_among((subject[1] or "").lower(), forms_of(words(question)))
    return True


def coverage(question: str, turn: Turn, speakers: Collection[str] = ()) -> float:
    """The share of a question's telling words, names of speakers aside, that a turn holds (0-1)."""
    names = [Turn(name, "") for name in speakers]
    question_words = _question_words(question, [turn, *names])
    forms = forms_of(words(turn.text))
    return _number_in(question_words, forms) / max(len(question_words), 1)


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
