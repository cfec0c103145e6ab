"""How a little model stores: it quotes what a turn tells, and code turns that into facts.

A row is a run of words of one sentence, cut in three. Anything else is left out, and so is anything
stored already. So its rows add to a memory, and do not end or replace facts that templates or
people stored.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

from dspy.utils.exceptions import AdapterParseError

from memory.evidence.messages import has_statement, is_evidence, is_withdrawn
from memory.facts.related import known_facts
from memory.facts.window_writes import WindowWriter
from memory.models.brief_prompts import rows_required
from memory.models.row_grammar import (
    DOES,
    clauses_of,
    is_object,
    may_be_quoted,
    place_of,
    spoken_text,
)
from memory.models.sizes import SMALL_WINDOW
from memory.program.digest import WindowContext, WindowReading, stored_window
from memory.program.gate import StoreGate, shipped_gate
from memory.program.heart import StoreTurns
from memory.program.signatures.brief import EXAMPLES_OF_ROWS, WriteRows
from memory.records import Fact, Turn
from memory.sql import quoted
from memory.store import Store
from memory.store.facts.fact_reads import by_template, facts_now_about
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.text.dates import MONTHS, is_past_before, resolve_dates, told_days
from memory.text.sentences import MARKS, Word, stated_sentences, written
from memory.text.word_classes import (
    closed_classes,
    is_plural,
    may_be_verb,
    third_person,
)
from memory.text.words import telling_words, words
from memory.vocabulary import Attribute, Vocabulary
from memory.vocabulary.entities import (
    as_spoken,
    key,
    relation_named,
    relation_words,
    with_names,
)
from memory.vocabulary.templates.date_phrases import recent_date

ONE_TURN = WindowReading(known_tokens=0, window=1, window_tokens=SMALL_WINDOW, around=False)
_RELATED = 40  # facts that a turn may say again
_USES_OF_A_WORD = 10  # turns
_MOST_ROWS = 6  # of a turn
TURNS_BEFORE = 2  # that may name the person in a turn
# A computed date is in brackets after the words that mean it.
_DATE = re.compile(r"^\((\d{4}(?:-\d\d){0,2}(?:/\d{4}(?:-\d\d){0,2})?)\)")
_MOST_DATED = 20  # words of a clause that are read for its date
_WORDS_BEFORE_DATE = 3  # "Porto next month (2011-05)", if the row ends with Porto
_APOSTROPHE = re.compile("['\u2019]")
_TIMES = {"ll": "will", "d": "would"}
_THIRD_PERSON = {"am": "is", "are": "is", "have": "has"}


@dataclass(frozen=True)
class Row:
    """What a model quoted: who, does what, and the rest, as in the turn."""

    subject: str
    attribute: str
    value: str

    @property
    def text(self) -> str:
        """As a model writes it."""
        return f"{self.subject} | {self.attribute} | {self.value}"


class StoreRows(StoreTurns):
    """Stores what a model quotes of each turn of a window; code checks it and inserts it.

    A turn is shown by itself, if the gate takes it for a turn that says something. Returns as
    StoreTurns; `unsaid` counts the rows left out, `left_out` (Counter) counts them by reason.

    `gate`: the shipped one, or one a compile fitted; None: every turn is asked about.
    """

    plain_examples = EXAMPLES_OF_ROWS

    def __init__(self) -> None:
        super().__init__(WriteRows, ONE_TURN)
        self.gate: StoreGate | None = shipped_gate()

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        facts: list[Fact] = []
        left_out: Counter[str] = Counter()
        calls = 0
        for turn in context.turns:
            before = turns_before(writer.store, turn)
            line = shown_turn(turn, before)
            if not line:
                continue
            decision = self.gate.decision(line) if self.gate else "ask"
            if decision == "skip":
                continue
            calls += 1
            try:
                with rows_required(decision == "require"):
                    rows = str(self._predicted(turn=line).rows or "")
            except AdapterParseError:
                continue
            facts += _new_facts(rows_in(rows), turn, before, writer, facts, left_out)
        return {**_written(facts, writer, calls, left_out), "left_out": left_out}


def shown_turn(turn: Turn, before: Sequence[Turn] = ()) -> str:
    """A turn as the model is shown it; "" for what it is not asked about.

    That is a question, a greeting, thanks, and whatever its grammar has no row of.
    "He" and "she" are names where the turn or the turns before it name one person.
    """
    text = spoken_text(turn.text)
    if not (is_evidence(text) and has_statement(text)):
        return ""
    line = f"{turn.speaker}: {_named(turn, before)}"
    return line if may_be_quoted(line) else ""


def _named(turn: Turn, before: Sequence[Turn]) -> str:
    """What a turn says, with names for its pronouns."""
    sayings = [(earlier.speaker, spoken_text(earlier.text)) for earlier in before]
    return with_names(spoken_text(turn.text), turn.speaker, sayings)


def turns_before(store: Store, turn: Turn) -> list[Turn]:
    """The turns before a turn in its session that may name the person it speaks of."""
    return [
        earlier
        for earlier in store.turns(turn.id - TURNS_BEFORE, turn.id - 1)
        if earlier.session == turn.session and not is_withdrawn(earlier.text)
    ]


def _written(
    facts: Sequence[Fact], writer: WindowWriter, calls: int, left_out: Counter[str]
) -> dict[str, Any]:
    """The window with the facts that the store accepts."""
    unsaid = left_out.total()
    sql = insert_of(facts)
    if not sql:
        return stored_window(writer.finish(), calls=calls, unsaid=unsaid)
    change, not_stored = writer.write(sql)
    return stored_window(change, sql=sql, calls=calls, unsaid=unsaid + not_stored)


def rows_in(text: str) -> list[Row]:
    """The rows that a model wrote."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip(" |").split("|")]
        if len(cells) == 3 and all(cells):
            rows.append(Row(*cells))
    return rows[:_MOST_ROWS]


