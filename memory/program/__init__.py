"""The DSPy modules of a memory: what optimizers compile, and what is saved and loaded."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.system.providers import quiet_litellm

quiet_litellm()  # before DSPy, which imports litellm for some providers

if TYPE_CHECKING:
    from memory.program.answer import AnswerQuestion
    from memory.program.answer_forms import in_phrases, in_sentences
    from memory.program.ask import AskMemory
    from memory.program.digest import StoreTurns
    from memory.program.metrics import answer_score
    from memory.program.program import (
        MemoryProgram,
        plain_program,
        program_for,
        starting_program,
    )
    from memory.program.program_card import Card
    from memory.program.refine import RefineMemory
    from memory.program.retrieve import RetrieveRows
    from memory.program.saved import concerns, load_program, save_program
    from memory.program.small import Checked, TemplateRows

__all__ = [
    "AnswerQuestion",
    "AskMemory",
    "Card",
    "Checked",
    "MemoryProgram",
    "RefineMemory",
    "RetrieveRows",
    "StoreTurns",
    "TemplateRows",
    "answer_score",
    "concerns",
    "in_phrases",
    "in_sentences",
    "load_program",
    "plain_program",
    "program_for",
    "save_program",
    "starting_program",
]

# Name -> its module, imported when the name is first used (PEP 562): they need DSPy, which takes
# more than a second to import.
_MODULES = {
    "AnswerQuestion": "answer",
    "AskMemory": "ask",
    "Card": "program_card",
    "Checked": "small",
    "MemoryProgram": "program",
    "RefineMemory": "refine",
    "RetrieveRows": "retrieve",
    "StoreTurns": "digest",
    "TemplateRows": "small",
    "answer_score": "metrics",
    "concerns": "saved",
    "in_phrases": "answer_forms",
    "in_sentences": "answer_forms",
    "load_program": "saved",
    "plain_program": "program",
    "program_for": "program",
    "save_program": "saved",
    "starting_program": "program",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'memory.program' has no attribute {name!r}")
    return getattr(import_module(f"memory.program.{_MODULES[name]}"), name)
