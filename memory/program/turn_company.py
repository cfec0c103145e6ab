"""Who did something together with somebody, read from turns: "Tom and I are getting married".

Such a sentence names the other person as its subject, so that who speaks is not the answer, and
neither is "Tom and I". It answers with whom something was done, and whom somebody marries.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

from memory.passages import sentences
from memory.program.answer_checks import asked_for, asks_for_all, asks_for_company
from memory.program.fact_answers import FactAnswer
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, turns_with
from memory.program.turn_reader import read_turns, with_company
from memory.records import Rows, Turn
from memory.search.words import words

_MOST_TURNS = 60
# What two people do, each with the other.
_MUTUAL = re.compile(
    r"\b(?:marry|marries|marrying|married|engaged|dating|divorc\w+|separated)\b", re.IGNORECASE
)
_ASKS_PAST = re.compile(r"\b(?:did|was|were|had|has|have)\b", re.IGNORECASE)
_ASKS_AHEAD = re.compile(r"\bwill\b", re.IGNORECASE)
_AHEAD = re.compile(
    r"\b(?:will|(?:am|are|be) (?:\w+ )?(?:getting|going|marrying|flying|moving|travelling))\b"
    r"|'ll\b",
    re.IGNORECASE,
)
# "Who is Anna going to marry?", and not "going to the opera".
_GOING_TO = re.compile(
    r"\b(?:is|are) (?P<who>[\w' -]+?) going to (?P<verb>(?!(?:the|an?|my|his|her|their)\b)[a-z]+)\b"
)


def answer_with_whom(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer who did something with the person who says so; None where no sentence tells it.

    Arguments:
        question: in the third person ("Who will Anna marry?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    question = _GOING_TO.sub(r"will \g<who> \g<verb>", question)
    asked = asked_for(question, {asker} if asker else ())
    is_mutual = asks_for_company(asked) or bool(_MUTUAL.search(question))
    if asked.kind != "person" or not is_mutual or asks_for_all(asked):
        return None
    turns = turns_with(question, _MOST_TURNS, read=read, corrected=corrected)
    query = words(question)
    own = [
        part
        for turn in turns
        if turn.said_at[:10] <= today and is_evidence(turn.text)
        if not set(words(turn.speaker)).isdisjoint(query)
        for part in _told_together(turn, question)
    ]
    reading = read_turns(asked_for(question, {turn.speaker for turn in turns}), own)
    if reading is None:
        return None
    by_id = select_by_id([turn.id for turn in reading.turns])
    ids = tuple(turn.id for turn in reading.turns)
    return FactAnswer(reading.text, ids, (by_id,), (read(by_id),), (), ())


def _told_together(turn: Turn, question: str) -> list[Turn]:
    """The sentences of a turn of two people, of the time that is asked about, each as a turn."""
    together = [part for part in sentences(turn.text) if with_company(part) != part]
    if _ASKS_AHEAD.search(question):
        together = [part for part in together if _AHEAD.search(part)]
    elif _ASKS_PAST.search(question):
        together = [part for part in together if not _AHEAD.search(part)]
    return [replace(turn, text=part) for part in together]