def insert_of(facts: Sequence[Fact]) -> str:
    """The INSERT of some facts; "" for none."""
    if not facts:
        return ""
    rows = ",\n  ".join(
        f"({', '.join(map(quoted, (f.subject, f.attribute, f.value, f.happened_on)))}, {f.turn_id})"
        for f in facts
    )
    return f"INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES\n  {rows};"


def _new_facts(
    rows: Sequence[Row],
    turn: Turn,
    before: Sequence[Turn],
    writer: WindowWriter,
    written: Sequence[Fact],
    left_out: Counter[str],
) -> list[Fact]:
    """A turn's rows as facts, and whom it names as the speaker's, if no stored fact says them.

    The others are counted in `left_out` by reason.
    """
    store = writer.store
    vocabulary = vocabulary_of(store)
    stated = [state.fact for state in store.facts_of_turns([turn.id])]
    standing = [*stated, *known_facts(store, [f"{turn.speaker}: {turn.text}"], _RELATED), *written]
    facts: list[Fact] = []
    for fact in (*(quoted_fact(row, turn, store, before) for row in rows), *relatives_in(turn)):
        if isinstance(fact, str):
            left_out[fact] += 1
            continue
        known = _known(fact.attribute, vocabulary)
        fact = replace(fact, attribute=known.name if known else fact.attribute)
        if any(_is_double(fact, old) for old in (*standing, *facts)):
            left_out["stored already"] += 1
        elif any(_is_same(fact, old) for old in stated):
            left_out["a template read it"] += 1
        elif known and known.kind == "one value" and _is_surer(fact, writer):
            left_out["a template's value stands"] += 1
        else:
            facts.append(fact)
    return facts


def _is_surer(fact: Fact, writer: WindowWriter) -> bool:
    """Whether a template read another value before this turn. Later values do not count."""
    before = [
        old.id
        for old in facts_now_about(writer.store, [fact.subject])
        if old.attribute == fact.attribute and old.turn_id <= fact.turn_id
    ]
    return bool(by_template(writer.store, before))


def quoted_fact(row: Row, turn: Turn, store: Store, before: Sequence[Turn] = ()) -> Fact | str:
    """The fact that a row quotes from a turn, or why it is not one.

    `before` are the turns before it that it was shown with.
    """
    text = _named(turn, before)
    written = (row.subject, row.attribute, row.value)
    dated_text = resolve_dates(text, turn.said_at, iso=True, spans=True)
    pairs = zip(clauses_of(text, turn.speaker), stated_sentences(dated_text), strict=False)
    places = (
        (sentence, dated_sentence, place)
        for (sentence, clauses), dated_sentence in pairs
        if (place := place_of(written, sentence, clauses))
    )
    if (first_place := next(places, None)) is None:
        return "not the turn's words"
    sentence, dated_sentence, (clause, end) = first_place
    who = turn.speaker if clause.by_speaker else subject_of(clause.subject, turn)
    value_words = sentence[end - len(row.value.split()) : end]
    attribute = _attribute(row.attribute, clause.ending, value_words)
    value = row.value.strip(MARKS)
    if is_object(value):  # "Lorraine left me"
        value = turn.speaker
    if not who or not attribute or not telling_words(value):
        return "says nothing"
    if relation_words().addressed & {word.head for word in sentence[clause.at : end]}:
        return "to the other person"
    is_first_word = (clause.at, clause.start) == (0, 1) and not clause.by_speaker
    if is_first_word and _is_word(who, store):
        return "about nobody named"
    day = _day_of(dated_sentence, clause.at, end) or _told_day(sentence, clause.at, end, turn)
    return Fact(who, attribute, value, happened_on=day, turn_id=turn.id)


