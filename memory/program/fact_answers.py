"""Answers from facts: lists, counts, first and last, durations, now and then, yes or no."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from memory.dates import COUNT, MONTHS, WEEKDAYS
from memory.program.disputes import disputed, question_of_pair
from memory.program.fact_candidates import is_subject_named
from memory.program.fact_completeness import are_complete, are_part
from memory.program.fact_matching import ENDINGS, Matched, matching
from memory.program.fact_questions import FactQuestion, read_fact_question
from memory.program.fact_select import (
    DatedFact,
    facts_in,
    relation_in,
    select_about,
    select_relatives,
    select_same,
)
from memory.program.fact_words import (
    are_forms,
    forms_of_words,
    is_near,
    is_of_class,
    is_past_verb,
    members_of,
)
from memory.program.grounding import as_a_part
from memory.program.spoken_days import spoken_iso
from memory.records import Contradiction, Rows
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words
from memory.vocabulary import Vocabulary

_MOST_ITEMS = 12
_LEAST_ENDED = 0.6  # likelihood of a fact that has ended and that the question names
_EXACT_MONTHS = 12  # lengths up to here are told to the day
_IS_NAME = re.compile(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}")
_TELLS_DAY = re.compile(rf"\d.*\b(?:{'|'.join(MONTHS)})\b|\b(?:{'|'.join(MONTHS)})\b.*\d", re.I)
_WEEKDAY = re.compile(rf"\b(?:{'|'.join(WEEKDAYS)})s?\b", re.IGNORECASE)
_TELLS_LENGTH = re.compile(
    rf"\b(?:\d+|half an?|{'|'.join(COUNT)})(?: and a half)?[ -]"
    r"(?:second|minute|hour|day|week|month|year)s?\b",
    re.IGNORECASE,
)
_TIMELESS = frozenset({"born_in", "born_on", "birthday", "comes_from", "name"})
_TIMES = r"\bhow often\b|\btimes\b"
_COUNTED = re.compile(
    rf"\d|\b(?:{'|'.join(word for word in COUNT if word not in ('a', 'an'))})\b", re.IGNORECASE
)
_REPEATED = re.compile(rf"\b(\d{{1,3}}|{'|'.join(COUNT)}) times\b", re.IGNORECASE)
# What was lent may have come back: such a deed lasts, and ends.
_UNTIL_RETURNED = frozenset({"lent", "loaned", "borrowed", "rented", "leased", "hired"})
_ASKS_NAME = r"\bname of\b|\bcalled\b|\b(?:what|whats|what's)\b.*'s name\b"
_ASKS_WORDS = ("value", "list", "where", "who")
_DENIALS = frozenset({"does_not_eat", "must_not_eat"})
_CLOSED_KINDS = frozenset({"fruit", "nut", "vegetable", "fish", "animal", "medicine", "flower"})
_NEGATED = re.compile(r"\b(?:no|not|never|without)\b(?! longer)", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:no|not|never|without|avoid)\b|n't\b", re.IGNORECASE)
# The time from one event to another.
_BETWEEN = (
    re.compile(
        r"\W*how (?:long|much time|many (?:days|weeks|months|years)) (?:after|before) (?P<one>.+?)"
        r" (?:did|was|were|had|do|does|is|are|will) (?P<other>[^?]+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\W*how (?:long|much time|many (?:days|weeks|months|years))\b.*?\bbetween (?P<one>.+?)"
        r" and (?P<other>[^?]+)",
        re.IGNORECASE,
    ),
)
_SINCE_EVENT = re.compile(
    r"\b(?P<side>since|after|before) "
    r"(?P<event>(?:he|she|they|the|his|her|their|[A-Z][\w-]+)(?:'s)? [^?]+)"
)

Sources = Sequence[DatedFact]  # the facts that an answer rests on


@dataclass(frozen=True)
class FactAnswer:
    """What facts say to a question: the text, the turns they name, the SELECTs and their rows.

    `fact_ids` and `subjects` are those of the facts that it rests on. `is_noted`: all facts about
    the question are such as rules have noted.
    """

    text: str
    turn_ids: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]
    fact_ids: tuple[int, ...]
    subjects: tuple[str, ...]
    sources: tuple[DatedFact, ...] = ()
    is_noted: bool = False


def answer_by_facts(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    vocabulary: Vocabulary,
    asker: str = "",
    noted: Callable[[Sequence[int]], set[int]] = lambda _: set(),
    contradictions: Callable[[], Sequence[Contradiction]] = lambda: (),
) -> FactAnswer | None:
    """Answer a question from facts alone; None where they do not say it for certain.

    Arguments:
        question: in the third person ("Where does Anna live?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        vocabulary: that of the memory; it says which attributes have one value at a time.
        asker: who asks, whose "we" it is.
        noted: which of some facts rules have noted (`Store.noted`): these are few, and decide only
            where no other turn speaks of the same.
        contradictions: the pairs of facts that nobody has settled (`Store.contradictions`): where
            one decides, the answer names both and asks which is right.
    """
    today = today[:10] or date.today().isoformat()
    memory = _Memory(read, vocabulary, today, asker, noted)
    answer = (
        _between_events(question, memory)
        or _since_event(question, memory)
        or _by_relation(question, memory)
        or _by_match(question, memory)
    )
    pair = disputed(question, answer.fact_ids if answer else (), contradictions(), asker)
    return _asked_back(pair, memory) if pair else answer


def _asked_back(pair: Contradiction, memory: "_Memory") -> FactAnswer:
    """Both facts of a pair, and the question which is right."""
    ids = tuple(fact.id for fact in pair.facts)
    sql = (
        "SELECT id, subject, attribute, value, happened_on, turn_id FROM facts"
        f"\nWHERE id IN ({', '.join(map(str, ids))})\nORDER BY id"
    )
    return FactAnswer(
        question_of_pair(pair),
        tuple(fact.turn_id for fact in pair.facts),
        (sql,),
        (memory.read(sql),),
        ids,
        tuple(dict.fromkeys(fact.subject for fact in pair.facts)),
    )


def _by_relation(question: str, memory: "_Memory") -> FactAnswer | None:
    relation = relation_in(question)
    if relation is None:
        return None
    # "Where does Anna's sister live?": who that is, then where she lives.
    person, word = relation
    sql = select_relatives(person)
    rows = memory.read(sql)
    names = {
        match[0]: fact.turn_id
        for fact in facts_in(rows, memory.today)
        if any(is_near(word, other) for other in fact.attribute.split("_"))
        and (match := _IS_NAME.match(fact.value))
    }
    if len(names) != 1:
        return None
    [(name, turn_id)] = names.items()
    whose = rf"{re.escape(person)}['\u2019]s {word}|(?:the )?{word} of {re.escape(person)}"
    named = re.sub(whose, name, question, flags=re.IGNORECASE)
    answer = _by_match(named, memory)
    # Somebody else may have the name: "Lena (in the kitchen)".
    is_theirs = {name.lower(), f"{name} ({person}'s {word})".lower()}
    if answer is None or not {subject.lower() for subject in answer.subjects} <= is_theirs:
        return None
    return FactAnswer(
        f"{name}: {answer.text}",
        tuple(dict.fromkeys((*answer.turn_ids, turn_id))),
        (sql, *answer.sql),
        (rows, *answer.rows),
        answer.fact_ids,
        answer.subjects,
    )


@dataclass(frozen=True)
class _Memory:
    """Where facts are read, on which day (ISO), and for whom."""

    read: Callable[[str], Rows]
    vocabulary: Vocabulary
    today: str
    asker: str
    noted: Callable[[Sequence[int]], set[int]]

    def texts(self, turn_ids: Iterable[int]) -> dict[int, str]:
        """The texts of turns by their ids."""
        ids = ", ".join(map(str, sorted(set(turn_ids))))
        rows = self.read(f"SELECT id, text FROM turns WHERE id IN ({ids or 0})").rows
        return {int(row[-2]): str(row[-1]) for row in rows}


def _by_match(
    question: str, memory: _Memory, span: tuple[str, str] | None = None
) -> FactAnswer | None:
    fact_question = _read(question, memory, span)
    if fact_question is None:
        return None
    candidates = facts_in(memory.read(select_about(fact_question)), memory.today)
    matched = matching(fact_question, candidates, memory.vocabulary, memory.texts, memory.today)
    if matched is None or not (matched.is_certain or _is_ended(fact_question, matched)):
        return None
    sql = select_same(matched.facts)
    rows = memory.read(sql)
    chosen = {fact.id for fact in matched.facts}
    facts = [fact for fact in facts_in(rows, memory.today) if fact.id in chosen]
    return _answered(fact_question, facts, sql, rows, memory)


def _is_ended(question: FactQuestion, matched: Matched) -> bool:
    """Whether what a question names is over, and likely enough meant: "Does she have the Skoda?".

    Else the turn that told of it before it ended would be quoted.
    """
    forms = forms_of(words(question.text))
    return matched.probability >= _LEAST_ENDED and all(
        fact.ended_on and any(is_among(word, forms) for word in telling_words(fact.value))
        for fact in matched.facts
    )


def _read(question: str, memory: _Memory, span: tuple[str, str] | None) -> FactQuestion | None:
    fact_question = read_fact_question(question, memory.today, memory.asker)
    return replace(fact_question, span=span) if fact_question and span else fact_question


def _answered(
    question: FactQuestion, facts: Sequence[DatedFact], sql: str, rows: Rows, memory: _Memory
) -> FactAnswer | None:
    answer = answer_from(question, facts, memory.today, memory.vocabulary)
    if answer is None:
        return None
    text, sources = answer
    if question.says(_ASKS_NAME) and len(sources) == 1 and not sources[0].ended_on:
        name = _IS_NAME.search(sources[0].value)
        text = name[0] if name else text  # Figaro of "puppy Figaro"
    by_rules = memory.noted([fact.id for fact in facts])
    if not are_complete(
        question, facts, sources, read=memory.read, by_rules=by_rules, today=memory.today
    ):
        if not are_part(question, sources, read=memory.read):
            return None
        text = as_a_part(text)
    turn_ids = tuple(dict.fromkeys(fact.turn_id for fact in sources))
    subjects = tuple(dict.fromkeys(fact.subject for fact in sources))
    fact_ids = tuple(fact.id for fact in sources)
    # Which Lena it is: "Lena (in the kitchen)".
    if len(subjects) == 1 and "(" in subjects[0] and subjects[0] not in text:
        text = f"{subjects[0]}: {text}"
    return FactAnswer(
        text,
        turn_ids,
        (sql,),
        (rows,),
        fact_ids,
        subjects,
        tuple(sources),
        is_noted=by_rules == {fact.id for fact in facts},
    )


def _adds_words(question: FactQuestion, facts: Sequence[DatedFact]) -> bool:
    """Whether facts say more than the question does: that a cat is a cat answers nothing."""
    if question.kind == "who" and not is_subject_named(question, facts[0]):
        return True
    question_words = words(question.text)
    return any(
        not any(are_forms(word, another) for another in question_words)
        for fact in facts
        for word in telling_words(fact.value)
    )


def _is_of_another_kind(question: FactQuestion, facts: Sequence[DatedFact]) -> bool:
    """Whether facts name a thing of another kind than is asked for: a cat for a dog.

    Pollen is no fruit either, where the kind is one of few things.
    """
    query = words(question.text)
    value_words = {word for fact in facts for word in words(f"{fact.attribute} {fact.value}")}
    pets = members_of("pet")
    asked_pets = {word for word in query if word in pets}
    named_pets = {word for word in value_words if word in pets}
    if asked_pets and named_pets and not asked_pets & named_pets and len(facts) == 1:
        return True
    kind = re.search(r"\b(?:which|what) (?P<kind>\w+?)s?\b", question.text, re.IGNORECASE)
    return (
        kind is not None
        and kind["kind"].lower() in _CLOSED_KINDS
        and facts[0].attribute == "allergic_to"
        and not is_of_class(kind["kind"].lower(), value_words)
        and not any(are_forms(word, kind["kind"].lower()) for word in value_words)
    )


def _between_events(question: str, memory: _Memory) -> FactAnswer | None:
    """The time between two events: "How long after the operation did Anna come home?"."""
    match = next((m for pattern in _BETWEEN if (m := pattern.match(question))), None)
    if match is None:
        return None
    parts = [match["one"], match["other"]]
    if any(re.fullmatch(r"(?:\w+ )?\d{4}|\d+ \w+(?: \d{4})?", part.strip()) for part in parts):
        return None
    answers = [_when_was(part, question, memory) for part in parts]
    if answers[0] is None or answers[1] is None:
        return None
    (first, begin), (second, end) = sorted(
        ((day, answer) for day, answer in filter(None, answers)), key=lambda pair: pair[0]
    )
    length = length_between(first, second)
    if not length:
        return None
    return FactAnswer(
        f"{length} ({spoken_iso(first)} to {spoken_iso(second)})",
        tuple(dict.fromkeys((*begin.turn_ids, *end.turn_ids))),
        (*begin.sql, *end.sql),
        (*begin.rows, *end.rows),
        (*begin.fact_ids, *end.fact_ids),
        tuple(dict.fromkeys((*begin.subjects, *end.subjects))),
    )


def _since_event(question: str, memory: _Memory) -> FactAnswer | None:
    """A count of what came after, or before, an event: "since she came home"."""
    match = _SINCE_EVENT.search(question)
    if match is None or not re.search(r"\bhow (?:many|often)\b", question, re.IGNORECASE):
        return None
    when = _when_was(match["event"], question, memory)
    if when is None:
        return None
    day, event = when
    is_after = match["side"].lower() != "before"
    span = (day, memory.today) if is_after else ("0001-01-01", day)
    tail = question[: match.start()] + "?"
    answer = _by_match(tail, memory, span)
    if answer is None:
        return None
    return replace(
        answer,
        text=f"{answer.text}, {match['side'].lower()} {spoken_iso(day)}",
        turn_ids=tuple(dict.fromkeys((*answer.turn_ids, *event.turn_ids))),
        sql=(*event.sql, *answer.sql),
        rows=(*event.rows, *answer.rows),
    )


def _when_was(event: str, question: str, memory: _Memory) -> tuple[str, FactAnswer] | None:
    """The day of an event that a clause names, None unless exactly one is meant."""
    names = re.findall(r"\b(?:(?:Mr|Mrs|Ms|Dr|Aunt|Uncle) )?[A-Z][\w-]+", question[1:])
    if names:
        event = re.sub(r"\b(?:he|she|they)\b", names[0], event)
        event = re.sub(r"\b(?:his|her|their)\b(?= \w)", f"{names[0]}'s", event)
    when = f"When was {event.strip(' ?.!')}?"
    answer = _by_match(when, memory)
    days = {str(fact.day) for fact in answer.sources} if answer else set()
    return (days.pop(), answer) if answer and len(days) == 1 else None


def answer_from(
    question: FactQuestion, facts: Sequence[DatedFact], today: str, vocabulary: Vocabulary
) -> tuple[str, Sources] | None:
    """What facts say to a question that is about them, and those it rests on."""
    answer = _answer(question, facts, today, vocabulary)
    if answer is None or question.kind not in _ASKS_WORDS:
        return answer
    is_answer = _adds_words(question, answer[1]) and not _is_of_another_kind(question, answer[1])
    return answer if is_answer else None


def _answer(
    question: FactQuestion, facts: Sequence[DatedFact], today: str, vocabulary: Vocabulary
) -> tuple[str, Sources] | None:
    # What happened some time in a year is neither first nor last in it.
    rough = "~" if question.kind == "first" else ""
    facts = sorted(_distinct(facts), key=lambda fact: (f"{fact.day}{rough}", fact.id))
    if question.is_not_over:
        facts = _current(facts, today)
    if question.is_ahead:
        ahead = [
            fact
            for fact in facts
            if not fact.date
            or fact.date > today[: len(fact.date)]
            or fact.attribute == "engaged_to"  # and so to be married
        ]
        # What was to be on a day was so still after it.
        facts = ahead or (facts if question.kind == "when" else [])
    if not facts:
        return None
    kind = _kind(facts, vocabulary)
    if question.kind == "change":
        return (_joined([_since(fact) for fact in facts]), facts) if len(facts) > 1 else None
    if question.aspect:
        return _begin_or_end(question, facts, kind)
    if question.is_by_subject:
        current = facts if kind == "event" or question.is_past else _current(facts, today)
        return _by_subject(current) if current else None
    if question.before and kind != "one value":
        return None
    if kind == "event" or facts[-1].attribute in _TIMELESS:
        # These do not end: a person has put an end to one that is not true.
        # Except that somebody stopped: they may have started again.
        may_end = question.kind == "how long" and facts[-1].attribute in ENDINGS
        if not _current(facts, today) and not may_end:
            return _no_more(facts[-1]), facts[-1:]
        facts = facts if may_end else _current(facts, today)
    if question.span:
        span = _in_a_year_of(facts, question.span) if question.is_yearless else question.span
        facts = facts if kind == "event" else _begun(facts)
        facts = [fact for fact in facts if _lies_in(fact, span, is_event=kind == "event")]
        if not facts:
            return ("0", []) if question.kind == "count" and kind == "event" else None

    if question.kind == "count":
        is_over = kind == "event" or question.is_past or question.span
        return _count(question, facts if is_over else _current(facts, today))
    if question.kind == "how long":
        return _how_long(question, facts, today)
    if question.kind in ("first", "last"):
        fact = facts[0] if question.kind == "first" else facts[-1]
        return ", ".join(filter(None, (fact.value, spoken_iso(fact.day)))), [fact]
    if question.kind == "next":
        ahead = [fact for fact in facts if fact.date > today and not fact.ended_on]
        return (_with_date(ahead[0]), ahead[:1]) if ahead else None
    if question.kind == "when":
        return _when(question, facts)
    if question.kind == "yes or no":
        return _yes_or_no(question, facts, today)
    if question.kind == "who":
        facts = _of_named(question, facts)
    if question.kind == "who" and not is_subject_named(question, facts[0]):
        is_any = kind == "event" or question.is_past or question.span
        people = facts if is_any else _current(facts, today) or facts
        if any(_names_another(question, fact) for fact in people):
            return _by_subject(people)  # "Ben: lent the tent, to Con": either may be meant
        return _joined([fact.subject for fact in people[:_MOST_ITEMS]]), people[:_MOST_ITEMS]
    if kind == "one value":
        return _state(question, facts, today)
    if kind == "event" or question.is_past or question.span:
        return _list(facts)
    if current := _current(facts, today):
        return _list(current)
    return _no_more(facts[-1]), facts[-1:]


def _of_named(question: FactQuestion, facts: Sequence[DatedFact]) -> Sequence[DatedFact]:
    """Of facts that say the same of two people, those of the one whom the question names."""
    by_pair = {(fact.subject, fact.attribute, fact.value) for fact in facts}
    return [
        fact
        for fact in facts
        if is_subject_named(question, fact)
        or (fact.value, fact.attribute, fact.subject) not in by_pair
    ] or facts


def _distinct(facts: Sequence[DatedFact]) -> list[DatedFact]:
    """The facts without those that say less of the same: "Salt Ledger" beside "The Salt Ledger"."""
    distinct: list[DatedFact] = []
    for fact in sorted(facts, key=lambda fact: (-len(fact.date), -len(fact.value))):
        telling = set(telling_words(fact.value))
        if not telling or not any(_says_same(fact, telling, fuller) for fuller in distinct):
            distinct.append(fact)
    return distinct


def _says_same(fact: DatedFact, telling: set[str], other: DatedFact) -> bool:
    if (fact.subject, fact.attribute) != (other.subject, other.attribute):
        return False
    if fact.ended_on != other.ended_on or telling != set(telling_words(other.value)):
        return False
    return other.date.startswith(fact.date)


def _begin_or_end(
    question: FactQuestion, facts: Sequence[DatedFact], kind: str
) -> tuple[str, Sources] | None:
    """The day on which a state began or ended, of one alone."""
    if kind == "event":
        endings = [fact for fact in facts if fact.attribute in ENDINGS]
        facts = endings if question.aspect == "end" and endings else facts
        days = {fact.date for fact in facts if fact.date}
    else:
        is_end = question.aspect == "end"
        days = {day for fact in facts if (day := fact.ended_on if is_end else fact.date)}
    return (spoken_iso(days.pop()), facts) if len(days) == 1 else None


def _names_another(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether a value has the name of somebody whom the question does not name."""
    text = question.text.lower()
    return any(
        name.lower() not in text and name.lower() not in MONTHS
        for name in _IS_NAME.findall(fact.value)
    )


def _by_subject(facts: Sequence[DatedFact]) -> tuple[str, Sources]:
    """What holds of each: "Anna: nuts; Ben: cats"."""
    listed = facts[:_MOST_ITEMS]
    subjects = dict.fromkeys(fact.subject for fact in listed)
    lines = [
        f"{subject}: {_joined([fact.value for fact in listed if fact.subject == subject])}"
        for subject in subjects
    ]
    return "; ".join(lines), listed


def _kind(facts: Sequence[DatedFact], vocabulary: Vocabulary) -> str:
    """The kind of facts; those of an attribute that the vocabulary lacks tell it by their dates."""
    attribute = vocabulary.canonical(facts[0].attribute)
    if attribute is not None:
        return attribute.kind
    verb = facts[0].attribute.partition("_")[0]
    if verb in _UNTIL_RETURNED:
        return "many"
    # What somebody started goes on, and may end: "started_again | smoking".
    is_event = (is_past_verb(verb) and verb != "started") or all(
        fact.date and not fact.ended_on for fact in facts
    )
    return "event" if is_event else "many"


def _no_more(fact: DatedFact) -> str:
    return f"none any more; {fact.value} until {spoken_iso(fact.ended_on)}"


def _current(facts: Sequence[DatedFact], today: str) -> list[DatedFact]:
    return [fact for fact in facts if _is_current(fact, today)]


def _is_current(fact: DatedFact, today: str) -> bool:
    return not fact.ended_on or fact.ended_on > today


def _lies_in(fact: DatedFact, span: tuple[str, str], *, is_event: bool) -> bool:
    """Whether an event was on one of the days of a span, or a state held on one."""
    first, last = span
    if is_event:
        return bool(fact.day) and first[: len(fact.day)] <= fact.day <= last
    has_ended = fact.ended_on and fact.ended_on < first[: len(fact.ended_on)]
    return not has_ended and (not fact.date or fact.date <= last)


def _begun(facts: Sequence[DatedFact]) -> list[DatedFact]:
    """States, each that replaced another begun when that one ended, where nobody said when.

    "94 kilos" until August, when it was 91: in July it was not 91.
    """
    begun = []
    for fact in facts:
        replaced = [
            other.ended_on
            for other in facts
            if (other.subject, other.attribute) == (fact.subject, fact.attribute)
            and other.id < fact.id
            and other.ended_on == fact.said_at[:10]
        ]
        is_new = bool(replaced) and not fact.date
        begun.append(replace(fact, happened_on=replaced[0]) if is_new else fact)
    return begun


def _state(
    question: FactQuestion, facts: Sequence[DatedFact], today: str
) -> tuple[str, Sources] | None:
    """A state of one value: what holds or held, since when, and what was before."""
    if question.span:
        dated = [fact for fact in facts if fact.date or fact.ended_on]
        if not dated and facts[-1].said_at[:10] > question.span[1]:
            return None  # what was told later may have begun later
        dated = dated or list(facts[-1:])
        return _joined([_since(fact) for fact in dated]), dated
    current = _current(facts, today)
    over = [fact for fact in facts if fact not in current]
    if question.before:
        return _state_before(question, facts)
    if question.is_previous:
        # "no more baker" is the previous job of somebody who has none.
        before = [fact for fact in over if current or fact is over[-1]]
        return (_since(before[-1]), before[-1:]) if before else None
    if not current:
        return f"no more {over[-1].value}: until {spoken_iso(over[-1].ended_on)}", over[-1:]
    if question.is_past and over and current[-1].attribute not in _TIMELESS:
        return _joined([_since(fact) for fact in over]), over
    newest = current[-1]
    if newest.attribute in _TIMELESS:
        return newest.value, [newest]  # its date is that of a correction
    if over and over[-1].value.lower() != newest.value.lower():
        return f"{_since(newest)}; before that {over[-1].value}", [newest, over[-1]]
    return _since(newest), [newest]


def _asks_for_a_word_of(question: FactQuestion, fact: DatedFact) -> bool:
    forms = forms_of_words(words(fact.value))
    return any(is_among(word, forms) for word in question.telling)


def _state_before(question: FactQuestion, facts: Sequence[DatedFact]) -> tuple[str, Sources] | None:
    """What was before the state that the question names."""
    for before, fact in pairwise(facts):
        forms = forms_of_words(words(fact.value))
        if all(is_among(word, forms) for word in question.before):
            return _since(before), [before, fact]
    return None


def _in_a_year_of(facts: Sequence[DatedFact], span: tuple[str, str]) -> tuple[str, str]:
    """The month of a span in the latest year that has facts, where the year since has none."""
    newest = max(fact.day for fact in facts)
    if newest >= _years_earlier(span[0], 1):
        return span
    years = int(span[0][:4]) - int(newest[:4])
    years += span[0][5:7] > newest[5:7]
    return _years_earlier(span[0], years), _years_earlier(span[1], years)


def _years_earlier(day: str, years: int) -> str:
    return f"{int(day[:4]) - years:04}{day[4:]}"


def _count(question: FactQuestion, facts: Sequence[DatedFact]) -> tuple[str, Sources] | None:
    if not question.says(_TIMES) and any(
        _COUNTED.search(fact.value) and _asks_for_a_word_of(question, fact) for fact in facts
    ):
        return None  # "2,870 cranes": what is counted stands in the fact
    if not question.says(_TIMES) and len(facts) == 1 and re.match(r"\d+\b", facts[0].value):
        return facts[0].value, facts  # "3 children" is a count by itself
    items = _joined([_with_date(fact) for fact in facts])
    count = sum(_times(fact.value) for fact in facts) if question.says(_TIMES) else len(facts)
    return (f"{count} ({items})" if items else "0"), facts


def _times(value: str) -> int:
    """How often it happened, as a value tells: "dentist twice" is 2."""
    if re.search(r"\btwice\b", value, re.IGNORECASE):
        return 2
    repeated = _REPEATED.search(value)
    if not repeated:
        return 1
    number = repeated[1].lower()
    return int(number) if number.isdecimal() else COUNT[number]


def _how_long(
    question: FactQuestion, facts: Sequence[DatedFact], today: str
) -> tuple[str, Sources] | None:
    """From the beginning to the end, each by whichever fact about the newest value says it."""
    if lengths := [fact for fact in facts if _TELLS_LENGTH.search(fact.value)]:
        return _joined([_with_date(fact) for fact in lengths]), lengths
    if question.says(r"\bfirst time\b"):
        facts = facts[:1]
    over = [fact for fact in facts if fact.ended_on and fact.ended_on <= today]
    if question.says(r"\b(?:did|was|were)\b") and over:
        facts = over
    if question.says(r"\bboth\b") and len(facts) > 1:
        begins, ends = [f.date for f in facts], [f.ended_on for f in facts if f.ended_on]
        if not all(begins):
            return None
        begin, end = max(begins), min(ends, default=today)
        length = length_between(begin, end)
        return (f"{length} ({spoken_iso(begin)} to {spoken_iso(end)})", facts) if length else None
    forms = forms_of(telling_words(facts[-1].value))
    same = [
        fact for fact in facts if any(is_among(word, forms) for word in telling_words(fact.value))
    ]
    # What ended before the newest began was another time.
    newest = max((fact.date for fact in same if fact.date), default="")
    same = [fact for fact in same if not fact.ended_on or fact.ended_on >= newest]
    begin = min((fact.date for fact in same if fact.date), default="")
    end = max((fact.ended_on for fact in same if fact.ended_on), default="")
    if question.span:
        end = min(end or today, question.span[1])
    length = length_between(begin, end or today) if begin else ""
    if not length:
        return None
    until = f" until {spoken_iso(end)}" if end else ""
    return f"{length} (since {spoken_iso(begin)}{until})", same


def _when(question: FactQuestion, facts: Sequence[DatedFact]) -> tuple[str, Sources] | None:
    """The days on which it was. A plan that was replaced has ended and tells none."""
    weekly = [fact for fact in facts if not fact.date and _WEEKDAY.search(fact.value)]
    if not question.is_past:
        weekly = [fact for fact in facts if not fact.ended_on and _WEEKDAY.search(fact.value)]
    if weekly and (question.says(r"\bday\b") or not question.is_past):
        weekdays = [day for fact in weekly for day in _WEEKDAY.findall(fact.value)]
        named = _joined([day.removesuffix("s") for day in weekdays])
        return f"{named} ({_joined([fact.value for fact in weekly])})", weekly
    in_force = [fact for fact in facts if not fact.ended_on] or facts
    if question.is_past and all(fact.date for fact in facts):
        in_force = facts  # what is over began on a day, too
    # A birthday is told as a value, and its date is that of a correction.
    if telling := [fact for fact in in_force if fact.attribute in _TIMELESS]:
        return _joined([fact.value for fact in telling]), telling
    in_force = [fact for fact in in_force if fact.date or not _is_dated_by(fact, in_force)]
    # That it was said on a day tells when it was, but not when it will be.
    days = [(fact.day if question.is_past else fact.date, fact) for fact in in_force]
    dated = [(day, fact) for day, fact in days if day]
    if not dated:
        telling = [fact for fact in in_force if _TELLS_DAY.search(fact.value)]
        return _list(telling) if telling else None
    if len({day for day, _ in dated}) > 1 and len({fact.value for _, fact in dated}) > 1:
        lines = [f"{spoken_iso(day)} ({fact.value})" for day, fact in dated[:_MOST_ITEMS]]
        return _joined(lines), [fact for _, fact in dated[:_MOST_ITEMS]]
    return _joined([spoken_iso(day) for day, _ in dated]), [fact for _, fact in dated]


def _is_dated_by(fact: DatedFact, others: Sequence[DatedFact]) -> bool:
    """Whether a fact with a date says the same in fewer or more words: "dog", "Rufa, a dog"."""
    telling = set(telling_words(fact.value))
    of_others = [set(telling_words(other.value)) for other in others if other.date]
    return any(
        telling <= words_of_other or words_of_other <= telling for words_of_other in of_others
    )


def _yes_or_no(
    question: FactQuestion, facts: Sequence[DatedFact], today: str
) -> tuple[str, Sources] | None:
    mentioned = [
        fact
        for fact in facts
        if any(is_among(word, forms_of(words(fact.value))) for word in question.telling)
    ]
    fact = (mentioned or [*facts])[-1]
    is_of_end = any(are_forms(word, fact.attribute.split("_")[0]) for word in words(question.text))
    if fact.attribute in ENDINGS and not question.is_past and not is_of_end:
        return f"No, not any more: {ENDINGS[fact.attribute]} {_with_date(fact)}", [fact]
    is_over = not (question.is_past or question.span or _is_current(fact, today))
    is_denial = fact.attribute in _DENIALS or bool(_NEGATED.search(fact.value))
    if _NEGATION.search(question.text):  # yes and no may both mean either
        if is_denial and is_over:
            return f"No, not any more: {fact.value} until {spoken_iso(fact.ended_on)}", [fact]
        if len(fact.value.split()) == 1:
            return None  # "meat" tells neither
        return _with_date(fact), [fact]
    if is_denial and not question.is_past:
        if is_over:
            return f"Yes, again: {fact.value} until {spoken_iso(fact.ended_on)}", [fact]
        return f"No: {_with_date(fact)}", [fact]
    if not is_over:
        return f"Yes: {_with_date(fact)}", [fact]
    return f"No, not any more: {fact.value} until {spoken_iso(fact.ended_on)}", [fact]


def _list(facts: Sequence[DatedFact]) -> tuple[str, Sources]:
    """The values, newest last; by subject where there are several."""
    values: dict[str, dict[str, DatedFact]] = {}
    for fact in facts:
        values.setdefault(fact.subject, {})[fact.value.lower()] = fact
    listed = [fact for by_value in values.values() for fact in by_value.values()][:_MOST_ITEMS]
    if len(listed) == 1:
        return _with_date(listed[0]), listed
    if len(values) == 1:
        return _joined([fact.value for fact in listed]), listed
    return _by_subject(listed)


def _since(fact: DatedFact) -> str:
    since = f", since {spoken_iso(fact.date)}" if fact.date else ""
    until = f", until {spoken_iso(fact.ended_on)}" if fact.ended_on else ""
    return f"{fact.value}{since}{until}"


def _with_date(fact: DatedFact) -> str:
    return f"{fact.value}, {spoken_iso(fact.date)}" if fact.date else fact.value


def _joined(items: Sequence[str]) -> str:
    separator = "; " if any("," in item for item in items) else ", "
    return separator.join(dict.fromkeys(items))


def length_between(first: str, last: str) -> str:
    """The time between two ISO dates, as exact as both: "2 years and 3 months", "5 days".

    "" where the last lies before the first.
    """
    exact = min(len(first), len(last))
    if exact < len("2025-01"):
        years = int(last[:4]) - int(first[:4])
        return _counted(years, "year") if years > 0 else ""
    months = 12 * (int(last[:4]) - int(first[:4])) + int(last[5:7]) - int(first[5:7])
    if exact >= len("2025-01-01"):
        # A span of a question may end on the 31st of any month.
        last_day = date.fromisoformat(f"{last[:7]}-{min(int(last[8:10]), 28):02}")
        days = (last_day - date.fromisoformat(first[:10])).days + max(int(last[8:10]) - 28, 0)
        if days < 0:
            return ""
        if days < 14:
            return _counted(days, "day")
        if days < 60:
            return _counted(days // 7, "week") if days % 7 == 0 else _counted(days, "day")
        months -= int(last[8:10]) < int(first[8:10])
        if 0 < months < _EXACT_MONTHS:
            days = (last_day - _months_later(first, months)).days + max(int(last[8:10]) - 28, 0)
            tail = f" and {_counted(days, 'day')}" if days else ""
            return f"{_counted(months, 'month')}{tail}"
    if months < 1:
        return ""
    years, months = divmod(months, 12)
    parts = [_counted(n, unit) for n, unit in ((years, "year"), (months, "month")) if n]
    return " and ".join(parts)


def _months_later(day: str, months: int) -> date:
    years, month = divmod(int(day[5:7]) - 1 + months, 12)
    return date(int(day[:4]) + years, month + 1, min(int(day[8:10]), 28)) + timedelta(
        days=max(int(day[8:10]) - 28, 0)
    )


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'s' if count != 1 else ''}"
