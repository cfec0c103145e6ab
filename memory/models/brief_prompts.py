"""A little model's prompt: its instruction and its inputs, without DSPy's marks around them.

The marks take 250 tokens of a prompt and 30 of an answer, and a model of up to 3 billion parameters
loses its way in them. Its answer is the only output field, whole: there is nothing to parse.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import dspy

from memory.models.row_grammar import NONE, row_grammar
from memory.text.words import telling_words, words

_MODULES = {
    (("turn",), ("rows",)): "store",
    (("catalog", "question", "feedback"), ("choice",)): "retrieve",
    (("evidence", "question"), ("answer",)): "answer",
}
SHAPES = ("now", "at", "list", "count", "sum", "first", "last", "span")
# A little model gives up too seldom: this is added to the logit of the first word of an abstention
# (the log has how it was chosen).
ABSTENTION_BIAS = 4.0
# Under a grammar, so that it ends: a line.
_ANSWER = r"root ::= [^\n]{1,300}"
_OF_SUBJECT = re.compile(r"^facts of (.+?): (.+)$", re.MULTILINE)
_COUNTS = re.compile(r"([^,]+?)\((\d+)\)")


_ROWS_REQUIRED: ContextVar[bool] = ContextVar("rows_required", default=False)


@contextmanager
def rows_required(is_required: bool = True) -> Iterator[None]:
    """A block whose calls write rows of turns that have any: their grammar has no "none"."""
    token = _ROWS_REQUIRED.set(is_required)
    try:
        yield
    finally:
        _ROWS_REQUIRED.reset(token)


def brief_module(signature: type[dspy.Signature]) -> str:
    """Whose prompt this is, of the three modules of a little model; "" for any other."""
    fields = tuple(signature.input_fields), tuple(signature.output_fields)
    return _MODULES.get(fields, "")


def brief_messages(
    signature: type[dspy.Signature], demos: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A chat: the instruction, the examples, and the inputs of this call."""
    messages = [{"role": "system", "content": signature.instructions}]
    [output] = signature.output_fields
    for demo in demos:
        if demo.get(output) is not None:
            messages.append({"role": "user", "content": _user(signature, demo)})
            messages.append({"role": "assistant", "content": str(demo[output])})
    return [*messages, {"role": "user", "content": _user(signature, inputs)}]


def _user(signature: type[dspy.Signature], inputs: Mapping[str, Any]) -> str:
    texts = {name: str(inputs.get(name) or "").strip() for name in signature.input_fields}
    if "question" in texts:
        texts["question"] = f"Question: {texts['question']}"
    return "\n\n".join(filter(None, texts.values()))


def brief_grammar(module: str, inputs: Mapping[str, Any]) -> str:
    """GBNF for what a module may answer."""
    match module:
        case "store":
            return row_grammar(str(inputs.get("turn", "")), required=_ROWS_REQUIRED.get())
        case "retrieve":
            return _choice(str(inputs.get("catalog", "")), str(inputs.get("question", "")))
    return _ANSWER


def asked_facts(catalog: str, question: str) -> tuple[list[str], list[str]]:
    """The subjects that a question is about, and the attributes that a catalog has of them.

    The subjects are the ones that it names whole, else by a word; all if it names none.
    """
    attributes_of = {
        subject: [name.strip() for name, _ in _COUNTS.findall(counted)]
        for subject, counted in _OF_SUBJECT.findall(catalog)
    }
    question_words = {*words(question)}
    names = {subject: {*telling_words(subject)} for subject in attributes_of}
    whole = [subject for subject, parts in names.items() if parts and parts <= question_words]
    subjects = (
        whole or [subject for subject, parts in names.items() if parts & question_words] or [*names]
    )
    attributes = dict.fromkeys(name for subject in subjects for name in attributes_of[subject])
    return subjects, [*attributes]


def asked_catalog(catalog: str, question: str) -> str:
    """The lines of a catalog about the subjects that a question is about.

    The whole one may take a thousand tokens, half a minute of a core.
    """
    subjects, _ = asked_facts(catalog, question)
    return "\n".join(line[0] for line in _OF_SUBJECT.finditer(catalog) if line[1] in subjects)


def narrowed(catalog: str, attributes: Sequence[str]) -> str:
    """The lines of a catalog with these attributes alone, in this order."""
    lines = []
    for subject, counted in _OF_SUBJECT.findall(catalog):
        counts = {name.strip(): f"{name.strip()}({n})" for name, n in _COUNTS.findall(counted)}
        if of_subject := [counts[name] for name in attributes if name in counts]:
            lines.append(f"facts of {subject}: {', '.join(of_subject)}")
    return "\n".join(lines)


def _choice(catalog: str, question: str) -> str:
    _, attributes = asked_facts(catalog, question)
    if not attributes:
        return f'root ::= "{NONE}"'
    return "\n".join(
        [
            f'root ::= "{NONE}" | shape " | " attribute (", " attribute){{0,2}}',
            f"shape ::= {_one_of(SHAPES)}",
            f"attribute ::= {_one_of(attributes)}",
        ]
    )


def _one_of(texts: Sequence[str]) -> str:
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return " | ".join(f'"{text}"' for text in escaped)
