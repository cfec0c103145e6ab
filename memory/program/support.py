"""Whether shown turns support what the packaged model says: one must contain its words.

A model of 135 million parameters completes sentences, with words that may occur nowhere. This
compares words, not meanings: a text not found word for word was not said.
"""

import re
from collections.abc import Collection, Sequence

from memory.records import Hit, Turn
from memory.text.dates import MONTHS, is_past_before, named_day, resolve_dates
from memory.text.turn_lines import turn_forms
from memory.text.words import is_among, telling_words, words
from memory.vocabulary.templates.date_phrases import recent_date

_ITEM_END = re.compile(r", (?:and )?| and ")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_MONTH = rf"(?:{_DAY} (?:of )?)?\b(?:{'|'.join(MONTHS)})\b(?: {_DAY}\b)?"
_MONTH_IN_TEXT = re.compile(_MONTH, re.IGNORECASE)
_YEAR_OF_ANSWER = re.compile(
    rf"(?P<month>{_MONTH})?,? ?(?:\b(?:of|in) )?(?P<year>\b{_YEAR.pattern}\b)",
    re.IGNORECASE,
)


def supported_part(
    answer: str, turns: Sequence[Turn], asked: Collection[str] = ()
) -> tuple[str, list[Turn]]:
    """The part of an answer that turns support, all or some items of a list, and these turns.

    Arguments:
        answer: what a model wrote.
        turns: where it may come from, the likeliest by the ranking first.
        asked: words of the question, which support nothing.

    Returns ("", []) if no turn has all telling words of the answer, or of an item.
    """
    if source := _source(answer, turns, asked):
        return answer, [source]
    sources = {item: _source(item, turns, asked) for item in _ITEM_END.split(answer)}
    supported = {item: turn for item, turn in sources.items() if turn}
    return ", ".join(supported), list(dict.fromkeys(supported.values()))


def with_known_years(answer: str, turns: Sequence[Turn]) -> str:
    """An answer without years that do not follow from its turns: "June" for "June 2026".

    A year follows if a turn says it, if a relative date means it, if the whole date is the turn's
    own, and for a month mentioned in the past tense that was not long before. An answer that is
    only a year stays unchanged.
    """
    if not set(telling_words(answer)) - {*_YEAR.findall(answer)}:
        return answer

    def checked(date: re.Match[str]) -> str:
        month = date["month"] or ""
        is_known = any(date["year"] in _years(turn, month) for turn in turns)
        return date[0] if is_known else month

    return _YEAR_OF_ANSWER.sub(checked, answer).strip(" ,")


def _years(turn: Turn, month: str) -> set[str]:
    """The years that follow from a turn, for a date in the month of an answer ("" for none)."""
    readings = [resolve_dates(turn.text, turn.said_at, spans=spans) for spans in (False, True)]
    years = {*_YEAR.findall(" ".join(readings))}
    names = {*words(month)} & {*MONTHS}
    if names and not names & {*words(turn.text)} and named_day(turn.said_at):
        years.add(turn.said_at[:4])
    for told in _MONTH_IN_TEXT.finditer(turn.text):
        if names & {*words(told[0])} and is_past_before(turn.text[: told.start()]):
            years.add(recent_date(told[0], turn.said_at)[:4])
    return years


def is_by_named(hit: Hit) -> bool:
    """Whether the question that found this turn names its speaker."""
    return hit.shares["speaker"] > 0


def is_attributed(sources: Sequence[Turn], hits: Sequence[Hit], shown: Sequence[Turn]) -> bool:
    """Whether the person named in a question said it, if turns of theirs are shown.

    The packaged model hardly sees who said what.
    """
    by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
    if not any(turn.id in by_named for turn in shown):
        return True
    return any(turn.id in by_named for turn in sources)


def _source(answer: str, turns: Sequence[Turn], asked: Collection[str]) -> Turn | None:
    """The first turn that holds every telling word of an answer.

    A year aside, which the program computes from a relative date.
    """
    telling = telling_words(answer, asked)
    telling = [word for word in telling if not _YEAR.fullmatch(word)] or telling
    if not telling:
        return None
    for turn in turns:
        forms = turn_forms(turn)
        if all(is_among(word, forms) for word in telling):
            return turn
    return None
