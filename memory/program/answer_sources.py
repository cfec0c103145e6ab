"""The basis of an answer: the turns that it cites, or the turns that it must come from."""

import re
from collections.abc import Collection, Sequence
from dataclasses import fields

import dspy

from memory.evidence.layout import Evidence
from memory.evidence.messages import abstains
from memory.evidence.standing import Standing
from memory.records import Answer, Basis, Hit, Turn
from memory.text.word_forms import forms_of, is_among, telling_words

_WORD = re.compile(r"\w+")


def speaks_of(memory: str, text: str) -> bool:
    """Whether a malformed text may be an answer: an abstention, or with a word of the memory's."""
    if abstains(text):
        return True
    lines = re.sub(r"^\[\d+\]|\[\d+\](?=;|$)", "", memory, flags=re.MULTILINE)  # ids are not words
    forms = forms_of(telling_words(lines))
    return any(is_among(word, forms) for word in telling_words(text))


def likely_source(answer: str, question: str, memory: str, turn_ids: Collection[int]) -> list[int]:
    """The turn whose line shares most words with an answer that cites none: a guess, not a proof.

    Words that the question lacks come first. A fact of a list counts as a line of its turn.

    Empty when no line shares a word; the earlier line of two equals.
    """
    answer_words = _words(answer)
    new_words = answer_words - _words(question)
    source: list[int] = []
    most_shared = (0, 0)
    lines = re.findall(r"^\[(\d{1,18})\] (.*)$", memory, re.MULTILINE)
    facts = re.findall(r"(?:^|; )([^;\n]+) \[(\d{1,18})\](?=;|$)", memory, re.MULTILINE)
    for digits, line in [*lines, *((digits, fact) for fact, digits in facts)]:
        line_words = {*_WORD.findall(line.lower())}
        shared = (len(new_words & line_words), len(answer_words & line_words))
        if shared > most_shared and int(digits) in turn_ids:
            source = [int(digits)]
            most_shared = shared
    return source


def _words(text: str) -> set[str]:
    return {*_WORD.findall(text.lower())}


def answer_from(
    text: str,
    cited: Sequence[int],
    retrieved: dspy.Prediction | None,
    evidence: Evidence,
    calls: int = 0,
    basis: Basis = "model",
) -> Answer:
    """An answer with everything that it is based on.

    Arguments:
        text: what the model said.
        cited: the ids of the turns that it named.
        retrieved: what RetrieveRows returned; None when nothing was retrieved.
        evidence: the memory that the model saw.
        calls: the model calls for the text; the calls of `retrieved` are added.
        basis: what the answer is based on; nothing for an abstention.
    """
    return Answer(
        text=text,
        turns=tuple(cited),
        sql=tuple(retrieved.sql) if retrieved else (),
        rows=tuple(retrieved.rows) if retrieved else (),
        tokens=evidence.tokens,
        calls=calls + (retrieved.calls if retrieved else 0),
        shown=evidence.turn_ids,
        refusals=tuple(retrieved.refusals) if retrieved else (),
        basis="quotes" if abstains(text) else basis,
    )


def as_prediction(
    answer: Answer,
    *,
    sources: Sequence[Turn],
    hits: Sequence[Hit],
    evidence: str,
    standing: Standing,
) -> dspy.Prediction:
    """An answer as a Prediction: its text is `answer`, the last field, which DSPy votes on.

    `sources` are the turns that it cites, `hits` the ranking's, and `evidence` is what the
    answering model was shown.
    """
    named = {field.name: getattr(answer, field.name) for field in fields(answer)} | {
        "rows": list(answer.rows),  # DSPy writes a list's items as JSON, not a tuple's
        "sources": tuple(sources),
        "standing": standing.facts,
        "contradictions": standing.pairs,
    }
    text = named.pop("text")
    return dspy.Prediction(**named, hits=list(hits), evidence=evidence, answer=text)


def as_answer(prediction: dspy.Prediction) -> Answer:
    """The reverse of `as_prediction`."""
    others = [field.name for field in fields(Answer) if field.name != "text"]
    named = {name: prediction[name] for name in others} | {"rows": tuple(prediction.rows)}
    return Answer(text=prediction.answer, **named)
