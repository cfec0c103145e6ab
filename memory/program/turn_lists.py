"""Lists, counts, first and last, read from turns at the time of the question.

What is stored holds a part of what was told, so that a list of it is rarely whole. The question
names the deed and whose it was, and every turn with its words is read for these alone. Whether the
answer is whole is learnt (`turn_list_weights.json`): where it is not likely, nothing is answered.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import FactQuestion, read_fact_question
from memory.program.spoken_days import spoken
from memory.program.turn_events import (
    Count,
    Event,
    Told,
    Topic,
    count_events,
    has_any,
    read_events,
    topics_of,
)
from memory.program.turn_items import Item, kind_of_list, read_items
from memory.records import Rows, Turn
from memory.search.words import words
from memory.sql import quoted

_MOST_TURNS = 200  # with the words of a question
_MOST_WORDS = 24
_MOST_ITEMS = 12  # beside a count
_LEAST_CERTAINTY = 0.7  # at .6 as many are wrong as right in chats nobody had read
_LISTS = ("list", "where", "value")
_KINDS = ("count", "list", "first", "last", "when", "where", "value")
_ASKS_SEVERAL = (
    r"^\W*(?:to |in |at )?(?:what|where|which \w+) (?:\w+ )?(?:has|have|'s|is)\b.*\b(?:\w+ing|been"
    r"|allergic|\w+ed|\w+en|given up)\b"
    r"|^\W*where did .*\b(?:go|\w+ing)\b|\b(?:what|which|where) (?:things|places|all)\b"
    r"|^\W*(?:what|which) (?!is\b|was\b|does\b|has\b)\w+s (?:did|does|has|have)\b"
)
_TWO_QUESTIONS = r"\b(?:and|or|,) (?:how|what|who|whom|where|when|which|by whom)\b"
_ASKS_DAY = r"^\W*(?:when|(?:on )?(?:what|which) (?:day|date))\b"
_TURNS = """SELECT t.id, t.session, t.speaker, t.said_at, t.text
FROM search({words}, {most}) s JOIN turns t ON t.id = s.turn_id
WHERE t.kind = 'message'
ORDER BY t.id"""
_AROUND = "SELECT id, session, speaker, said_at, text FROM turns WHERE id IN ({ids}) ORDER BY id"
_MOST_YEARS = 5  # back, where the last ones have nothing
_REACH = 4  # turns after one with the words, in which its speaker may go on


@dataclass(frozen=True)
class TurnList:
    """What turns answer: the text, the turns it rests on, and what speaks for its being whole."""

    text: str
    turns: tuple[Turn, ...]
    features: Mapping[str, float]
    sql: tuple[str, ...] = ()
    rows: tuple[Rows, ...] = ()

    @property
    def certainty(self) -> float:
        """How likely it is right and whole, 0 to 1."""
        weights = _weights()
        total = sum(weights.get(name, 0.0) * value for name, value in self.features.items())
        return 1 / (1 + math.exp(-total))


def answer_by_turns(
    question: str, today: str, *, read: Callable[[str], Rows], asker: str = ""
) -> FactAnswer | None:
    """Answer a list, a count, the first or the last from turns; None where it may not be whole.

    Arguments:
        question: in the third person ("How often did Anna run in May?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
    """
    best = best_list(question, today[:10] or date.today().isoformat(), read=read, asker=asker)
    if best is None or best.certainty < _LEAST_CERTAINTY:
        return None
    ids = tuple(dict.fromkeys(turn.id for turn in best.turns))
    return FactAnswer(best.text, ids, best.sql, best.rows, (), ())


def best_list(
    question: str, today: str, *, read: Callable[[str], Rows], asker: str = ""
) -> TurnList | None:
    """The likeliest list or count that turns tell, whole or not; None where they tell none."""
    fact_question = list_question(question, today, asker)
    if fact_question is None:
        return None
    for rank, topic in enumerate(topics_of(fact_question)):
        sql = _select(topic)
        turns = _turns(read(sql))
        about = [turn for turn in turns if has_any(words(turn.text), topic.head)]
        if len(about) >= _MOST_TURNS:
            return None  # there may be more
        around = {turn.id + n for turn in about for n in range(-2, _REACH + 1)}
        around -= {turn.id for turn in turns}
        missing = sorted(around)
        for start in range(0, len(missing), _MOST_TURNS):
            ids = ", ".join(map(str, missing[start : start + _MOST_TURNS]))
            turns += _turns(read(_AROUND.format(ids=ids)))
        if answers := listed(fact_question, topic, turns, rank):
            answer = max(answers, key=lambda answer: answer.certainty)
            ids = ", ".join(str(turn.id) for turn in dict.fromkeys(answer.turns))
            sql = sql.replace("ORDER BY", f"  AND t.id IN ({ids})\nORDER BY")
            return replace(answer, sql=(sql,), rows=(read(sql),))
    return None


def list_question(question: str, today: str, asker: str = "") -> FactQuestion | None:
    """A question that a list or a count from turns may answer, None for others."""
    read = read_fact_question(question, today, asker)
    if read is None or read.kind not in _KINDS or read.before:
        return None
    if read.says(_TWO_QUESTIONS) or read.is_ahead or read.is_shared or read.is_by_subject:
        return None
    if read.kind == "when" and not read.says(r"\b(?:dates|days|when all)\b|\beach\b"):
        return None
    # "What has Anna been reading?" asks for several, "What is the name of her cat?" for one.
    if read.kind in ("value", "where") and not read.says(_ASKS_SEVERAL):
        return None
    return read


def _select(topic: Topic) -> str:
    searched = " ".join(sorted(topic.head, key=len)[:_MOST_WORDS])
    return _TURNS.format(words=quoted(searched), most=_MOST_TURNS)


def _turns(rows: Rows) -> list[Turn]:
    if rows.columns[:1] == ("memory",):
        return []  # what several memories tell of one deed may be the same
    return [
        Turn(id=int(row[0]), session=row[1], speaker=row[2], said_at=row[3] or "", text=row[4])
        for row in rows.rows
    ]


def listed(
    question: FactQuestion, topic: Topic, turns: Sequence[Turn], rank: int
) -> list[TurnList]:
    """What turns may answer, where a topic is what the question is about.

    Arguments:
        question: the question, see `list_question`.
        topic: one reading of it, see `topics_of`.
        turns: those with the words of the topic, and those around them.
        rank: 0 for the likeliest reading.
    """
    speakers = frozenset(word for turn in turns for word in words(turn.speaker))
    topic = replace(topic, speakers=speakers)
    is_times = question.says(r"\bhow (?:often|many times)\b")
    kind = "" if is_times else kind_of_list(question)
    if question.kind != "count" and (kind == "title" or question.kind in _LISTS):
        return _items(question, topic, kind, turns, rank)
    answers = _items(question, topic, kind, turns, rank) if kind == "title" else []
    if question.kind in ("first", "last") and not question.says(_ASKS_DAY):
        return answers
    events = read_events(topic, turns)
    if any(event.is_plain for event in events.events):  # else nobody says whose it was
        answers += _events(question, topic, events, rank)
    return answers


def _items(
    question: FactQuestion, topic: Topic, kind: str, turns: Sequence[Turn], rank: int
) -> list[TurnList]:
    items = read_items(kind, question, topic, turns) if kind else []
    span = _nearest_span(question, [item.day for item in items])
    items = [item for item in items if _lies_in(item.day, span)]
    answer = _of_items(question, topic, kind, items, rank) if items else None
    return [answer] if answer else []


def _events(question: FactQuestion, topic: Topic, told: Told, rank: int) -> list[TurnList]:
    events = told.events
    if question.kind != "count":
        # Days are told of what has all the words of the question, and of nothing that is like it.
        events = tuple(event for event in events if event.met == len(topic.parts))
    span = _nearest_span(question, [day for event in events for day in event.days])
    count = count_events(events, span)
    return [_of_events(question, topic, count, told.doubtful, rank)] if count.events else []


def _nearest_span(question: FactQuestion, days: Sequence[date]) -> tuple[str, str] | None:
    """The days that a question asks about: a month without a year is the last that has some."""
    span = question.span
    if span is None or not question.is_yearless:
        return span
    for years in range(_MOST_YEARS):
        earlier = tuple(f"{int(day[:4]) - years:04}{day[4:]}" for day in span)
        if any(earlier[0] <= day.isoformat() <= earlier[1] for day in days):
            return earlier[0], earlier[1]
    return span


def _lies_in(day: date, span: tuple[str, str] | None) -> bool:
    return span is None or span[0] <= day.isoformat() <= span[1]


def _of_items(
    question: FactQuestion, topic: Topic, kind: str, items: Sequence[Item], rank: int
) -> TurnList | None:
    listed = sorted(items, key=lambda item: (item.day, item.turn.id))
    if question.kind in ("first", "last"):
        chosen = listed[0] if question.kind == "first" else listed[-1]
        text, listed = f"{chosen.value}, {spoken(chosen.day)}", [chosen]
    elif question.kind == "count":
        text = f"{len(listed)} ({_first_of([item.value for item in listed])})"
    elif question.kind in ("value", "where") and len(listed) < 2:
        return None  # other readers answer for one thing
    else:
        text = "; ".join(item.value for item in listed)
    features = {
        "items": 1.0,
        f"items {kind}": 1.0,
        f"items asked {question.kind}": 1.0,
        "items one": float(len(items) == 1),
        "items many": math.log(len(items)),
        "items exact": sum(item.is_exact for item in items) / len(items),
        "items span": float(question.span is not None),
        "items rank": float(rank > 0),
        "items parts": float(len(topic.parts) - 1),
        "items nobody": float(not topic.names),
    }
    return TurnList(text, tuple(item.turn for item in listed), features)


def _first_of(items: Sequence[str]) -> str:
    more = ["..."] if len(items) > _MOST_ITEMS else []
    return "; ".join([*items[:_MOST_ITEMS], *more])


def _of_events(
    question: FactQuestion, topic: Topic, count: Count, doubtful: Collection[str], rank: int
) -> TurnList:
    events = count.events
    days = [spoken(day) for day in count.days]
    if question.kind in ("first", "last"):
        index = 0 if question.kind == "first" else -1
        text = days[index]
        events = tuple(event for event in events if count.days[index] in event.days)
    elif question.kind == "count":
        text = f"{count.number} ({_first_of(days)})"
    else:
        text = "; ".join(days)
    number = len(count.events)

    def share(pick: Callable[[Event], bool]) -> float:
        return sum(map(pick, count.events)) / number

    is_times = question.says(r"\b(?:how often|times)\b") or question.kind != "count"
    features = {
        "events": 1.0,
        "times": float(is_times),
        f"events asked {question.kind}": 1.0,
        "one event": float(number == 1),
        "many events": math.log(number),
        "exact": share(lambda event: event.is_exact),
        "plain": share(lambda event: event.is_plain),
        "all met": share(lambda event: event.met == len(topic.parts)),
        "all met around": share(lambda event: event.met_around == len(topic.parts)),
        "number told": float(number == 1 and events[0].count > 1),
        "number told in many": float(number > 1 and any(e.count > len(e.days) for e in events)),
        "numbered": float(count.numbered),
        "skipped": float(count.skipped),
        "merged": min(count.merged, 3.0),
        "doubtful": min(len(doubtful), 3.0),
        "span": float(question.span is not None),
        "parts": float(len(topic.parts) - 1),
        "rank": float(rank > 0),
        "nobody": float(not topic.names),
    }
    return TurnList(text, tuple(event.turn for event in events), features)


@cache
def _weights() -> Mapping[str, float]:
    path = Path(__file__).with_name("turn_list_weights.json")
    weights: dict[str, float] = json.loads(path.read_text("utf-8"))
    return weights
