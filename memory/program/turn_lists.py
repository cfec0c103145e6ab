"""Lists, counts, first and last, read from turns at the time of the question.

What is stored holds a part of what was told, so that a list of it is rarely whole. The question
names the deed and whose it was, and every turn with its words is read for these alone. Whether the
answer is whole is learnt (`turn_list_weights.json`): where it is not likely, nothing is answered.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from memory.program.event_details import STAYS, detail_asked, details_of, is_travel
from memory.program.fact_answers import FactAnswer
from memory.program.fact_candidates import ASKS_GOING_ON
from memory.program.fact_questions import FactQuestion
from memory.program.fact_select import LIGHT_WORDS
from memory.program.grounding import as_a_part
from memory.program.list_questions import read_list_question
from memory.program.searched_turns import (
    select_by_id,
    select_only,
    select_with,
    turns_of,
    with_questions,
)
from memory.program.spoken_days import spoken
from memory.program.turn_amounts import Amount, read_amounts
from memory.program.turn_deeds import (
    Deed,
    Mention,
    choices_of,
    deed_of,
    read_deed,
)
from memory.program.turn_events import (
    Count,
    Event,
    Told,
    Topic,
    count_events,
    has_any,
    other_names,
    read_events,
    spoken_names,
    topics_of,
)
from memory.program.turn_items import Item, kind_of_list, parts_left, read_items
from memory.records import Rows, Turn
from memory.search.words import words

_MOST_TURNS = 200  # with the words of a question
_MOST_WORDS = 24
_MOST_ITEMS = 12  # beside a count
# Chosen on chats left out by folder, and raised where chats that nobody had read were told wrong
# things: docs/log.md, "How certain a list must be".
_LEAST_CERTAINTY = 0.7
# A count that an ordinal exceeds ("third lesson" of two) is hardly ever whole.
_LEAST_CERTAINTY_OF = {
    "skipped": 0.9,
    "events asked first": 0.8,
    "events asked last": 0.8,
    "items title": 0.85,
    "deed": 0.85,
    "amount": 0.8,
}
# Whatever it is read by, a list is told as a whole from here on, as a part before.
_LEAST_WHOLE = 0.9
_LEAST_PART = 0.5
_LISTS = ("list", "where", "value", "who")
_KINDS = ("count", "list", "first", "last", "when", "where", "value", "who")
_ASKS_SEVERAL = (
    r"^\W*(?:to |in |at )?(?:what|where|which \w+) (?:\w+ )?(?:has|have|'s|is)\b.*\b(?:\w+ing|been"
    r"|allergic|\w+ed|\w+en|given up)\b"
    r"|^\W*(?:in|at|to|from|on) (?:which|what) (?:\w+ )?\w+s (?:did|has|have|was|were)\b"
    r"|^\W*where did .*\b(?:go|\w+ing)\b|\b(?:what|which|where) (?:things|places|all)\b"
    r"|^\W*(?:what|which) (?!is\b|was\b|does\b|has\b)\w+s (?:did|does|has|have)\b"
)
_DEEDS = ("count", "list", "where", "value", "who")
# What is said or paid is no list of things.
_NO_DEEDS = frozenset(
    words(
        "pay paid cost weigh say said tell told think thought call called mean happen change feel"
    )
)
_TWO_QUESTIONS = r"\b(?:and|or|,) (?:how|what|who|whom|where|when|which|by whom)\b"
_SAYS_END = {
    "first": r"\bfirst\b",
    "last": r"\b(?:last|final|finished|no more|over)\b(?! (?:\w+day|week|month|year|night))",
}
_NAMES_END = re.compile(r"\b(?:first|last|latest|final)\b", re.IGNORECASE)
_TIMES = r"\bhow (?:often|many times)\b"
_ASKS_DAY = r"^\W*(?:when|(?:on )?(?:what|which) (?:day|date))\b"
# What is done again is more of it.
_SUMMED = (
    r"^\W*how many \w+.*\b(?:make|made|bake|baked|catch|caught|score|scored|sell|sold|pick|picked"
    r"|knit|knitted|win|won|plant|planted|collect|collected|harvest|harvested|cook|cooked|buy|bought"
    r"|brew|brewed|paint|painted|donate|donated|write|wrote|find|found|bottle|bottled)\b"
)
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

    @property
    def is_likely(self) -> bool:
        """Whether it is likely enough to be an answer; some readings are surer than others."""
        families = [name for name in _LEAST_CERTAINTY_OF if self.features.get(name)]
        least = max((_LEAST_CERTAINTY_OF[name] for name in families), default=_LEAST_CERTAINTY)
        return self.certainty >= max(least, _LEAST_WHOLE if self._is_list else 0.0)

    @property
    def is_part(self) -> bool:
        """Whether it is a list, likely true and not likely whole."""
        return self._is_list and not self.is_likely and self.certainty >= _LEAST_PART

    @property
    def _is_list(self) -> bool:
        return any(
            self.features.get(f"{reading} asked {kind}")
            for reading in ("items", "events", "deed")
            for kind in (*_LISTS, "when")  # "on which days"
        )


def answer_by_turns(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer a list, a count, the first or the last from turns; None where it may not be whole.

    A list that may not be whole is told as a part ("the gate; the sign; perhaps more").

    Arguments:
        question: in the third person ("How often did Anna run in May?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    best = best_list(question, today, read=read, asker=asker, corrected=corrected)
    if best is None or not (best.is_likely or best.is_part):
        return None
    ids = tuple(dict.fromkeys(turn.id for turn in best.turns))
    text = as_a_part(best.text) if best.is_part else best.text
    return FactAnswer(text, ids, best.sql, best.rows, (), ())


def best_list(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> TurnList | None:
    """The likeliest list or count that turns tell, whole or not; None where they tell none."""
    answers: list[tuple[TurnList, str]] = []
    fact_question = list_question(question, today, asker)
    for rank, topic in enumerate(list_topics(fact_question) if fact_question else ()):
        sql, turns = turns_with(topic.head, read)
        if turns is None:
            return None
        if fact_question and (readings := listed(fact_question, topic, corrected(turns), rank)):
            answers += [(answer, sql) for answer in readings]
            break
    if pair := deed_question(question, today, asker):
        deed_question_read, deed = pair
        sql, turns = turns_with(deed.searched, read)
        if turns is not None:
            lists = deed_lists(deed_question_read, deed, with_questions(corrected(turns)))
            answers += [(answer, sql) for answer in lists]
    if not answers:
        return None
    answer, sql = max(answers, key=lambda pair: (pair[0].is_likely, pair[0].certainty))
    sql = select_only(sql, [turn.id for turn in answer.turns])
    return replace(answer, sql=(sql,), rows=(read(sql),))


def turns_with(
    names: Collection[str], read: Callable[[str], Rows]
) -> tuple[str, list[Turn] | None]:
    """The SELECT for the turns with some words, and these with those around them.

    None where there are more of them than are read.
    """
    sql = select_with(" ".join(sorted(names, key=len)[:_MOST_WORDS]), _MOST_TURNS)
    turns = turns_of(read(sql))
    about = [turn for turn in turns if has_any(words(turn.text), names)]
    if len(about) >= _MOST_TURNS:
        return sql, None
    around = {turn.id + n for turn in about for n in range(-2, _REACH + 1)}
    around -= {turn.id for turn in turns}
    missing = sorted(around)
    for start in range(0, len(missing), _MOST_TURNS):
        turns += turns_of(read(select_by_id(missing[start : start + _MOST_TURNS])))
    return sql, turns


def list_topics(question: FactQuestion) -> list[Topic]:
    """What a question may be about; where somebody has been, it is any stay of theirs."""
    topics = topics_of(question)
    if not is_travel(question):
        return topics
    names = frozenset(word for forms in question.names for word in words(forms[-1]))
    return [Topic((STAYS,), names), *topics]


def deed_question(question: str, today: str, asker: str = "") -> tuple[FactQuestion, Deed] | None:
    """A question that asks what a deed was done to, or by whom, with the deed; None for others."""
    read = read_list_question(question, today, asker)
    if read is None or read.kind not in _DEEDS or read.before or read.is_ahead:
        return None
    if read.says(_TWO_QUESTIONS) or read.is_by_subject or read.says(_TIMES):
        return None
    if read.says(ASKS_GOING_ON) or read.says(r"\b(?:first|last|middle|full|maiden) name\b"):
        return None  # what is not done yet, or no deed
    deed = deed_of(read)
    if deed is None:
        return None
    asks_one = read.kind != "count" and deed.noun and not deed.noun[-1].endswith("s")
    if asks_one and deed.noun[-1] not in ("else", "people", "children"):
        return None  # "Which lamp did Anna buy?"
    if deed.verb in _NO_DEEDS and not deed.preposition:
        return None
    return read, deed


def list_question(question: str, today: str, asker: str = "") -> FactQuestion | None:
    """A question that a list or a count from turns may answer, None for others."""
    read = read_list_question(question, today, asker)
    if read is None or read.kind not in _KINDS or read.before:
        return None
    if read.says(_TWO_QUESTIONS) or read.is_ahead or read.is_shared or read.is_by_subject:
        return None
    if read.says(ASKS_GOING_ON):
        return None  # what is not done yet
    if read.kind == "when" and not read.says(r"\b(?:dates|days|when all)\b|\beach\b"):
        return None
    # "What has Anna been reading?" asks for several, "What is the name of her cat?" for one.
    if detail_asked(read) == "company":
        return read
    if read.kind in ("value", "where", "who") and not read.says(_ASKS_SEVERAL):
        return None
    return read


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
    topic = replace(topic, speakers=speakers, names=spoken_names(topic.names, speakers))
    is_times = question.says(_TIMES)
    kind = "" if is_times else kind_of_list(question)
    if question.kind != "count" and (detail := detail_asked(question)):
        answers = _details(question, topic, detail, turns, rank)
        if answers or detail == "company":
            return answers
    if question.kind != "count" and (kind == "title" or question.kind in _LISTS):
        return _items(question, topic, kind, turns, rank)
    answers = _items(question, topic, kind, turns, rank) if kind == "title" else []
    if question.kind == "count" and not is_times:
        answers += _amounts(question, topic, turns, rank)
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
    span = nearest_span(question, [item.day for item in items])
    items = [item for item in items if lies_in(item.day, span)]
    answer = _of_items(question, topic, kind, items, rank) if items else None
    return [answer] if answer else []


def _details(
    question: FactQuestion, topic: Topic, kind: str, turns: Sequence[Turn], rank: int
) -> list[TurnList]:
    """Where something happened, or with whom, of each event or of the first or the last."""
    told = [event for event in read_events(topic, turns).events if event.is_met]
    span = nearest_span(question, [day for event in told for day in event.days])
    events = [event for event in told if any(lies_in(day, span) for day in event.days)]
    if question.kind in ("first", "last") and events:
        if len(events) == 1 and not _NAMES_END.search(events[0].clause):
            return []  # others are told in other words
        events = sorted(events, key=lambda event: (event.days[-1], event.turn.id))
        events = events[:1] if question.kind == "first" else events[-1:]
    details, silent = details_of(kind, events, topic)
    if not details or (question.kind in _LISTS and len(details) < 2):
        return []
    text = "; ".join(detail.value for detail in details)
    if question.kind in ("first", "last"):
        text = f"{text}, {spoken(details[0].event.days[-1])}"
    features = {
        "details": 1.0,
        f"details {kind}": 1.0,
        "details one": float(question.kind in ("first", "last")),
        "details many": math.log(len(details)),
        "details silent": float(silent) / len(events),
        "details exact": sum(detail.event.is_exact for detail in details) / len(details),
        "details plain": sum(detail.event.is_plain for detail in details) / len(details),
        "details met": sum(d.event.met == len(topic.parts) for d in details) / len(details),
        "details parts": float(len(topic.parts) - 1),
        "details rank": float(rank > 0),
        "details nobody": float(not topic.names),
        "details stay": float(topic.head is STAYS),
    }
    return [TurnList(text, tuple(detail.event.turn for detail in details), features)]


def _amounts(
    question: FactQuestion, topic: Topic, turns: Sequence[Turn], rank: int
) -> list[TurnList]:
    """What a sentence tells of how many there were, each number by itself."""
    amounts = read_amounts(topic, turns)
    span = nearest_span(question, [amount.day for amount in amounts])
    amounts = [amount for amount in amounts if lies_in(amount.day, span)]
    numbers = dict.fromkeys(amount.number for amount in amounts)
    answers = []
    for number in numbers:
        same = [amount for amount in amounts if amount.number == number]
        features = _amount_features(question, topic, same, amounts, rank)
        answers.append(TurnList(f"{number}", tuple(amount.turn for amount in same), features))
    if total := _total(question, topic, amounts):
        answers.append(total)
    return answers


def _total(question: FactQuestion, topic: Topic, amounts: Sequence[Amount]) -> TurnList | None:
    """The sum of what was made, caught or won on several days: twelve jars, then nine more."""
    if not question.says(_SUMMED):
        return None
    verbs = {word for word in question.telling if word not in topic.head}
    done = {
        amount.day: amount
        for amount in amounts
        if amount.is_plain
        and not amount.is_ahead
        and any(has_any(words(amount.turn.text), other_names(verb)) for verb in verbs)
    }
    if len(done) < 2 or len({amount.turn.id for amount in done.values()}) < len(done):
        return None
    number = sum(amount.number for amount in done.values())
    features = {
        "sum": 1.0,
        "sum of many": math.log(len(done)),
        "sum of all": float(len(done) == len(amounts)),
        "sum met": sum(amount.met == len(topic.parts) for amount in done.values()) / len(done),
        "sum adjacent": sum(amount.is_adjacent for amount in done.values()) / len(done),
    }
    parts = ", ".join(f"{amount.number} on {spoken(day)}" for day, amount in sorted(done.items()))
    turns = tuple(amount.turn for _, amount in sorted(done.items()))
    return TurnList(f"{number} ({parts})", turns, features)


def _amount_features(
    question: FactQuestion,
    topic: Topic,
    same: Sequence[Amount],
    amounts: Sequence[Amount],
    rank: int,
) -> dict[str, float]:
    parts = len(topic.parts)
    rival_count = len({amount.number for amount in amounts}) - 1
    met = max(amount.met for amount in same)
    rivals = max((a.met for a in amounts if a.number != same[0].number), default=0)
    is_plain = any(amount.is_plain for amount in same)
    return {
        "amount": 1.0,
        "amount of": float(question.says(r"\bhow many of\b")),
        "amount large and alone": float(is_plain and same[0].number > 3 and not rival_count),
        "amount sure": float(is_plain and met == parts and not rival_count),
        "amount met and alone": float(met == parts and not rival_count),
        "amount met and first": float(met == parts and met > rivals),
        "amount others": math.log(1 + rival_count),
        "amount met": met / parts,
        "amount all met": float(met == parts),
        "amount all met around": float(max(amount.met_around for amount in same) == parts),
        "amount missed": float(parts - max(amount.met_around for amount in same)),
        "amount best met": float(met > rivals),
        "amount plain": float(is_plain),
        "amount ahead": float(all(amount.is_ahead for amount in same)),
        "amount adjacent": float(any(amount.is_adjacent for amount in same)),
        "amount again": math.log(len(same)),
        "amount latest": float(amounts[-1].number == same[0].number),
        "amount earliest": float(amounts[0].number == same[0].number),
        "amount large": float(same[0].number > 12),
        "amount nobody": float(not topic.names),
        "amount parts": float(parts - 1),
        "amount span": float(question.span is not None),
        "amount present": float(not question.is_past),
        "amount rank": float(rank > 0),
    }


def _events(question: FactQuestion, topic: Topic, told: Told, rank: int) -> list[TurnList]:
    events = told.events
    if question.kind != "count":
        # Days are told of what has all the words of the question, and of nothing that is like it.
        events = tuple(event for event in events if event.is_met)
    span = nearest_span(question, [day for event in events for day in event.days])
    count = count_events(events, span)
    return [_of_events(question, topic, count, told.doubtful, rank)] if count.events else []


def nearest_span(question: FactQuestion, days: Sequence[date]) -> tuple[str, str] | None:
    """The days that a question asks about: a month without a year is the last that has some."""
    span = question.span
    if span is None or not question.is_yearless:
        return span
    for years in range(_MOST_YEARS):
        earlier = tuple(f"{int(day[:4]) - years:04}{day[4:]}" for day in span)
        if any(earlier[0] <= day.isoformat() <= earlier[1] for day in days):
            return earlier[0], earlier[1]
    return span


def lies_in(day: date, span: tuple[str, str] | None) -> bool:
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
        "items parts": float(parts_left(kind, question, topic)),
        "items nobody": float(not topic.names),
    }
    return TurnList(text, tuple(item.turn for item in listed), features)


def deed_lists(question: FactQuestion, deed: Deed, turns: Sequence[Turn]) -> list[TurnList]:
    """What may answer a question for what a deed was done to, or by whom.

    Arguments:
        question: the question, and `deed` what it asks about, see `deed_question`.
        turns: those with the words of the deed, and those around them.
    """
    read = read_deed(deed, turns)
    span = nearest_span(question, [mention.day for mention in read.mentions])
    mentions = [mention for mention in read.mentions if lies_in(mention.day, span)]
    answers = []
    for rank, choice in enumerate(choices_of(deed, mentions)):
        features = _deed_features(question, deed, choice, len(mentions), read.doubtful, rank)
        values = [mention.value for mention in choice]
        turns_of = tuple(mention.turn for mention in choice)
        if question.kind != "count":
            if len(choice) > 1:
                answers.append(TurnList("; ".join(values), turns_of, features))
            continue
        numbers = {mention.number for mention in choice if mention.number and mention.has_noun}
        if len(numbers) == 1 and numbers != {1}:
            number = max(numbers)
            features = {**features, "deed number": 1.0}
            numbered = tuple(mention.turn for mention in choice if mention.number == number)
            answers.append(TurnList(f"{number}", numbered, features))
        elif not numbers and len(choice) > 1 and all(mention.has_noun for mention in choice):
            features = {**features, "deed counted": 1.0}
            answers.append(TurnList(f"{len(choice)} ({_first_of(values)})", turns_of, features))
    return answers


def _deed_features(
    question: FactQuestion,
    deed: Deed,
    choice: Sequence[Mention],
    number: int,
    doubtful: int,
    rank: int,
) -> dict[str, float]:
    def share(pick: Callable[[Mention], bool]) -> float:
        return sum(map(pick, choice)) / len(choice)

    distinct_turns = len({mention.turn.id for mention in choice})
    is_sure = all(m.is_exact and m.is_doer and m.met == 2 for m in choice)
    is_all = number == len(choice) and not doubtful
    return {
        "deed sure": float(is_sure),
        "deed sure in one": float(is_sure and distinct_turns == 1),
        "deed sure and all": float(is_sure and is_all),
        "deed sure in one and all": float(is_sure and is_all and distinct_turns == 1),
        "deed two": float(len(choice) == 2),
        "deed": 1.0,
        f"deed asked {question.kind}": 1.0,
        f"deed role {deed.role}": 1.0,
        "deed noun": float(bool(deed.noun)),
        "deed has noun": share(lambda mention: mention.has_noun),
        "deed named": share(lambda mention: mention.is_named),
        "deed exact": share(lambda mention: mention.is_exact),
        "deed met": share(lambda mention: mention.met == 2),
        "deed doer": share(lambda mention: mention.is_doer),
        "deed nobody": float(not deed.doers),
        "deed many": math.log(len(choice)),
        "deed turns": math.log(distinct_turns),
        "deed others": float(len(deed.further) + len(deed.places)),
        "deed more": math.log(1 + number - len(choice)),
        "deed doubtful": math.log(1 + doubtful),
        "deed span": float(question.span is not None),
        "deed light": float(deed.verb in LIGHT_WORDS),
        "deed preposition": float(bool(deed.preposition)),
        "deed rank": float(rank > 0),
    }


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
    is_end = question.kind in ("first", "last")
    says_end = is_end and any(re.search(_SAYS_END[question.kind], e.clause, re.I) for e in events)
    features = {
        "events": 1.0,
        "end told": float(says_end),
        "end of one": float(is_end and number == 1 and not says_end),
        "end of few": float(is_end and number == 2 and not says_end),
        "times": float(is_times),
        f"events asked {question.kind}": 1.0,
        "one event": float(number == 1),
        "many events": math.log(number),
        "exact": share(lambda event: event.is_exact),
        "plain": share(lambda event: event.is_plain),
        "all met": share(lambda event: event.is_met),
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
