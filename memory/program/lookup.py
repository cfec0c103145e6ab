"""Questions in plain forms, answered from rows: one SELECT over a subject and an attribute."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.errors import SqlError
from memory.evidence.lines import in_words
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.records import Rows
from memory.sql import quoted
from memory.store.fact_reads import current_among, facts_by_id
from memory.store.turn_reads import speakers_named
from memory.text.dates import MONTHS, is_iso_date
from memory.text.word_forms import telling_words
from memory.text.words import words
from memory.vocabulary import Kind, Vocabulary
from memory.vocabulary.entities import is_relative, key, spellings
from memory.vocabulary.templates import Question, question_templates_of, whom
from memory.vocabulary.templates.date_phrases import days_of
from memory.vocabulary.templates.matching import Somebody
from memory.vocabulary.templates.words import language_words

_COLUMNS = (
    *("id", "subject", "attribute", "value", "happened_on", "ended_on", "turn_id"),
    *("entity", "said_at"),
)
_MOST_ROWS = 100
_MOST_LISTED = 12  # values: a longer list is not an answer


@dataclass(frozen=True)
class RowsAnswer:
    """An answer that rows of facts decide, the turns behind them, and what found them."""

    text: str
    turn_ids: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]


@dataclass(frozen=True)
class _DatedFact:
    """A row: a value, the days (ISO or "") between which it is true, and when it was said."""

    value: str
    start: str
    end: str
    turn_id: int
    said_on: str
    number: int

    @property
    def order(self) -> tuple[str, int]:
        """Facts in the order they began, as far as known."""
        return self.start or self.said_on, self.number

    def holds_on(self, day: str) -> bool:
        return not self.end or self.end > day[: len(self.end)]

    def holds_in(self, first: str, last: str) -> bool:
        """Whether it was true on a day of a span; not if it began later, or no one knows when."""
        has_begun = (self.start or self.said_on) <= last or bool(self.end)
        return has_begun and (not self.end or self.end >= first[: len(self.end)])

    @property
    def period(self) -> str:
        since = f", since {spoken(self.start)}" if self.start else ""
        until = f", until {spoken(self.end)}" if self.end else ""
        return f"{self.value}{since}{until}"


_Found = tuple[str, Sequence[_DatedFact]]  # an answer, and the facts that it is based on


def look_up(question: UserQuestion, reader: MemoryReader) -> RowsAnswer | None:
    """The answer to a question in the form of a template, None for any other question.

    Also None if no row has the subject and the attribute, if the rows are about two people with one
    name, or if they do not say what the question asks for: a day, a number. The first of a person's
    current facts answer a question for all that is known of them.
    """
    if answer := _known_of_one(question, reader):
        return answer
    vocabulary = reader.vocabulary()
    today = question.today[:10] or date.today().isoformat()
    questions = question_templates_of(vocabulary).read(question.text, today)
    for group in _groups(questions):
        try:
            somebody = _whom(group[0].who, question.asker, reader)
        except SqlError:
            return None
        if somebody is None:
            continue
        names = list(dict.fromkeys(n for one in group for n in _names(one.attribute, vocabulary)))
        sql = _select(somebody, names, question.asker, vocabulary)
        try:
            rows = reader.read(sql)
            facts = _facts_of_one(rows)
            kind = _kind(rows, vocabulary)
            if not question.today:  # turns may be dated after this machine's clock
                today = max([today, *(fact.said_on for fact in facts)])
            facts = _with_ends_of_replaced(facts, kind, today, reader)
        except SqlError:  # several memories at once, or too slow
            return None
        found = _answer(group[0], facts, kind, today) if facts else None
        if found:
            text, sources = found
            turn_ids = tuple(dict.fromkeys(fact.turn_id for fact in sources))
            return RowsAnswer(text, turn_ids, (sql,), (rows,))
    return None


def _known_of_one(question: UserQuestion, reader: MemoryReader) -> RowsAnswer | None:
    """What is known of a person or thing, if a question asks for that."""
    facts = (reader.overview(question) or ())[:_MOST_LISTED]
    if not facts:
        return None
    ids = ", ".join(str(fact.id) for fact in facts)
    columns = ", ".join(_COLUMNS[:-1])
    sql = f"SELECT {columns} FROM facts\nWHERE id IN ({ids}) LIMIT {_MOST_ROWS}"
    try:
        rows = reader.read(sql)
    except SqlError:  # several memories at once, or too slow
        return None
    text = "; ".join(in_words(fact.attribute, fact.value) for fact in facts)
    return RowsAnswer(text, tuple(dict.fromkeys(fact.turn_id for fact in facts)), (sql,), (rows,))


def _whom(who: str, asker: str, reader: MemoryReader) -> Somebody | None:
    """The person that a question is about; Mum is the speaker of that name, if there is one."""
    if is_relative(who):
        for speaker in speakers_named(reader.store, spellings([who])):
            return Somebody(speaker)
    return whom(who, asker)


def _groups(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Readings of a question that differ only in the attribute: "wife" and "married_to"."""
    groups: dict[tuple[bool, str, str, str, str], list[Question]] = {}
    for one in questions:
        is_named = "{attribute}" in one.template
        alike = (is_named, one.kind, one.who, one.value, one.date)
        groups.setdefault(alike, []).append(one)
    yield from groups.values()


