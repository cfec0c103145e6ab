"""What SQL a model may write: policy.py checks and rewrites it, grammar.py and names.py say how."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.sql.names import MAX_COLUMNS, MAX_PATTERN, TABLES, WRITABLE
from memory.sql.statements import MAX_ANSWER, quoted, with_names

if TYPE_CHECKING:
    from memory.sql.policy import fact_writes, read_statement, split, write_statements

__all__ = [
    "MAX_ANSWER",
    "MAX_COLUMNS",
    "MAX_PATTERN",
    "TABLES",
    "WRITABLE",
    "fact_writes",
    "quoted",
    "read_statement",
    "split",
    "with_names",
    "write_statements",
]


def __getattr__(name: str) -> Any:
    # The parser takes longer to import than a search takes to run: only statements need it.
    if name not in ("fact_writes", "read_statement", "split", "write_statements"):
        raise AttributeError(f"module 'memory.sql' has no attribute {name!r}")
    return getattr(import_module("memory.sql.policy"), name)
