"""Conversations with gold rows: for each turn every statement worth a fact, as `data/rows` has it.

The format is LoCoMo's with one field more, `rows`: by `dia_id` the `facts` of a turn, `other` words
that are true and not worth a row, and the hard `forms` that it is in. A turn without an entry says
nothing to store. A fact has a `row` (subject | attribute | value, word for word where the turn says
it so), `words` (a stored fact has one of them), other `subjects` that it may have, and the `day`
that it happened, if the turn says so. Without a `day`, the program's own reading of relative dates
computes it from the row ("last Friday") and the turn's date. In `data/writers` an attribute is a
name (`works_as`), and `said` are the turn's words for the statement.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter

from locomo.dataset.fields import Name, Text, checked
from locomo.dataset.format import Conversation, files_of, parse_conversation, read_records
from memory import InputError
from memory.text import resolve_dates


@dataclass(frozen=True)
class GoldRow:
    """A statement of a turn: its row, words that show it, and the subjects that it may have.

    `day` is ISO text, as exact as the turn says it, or "". `said` are the turn's words, "" where
    the row has them.
    """

    row: str
    words: tuple[str, ...]
    subjects: tuple[str, ...]
    day: str = ""
    said: str = ""

    @property
    def parts(self) -> tuple[str, str, str]:
        """Subject, attribute and value."""
        subject, _, said = self.row.partition(" | ")
        attribute, _, value = said.partition(" | ")
        return subject, attribute, value


@dataclass(frozen=True)
class GoldTurn:
    """What a turn says: statements to store, and words of what is true and not worth a fact.

    `forms` are the hard forms of the sentence, such as "pronoun" or "negation".
    """

    facts: tuple[GoldRow, ...] = ()
    other: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


NOTHING_SAID = GoldTurn()
_VALIDATION = "validation"
_COMPUTED_DAY = re.compile(r"\((\d{4}(?:-\d\d){0,2})\)")


@dataclass(frozen=True)
class GoldRows:
    """A conversation, and what its turns say, by the turn's source (`D1:3`)."""

    conversation: Conversation
    turns: Mapping[str, GoldTurn]

    def of(self, source: str) -> GoldTurn:
        """What a turn says."""
        return self.turns.get(source, NOTHING_SAID)


class _RawFact(BaseModel):
    row: Name
    words: list[Name] = Field(min_length=1)
    subjects: list[Name] = []
    day: Annotated[str, Field(pattern=r"^(\d{4}(-\d\d){0,2})?$")] = ""
    said: Text = ""


class _RawTurn(BaseModel):
    facts: list[_RawFact] = []
    other: list[Name] = []
    forms: list[Text] = []


class _RawRows(BaseModel):
    rows: dict[str, _RawTurn] = {}


_ROWS = TypeAdapter(_RawRows)


def load_gold_rows(path: Path) -> list[GoldRows]:
    """The conversations of a file or folder that have gold rows, in the files' order.

    Raises InputError for anything unusable, naming the file, the conversation and the field, and
    for words that their turn does not say.
    """
    return [
        gold_rows(record, f"{file}, conversation {number}")
        for file in files_of(path)
        for number, record in enumerate(read_records(file), 1)
        if "rows" in record
    ]


def rows_by_conversation(data: Path) -> dict[str, GoldRows]:
    """The gold rows of a file, or of a folder and its subfolder `validation`, by conversation."""
    golds = load_gold_rows(data)
    if (data / _VALIDATION).is_dir():
        golds += load_gold_rows(data / _VALIDATION)
    return {gold.conversation.id: gold for gold in golds}


def gold_rows(record: dict[str, object], where: str) -> GoldRows:
    """A record of a file with its gold rows; an InputError's message begins with `where`."""
    conversation = parse_conversation(record, where)
    raw = checked(_ROWS, record, where=where)
    texts = {turn.source: turn.text.casefold() for turn in conversation.turns}
    said_at = {turn.source: turn.said_at for turn in conversation.turns}
    for source, turn in raw.rows.items():
        if source not in texts:
            raise InputError(f"{where}, field rows.{source}: no turn has this dia_id")
        for word in _words(turn):
            if word.casefold() not in texts[source]:
                raise InputError(f"{where}, field rows.{source}: the turn does not say {word!r}")
    turns = {
        source: GoldTurn(
            tuple(
                GoldRow(
                    fact.row,
                    tuple(fact.words),
                    tuple(fact.subjects or [_subject(fact.row)]),
                    fact.day or _day(fact.row, said_at[source]),
                    fact.said,
                )
                for fact in turn.facts
            ),
            tuple(turn.other),
            tuple(turn.forms),
        )
        for source, turn in raw.rows.items()
    }
    return GoldRows(conversation, turns)


def _words(turn: _RawTurn) -> Sequence[str]:
    of_facts = [word for fact in turn.facts for word in (*fact.words, fact.said)]
    return [*of_facts, *turn.other]


def _day(row: str, said_at: str) -> str:
    """The day, month or year that the relative date in a row means; "" for none or several."""
    days = {*_COMPUTED_DAY.findall(resolve_dates(row, said_at, iso=True))}
    return days.pop() if len(days) == 1 else ""


def _subject(row: str) -> str:
    return row.partition(" | ")[0]
