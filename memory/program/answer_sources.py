"""The basis of an answer: the turns that it cites, or the turns that it must come from."""

import re
from collections.abc import Collection
from dataclasses import fields
from typing import Any

import dspy

from memory.errors import UnusableAnswer
from memory.evidence.messages import abstains
from memory.models.model_errors import NOTHING, explain_unusable
from memory.program.protocol import Gathered
from memory.records import Answer
from memory.system.terminal import clean_line
from memory.text.words import forms_of, is_among, telling_words

# What AskMemory says of an answer; other outputs of an answering module pass through.
OWN_OUTPUTS = {"answer", "turns", "cites", "calls", "look", "unusable", "wrote"}
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


def is_told(answer: str) -> bool:
    """Whether a text answers, and does not abstain."""
    return bool(answer) and not abstains(answer)


def cited(turns: Any, evidence: str) -> list[int]:
    """The ids of turns shown that a model names, in a text or a list."""
    in_text = map(int, re.findall(r"\[(\d{1,18})\]", evidence))
    known = frozenset(getattr(evidence, "turn_ids", None) or in_text)
    # At most 18 digits: a longer number fits no id of the database.
    named = [int(digits[:18]) for digits in re.findall(r"\d+", str(turns or ""))]
    return [turn_id for turn_id in dict.fromkeys(named) if turn_id in known]


def answered(
    question: str, gathered: Gathered, reply: dspy.Prediction, calls: int
) -> dspy.Prediction:
    """What AskMemory returns: an answer with all that it is based on.

    Its text is the last field, which DSPy votes on; `cites` are the turns that the model named.
    What the answering module says besides is passed on. Raises UnusableAnswer.
    """
    retrieved, shown = gathered.retrieved, gathered.shown
    text = str(reply.get("answer") or "").strip()
    decided = retrieved.get("decided")
    cites = reply.turns if decided else cited(reply.get("turns"), shown)
    turns = cites or likely_source(text, question, shown, shown.turn_ids)
    prediction = dspy.Prediction(
        **{name: value for name, value in reply.items() if name not in OWN_OUTPUTS},
        turns=tuple(turns) if is_told(text) else (),
        cites=tuple(cites) if is_told(text) else (),
        sql=tuple(retrieved.get("sql") or ()),
        rows=list(retrieved.get("rows") or ()),
        refusals=tuple(retrieved.get("refusals") or ()),
        calls=calls + retrieved.get("calls", 0),
        basis="rows" if decided else "model" if is_told(text) else "quotes",
        shown=shown.turn_ids,
        tokens=shown.tokens,
        standing=shown.standing,
        contradictions=shown.contradictions,
        hits=list(gathered.hits),
        evidence=str(shown),
        answer=text,
    )
    if not text:
        raise UnusableAnswer(_unusable(reply.get("unusable") or NOTHING), as_answer(prediction))
    return prediction


def _unusable(text: str) -> str:
    """Why the current LM's text is not an answer, and what to do, in one line."""
    lm = dspy.settings.lm
    name = getattr(lm, "model", "the model")
    return explain_unusable(clean_line(text), name, getattr(lm, "kwargs", {}).get("api_base"))


def as_answer(prediction: dspy.Prediction) -> Answer:
    """A Prediction of AskMemory as an Answer."""
    names = {field.name for field in fields(Answer)} & {*prediction.keys()} - {"text"}
    named = {name: prediction[name] for name in names} | {"rows": tuple(prediction.rows)}
    return Answer(text=prediction.answer, **named)
