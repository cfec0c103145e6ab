"""How a little model retrieves and answers: code turns its lines into SQL and sources."""

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
from memory.models.brief_prompts import SHAPES, asked_catalog, asked_facts
from memory.models.model_errors import NOTHING
from memory.models.row_grammar import NONE
from memory.program.answer import AnswerQuestion
from memory.program.answer_sources import likely_source
from memory.program.look import NO_LOOK
from memory.program.lookup import RowsAnswer
from memory.program.prompted import question_text
from memory.program.repairs import with_repairs
from memory.program.retrieve import RetrieveRows, no_rows
from memory.program.signatures.brief import EXAMPLES_OF_ANSWERS, EXAMPLES_OF_CHOICES
from memory.program.support import is_by_named, supported_part
from memory.records import ABSTAIN, Hit, Rows, Turn
from memory.search.question import named_dates
from memory.sql import quoted
from memory.text.dates import COUNT, MONTHS
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.text.words import STOP_WORDS, words
from memory.vocabulary import Vocabulary
from memory.vocabulary.entities import key, relation_words
from memory.vocabulary.templates.date_phrases import days_of

# Words of an answer that no turn need have: computed ones, and words that tell no thing.
_NEED_NOT_BE_SAID = {
    *MONTHS,
    *COUNT,
    *("yes", "likely", "probably", "perhaps", "maybe", "since", "ago", "still", "currently"),
}
_CHOICE_CALLS = 2  # of the model for one question: if nothing is found, it is asked once more
_MOST_ATTRIBUTES = 3
_MOST_ROWS_SHOWN = 30
# "Thanks, Maria!" and "Hey Tom, ..." speak to a person, not about one.
_PART = re.compile(r"[^,.!?;:\n]+")
_LONGEST_ADDRESS = 2  # words
# What has no date of its own is dated by its turn.
_DAY = "COALESCE(happened_on, (SELECT said_at FROM turns WHERE turns.id = turn_id))"
_COLUMNS = "turn_id, subject, attribute, value, happened_on, ended_on"


@dataclass(frozen=True)
class Choice:
    """What to look up: a shape and attributes that a model chose, of some subjects.

    `days` are the first and the last day (ISO) that a question names, ("", "") for none; if all
    attributes are `events`, the SELECT looks for what happened then, else for what was true then.
    """

    shape: str
    subjects: tuple[str, ...]
    attributes: tuple[str, ...]
    days: tuple[str, str] = ("", "")
    events: bool = False

    def select(self) -> str:
        """The SELECT that finds it."""
        where = [
            f"lower(subject) IN ({_listed([subject.lower() for subject in self.subjects])})",
            f"attribute IN ({_listed(self.attributes)})",
        ]
        first, last = self.days
        if first and self.events:
            where.append(f"happened_on >= {_cut(first, 'happened_on')}")
            where.append(f"happened_on <= {quoted(last)}")
        elif first:
            where.append(f"(happened_on IS NULL OR happened_on <= {quoted(last)})")
            where.append(f"(ended_on IS NULL OR ended_on >= {_cut(first, 'ended_on')})")
        is_of_today = self.shape == "now" and not first
        limit = _MOST_ROWS_SHOWN
        if self.shape in ("first", "last"):
            limit = 3
        conditions = "\n  AND ".join(where)
        return (
            f"SELECT {_COLUMNS} FROM {'facts_now' if is_of_today else 'facts'}\n"
            f"WHERE {conditions}\n"
            f"ORDER BY {_DAY if self.shape in ('first', 'last') else 'happened_on'}"
            f"{' DESC' if self.shape == 'last' else ''} LIMIT {limit}"
        )


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(quoted, texts))


def _cut(day: str, column: str) -> str:
    """A day as exact as the date in a column, which may be a month."""
    return f"substr({quoted(day)}, 1, length({column}))"


def choice_in(text: str, catalog: str, question: str, vocabulary: Vocabulary) -> Choice | None:
    """The choice that a model wrote; None for none. Raises SqlError if it is invalid."""
    line = next(iter(text.strip().splitlines()), "")
    if not line or line.casefold().startswith(NONE):
        return None
    shape, _, names = (part.strip() for part in line.partition("|"))
    subjects, known = asked_facts(catalog, question)
    chosen = dict.fromkeys(name.strip() for name in names.split(","))
    attributes = [name for name in chosen if name in known][:_MOST_ATTRIBUTES]
    if shape not in SHAPES or not attributes:
        raise SqlError("write: shape | attributes of the catalog, or none")
    of = [vocabulary.canonical(name) for name in attributes]
    kinds = {attribute.kind if attribute else "" for attribute in of}
    # Attributes not in the vocabulary, and counted ones, mostly happened: "driving lessons in May".
    events = kinds <= {"event", ""} if shape == "count" else kinds == {"event"}
    return Choice(shape, tuple(subjects), tuple(attributes), asked_days(question), events)


def asked_days(question: str) -> tuple[str, str]:
    """The first and the last day (ISO) of the dates that a question names; ("", "") for none.

    A date without a year names none.
    """
    spans = [days_of(date) for date in named_dates(question)]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else ("", "")


