"""How a little model stores: it quotes what a turn tells, and code turns that into facts.

A row is a run of words of one sentence, cut in three. Anything else is left out, and so is anything
stored already. So its rows add to a memory, and do not end or replace facts that templates or
people stored.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dspy.utils.exceptions import AdapterParseError

from memory.errors import SqlError
from memory.evidence.messages import has_statement, is_evidence
from memory.facts.related import known_facts
from memory.facts.window_writes import WindowWriter
from memory.models.row_grammar import (
    MARKS,
    Word,
    is_speaker,
    spoken_text,
    stated_sentences,
    subjects,
)
from memory.program.digest import StoreTurns, WindowContext, stored_window
from memory.program.fact_checks import dated
from memory.program.signatures.brief import EXAMPLES_OF_ROWS
from memory.records import Fact, Turn
from memory.sql import quoted
from memory.sql.refused_parts import RefusedPartError
from memory.store import Store
from memory.store.fact_reads import by_template, facts_now_about
from memory.store.vocabulary_edits import vocabulary_of
from memory.text.dates import resolve_dates
from memory.text.word_forms import telling_words
from memory.text.words import words
from memory.vocabulary.entities import as_spoken, key, relation_named, relation_words

_RELATED = 40  # facts that a turn may say again
_USES_OF_A_WORD = 10  # turns
_MOST_ROWS = 6  # of a turn
# A computed date is in brackets after the words that mean it.
_DATE = re.compile(r"^\((\d{4}(?:-\d\d){0,2}(?:/\d{4}(?:-\d\d){0,2})?)\)")
_WORDS_BEFORE_DATE = 3  # "Porto next month (2011-05)", if the row ends with Porto
_APOSTROPHE = re.compile("['\u2019]")
_TIMES = {"ll": "will", "d": "would"}


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

    A turn is shown by itself. Returns as StoreTurns; `unsaid` counts the rows left out, `left_out`
    (Counter) counts them by reason.
    """

    plain_examples = EXAMPLES_OF_ROWS

    def __init__(self) -> None:
        super().__init__("brief")
        self.predict.demos = [*self.plain_examples]

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        facts: list[Fact] = []
        left_out: Counter[str] = Counter()
        calls = 0
        for turn in context.turns:
            line = shown_turn(turn)
            if not line:
                continue
            calls += 1
            try:
                with self._traced():
                    rows = str(self._predicted(turn=line).rows or "")
            except AdapterParseError:
                continue
            facts += _new_facts(rows_in(rows), turn, writer, facts, left_out)
        return {**_written(facts, writer, calls, left_out), "left_out": left_out}

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        return dated(fact, turn)


def shown_turn(turn: Turn) -> str:
    """A turn as the model is shown it; "" for a question, a greeting, thanks: it is not asked."""
    text = spoken_text(turn.text)
    return f"{turn.speaker}: {text}" if is_evidence(text) and has_statement(text) else ""


def _written(
    facts: Sequence[Fact], writer: WindowWriter, calls: int, left_out: Counter[str]
) -> dict[str, Any]:
    """The window with the facts that the store accepts."""
    unsaid = left_out.total()
    sql = insert_of(facts)
    if not sql:
        return stored_window(writer.write_checked(()), calls=calls, unsaid=unsaid)
    try:
        change, not_stored = writer.write(sql)
    except RefusedPartError as error:
        change = writer.write_checked(error.without)
        return stored_window(change, sql=sql, calls=calls, refused=str(error), unsaid=unsaid)
    except SqlError as error:
        change = writer.write_checked(())
        return stored_window(
            change, sql=sql, calls=calls, refused=str(error), unsaid=unsaid + len(facts)
        )
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
    writer: WindowWriter,
    written: Sequence[Fact],
    left_out: Counter[str],
) -> list[Fact]:
    """A turn's rows as facts, if the turn says them and no stored fact does.

    The others are counted in `left_out` by reason.
    """
    if not rows:
        return []
    store = writer.store
    vocabulary = vocabulary_of(store)
    stated = [state.fact for state in store.facts_of_turns([turn.id])]
    standing = [*stated, *known_facts(store, [f"{turn.speaker}: {turn.text}"], _RELATED), *written]
    facts: list[Fact] = []
    for row in rows:
        fact = quoted_fact(row, turn, store)
        if isinstance(fact, str):
            left_out[fact] += 1
            continue
        known = vocabulary.canonical(fact.attribute)
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


