"""How a little model retrieves and answers: code makes SQL and sources of its lines."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import SqlError
from memory.evidence.layout import Evidence
from memory.evidence.lines import CATALOG_TOKENS
from memory.evidence.messages import abstains, is_evidence, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.models.brief_prompts import NONE, SHAPES, catalog_names
from memory.models.model_errors import NOTHING
from memory.program.answer import AnswerQuestion
from memory.program.answer_sources import likely_source
from memory.program.look import NO_LOOK
from memory.program.lookup import RowsAnswer
from memory.program.prompted import question_text
from memory.program.repairs import with_repairs
from memory.program.retrieve import RetrieveRows, no_rows
from memory.program.support import is_by_named, supported_part
from memory.records import ABSTAIN, Hit, Rows, Turn
from memory.sql import quoted
from memory.text.dates import is_iso_date
from memory.text.words import words
from memory.vocabulary.entities import key, relation_words

_CHOICE_CALLS = 2  # of the model for one question: where nothing is found, it is asked once more
_MOST_ATTRIBUTES = 3
_MOST_ROWS_SHOWN = 30
_COLUMNS = "turn_id, subject, attribute, value, happened_on, ended_on"


@dataclass(frozen=True)
class Choice:
    """What a model chose to look up: a shape, a subject, attributes, and a date for "at"."""

    shape: str
    subject: str
    attributes: tuple[str, ...]
    day: str = ""

    def select(self) -> str:
        """The SELECT that finds it."""
        where = [
            f"lower(subject) = {quoted(self.subject.lower())}",
            f"attribute IN ({', '.join(map(quoted, self.attributes))})",
        ]
        table = "facts_now" if self.shape == "now" else "facts"
        order = "happened_on"
        limit = _MOST_ROWS_SHOWN
        if self.shape == "at" and self.day:
            day = quoted(self.day)
            where.append(f"(happened_on IS NULL OR happened_on <= {day})")
            where.append(f"(ended_on IS NULL OR ended_on > {day})")
        if self.shape in ("first", "last"):
            where.append("happened_on IS NOT NULL")
            limit = 3
        if self.shape == "last":
            order = "happened_on DESC"
        conditions = "\n  AND ".join(where)
        return f"SELECT {_COLUMNS} FROM {table}\nWHERE {conditions}\nORDER BY {order} LIMIT {limit}"


def choice_in(text: str, catalog: str) -> Choice | None:
    """The choice that a model wrote; None for none. Raises SqlError for one that is none."""
    line = next(iter(text.strip().splitlines()), "")
    if not line or line.casefold().startswith(NONE):
        return None
    cells = [cell.strip() for cell in line.split("|")]
    subjects, known = catalog_names(catalog)
    by_key = {key(name): name for name in subjects}
    if len(cells) < 3 or cells[0] not in SHAPES or key(cells[1]) not in by_key:
        raise SqlError("write: shape | subject of the catalog | attributes of the catalog")
    attributes = [name.strip() for name in cells[2].split(",")]
    attributes = [name for name in dict.fromkeys(attributes) if name in known][:_MOST_ATTRIBUTES]
    if not attributes:
        raise SqlError(f"the catalog has no attribute {cells[2]}")
    day = cells[3] if len(cells) > 3 and is_iso_date(cells[3]) else ""
    return Choice(cells[0], by_key[key(cells[1])], tuple(attributes), day)


class ChooseRows(RetrieveRows):
    """Brings up the rows that a model chose by a shape, a subject and attributes of the catalog.

    The SELECT is written by code. Where it finds nothing, the model is asked once more.
    """

    def __init__(self) -> None:
        super().__init__("brief")

    def forward(
        self, question: UserQuestion, reader: MemoryReader, refused: str = ""
    ) -> dspy.Prediction:
        """As RetrieveRows; of "how many" the count decides (`decided`)."""
        catalog = reader.catalog(CATALOG_TOKENS)
        text = question_text(question, self.prompts)

        def ask(feedback: str) -> str:
            prediction = self._predicted(catalog=catalog, question=text, feedback=feedback)
            return str(prediction.choice or "")

        def run(choice_text: str) -> dict[str, Any]:
            choice = choice_in(choice_text, catalog)
            if choice is None:
                return {}
            sql = choice.select()
            rows = reader.read(sql)
            if not rows.rows:
                raise SqlError("nothing is stored of that; choose other attributes, or none")
            return {"sql": [sql], "rows": [rows], "decided": _counted(choice, sql, rows)}

        brought: dict[str, Any] = {}
        error = ""
        try:
            with self._traced():
                brought, _, refusals = with_repairs(ask, run, refused, calls=_CHOICE_CALLS)
            calls = len(refusals) + 1
        except SqlError as last:
            error, refusals = str(last), list(last.refusals)
            calls = len(refusals)
        asked = {"calls": calls, "error": error, "refusals": refusals}
        return dspy.Prediction(**{**no_rows(), **asked, **brought})


def _counted(choice: Choice, sql: str, rows: Rows) -> RowsAnswer | None:
    """The number of different values, where that was asked for and all rows are there."""
    if choice.shape != "count" or rows.truncated or len(rows.rows) >= _MOST_ROWS_SHOWN:
        return None
    at = {name: rows.columns.index(name) for name in ("value", "turn_id")}
    values = {tuple(words(str(row[at["value"]]))) for row in rows.rows}
    turn_ids = dict.fromkeys(int(row[at["turn_id"]]) for row in rows.rows)
    return RowsAnswer(str(len(values)), tuple(turn_ids), (sql,), (rows,))


class AnswerBriefly(AnswerQuestion):
    """Answers in a few words; which turns say so is found by code, and whether they may."""

    def __init__(self) -> None:
        super().__init__("brief")

    def forward(
        self,
        question: UserQuestion,
        evidence: Evidence,
        *,
        hits: Sequence[Hit] = (),
        reader: MemoryReader | None = None,
        **_: Any,
    ) -> dspy.Prediction:
        """As AnswerQuestion. What only another person says of themselves is an abstention."""
        try:
            with self._traced():
                prediction = self._predicted(
                    memory=evidence.text, question=question_text(question, self.prompts)
                )
            answer = str(prediction.answer or "").strip()
        except AdapterParseError:
            answer = ""
        if not answer:
            return _answered("", [], unusable=NOTHING)
        if abstains(answer):
            return _answered(answer, [])
        sources = _sources(answer, evidence, hits, reader)
        if reader and _is_of_another(sources, question, hits, reader):
            return _answered(ABSTAIN, [])
        return _answered(answer, [turn.id for turn in sources])


def _answered(answer: str, turns: list[int], unusable: str = "") -> dspy.Prediction:
    return dspy.Prediction(
        answer=answer,
        turns=turns,
        cites=turns,
        calls=1,
        unusable=unusable,
        logprobs=None,
        look=NO_LOOK,
    )


def _sources(
    answer: str, evidence: Evidence, hits: Sequence[Hit], reader: MemoryReader | None
) -> list[Turn]:
    """The turns that an answer must be from: those that hold its words, else the likeliest one."""
    if reader is None:
        return []
    shown = {*evidence.turn_ids}
    ranked = [hit.turn_id for hit in hits if hit.turn_id in shown]
    ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
    turns = originals_first(
        turn for turn in reader.turns_by_id(ids, missing_ok=True) if is_evidence(turn.text)
    )
    _, sources = supported_part(answer, turns)
    if sources:
        return sources
    likely = likely_source(answer, evidence.text, evidence.turn_ids)
    return list(reader.turns_by_id(likely, missing_ok=True))


def _is_of_another(
    sources: Sequence[Turn], question: UserQuestion, hits: Sequence[Hit], reader: MemoryReader
) -> bool:
    """Whether all that an answer rests on is what others than the person asked for say of "I".

    The question has to name somebody who speaks in this memory. A turn that names one of the
    question's names, and one with a fact about them, is about them.
    """
    by_id = {turn.id: turn.speaker for turn in reader.turns_by_id([hit.turn_id for hit in hits])}
    named = {key(by_id[hit.turn_id]) for hit in hits if is_by_named(hit)}
    if not (sources and named):
        return False
    pronouns = relation_words()
    of_speaker = pronouns.speaker | pronouns.possessives
    names = {word for name in named for word in words(name)}
    names |= {key(word) for word in re.findall(r"\w+", question.text)[1:] if word[:1].isupper()}
    about = {key(fact.subject) for fact in reader.facts_from([turn.id for turn in sources])}
    return not (about & names) and all(
        key(turn.speaker) not in named
        and bool(of_speaker & {*words(turn.text)})
        and not names & {*words(turn.text)}
        for turn in sources
    )