class ChooseRows(RetrieveRows):
    """Brings up the rows that a model chose by a shape and attributes of the catalog.

    Code takes the subjects and the dates from the question and writes the SELECT. If it finds
    nothing, the model is asked once more; if the catalog has no fact of the subjects, it is not
    asked.
    """

    plain_examples = EXAMPLES_OF_CHOICES

    def __init__(self) -> None:
        super().__init__("brief")
        self.predict.demos = [*self.plain_examples]

    def forward(
        self, question: UserQuestion, reader: MemoryReader, refused: str = ""
    ) -> dspy.Prediction:
        """As RetrieveRows; for "how many" the count decides (`decided`)."""
        text = question_text(question, self.prompts)
        catalog = asked_catalog(reader.catalog(CATALOG_TOKENS), text)
        if not catalog:
            return no_rows()

        def ask(feedback: str) -> str:
            prediction = self._predicted(catalog=catalog, question=text, feedback=feedback)
            return str(prediction.choice or "")

        def run(choice_text: str) -> dict[str, Any]:
            choice = choice_in(choice_text, catalog, text, reader.vocabulary())
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
    """The number of different values and dates, if the choice is a count and all rows are present.

    With several attributes there is no telling which of them to count.
    """
    is_of_one = choice.shape == "count" and len(choice.attributes) == 1
    if not is_of_one or rows.truncated or len(rows.rows) >= _MOST_ROWS_SHOWN:
        return None
    at = {name: rows.columns.index(name) for name in ("value", "happened_on", "turn_id")}
    different = {
        (*words(str(row[at["value"]])), str(row[at["happened_on"]] or "")) for row in rows.rows
    }
    turn_ids = dict.fromkeys(int(row[at["turn_id"]]) for row in rows.rows)
    return RowsAnswer(str(len(different)), tuple(turn_ids), (sql,), (rows,))


class AnswerBriefly(AnswerQuestion):
    """Answers in a few words; code finds which turns say so, and checks that they may."""

    plain_examples = EXAMPLES_OF_ANSWERS

    def __init__(self) -> None:
        super().__init__("brief")
        self.predict.demos = [*self.plain_examples]

    def forward(
        self,
        question: UserQuestion,
        evidence: Evidence,
        *,
        hits: Sequence[Hit] = (),
        reader: MemoryReader | None = None,
        **_: Any,
    ) -> dspy.Prediction:
        """As AnswerQuestion. It abstains if a word of the answer is not in what was shown, or if
        only another person says it of themselves.
        """
        try:
            with self._traced():
                prediction = self._predicted(
                    evidence=evidence.text, question=question_text(question, self.prompts)
                )
            answer = str(prediction.answer or "").strip()
        except AdapterParseError:
            answer = ""
        if not answer:
            return _answered("", [], unusable=NOTHING)
        if abstains(answer):
            return _answered(answer, [])
        if _has_unsaid_word(answer, question.text, evidence.text):
            return _answered(ABSTAIN, [])
        sources = _sources(answer, question.text, evidence, hits, reader)
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


def _has_unsaid_word(answer: str, question: str, memory: str) -> bool:
    """Whether an answer has a telling word that neither the question nor the memory shown has.

    Of 62 answers of a model of 1.5 billion parameters four had one, all wrong. Numbers and dates
    may be computed, and only English words are known to tell nothing.
    """
    asked = words(question)
    said = forms_of([*asked, *words(memory)])
    return not STOP_WORDS.isdisjoint(asked) and any(
        not is_among(word, said)
        for word in telling_words(answer, _NEED_NOT_BE_SAID)
        if not word[0].isdigit()
    )


def _sources(
    answer: str,
    question: str,
    evidence: Evidence,
    hits: Sequence[Hit],
    reader: MemoryReader | None,
) -> list[Turn]:
    """The turns that an answer must be from: the turns with its words, else the likeliest one.

    Words of the question support nothing, unless the answer has no others.
    """
    if reader is None:
        return []
    shown = {*evidence.turn_ids}
    ranked = [hit.turn_id for hit in hits if hit.turn_id in shown]
    ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
    turns = originals_first(
        turn for turn in reader.turns_by_id(ids, missing_ok=True) if is_evidence(turn.text)
    )
    asked = forms_of(words(question))
    _, sources = supported_part(answer, turns, [w for w in words(answer) if is_among(w, asked)])
    if sources:
        return sources
    likely = likely_source(answer, question, evidence.text, evidence.turn_ids)
    return list(reader.turns_by_id(likely, missing_ok=True))


def _is_of_another(
    sources: Sequence[Turn], question: UserQuestion, hits: Sequence[Hit], reader: MemoryReader
) -> bool:
    """Whether all sources of an answer are other people's words about themselves ("I").

    The question must name a speaker of this memory. A turn that mentions one of the question's
    names, or has a fact about them, is about them; a turn that only addresses them is not.
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
        and not names & _spoken_of(turn.text)
        for turn in sources
    )


def _spoken_of(text: str) -> set[str]:
    """The words of a turn without the words that address a person."""
    parts = [words(part) for part in _PART.findall(text)]
    return {word for part in parts if len(part) > _LONGEST_ADDRESS for word in part}
