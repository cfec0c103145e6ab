"""The language models: three DSPy modules, their prompts, and the models that run them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.system.providers import quiet_litellm

quiet_litellm()  # before DSPy, which imports litellm for some providers

if TYPE_CHECKING:
    from memory.program.adapter_card import AdapterCard, read_card
    from memory.program.answer_forms import in_phrases, in_sentences
    from memory.program.completions import CompletionAdapter
    from memory.program.loading import load_model
    from memory.program.model import Model
    from memory.program.optimizer_start import starting_program
    from memory.program.program import AnswerQuestion, MemoryProgram, RetrieveRows, StoreTurns
    from memory.program.program_card import Card
    from memory.program.refine_agent import RefineMemory
    from memory.program.saved import concerns, load_program, save_program

__all__ = [
    "AdapterCard",
    "AnswerQuestion",
    "Card",
    "CompletionAdapter",
    "MemoryProgram",
    "Model",
    "RefineMemory",
    "RetrieveRows",
    "StoreTurns",
    "concerns",
    "in_phrases",
    "in_sentences",
    "load_model",
    "load_program",
    "read_card",
    "save_program",
    "starting_program",
]

# Name -> its module, imported when the name is first used (PEP 562): most modules need DSPy, which
# takes more than a second to import; `messages` and `adapter_card` do not.
_MODULES = {
    "AdapterCard": "adapter_card",
    "AnswerQuestion": "program",
    "Card": "program_card",
    "CompletionAdapter": "completions",
    "MemoryProgram": "program",
    "Model": "model",
    "RefineMemory": "refine_agent",
    "RetrieveRows": "program",
    "StoreTurns": "program",
    "concerns": "saved",
    "in_phrases": "answer_forms",
    "in_sentences": "answer_forms",
    "load_model": "loading",
    "load_program": "saved",
    "read_card": "adapter_card",
    "save_program": "saved",
    "starting_program": "optimizer_start",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'memory.program' has no attribute {name!r}")
    return getattr(import_module(f"memory.program.{_MODULES[name]}"), name)
