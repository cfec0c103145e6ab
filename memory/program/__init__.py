"""The language models: three DSPy modules, their prompts, and the models that run them."""

import os

# Before dspy and litellm are imported: no look-ups on the internet, no telemetry.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("LITELLM_TELEMETRY", "False")
os.environ.setdefault("DO_NOT_TRACK", "1")

from memory.program.adapter_card import AdapterCard, read_card
from memory.program.lm import Model, load_model
from memory.program.modules import (
    AnswerQuestion,
    Card,
    MemoryProgram,
    RetrieveRows,
    StoreTurns,
    starting_program,
)
from memory.program.saved import concerns, load_program, save_program

__all__ = [
    "AdapterCard",
    "AnswerQuestion",
    "Card",
    "MemoryProgram",
    "Model",
    "RetrieveRows",
    "StoreTurns",
    "concerns",
    "load_model",
    "load_program",
    "read_card",
    "save_program",
    "starting_program",
]