def _names(attribute: str, vocabulary: Vocabulary) -> list[str]:
    """All names of an attribute; if only facts have it, the ways to write it."""
    written = attribute.casefold()
    spaced = [written.replace(" ", mark) for mark in (" ", "_", "-", "")]
    return [*vocabulary.names_of(attribute), *spaced]


# --- the SELECT -----------------------------------------------------------------------------------


def _select(somebody: Somebody, names: Sequence[str], asker: str, vocabulary: Vocabulary) -> str:
    columns = ", ".join(f"f.{column}" for column in _COLUMNS[:-1])
    conditions = " OR ".join(_is_about(somebody, asker, vocabulary))
    return (
        f"SELECT {columns}, t.said_at FROM facts f JOIN turns t ON t.id = f.turn_id\n"
        f"WHERE f.attribute IN ({_listed(names)})\n"
        f"  AND ({conditions})\n"
        f"ORDER BY f.id LIMIT {_MOST_ROWS}"
    )


def _is_about(somebody: Somebody, asker: str, vocabulary: Vocabulary) -> Iterator[str]:
    """Conditions for facts about someone: by name, by another name, by their relation to others."""
    name = _spelled(somebody.subject)
    yield f"lower(f.subject) IN ({name})"
    yield f"lower(f.entity) IN ({name})"
    yield f"f.entity IN (SELECT a.entity FROM aliases a WHERE lower(a.name) IN ({name}))"
    owner, _, relation = somebody.subject.rpartition("'s ")
    if not somebody.relation or somebody.name or not owner:
        return
    mine = quoted(f"my {relation}")
    yield (
        "f.entity IN (SELECT a.entity FROM aliases a JOIN turns s ON s.id = a.turn_id"
        f" WHERE lower(s.speaker) IN ({_spelled(owner)}) AND lower(a.name) = {mine})"
    )
    known = vocabulary.canonical(relation) or vocabulary.canonical(f"has_{relation}")
    if known:
        yield (
            "f.entity IN (SELECT r.value_entity FROM facts r"
            f" WHERE lower(r.subject) IN ({_spelled(owner)})"
            f" AND r.attribute IN ({_listed(known.names)}) AND r.ended_on IS NULL)"
        )


def _spelled(*names: str) -> str:
    return _listed(spellings(names))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(quoted, dict.fromkeys(texts)))


def _facts_of_one(rows: Rows) -> list[_DatedFact]:
    """The facts, in order; none if they are about several people, or too many."""
    facts = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    people = {key(str(fact["entity"] or fact["subject"])) for fact in facts}
    if len(people) != 1 or rows.truncated or len(facts) >= _MOST_ROWS:
        return []
    dated = [
        _DatedFact(
            value=str(fact["value"]),
            start=_day(str(fact["happened_on"] or "").partition("/")[0]),
            end=_day(str(fact["ended_on"] or "")),
            turn_id=int(fact["turn_id"]),
            said_on=_day(str(fact["said_at"] or "")[:10]),
            number=int(fact["id"]),
        )
        for fact in facts
    ]
    return sorted(dated, key=lambda fact: fact.order)


def _with_ends_of_replaced(
    facts: list[_DatedFact], kind: Kind, today: str, reader: MemoryReader
) -> list[_DatedFact]:
    """The facts; if an attribute with one value has several current ones, all but the newest end.

    A model may store a new value and not end the old one. `facts_now` knows the latest.
    """
    current = [fact for fact in facts if fact.holds_on(today)]
    if kind != "one value" or len({fact.value.casefold() for fact in current}) < 2:
        return facts
    facts_there = facts_by_id(reader.store, [fact.number for fact in current])
    said_last = {(fact.id, fact.value) for fact in current_among(reader.store, facts_there)}
    newest = [fact for fact in current if (fact.number, fact.value) in said_last]
    if len(newest) != 1:
        return facts
    end = newest[0].start or newest[0].said_on or today
    return [
        replace(fact, end=end) if fact in current and fact not in newest else fact for fact in facts
    ]


def _day(text: str) -> str:
    return text if is_iso_date(text) else ""


def _kind(rows: Rows, vocabulary: Vocabulary) -> Kind:
    """The kind of the attributes of some rows; "many" if it is unknown or they differ."""
    names = {row[rows.columns.index("attribute")] for row in rows.rows}
    kinds = {attribute.kind for name in names if (attribute := vocabulary.canonical(name))}
    return kinds.pop() if len(kinds) == 1 else "many"


# --- what rows say --------------------------------------------------------------------------------


