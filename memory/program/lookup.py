"""Questions in plain forms, answered from the state of a person's facts."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memory.evidence.lines import in_words
from memory.evidence.messages import is_evidence
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.facts.latest_word import latest_words, with_latest
from memory.facts.state import FactState, Person, state_of_person
from memory.records import Hit, Rows
from memory.search.word_matches import examples_of_kind
from memory.store import Store
from memory.store.statement_file import as_select
from memory.store.turns.turn_reads import speakers_named
from memory.text.dates import MONTHS, is_iso_date
from memory.text.words import forms_of, is_among, telling_words, words
from memory.vocabulary import Attribute, Kind, Vocabulary
from memory.vocabulary.entities import is_relative, spellings
from memory.vocabulary.templates import Question, question_templates_of, whom
from memory.vocabulary.templates.date_phrases import days_of
from memory.vocabulary.templates.forms import fits, is_closed
from memory.vocabulary.templates.words import language_words

_SINGULAR = frozenset({"is", "was"})  # "What is my sister called?" asks for one
_NEAR = 5  # turns beside the facts' own that a list is compared with
_MOST_LISTED = 12  # values: a longer list is not an answer


@dataclass(frozen=True)
class RowsAnswer:
    """An answer that rows of facts decide, the turns behind them, and what found them."""

    text: str
    turn_ids: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]


_Answer = tuple[str, Sequence[FactState]]  # a text, and the facts that it is based on


def look_up(
    question: UserQuestion, reader: MemoryReader, hits: Sequence[Hit] = ()
) -> RowsAnswer | None:
    """The answer to a question in the form of a template, None for any other question.

    Also None if no fact has the subject and the attribute, if the facts are about two people with
    one name, or if they do not say what the question asks for: a day, a number. The first of a
    person's current facts answer a question for everything known of them. `hits` are of the ranking
    of the question, where it is known already.
    """
    vocabulary = reader.vocabulary()
    today = question.today[:10]
    questions = question_templates_of(vocabulary).read(question.text, today or reader.store.today)
    for group in _groups(questions):
        person = _person(group[0].who, question.asker, reader)
        if person is None:
            continue
        names = list(dict.fromkeys(n for one in group for n in _names(one.attribute, vocabulary)))
        # "Where does Anna live?" may be about another Anna; "Where do I live?" is not.
        is_named = group[0].who.casefold() == person.name.casefold()
        is_asker = person.name == question.asker and not is_named
        known = state_of_person(reader.store, person, names, today, is_asker=is_asker)
        states = _ranked(known.states)
        answer = _answer(group[0], states, vocabulary) if states else None
        if answer:
            asks_for_one = not _SINGULAR.isdisjoint(words(question.text))
            is_of_many = not asks_for_one and _is_of_many(group[0], answer, vocabulary)
            attribute = vocabulary.canonical(group[0].attribute)
            if is_of_many and _more_is_near(
                question, person, attribute, names, states, reader, hits
            ):
                answer = f"at least {answer[0]}", answer[1]
            text, turn_ids = _with_latest(answer, group[0], reader.store, today)
            return RowsAnswer(text, turn_ids, (known.sql,), (known.rows,))
    # "Who is my wife?" asks for her name, not for what is known of her.
    names = [name for one in questions for name in _names(one.attribute, vocabulary)]
    asks_for_relative = any(map(is_relative, names)) or any(one.who for one in questions)
    return None if asks_for_relative else _known_of_one(question, reader)


def _is_of_many(question: Question, answer: _Answer, vocabulary: Vocabulary) -> bool:
    """Whether an answer lists or counts what may be more than the facts say."""
    if question.kind in ("date", "first", "last") or question.value or question.date:
        return False
    sources = answer[1]
    return _kind(sources, vocabulary) != "one value" and all(
        state.is_current or state.fact.happened_on for state in sources
    )


def _more_is_near(
    question: UserQuestion,
    person: Person,
    attribute: Attribute | None,
    names: Sequence[str],
    states: Sequence[FactState],
    reader: MemoryReader,
    hits: Sequence[Hit],
) -> bool:
    """Whether a near turn of the person speaks of what is asked for, and no fact is of it.

    It has a value that the attribute may have ("Greek"), else a word of the question or attribute,
    or of their kind, and no word of a known value.
    """
    most = len(states) + _NEAR
    hits = hits or reader.search(question.ranked_text, most)
    covered = {state.fact.turn_id for state in states}
    near = [hit.turn_id for hit in hits[:most] if hit.turn_id not in covered]
    asked = {*telling_words(question.text)}
    asked |= {word for name in names for word in telling_words(name.replace("_", " "))}
    forms = forms_of(asked | {word for kind in asked for word in examples_of_kind(kind)})
    form = attribute.form if attribute and is_closed(attribute.form) else ""
    known = forms_of(word for state in states for word in telling_words(state.fact.value))
    return any(
        turn.speaker == person.name
        and turn.kind == "message"
        and is_evidence(turn.text)
        and any(fits(word, form) if form else is_among(word, forms) for word in words(turn.text))
        and not any(is_among(word, known) for word in words(turn.text))
        for turn in reader.turns_by_id(near, missing_ok=True)
    )


def _with_latest(
    answer: _Answer, question: Question, store: Store, today: str
) -> tuple[str, tuple[int, ...]]:
    """The answer with the latest words on its facts, and the turns of both.

    A question for a day of the past is answered by what was true then.
    """
    text, sources = answer
    current = [] if question.date else [state for state in sources if state.is_current]
    latest = latest_words(store, [state.fact for state in current], today)
    turn_ids = [state.fact.turn_id for state in sources]
    for state in current:
        if word := latest.get(state.fact.id):
            turn_ids.append(word.turn.id)
            day = spoken(word.turn.said_at[:10]) if is_iso_date(word.turn.said_at[:10]) else ""
            if word.value and len(sources) == 1:
                said = f", said {day}" if day else ""
                text = f"{word.value}{said}; before that {state.fact.value}"
            else:
                text = f"{text}; later{f', {day}' if day else ''}: {word.quotation}"
    return text, tuple(dict.fromkeys(turn_ids))


def _known_of_one(question: UserQuestion, reader: MemoryReader) -> RowsAnswer | None:
    """What is known of a person or thing, if a question asks for that."""
    facts = (reader.overview(question) or ())[:_MOST_LISTED]
    if not facts:
        return None
    columns = ("id", "subject", "attribute", "value", "happened_on", "ended_on", "turn_id")
    rows = Rows(columns, tuple(tuple(getattr(fact, name) for name in columns) for fact in facts))
    sql = as_select("facts_by_id", {"fact_ids": [fact.id for fact in facts]})
    latest = latest_words(reader.store, facts, question.today[:10])
    texts, turn_ids = [], []
    for fact in facts:
        word = latest.get(fact.id)
        texts.append(with_latest(in_words(fact.attribute, fact.value), word))
        turn_ids += [fact.turn_id, *([word.turn.id] if word else [])]
    return RowsAnswer("; ".join(texts), tuple(dict.fromkeys(turn_ids)), (sql,), (rows,))


def _person(who: str, asker: str, reader: MemoryReader) -> Person | None:
    """The person that a question is about; Mum is the speaker of that name, if there is one."""
    if is_relative(who):
        for speaker in speakers_named(reader.store, spellings([who])):
            return Person(speaker)
    somebody = whom(who, asker)
    if somebody is None:
        return None
    owner, _, relation = somebody.subject.rpartition("'s ")
    is_unnamed_relative = somebody.relation and not somebody.name and owner
    return Person(somebody.subject, *((owner, relation) if is_unnamed_relative else ()))


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


def _ranked(states: Sequence[FactState]) -> list[FactState]:
    """The facts in the order they began; what others say only where the person says nothing."""
    own = [state for state in states if state.is_own]
    return sorted(own or states, key=lambda state: (state.since, state.fact.id))


def _kind(states: Sequence[FactState], vocabulary: Vocabulary) -> Kind:
    """The kind of the attributes of some facts; "many" if it is unknown or they differ."""
    names = {state.fact.attribute for state in states}
    kinds = {attribute.kind for name in names if (attribute := vocabulary.canonical(name))}
    return kinds.pop() if len(kinds) == 1 else "many"


# --- what facts say -------------------------------------------------------------------------------


def _answer(
    question: Question, states: Sequence[FactState], vocabulary: Vocabulary
) -> _Answer | None:
    kind = _kind(states, vocabulary)
    if question.value:
        # "A dog" shares a word with "my dog", and has no name.
        states = [
            state
            for state in states
            if _has_words(state.fact.value, question.value)
            and (question.kind != "value" or not _has_words(question.value, state.fact.value))
        ]
    if question.date:
        first, last = days_of(question.date)
        if kind == "event":
            states = [s for s in states if s.began and first[: len(s.began)] <= s.began <= last]
        else:
            states = [s for s in states if s.was_true and s.is_true_in(first, last)]
    if not states:
        return None
    if question.kind == "date":
        return _when(states, kind)
    if question.kind == "count":
        return _count(states, kind, vocabulary)
    if question.kind in ("first", "last"):
        return _first_or_last(states, question.kind == "first")
    if kind == "event":
        open_ones = [state for state in states if not state.fact.ended_on]
        return _list(open_ones, dated=True) if open_ones else _none_any_more(states[-1])
    if question.date:
        return _joined([_period(state) for state in states]), states
    current = [state for state in states if state.is_current]
    if not current:
        return _none_any_more(states[-1])
    return _state(states, current) if kind == "one value" else _list(current)


def _state(states: Sequence[FactState], current: Sequence[FactState]) -> _Answer | None:
    """A state with one value: the current one, since when, and what was before."""
    if len({state.fact.value.casefold() for state in current}) > 1:
        return None  # there is no telling which
    newest = current[-1]
    before = [
        state
        for state in states
        if state not in current
        and state.was_true
        and state.fact.value.casefold() != newest.fact.value.casefold()
    ]
    if before and before[-1].since <= newest.since:
        return f"{_period(newest)}; before that {before[-1].fact.value}", [newest, before[-1]]
    return _period(newest), [newest]


def _period(state: FactState) -> str:
    """`Oslo, since May 2023, until February 2024`, as far as the days were said."""
    since = f", since {spoken(state.began)}" if state.began else ""
    until = f", until {spoken(state.until)}" if state.until and not state.is_current else ""
    return f"{state.fact.value}{since}{until}"


def _none_any_more(last: FactState) -> _Answer:
    if not last.was_true:
        return f"none; {last.fact.value} no longer holds", [last]
    until = f" until {spoken(last.until)}" if last.until else ""
    return f"none any more; {last.fact.value}{until}", [last]


def _list(states: Sequence[FactState], dated: bool = False) -> _Answer | None:
    """The values, each once; None if they are too many for an answer."""
    listed = [*{state.fact.value.casefold(): state for state in states}.values()]
    if not 0 < len(listed) <= _MOST_LISTED:
        return None
    texts = [
        f"{state.fact.value}, {spoken(state.began)}" if dated and state.began else state.fact.value
        for state in listed
    ]
    return _joined(texts), listed


def _count(states: Sequence[FactState], kind: Kind, vocabulary: Vocabulary) -> _Answer | None:
    """The number of current things, or of events; their list alone if it may be one or another."""
    if kind == "one value":
        return None
    if kind == "event":
        listed = _list([state for state in states if not state.fact.ended_on])
        number = sum(_number_of_things(state.fact.value) for state in listed[1]) if listed else None
    else:
        current = sorted((s for s in states if s.is_current), key=lambda s: s.fact.turn_id)
        names = {name for s in current for name in vocabulary.names_of(s.fact.attribute)}
        counted, number = _things(current, names)
        listed = _list(counted)
    if listed is None:
        return None
    text, sources = listed
    return (text if number is None or text == str(number) else f"{number} ({text})"), sources


def _things(states: Sequence[FactState], names: set[str]) -> tuple[list[FactState], int | None]:
    """The values that name things, each once, and how many things these are.

    A number of what the attribute's `names` say is of them all: "two sons" are of "three kids".

    The newest number of a kind counts ("two kids", "three kids"), and a name is that of what bears
    it elsewhere ("Miso", "a cat called Miso"). No number is known if a name may be one of a kind's:
    "two cats" and "Miso".
    """
    kinds: dict[frozenset[str], FactState] = {}
    named: dict[frozenset[str], FactState] = {}
    for state in states:  # in the order they were said
        value = state.fact.value
        telling = telling_words(value)
        nouns = frozenset(word for word in telling if not _is_number(word))
        first = next(iter(words(value)), "")
        is_name = nouns & _capitals(value) or (first in telling and not _is_number(first))
        if is_name and _number(value) == 1:
            named[frozenset(telling)] = state
        else:  # "a cat", "two cats"
            alike = (known for known in kinds if _are_same(known, nouns) or known | nouns <= names)
            kinds.pop(next(alike, nouns), None)
            kinds[nouns] = state
    bare = {thing for thing, state in named.items() if thing <= _capitals(state.fact.value)}
    for name in [*bare]:
        if any(name < thing for thing in named):
            bare.remove(name)
            del named[name]
    number = len(named)
    of_all = [_number(state.fact.value) for nouns, state in kinds.items() if nouns <= names]
    for nouns, state in kinds.items():
        if nouns <= names:
            continue
        of_kind = sum(all(is_among(noun, forms_of(thing)) for noun in nouns) for thing in named)
        number += max(_number(state.fact.value) - of_kind, 0)
    number = max(number, *of_all, 0)
    counted = {state.fact.id for state in (*kinds.values(), *named.values())}
    things = [state for state in states if state.fact.id in counted]
    return things, None if kinds and bare else number


def _are_same(nouns: Collection[str], second: Collection[str]) -> bool:
    """Whether words are the same ones in any form: "kid" and "kids"."""
    forms = forms_of(second)
    return len(nouns) == len(second) and all(is_among(noun, forms) for noun in nouns)


def _first_or_last(states: Sequence[FactState], is_first: bool) -> _Answer | None:
    """The value of the first or the last day, if only one is of that day."""
    dated = [state for state in states if state.began]
    if not dated:
        return None
    day = (min if is_first else max)(state.began for state in dated)
    of_day = [state for state in dated if state.began == day]
    less_exact = [s for s in dated if s.began != day and s.began.startswith(day)]
    if len(of_day) > 1 or less_exact:
        return None
    return f"{of_day[0].fact.value}, {spoken(day)}", of_day


def _when(states: Sequence[FactState], kind: Kind) -> _Answer | None:
    """The day of an event, or on which the current state began."""
    if kind != "event":
        states = [state for state in states if state.is_current] or states[-1:]
    dated = [state for state in states if state.began]
    days = list(dict.fromkeys(spoken(state.began) for state in dated))
    if not days or len(dated) < len(states) or (kind != "event" and len(days) > 1):
        return None
    return _joined(days), dated


def _has_words(value: str, wanted: str) -> bool:
    """Whether a value has all words of another: "Bergen, Norway" has all of "Bergen"."""
    return {*(telling_words(wanted) or words(wanted))} <= {*words(value)}


def _capitals(value: str) -> set[str]:
    """The words of a value that begin with a capital letter."""
    tokens = [token for token in value.split() if token != token.lower()]
    return {word for token in tokens for word in words(token) if not _is_number(word)}


def _is_number(word: str) -> bool:
    return word.isdecimal() or word in language_words().numbers


def _number(value: str) -> int:
    """The number that a value begins with, else one."""
    first = value.partition(" ")[0].casefold()
    return int(first) if first.isdecimal() else language_words().numbers.get(first, 1)


def _number_of_things(value: str) -> int:
    """The number that a value begins with, one for a title: "two films", but "Two Ferries"."""
    is_title = value[:1].isupper() or value.partition(" ")[2][:1].isupper()
    return 1 if is_title else _number(value)


def _joined(texts: Sequence[str]) -> str:
    separator = "; " if any("," in text for text in texts) else ", "
    return separator.join(dict.fromkeys(texts))


def spoken(iso: str) -> str:
    """An ISO date or span as people say it: `3 May 2020`, `May 2020`, `2020 to 2021`."""
    first, _, last = iso.partition("/")
    if last:
        return f"{spoken(first)} to {spoken(last)}"
    year, *rest = iso.split("-")
    month = [MONTHS[int(rest[0]) - 1].capitalize()] if rest else []
    day = [str(int(rest[1]))] if len(rest) > 1 else []
    return " ".join([*day, *month, year])
