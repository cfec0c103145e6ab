"""What can be done with a memory, each once: endpoints, commands and tools are made of these.

An operation is a function in one of this room's files; `@operation` gives it its right and its
address. Whatever it takes and returns is described by its types, and nowhere else.
"""

from memory.operations import (
    asking,
    entities,
    facts,
    forgetting,
    turns,
    vocabulary,
    whole,
)
from memory.operations.operation import OPERATIONS, OpenMemory, Operation, Right, operation

__all__ = [
    "OPERATIONS",
    "OpenMemory",
    "Operation",
    "Right",
    "asking",
    "entities",
    "facts",
    "forgetting",
    "operation",
    "turns",
    "vocabulary",
    "whole",
]