def _answer(
    question: Question, facts: Sequence[_DatedFact], kind: Kind, today: str
) -> _Found | None:
    if question.value:
        # "A dog" shares a word with "my dog", and has no name.
        facts = [
            fact
            for fact in facts
            if _has_words(fact.value, question.value)
            and (question.kind != "value" or not _has_words(question.value, fact.value))
        ]
    if question.date:
        first, last = days_of(question.date)
        if kind == "event":
            facts = [fact for fact in facts if fact.start and _is_in(fact.start, first, last)]
        else:
            facts = [fact for fact in facts if fact.holds_in(first, last)]
    if not facts:
        return None
    if question.kind == "date":
        return _when(facts, kind, today)
    if question.kind == "count":
        return _count(facts, kind, today)
    if question.kind in ("first", "last"):
        return _first_or_last(facts, question.kind == "first")
    if kind == "event":
        open_ones = [fact for fact in facts if not fact.end]
        return _list(open_ones, dated=True) if open_ones else _none_any_more(facts[-1])
    if question.date:
        return _joined([fact.period for fact in facts]), facts
    return _state(facts, today) if kind == "one value" else _current_list(facts, today)


def _state(facts: Sequence[_DatedFact], today: str) -> _Found | None:
    """A state with one value: the current one, since when, and what was before."""
    current = [fact for fact in facts if fact.holds_on(today)]
    if len({fact.value.casefold() for fact in current}) > 1:
        return None  # there is no telling which
    over = [fact for fact in facts if fact not in current]
    if not current:
        return _none_any_more(over[-1])
    newest = current[-1]
    before = [fact for fact in over if fact.value.casefold() != newest.value.casefold()]
    if before and before[-1].order <= newest.order:
        return f"{newest.period}; before that {before[-1].value}", [newest, before[-1]]
    return newest.period, [newest]


def _current_list(facts: Sequence[_DatedFact], today: str) -> _Found | None:
    current = [fact for fact in facts if fact.holds_on(today)]
    if not current:
        return _none_any_more(facts[-1])
    return _list(current)


def _none_any_more(last: _DatedFact) -> _Found:
    until = f" until {spoken(last.end)}" if last.end else ""
    return f"none any more; {last.value}{until}", [last]


def _list(facts: Sequence[_DatedFact], dated: bool = False) -> _Found | None:
    """The values, each once; None if they are too many for an answer."""
    by_value = {fact.value.casefold(): fact for fact in facts}
    if not 0 < len(by_value) <= _MOST_LISTED:
        return None
    listed = list(by_value.values())
    texts = [
        f"{fact.value}, {spoken(fact.start)}" if dated and fact.start else fact.value
        for fact in listed
    ]
    return _joined(texts), listed


def _count(facts: Sequence[_DatedFact], kind: Kind, today: str) -> _Found | None:
    """The number of current values, or of events; "two cats" are two."""
    counted = [
        fact for fact in facts if (not fact.end if kind == "event" else fact.holds_on(today))
    ]
    listed = _list(counted)
    if listed is None or kind == "one value":
        return None
    text, sources = listed
    number = sum(_number(fact.value) for fact in sources)
    return (text if text == str(number) else f"{number} ({text})"), sources


def _first_or_last(facts: Sequence[_DatedFact], is_first: bool) -> _Found | None:
    """The value of the first or the last day, if only one is of that day."""
    facts = [fact for fact in facts if fact.start]
    if not facts:
        return None
    day = (min if is_first else max)(fact.start for fact in facts)
    of_day = [fact for fact in facts if fact.start == day]
    others = [fact for fact in facts if fact.start != day and fact.start.startswith(day)]
    if len(of_day) > 1 or others:
        return None
    return f"{of_day[0].value}, {spoken(day)}", of_day


def _when(facts: Sequence[_DatedFact], kind: Kind, today: str) -> _Found | None:
    """The day of an event, or on which the current state began."""
    if kind != "event":
        facts = [fact for fact in facts if fact.holds_on(today)] or facts[-1:]
    dated = [fact for fact in facts if fact.start]
    days = list(dict.fromkeys(spoken(fact.start) for fact in dated))
    if not days or len(dated) < len(facts) or (kind != "event" and len(days) > 1):
        return None
    return _joined(days), dated


def _has_words(value: str, wanted: str) -> bool:
    """Whether a value has all words of another: "Bergen, Norway" has all of "Bergen"."""
    return {*(telling_words(wanted) or words(wanted))} <= {*words(value)}


def _number(value: str) -> int:
    """The number that a value begins with, else one."""
    first = value.partition(" ")[0].casefold()
    return int(first) if first.isdecimal() else language_words().numbers.get(first, 1)


def _is_in(day: str, first: str, last: str) -> bool:
    return first[: len(day)] <= day <= last


def _joined(texts: Sequence[str]) -> str:
    separator = "; " if any("," in text for text in texts) else ", "
    return separator.join(dict.fromkeys(texts))


def spoken(iso: str) -> str:
    """An ISO date as people say it: `3 May 2020`, `May 2020`, `2020`."""
    year, *rest = iso.split("-")
    month = [MONTHS[int(rest[0]) - 1].capitalize()] if rest else []
    day = [str(int(rest[1]))] if len(rest) > 1 else []
    return " ".join([*day, *month, year])
