"""The SQL that a model may write: `policy` checks it, and passes on allowed statements."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.sql.answers import MAX_ANSWER, statements_in
from memory.sql.tables import FACT_COLUMNS, LONGEST_NAME, MAX_COLUMNS, MAX_PATTERN, TABLES, WRITABLE
from memory.sql.tokens import quoted, with_names

if TYPE_CHECKING:
    from memory.sql.checked import (
        CheckedAliases,
        CheckedAliasRemoval,
        CheckedChange,
        CheckedContradictions,
        CheckedEntities,
        CheckedFacts,
        CheckedInsert,
        CheckedNames,
        CheckedSelect,
        CheckedSummaries,
        CheckedWrites,
        parts_of,
    )
    from memory.sql.clauses import clauses_of, conjuncts
    from memory.sql.policy import check_select, check_writes, split
    from memory.sql.rendering import Hits

__all__ = [
    "FACT_COLUMNS",
    "LONGEST_NAME",
    "MAX_ANSWER",
    "MAX_COLUMNS",
    "MAX_PATTERN",
    "TABLES",
    "WRITABLE",
    "CheckedAliasRemoval",
    "CheckedAliases",
    "CheckedChange",
    "CheckedContradictions",
    "CheckedEntities",
    "CheckedFacts",
    "CheckedInsert",
    "CheckedNames",
    "CheckedSelect",
    "CheckedSummaries",
    "CheckedWrites",
    "Hits",
    "check_select",
    "check_writes",
    "clauses_of",
    "conjuncts",
    "parts_of",
    "quoted",
    "split",
    "statements_in",
    "with_names",
]

# The parser takes longer to import than a search takes to run: only statements need it.
_WITH_THE_PARSER = {
    "clauses_of": "clauses",
    "conjuncts": "clauses",
    "CheckedAliasRemoval": "checked",
    "CheckedAliases": "checked",
    "CheckedChange": "checked",
    "CheckedContradictions": "checked",
    "CheckedEntities": "checked",
    "CheckedFacts": "checked",
    "CheckedInsert": "checked",
    "CheckedNames": "checked",
    "CheckedSelect": "checked",
    "CheckedSummaries": "checked",
    "CheckedWrites": "checked",
    "Hits": "rendering",
    "check_select": "policy",
    "check_writes": "policy",
    "parts_of": "checked",
    "split": "policy",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_THE_PARSER:
        raise AttributeError(f"module 'memory.sql' has no attribute {name!r}")
    return getattr(import_module(f"memory.sql.{_WITH_THE_PARSER[name]}"), name)
