"""A long-term memory for chat agents that is a database."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.embed import load_embedder
from memory.errors import InputError, MemoryFault, ModelError, SqlError, Stop, StoreError
from memory.model import Change, Edit, Fact, Forgotten, Hit, Pending, Rows, Setting, Turn
from memory.store import Store, open_store

if TYPE_CHECKING:
    from memory.api import Answer, Digest, Memory, Reply
    from memory.documents import add_chunks, chunks, tool_use
    from memory.facts import supersede
    from memory.injection import Injected, LtmConfig
    from memory.namespaces import path_of
    from memory.program import (
        Card,
        MemoryProgram,
        Model,
        load_model,
        load_program,
        save_program,
    )
    from memory.settings import Settings
    from memory.tools import memory_tools

__all__ = [
    "Answer",
    "Card",
    "Change",
    "Digest",
    "Edit",
    "Fact",
    "Forgotten",
    "Hit",
    "Injected",
    "InputError",
    "LtmConfig",
    "Memory",
    "MemoryFault",
    "MemoryProgram",
    "Model",
    "ModelError",
    "Pending",
    "Reply",
    "Rows",
    "Setting",
    "Settings",
    "SqlError",
    "Stop",
    "Store",
    "StoreError",
    "Turn",
    "add_chunks",
    "chunks",
    "load_embedder",
    "load_model",
    "load_program",
    "memory_tools",
    "open_store",
    "path_of",
    "save_program",
    "supersede",
    "tool_use",
]

# What a store alone does not need: DSPy takes a second to import (PEP 562).
_LAZY = {
    "memory.api": ("Answer", "Digest", "Memory", "Reply"),
    "memory.tools": ("memory_tools",),
    "memory.documents": ("add_chunks", "chunks", "tool_use"),
    "memory.facts": ("supersede",),
    "memory.injection": ("Injected", "LtmConfig"),
    "memory.namespaces": ("path_of",),
    "memory.program": (
        *("Card", "MemoryProgram", "Model", "load_model"),
        *(
            "load_program",
            "save_program",
        ),
    ),
    "memory.settings": ("Settings",),
}


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'memory' has no attribute {name!r}")
