"""Questions that SQL answers, made from gold rows, and what stored facts answer to them.

Each question is one SELECT: what, who, when, a list, a count, the first or last of several, what
happened on a day, everything said of someone, and who is spoken of. It runs on the gold
rows and on what was stored, and the two answers are compared. No model answers and none judges.
A wrong answer costs half of what a right one earns: without that, a copied sentence, which holds
the answer and more, earned more than what a model stored.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from locomo.dataset.rows import GoldRow, GoldTurn
from locomo.metrics import f1, in_one_spelling
from locomo.tasks.row_score import has_word, is_same_attribute, is_same_day, score_rows
from memory import Fact, Turn
from memory.program import subject_of
from memory.vocabulary.entities import key

Kind = Literal[
    "what", "who", "when", "list", "count", "first", "last", "on a day", "about", "of whom"
]
# From this F1 on an item of an answer is right, as for answers elsewhere (rewards.RIGHT).
_RIGHT = 0.5
WRONG_COST = 0.5
_TABLE = """CREATE TABLE facts
    (number INTEGER, subject TEXT, attribute TEXT, value TEXT, happened_on TEXT, said_at TEXT)"""
_OF = "subject IN (SELECT value FROM json_each(:names)) AND same_attribute(attribute, :attribute)"
_ORDER = "coalesce(nullif(happened_on, ''), said_at)"
_SELECTS: Mapping[Kind, str] = {
    "what": f"SELECT DISTINCT value FROM facts WHERE {_OF}",
    "list": f"SELECT DISTINCT value FROM facts WHERE {_OF}",
    "count": f"SELECT count(DISTINCT value) FROM facts WHERE {_OF} HAVING count(*)",
    "first": f"SELECT value FROM facts WHERE {_OF} ORDER BY {_ORDER}, number LIMIT 1",
    "last": f"SELECT value FROM facts WHERE {_OF} ORDER BY {_ORDER} DESC, number DESC LIMIT 1",
    "who": "SELECT DISTINCT subject FROM facts"
    " WHERE same_attribute(attribute, :attribute) AND says(value, :word)",
    "when": f"SELECT DISTINCT happened_on FROM facts WHERE {_OF} AND says(value, :word)"
    " AND happened_on != ''",
    "on a day": "SELECT attribute || ' ' || value FROM facts"
    " WHERE subject IN (SELECT value FROM json_each(:names)) AND same_day(happened_on, :day)",
    "about": "SELECT attribute || ' ' || value FROM facts"
    " WHERE subject IN (SELECT value FROM json_each(:names))",
    "of whom": "SELECT DISTINCT subject FROM facts",
}


@dataclass(frozen=True)
class RowQuestion:
    """A question of one kind, with what its SELECT is given, and the gold answer's items.

    `names` are the names that its subject may have, as JSON.
    """

    kind: Kind
    names: str = "[]"
    attribute: str = ""
    word: str = ""
    day: str = ""
    answer: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, str]:
        """What the SELECT is given."""
        return {
            "names": self.names,
            "attribute": self.attribute,
            "word": self.word,
            "day": self.day,
        }

    @property
    def sql(self) -> str:
        """The canonical SELECT."""
        return _SELECTS[self.kind]


@dataclass(frozen=True)
class QuestionAnswered:
    """What stored facts answer to a question; `likeness`, 0 to 1, to gold's answer."""

    question: RowQuestion
    answer: tuple[str, ...]
    likeness: float

    @property
    def score(self) -> float:
        """The likeness, less WRONG_COST for a wrong answer: -WRONG_COST to 1."""
        return self.likeness - WRONG_COST * self.is_wrong

    @property
    def is_right(self) -> bool:
        """Whether at least half of it is right."""
        return self.likeness >= _RIGHT

    @property
    def is_wrong(self) -> bool:
        """Whether something is answered, and less than half of it is right."""
        return bool(self.answer) and not self.is_right


@dataclass(frozen=True)
class StoredOf:
    """A turn, what it says, and the facts that were stored of it."""

    turn: Turn
    gold: GoldTurn
    facts: tuple[Fact, ...]


def use_score(stored: StoredOf) -> float:
    """How well one turn's facts answer its questions, -WRONG_COST to 1.

    Of small talk it is 1 if nothing is stored that counts, else 0.
    """
    answered = answered_by([stored])
    if answered:
        return fmean(question.score for question in answered)
    return score_rows(stored.gold, stored.turn, stored.facts).score


def answered_by(turns: Sequence[StoredOf]) -> list[QuestionAnswered]:
    """The questions that the gold rows of some turns of a conversation answer, answered by what was
    stored of these turns."""
    names = _Names(turns)
    with closing(_database()) as gold, closing(_database()) as stored:
        _insert(gold, _gold_rows(turns))
        _insert(stored, _stored_rows(turns))
        return [
            QuestionAnswered(question, answer, _likeness(question, answer))
            for question in _questions(turns, names, gold)
            for answer in [_run(stored, question)]
        ]