def relatives_in(turn: Turn) -> list[Fact]:
    """Whom a turn names as the speaker's: Ella in "my little sister Ella plays the flute".

    No clause says so, but everyone who hears it knows it.
    """
    known = relation_words()
    facts = []
    for sentence in stated_sentences(spoken_text(turn.text)):
        for at, word in enumerate(sentence):
            if word.head not in known.possessives or word.is_last:
                continue
            noun = at + 1
            while noun < len(sentence) - 1 and sentence[noun].head in known.adjectives:
                noun += 1
            names = [*takewhile(_is_part_of_name, sentence[noun + 1 : noun + 3])]
            relation = relation_named(sentence[noun].head) if names else ""
            if relation and not sentence[noun].is_last and not sentence[noun].is_name:
                name = names[0].bare if names[0].is_last else written(names)
                attribute = f"has_{relation.replace(' ', '_').replace('-', '_')}"
                facts.append(Fact(turn.speaker, attribute, name, turn_id=turn.id))
    return facts


def _is_part_of_name(word: Word) -> bool:
    return word.is_name and not word.ending and word.head not in closed_classes().pronouns


def _is_word(name: str, store: Store) -> bool:
    """Whether a sentence's first word is usually lower case: "Books" is not a name."""
    word = key(name)
    if not is_plural(word):
        return False
    hits = store.search(word, k=_USES_OF_A_WORD)
    return any(word in re.findall(r"\w+", store.turn(hit.turn_id).text) for hit in hits)


def subject_of(subject: str, turn: Turn) -> str:
    """Who a row is about: Ella for "my sister Ella", "Tom's cat" for "my cat"."""
    names = subject.split()
    if key(names[0]) in relation_words().possessives:
        for n in range(2, len(names)):
            if relation_named(names[n - 1]) and names[n][:1].isupper():
                return " ".join(names[n:])
    spoken = as_spoken(subject, turn.speaker)
    return str(spoken or "").removeprefix("the ").removeprefix("The ")


def _attribute(attribute: str, ending: str, value: Sequence[Word]) -> str:
    """The words between a subject and a value, with the tense in "I'll" and "I'd".

    A predicate without an object is called by its verb: "my dog | died | died".
    """
    spoken = words(f"{_TIMES.get(ending, '')} {_APOSTROPHE.sub('', attribute)}")
    if spoken == [DOES]:
        verbs = [word.head for word in value if may_be_verb(word.head)]
        main = [verb for verb in verbs if verb not in closed_classes().auxiliaries]
        spoken = (main or verbs or spoken)[:1]
    return "_".join(spoken)


def _known(attribute: str, vocabulary: Vocabulary) -> Attribute | None:
    """The attribute of the vocabulary that a quoted one means: lives_in for "just live in".

    Without adverbs before its verb, and in the third person, as the vocabulary writes states.
    """
    if known := vocabulary.canonical(attribute):
        return known
    parts = attribute.split("_")
    while len(parts) > 1 and not may_be_verb(parts[0]):
        parts = parts[1:]
    first = _THIRD_PERSON.get(parts[0]) or third_person(parts[0])
    return vocabulary.canonical("_".join(parts)) or vocabulary.canonical(
        "_".join([first, *parts[1:]])
    )


def _day_of(sentence: Sequence[Word], start: int, end: int) -> str:
    """The date computed for a run of words: inside it, or next to it in its sentence."""
    plain = [word for word in sentence if not _DATE.match(word.token)]
    days = []
    seen = 0
    for word in sentence:
        if not (match := _DATE.match(word.token)):
            seen += 1
        elif start <= seen <= end + _WORDS_BEFORE_DATE and not any(
            between.is_last for between in plain[end - 1 : seen]
        ):
            days.append(match[1])
    return days[0] if len({*days}) == 1 else ""


def _told_day(sentence: Sequence[Word], start: int, end: int, turn: Turn) -> str:
    """The day or month without its year that a run of words names, or the words right after it:
    "on the 2nd of March", "since May"; "" for none and for several."""
    while end < len(sentence) and end - start < _MOST_DATED and not sentence[end - 1].is_last:
        end += 1
    # A row is one clause, so what "and" joins in it are things: "Salt and Ashes".
    run = " ".join("&" if word.head == "and" else word.token for word in sentence[start:end])
    days = told_days(run, turn.said_at)
    if not days:
        return _told_month(sentence[start:end], turn)
    first, last = days[0]
    if len(days) > 1:
        return ""
    return first.isoformat() if first == last else f"{first.isoformat()}/{last.isoformat()}"


def _told_month(run: Sequence[Word], turn: Turn) -> str:
    """The month of the last half year that words name: "in May", "since May"."""
    months = [
        f"in {word.head}"
        for before, word in pairwise(run)
        if word.head in MONTHS and before.head in ("in", "since")
    ]
    is_past = is_past_before(" ".join(word.token for word in run)) or "since" in (
        word.head for word in run
    )
    return recent_date(months[0], turn.said_at) if len(months) == 1 and is_past else ""


def _is_same(fact: Fact, old: Fact) -> bool:
    """Whether two facts share subject and attribute, or subject and value."""
    if key(fact.subject) != key(old.subject):
        return False
    return fact.attribute == old.attribute or words(fact.value) == words(old.value)


def _is_double(fact: Fact, old: Fact) -> bool:
    return (
        key(fact.subject) == key(old.subject)
        and fact.attribute == old.attribute
        and telling_words(fact.value) == telling_words(old.value)
    )
