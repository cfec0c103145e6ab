"""A long-term memory for chat agents that is a database."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.budget import Context, assemble, doubt, turn_lines
from memory.embed import load_embedder
from memory.errors import InputError, MemoryFault, ModelError, SqlError, Stop, StoreError
from memory.files import write_whole
from memory.model import Change, Edit, Fact, Forgotten, Hit, Pending, Rows, Setting, Turn
from memory.sql import quoted
from memory.store import Store, open_store

if TYPE_CHECKING:
    from memory.api import Answer, Digest, Memory, Reply
    from memory.apps.tools import memory_tools
    from memory.documents import add_chunks, chunks, tool_use
    from memory.facts import supersede
    from memory.injection import Injected, LtmConfig
    from memory.namespaces import path_of
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
    from memory.settings import Settings

__all__ = [
    "AdapterCard",
    "Answer",
    "Card",
    "Change",
    "Context",
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
    "assemble",
    "chunks",
    "concerns",
    "doubt",
    "load_embedder",
    "load_model",
    "load_program",
    "memory_tools",
    "open_store",
    "path_of",
    "quoted",
    "read_card",
    "save_program",
    "starting_program",
    "supersede",
    "tool_use",
    "turn_lines",
    "write_whole",
]

# What a store alone does not need: DSPy takes a second to import (PEP 562).
_LAZY = {
    "memory.api": ("Answer", "Digest", "Memory", "Reply"),
    "memory.apps.tools": ("memory_tools",),
    "memory.documents": ("add_chunks", "chunks", "tool_use"),
    "memory.facts": ("supersede",),
    "memory.injection": ("Injected", "LtmConfig"),
    "memory.namespaces": ("path_of",),
    "memory.program": (
        *("AdapterCard", "Card", "MemoryProgram", "Model", "concerns", "load_model"),
        *("load_program", "read_card", "save_program", "starting_program"),
    ),
    "memory.settings": ("Settings",),
}


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'memory' has no attribute {name!r}")