def quoted_fact(row: Row, turn: Turn, store: Store) -> Fact | str:
    """The fact that a row quotes from a turn, or why it is not one."""
    text = resolve_dates(spoken_text(turn.text), turn.said_at, iso=True, spans=True)
    cells = [_bare(cell) for cell in (row.subject, row.attribute, row.value)]
    if not all(cells):
        return "not the turn's words"
    by_speaker = cells[0] in (_bare(turn.speaker), ["i"])
    for sentence in stated_sentences(text):
        # A computed date is not a word of the turn.
        plain = [word for word in sentence if not _DATE.match(word.token)]
        found = _place_of(cells, plain, by_speaker)
        if found is not None:
            break
    else:
        return "not the turn's words"
    start, subject = found
    end = start + len(subject) + len(cells[1]) + len(cells[2])
    who = turn.speaker if is_speaker(subject) else subject_of(row.subject, turn)
    attribute = _attribute(row.attribute, subject)
    value = plain[end - len(cells[2]) : end]
    if not who or not attribute or not telling_words(row.value) or is_speaker(value[:1]):
        return "says nothing"
    if relation_words().addressed & {word.head for word in plain[start:end]}:
        return "to the other person"
    if start == 0 and len(subject) == 1 and who != turn.speaker and _is_word(who, store):
        return "about nobody named"
    day = _day_of(sentence, plain, start, end)
    return Fact(who, attribute, row.value.strip(MARKS), happened_on=day, turn_id=turn.id)


def _place_of(
    cells: Sequence[Sequence[str]], sentence: Sequence[Word], by_speaker: bool
) -> tuple[int, Sequence[Word]] | None:
    """Where a row begins in a sentence, and its subject there: "I" for the speaker's name."""
    bare = [word.bare.casefold() for word in sentence]
    rest = [*cells[1], *cells[2]]
    for at in range(len(sentence)):
        for subject in subjects(sentence, at):
            end = at + len(subject)
            is_whose = is_speaker(subject) if by_speaker else False
            if bare[end : end + len(rest)] == rest and (is_whose or bare[at:end] == cells[0]):
                return at, subject
    return None


def _is_word(name: str, store: Store) -> bool:
    """Whether a sentence's first word is usually lower case: "Books" is not a name."""
    word = key(name)
    hits = store.search(word, k=_USES_OF_A_WORD)
    return any(word in re.findall(r"\w+", store.turn(hit.turn_id).text) for hit in hits)


def _bare(cell: str) -> list[str]:
    return [bare for word in cell.casefold().split() if (bare := word.strip(MARKS))]


def subject_of(subject: str, turn: Turn) -> str:
    """Who a row is about: Ella for "my sister Ella", "Tom's cat" for "my cat"."""
    names = subject.split()
    if key(names[0]) in relation_words().possessives:
        for n in range(2, len(names)):
            if relation_named(names[n - 1]) and names[n][:1].isupper():
                return " ".join(names[n:])
    spoken = as_spoken(subject, turn.speaker)
    return str(spoken or "").removeprefix("the ").removeprefix("The ")


def _attribute(attribute: str, subject: Sequence[Word]) -> str:
    """The words between a subject and a value, with the tense in "I'll" and "I'd"."""
    ending = _APOSTROPHE.split(subject[-1].bare.casefold())[1:]
    before = " ".join(_TIMES.get(part, "") for part in ending)
    return "_".join(words(f"{before} {_APOSTROPHE.sub('', attribute)}"))


def _day_of(sentence: Sequence[Word], plain: Sequence[Word], start: int, end: int) -> str:
    """The date computed for a run of words: inside it, or next to it in its sentence."""
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
