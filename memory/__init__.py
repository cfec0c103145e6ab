"""A long-term memory for chat agents that is a database."""

from typing import TYPE_CHECKING, Any

from memory.budget import Context, assemble
from memory.embed import load_embedder
from memory.errors import InputError, MemoryFault, ModelError, SqlError, Stop, StoreError
from memory.files import write_whole
from memory.model import Change, Fact, Hit, Pending, Rows, Turn
from memory.store import Store, open_store

if TYPE_CHECKING:
    from memory.api import Answer, Memory
    from memory.program import (
        AdapterCard,
        Card,
        MemoryProgram,
        Model,
        concerns,
        load_model,
        load_program,
        read_card,
        save_program,
        starting_program,
    )

__all__ = [
    "AdapterCard",
    "Answer",
    "Card",
    "Change",
    "Context",
    "Fact",
    "Hit",
    "InputError",
    "Memory",
    "MemoryFault",
    "MemoryProgram",
    "Model",
    "ModelError",
    "Pending",
    "Rows",
    "SqlError",
    "Stop",
    "Store",
    "StoreError",
    "Turn",
    "assemble",
    "concerns",
    "load_embedder",
    "load_model",
    "load_program",
    "open_store",
    "read_card",
    "save_program",
    "starting_program",
    "write_whole",
]

# These need DSPy, which takes a second to import; a store alone does not (PEP 562).
_LAZY = {
    "Answer": "memory.api",
    "Memory": "memory.api",
    "AdapterCard": "memory.program",
    "Card": "memory.program",
    "MemoryProgram": "memory.program",
    "Model": "memory.program",
    "concerns": "memory.program",
    "load_model": "memory.program",
    "load_program": "memory.program",
    "read_card": "memory.program",
    "save_program": "memory.program",
    "starting_program": "memory.program",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'memory' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