class _Names:
    """By each first name of a subject all names that gold rows give it."""

    def __init__(self, turns: Sequence[StoredOf]) -> None:
        self._of: dict[str, set[str]] = defaultdict(set)
        for stored in turns:
            for row in stored.gold.facts:
                self._of[subject_key(row, stored.turn)] |= names_of(row, stored.turn)

    def json(self, subject: str) -> str:
        """All names of a subject as JSON."""
        return json.dumps(sorted(self._of[subject]), ensure_ascii=False)


def subject_key(row: GoldRow, turn: Turn) -> str:
    """The first name that a statement's subject has."""
    return _name(row.subjects[0], turn)


def names_of(row: GoldRow, turn: Turn) -> set[str]:
    """Every name that a statement's subject may have."""
    return {_name(name, turn) for name in row.subjects}


def _name(name: str, turn: Turn) -> str:
    return key(subject_of(name, turn) or name)


def _gold_rows(turns: Iterable[StoredOf]) -> Iterator[tuple[str, ...]]:
    for stored in turns:
        for row in stored.gold.facts:
            _, attribute, value = row.parts
            yield subject_key(row, stored.turn), attribute, value, row.day, stored.turn.said_at


def _stored_rows(turns: Iterable[StoredOf]) -> Iterator[tuple[str, ...]]:
    for stored in turns:
        for fact in stored.facts:
            if not _is_extra(fact, stored):
                said = stored.turn.said_at
                subject = _name(fact.subject, stored.turn)
                attribute = fact.attribute.replace("_", " ")
                yield subject, attribute, fact.value, fact.happened_on, said


def _is_extra(fact: Fact, stored: StoredOf) -> bool:
    """Whether a fact is true and not worth a row: it answers no question, and spoils none."""
    score = score_rows(stored.gold, stored.turn, [fact])
    return not score.counted


def _questions(
    turns: Sequence[StoredOf], names: _Names, gold: sqlite3.Connection
) -> Iterator[RowQuestion]:
    """The questions of all kinds whose answers follow from the gold rows, each once."""
    asked = dict.fromkeys(
        question for stored in turns for question in _questions_of(stored, names, gold)
    )
    if asked:
        asked[RowQuestion("of whom")] = None
    for question in asked:
        yield RowQuestion(question.kind, **question.arguments, answer=_run(gold, question))


def _questions_of(
    stored: StoredOf, names: _Names, gold: sqlite3.Connection
) -> Iterator[RowQuestion]:
    for row in stored.gold.facts:
        of = names.json(subject_key(row, stored.turn))
        attribute = row.parts[1]
        word = row.words[0]
        what = RowQuestion("what", of, attribute)
        if len(_run(gold, what)) == 1:
            yield what
        else:
            several: tuple[Kind, ...] = ("list", "count", "first", "last")
            yield from (RowQuestion(kind, of, attribute) for kind in several)
        if has_word(row.parts[2], word):
            yield RowQuestion("who", attribute=attribute, word=word)
            if row.day:
                yield RowQuestion("when", of, attribute, word)
        if row.day:
            yield RowQuestion("on a day", of, day=row.day)
        yield RowQuestion("about", of)


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    functions: dict[str, Callable[[str, str], bool]] = {
        "same_attribute": is_same_attribute,
        "says": has_word,
        "same_day": is_same_day,
    }
    for name, function in functions.items():
        connection.create_function(name, 2, function, deterministic=True)
    connection.execute(_TABLE)
    return connection


def _insert(connection: sqlite3.Connection, rows: Iterable[tuple[str, ...]]) -> None:
    numbered = [(number, *row) for number, row in enumerate(rows)]
    connection.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)", numbered)


def _run(connection: sqlite3.Connection, question: RowQuestion) -> tuple[str, ...]:
    rows = connection.execute(question.sql, question.arguments)
    return tuple(str(value) for (value,) in rows if value not in (None, ""))


def _likeness(question: RowQuestion, answer: Sequence[str]) -> float:
    """How much of two answers is the same: F1 over their items, each compared by its words."""
    wanted = question.answer
    if not answer or not wanted:
        return 0.0
    match question.kind:
        case "count":
            return float(answer[0] == wanted[0])
        case "who" | "of whom":
            same = float((Counter(answer) & Counter(wanted)).total())
        case "when":
            return float(any(is_same_day(a, b) for a in answer for b in wanted)) / len(answer)
        case _:
            same = _shared_items(answer, wanted)
    return 2 * same / (len(answer) + len(wanted))


def _shared_items(answer: Sequence[str], wanted: Sequence[str]) -> float:
    """The sum of the F1 of items, one to one; an item that is less than half right counts 0."""
    from scipy.optimize import linear_sum_assignment  # takes a second

    likeness = np.array([[_item_f1(a, b) for b in wanted] for a in answer])
    rows, columns = linear_sum_assignment(-likeness)
    return float(likeness[rows, columns].sum())


def _item_f1(a: str, b: str) -> float:
    score = f1(in_one_spelling(a), in_one_spelling(b))
    return score if score >= _RIGHT else 0.0
