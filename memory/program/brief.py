"""How a small model retrieves and answers: it chooses rows, and code says what they say.

A model of up to eight billion parameters chooses well and answers badly: over true facts it chose
what answers 36 of 40 questions, and wrote 25 right answers from these rows (the log). So it
writes an answer itself only over quotations of turns.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.errors import SqlError
from memory.evidence.lines import CATALOG_TOKENS
from memory.evidence.messages import abstains, is_evidence, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.models.brief_prompts import SHAPES, asked_catalog, asked_facts, narrowed
from memory.models.model_errors import NOTHING
from memory.models.row_grammar import NONE
from memory.program.answer_sources import likely_source
from memory.program.heart import AnswerQuestion
from memory.program.look import NO_LOOK
from memory.program.lookup import RowsAnswer, look_up
from memory.program.opened import OpenedMemory
from memory.program.predict import MemoryModule, PromptedModule
from memory.program.protocol import Question, Shown, no_rows
from memory.program.repairs import with_repairs
from memory.program.said_rows import StoredRow, said_of, stored_rows
from memory.program.signatures.brief import (
    EXAMPLES_OF_ANSWERS,
    EXAMPLES_OF_CHOICES,
    AnswerBrieflyFromMemory,
    ChooseColumns,
)
from memory.program.support import is_by_named, supported_part
from memory.records import ABSTAIN, Hit, Rows, Turn
from memory.search.embed import embed, word_weights
from memory.search.question import named_dates, subjects_of
from memory.sql import quoted
from memory.text.dates import COUNT, MONTHS
from memory.text.words import STOP_WORDS, forms_of, is_among, telling_words, words
from memory.vocabulary import Vocabulary
from memory.vocabulary.entities import key, relation_words
from memory.vocabulary.templates.date_phrases import days_of

# Words of an answer that no turn need have: computed ones, and words that tell no thing.
_NEED_NOT_BE_SAID = {
    *MONTHS,
    *COUNT,
    *("yes", "likely", "probably", "perhaps", "maybe", "since", "ago", "still", "currently"),
    *("once", "twice", "day", "days", "week", "weeks", "month", "months", "year", "years"),
}
_CHOICE_CALLS = 2  # of the model for one question: if nothing is found, it gets a second try
_MOST_ATTRIBUTES = 3
_MOST_OFFERED = 6  # attributes that a model chooses from
_MOST_BELOW = 0.2  # the nearest one's cosine
_MOST_READ = 300  # facts whose values say which attributes are near
_MOST_ROWS_SHOWN = 30
# Cosine of what is asked and an attribute: fitted on questions that facts answer and on others.
_LEAST_NEAR = 0.2
_LEAST_NEAREST = 0.25  # of the nearest attribute
# Of a word (`word_weights`) by which rows are told apart: "times" has 83, "organ" 177.
_LEAST_TELLING = 110
# "Thanks, Maria!" and "Hey Tom, ..." speak to a person, not about one.
_PART = re.compile(r"[^,.!?;:\n]+")
_LONGEST_ADDRESS = 2  # words
# A statement without a date is dated by its turn.
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
        conditions = "\n  AND ".join(where)
        return (
            f"SELECT {_COLUMNS} FROM {'facts_now' if is_of_today else 'facts'}\n"
            f"WHERE {conditions}\n"
            f"ORDER BY {_DAY if self.shape in ('first', 'last') else 'happened_on'}"
            f"{' DESC' if self.shape == 'last' else ''} LIMIT {_MOST_ROWS_SHOWN}"
        )


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(quoted, texts))


def _cut(day: str, column: str) -> str:
    """A day as exact as the date in a column, which may be a month."""
    return f"substr({quoted(day)}, 1, length({column}))"


def choice_in(
    text: str, catalog: str, question: str, vocabulary: Vocabulary, today: str = ""
) -> Choice | None:
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
    events = kinds <= {"event", ""} if shape in ("count", "sum") else kinds == {"event"}
    return Choice(shape, tuple(subjects), tuple(attributes), asked_days(question, today), events)


def asked_days(question: str, today: str = "") -> tuple[str, str]:
    """The first and the last day (ISO) of the dates that a question names; ("", "") for none.

    A date without a year is the last one until `today` (ISO); without `today` it names none.
    """
    spans = [days_of(date) for date in named_dates(question, today)]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else ("", "")


class TemplateRows(MemoryModule):
    """Rows that decide a question in a template's form; else another module's rows, if any.

    `otherwise` is asked if the memory has facts.
    """

    def __init__(self, otherwise: dspy.Module | None = None) -> None:
        super().__init__()
        self.otherwise = otherwise

    def forward(
        self, question: Question, memory: OpenedMemory, refused: str = ""
    ) -> dspy.Prediction:
        """As RetrieveRows; `decided` is the answer of rows (`memory.program.lookup`)."""
        if rows := look_up(memory.user_question(question), memory.reader):
            brought = {"sql": list(rows.sql), "rows": list(rows.rows), "decided": rows}
            return dspy.Prediction(**{**no_rows(), **brought})
        if self.otherwise is None or not memory.reader.has_facts():
            return no_rows()
        return self.otherwise(question=question, memory=memory, refused=refused)


class ChooseRows(PromptedModule):
    """Brings up the rows that a model chose by a shape and attributes of the catalog.

    Code takes the subjects and the dates from the question, writes the SELECT and says what its
    rows say (`memory.program.said_rows`). The model is offered the attributes that are near to the
    question; if there are none, it is not asked. If a choice finds nothing, it is asked once more.
    """

    plain_examples = EXAMPLES_OF_CHOICES

    def __init__(self) -> None:
        super().__init__(ChooseColumns)

    def forward(
        self,
        question: Question | UserQuestion,
        memory: OpenedMemory | MemoryReader,
        refused: str = "",
    ) -> dspy.Prediction:
        """As RetrieveRows; `decided` is what the rows say, None if they say nothing."""
        place = memory if isinstance(memory, OpenedMemory) else OpenedMemory(memory)
        reader = place.reader
        user_question = (
            question if isinstance(question, UserQuestion) else place.user_question(question)
        )
        text = user_question.ranked_text
        catalog = asked_catalog(reader.catalog(CATALOG_TOKENS), text)
        if catalog and _is_of_subjects(catalog, text):
            catalog = _near_attributes(catalog, text, reader)
        else:
            catalog = ""
        if not catalog:
            return no_rows()
        today = user_question.today or reader.store.today

        def ask(feedback: str, _: Collection[int]) -> str:
            reply = self._predicted(catalog=catalog, question=text, feedback=feedback)
            return str(reply.choice or "")

        def run(choice_text: str) -> dict[str, Any]:
            choice = choice_in(choice_text, catalog, text, reader.vocabulary(), today)
            if choice is None:
                return {}
            sql = choice.select()
            rows = reader.read(sql)
            if not rows.rows:
                raise SqlError("nothing is stored of that; choose other attributes, or none")
            decided = _decided(choice, text, sql, rows, today)
            return {"sql": [sql], "rows": [rows], "decided": decided}

        brought: dict[str, Any] = {}
        error = ""
        try:
            brought, _, refusals = with_repairs(ask, run, refused, calls=_CHOICE_CALLS)
            calls = len(refusals) + 1
        except SqlError as last:
            error, refusals = str(last), list(last.refusals)
            calls = len(refusals)
        reply = {"calls": calls, "error": error, "refusals": refusals}
        return dspy.Prediction(**{**no_rows(), **reply, **brought})


def _is_of_subjects(catalog: str, question: str) -> bool:
    """Whether a catalog has facts of someone or something that a question names, if it names any.

    Else it has them of everyone: a cat's name says nothing of how old the cat is.
    """
    names = [word for name in subjects_of(question) for word in words(name) if word.isalpha()]
    subjects, _ = asked_facts(catalog, question)
    return not names or not {*names}.isdisjoint(words(" ".join(subjects)))


def _near_attributes(catalog: str, question: str, reader: MemoryReader) -> str:
    """A catalog with the attributes that are near to a question, the nearest first; "" for none.

    A small model chooses some attribute even if no one said anything, and of twenty it chooses
    worse than of a few. They are compared by their names and values.
    """
    subjects, attributes = asked_facts(catalog, question)
    vocabulary = reader.vocabulary()
    rows = reader.read(
        f"SELECT {_COLUMNS} FROM facts"
        f" WHERE lower(subject) IN ({_listed([subject.lower() for subject in subjects])})"
        f" ORDER BY id DESC LIMIT {_MOST_READ}"
    )
    texts = {name: _spoken_names(name, vocabulary) for name in attributes}
    for fact in stored_rows(rows):
        if fact.attribute in texts:
            texts[fact.attribute].append(f"{texts[fact.attribute][0]} {fact.value}")
    asked_for = _without_names(question, " ".join(subjects))
    vectors = embed([asked_for, *chain(*texts.values())])
    similarities = iter((vectors[1:] @ vectors[0]).tolist())
    nearness = {name: max(islice(similarities, len(texts[name]))) for name in attributes}
    nearest = max(nearness.values())
    if nearest < _LEAST_NEAREST:
        return ""
    least = max(_LEAST_NEAR, nearest - _MOST_BELOW)
    near = sorted(
        (name for name in attributes if nearness[name] >= least), key=lambda name: nearness[name]
    )
    return narrowed(catalog, near[: -_MOST_OFFERED - 1 : -1])


def _without_names(question: str, names: str) -> str:
    """The words of a question without the words of these names."""
    of_names = {*words(names)}
    return " ".join(word for word in words(question) if word not in of_names)


def _decided(choice: Choice, question: str, sql: str, rows: Rows, today: str) -> RowsAnswer | None:
    """What the rows of a choice say, if they are what the question asks for."""
    is_of_one = choice.shape in ("first", "last")
    if len(rows.rows) >= _MOST_ROWS_SHOWN and not is_of_one:
        return None
    facts = _asked_of(choice, question, stored_rows(rows))
    # With several attributes there is no telling which of them to count, unless they name one
    # thing: tests failed and tests passed.
    common = set[str].intersection(*({*name.split("_")} for name in choice.attributes))
    if choice.shape in ("count", "sum") and len(choice.attributes) > 1 and not common:
        return None
    _, last = choice.days
    end = min(today[:10], last) if last else today[:10]
    reply = said_of(facts, choice.shape, today=end, with_names=len(choice.subjects) > 1)
    return RowsAnswer(reply[0], reply[1], (sql,), (rows,)) if reply else None


def _asked_of(choice: Choice, question: str, facts: Sequence[StoredRow]) -> Sequence[StoredRow]:
    """The facts that a question is about, of those of a choice.

    If only some values have a telling word of the question, or a name, it is about these: organs,
    of all that was delivered. If none ends, what happened on the days asked for is meant, not what
    was before.
    """
    first, last = choice.days
    happened = [fact for fact in facts if fact.happened_on and _is_within(fact, first, last)]
    if first and happened and not any(fact.ended_on for fact in facts):
        facts = happened
    of_attributes = forms_of(words(" ".join(choice.attributes).replace("_", " ")))
    asked_words = [
        word
        for word in telling_words(question, MONTHS)
        if not word.isdecimal() and not is_among(word, of_attributes)
    ]
    weights = zip(asked_words, word_weights(asked_words), strict=True)
    names = chain(*map(words, subjects_of(question)))
    telling = forms_of([*names, *(word for word, weight in weights if weight >= _LEAST_TELLING)])
    named = [
        fact
        for fact in facts
        if any(is_among(word, telling) for word in telling_words(fact.value, words(fact.subject)))
    ]
    return named or facts


def _is_within(fact: StoredRow, first: str, last: str) -> bool:
    day = fact.happened_on
    return first[: len(day)] <= day <= last


def _spoken_names(name: str, vocabulary: Vocabulary) -> list[str]:
    """The names of an attribute, in words."""
    attribute = vocabulary.canonical(name)
    return [text.replace("_", " ") for text in (attribute.names if attribute else (name,))]


class AnswerBriefly(AnswerQuestion):
    """Answers in a few words; code finds which turns say so, and checks that they may."""

    plain_examples = EXAMPLES_OF_ANSWERS

    def __init__(self) -> None:
        super().__init__(AnswerBrieflyFromMemory)

    def forward(  # type: ignore[override]
        self, question: Question, evidence: Shown, memory: OpenedMemory | None = None
    ) -> dspy.Prediction:
        """As AnswerQuestion. It abstains if a word of the answer is not in what was shown, or if
        only another person says it of themselves. Without `memory` it names no turns.
        """
        user_question = memory.user_question(question) if memory else None
        text = user_question.ranked_text if user_question else question
        try:
            prediction = self._predicted(evidence=str(evidence), question=text)
            answer = str(prediction.answer or "").strip()
        except AdapterParseError:
            answer = ""
        if not answer:
            return _answered("", [], unusable=NOTHING)
        if abstains(answer):
            return _answered(answer, [])
        if _has_unsaid_word(answer, question, evidence):
            return _answered(ABSTAIN, [])
        if memory is None or user_question is None:
            return _answered(answer, [])
        hits = memory.search(question)
        sources = _sources(answer, question, evidence, hits, memory.reader)
        if _is_of_another(sources, user_question, hits, memory.reader):
            return _answered(ABSTAIN, [])
        return _answered(answer, [turn.id for turn in sources])


def _answered(answer: str, turns: list[int], unusable: str = "") -> dspy.Prediction:
    return dspy.Prediction(answer=answer, turns=turns, calls=1, unusable=unusable, look=NO_LOOK)


def _has_unsaid_word(answer: str, question: str, memory: str) -> bool:
    """Whether an answer has a telling word that neither the question nor the memory shown has.

    Of 62 answers of a model of 1.5 billion parameters four had one, all wrong. Numbers and dates
    may be computed, and only English words are known to tell nothing.
    """
    user_question = words(question)
    reply = forms_of([*user_question, *words(memory)])
    return not STOP_WORDS.isdisjoint(user_question) and any(
        not is_among(word, reply)
        for word in telling_words(answer, _NEED_NOT_BE_SAID)
        if not word[0].isdigit()
    )


def _sources(
    answer: str,
    question: str,
    evidence: Shown,
    hits: Sequence[Hit],
    reader: MemoryReader,
) -> list[Turn]:
    """The turns that an answer must be from: the turns with its words, else the likeliest one.

    Words of the question support nothing, unless the answer has no others.
    """
    shown = {*evidence.turn_ids}
    ranked = [hit.turn_id for hit in hits if hit.turn_id in shown]
    ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
    turns = originals_first(
        turn for turn in reader.turns_by_id(ids, missing_ok=True) if is_evidence(turn.text)
    )
    user_question = forms_of(words(question))
    _, sources = supported_part(
        answer, turns, [w for w in words(answer) if is_among(w, user_question)]
    )
    if sources:
        return sources
    likely = likely_source(answer, question, evidence, evidence.turn_ids)
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
