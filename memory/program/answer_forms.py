"""The forms of an answer: sentences for people, phrases for benchmarks that compare words."""

import re
from typing import TYPE_CHECKING

from memory.program.signatures.full import PHRASES, AnswerFromMemory

if TYPE_CHECKING:
    from memory.program.program import MemoryProgram


def in_phrases(program: "MemoryProgram") -> "MemoryProgram":
    """The program, answering in phrases alone unless its answers were compiled: changed in place.

    For benchmarks that compare the words of an answer with a short right one.
    """
    return _with_answer_form(program, AnswerFromMemory.instructions, _in_phrases())


def in_sentences(program: "MemoryProgram") -> "MemoryProgram":
    """The reverse of `in_phrases`: the program as it answers people, changed in place."""
    return _with_answer_form(program, _in_phrases(), AnswerFromMemory.instructions)


def _in_phrases() -> str:
    before, _, after = re.split("(?=- A fact:|- A list:)", AnswerFromMemory.instructions)
    return before + PHRASES + after


def _with_answer_form(program: "MemoryProgram", form: str, other_form: str) -> "MemoryProgram":
    signature = program.answer.predict.signature
    if signature.instructions == form:
        program.answer.predict.signature = signature.with_instructions(other_form)
    return program
