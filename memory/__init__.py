"""A long-term memory for chat agents that is a database."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.errors import (
    ClaimLostError,
    HeldError,
    InputError,
    MemoryFault,
    ModelError,
    SqlError,
    Stop,
    StoreError,
    UnusableAnswer,
    WindowError,
)
from memory.records import (
    Answer,
    Change,
    Citation,
    Edit,
    Fact,
    Forgotten,
    Hit,
    Pending,
    Rows,
    Setting,
    Turn,
)
from memory.store import Store, open_store

if TYPE_CHECKING:
    from memory.api import Digest, Memory
    from memory.documents import add_chunks, chunks, tool_use
    from memory.embed import load_embedder
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
    from memory.program.replies import Reply
    from memory.rerank import Reranker, load_reranker
    from memory.settings import Settings
    from memory.tools import memory_tools

__all__ = [
    "Answer",
    "Card",
    "Change",
    "Citation",
    "ClaimLostError",
    "Digest",
    "Edit",
    "Fact",
    "Forgotten",
    "HeldError",
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
    "Reranker",
    "Rows",
    "Setting",
    "Settings",
    "SqlError",
    "Stop",
    "Store",
    "StoreError",
    "Turn",
    "UnusableAnswer",
    "WindowError",
    "add_chunks",
    "chunks",
    "load_embedder",
    "load_model",
    "load_program",
    "load_reranker",
    "memory_tools",
    "open_store",
    "path_of",
    "save_program",
    "supersede",
    "tool_use",
]

# What a store alone does not need is imported when it is first used (PEP 562): DSPy alone takes
# more than a second to import.
_LAZY = {
    "Card": "memory.program",
    "Digest": "memory.api",
    "Injected": "memory.injection",
    "LtmConfig": "memory.injection",
    "Memory": "memory.api",
    "MemoryProgram": "memory.program",
    "Model": "memory.program",
    "Reply": "memory.program.replies",
    "Reranker": "memory.rerank",
    "Settings": "memory.settings",
    "add_chunks": "memory.documents",
    "chunks": "memory.documents",
    "load_embedder": "memory.embed",
    "load_model": "memory.program",
    "load_program": "memory.program",
    "load_reranker": "memory.rerank",
    "memory_tools": "memory.tools",
    "path_of": "memory.namespaces",
    "save_program": "memory.program",
    "supersede": "memory.facts",
    "tool_use": "memory.documents",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'memory' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
