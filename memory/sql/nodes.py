"""What the checks need to know of a syntax tree's node; keys are sqlglot's."""

from collections.abc import Iterator
from typing import Any

from memory.sql.refusals import short
from memory.sql.tables import SEARCH_FUNCTION

QUERIES = frozenset(("select", "union", "intersect", "except"))
AGGREGATES = frozenset(("count", "min", "max", "sum", "avg"))
WINDOW = "window"  # a function with OVER (...)


def sql_of(node: Any) -> str:
    """The node as short SQL, to name it in a message."""
    try:
        # Level None: the message leaves out what the other database cannot do.
        return short(node.sql("sqlite", comments=False, unsupported_level=None)).replace(
            SEARCH_FUNCTION.upper(), "search"
        )
    except (RecursionError, ValueError, TypeError, AttributeError, LookupError):
        return str(node.key)  # a message must not fail on the node that it refuses


def is_whole_number(node: Any) -> bool:
    """Whether the node is a literal like 12, without a sign, that fits 64 bits."""
    is_number = node.key == "literal" and not node.is_string
    return bool(
        is_number and node.this.isdecimal() and len(node.this) < 20 and int(node.this) < 2**63
    )


def plain_name(node: Any) -> str:
    """The name of a column written without its table, else ""."""
    return node.name.lower() if node.key == "column" and not node.table else ""


def present(*nodes: Any) -> list[Any]:
    """The nodes that are not None."""
    return [node for node in nodes if node is not None]


def terms_of(query: Any, clause: str) -> list[Any]:
    """The expressions of GROUP BY ("group") or ORDER BY ("order")."""
    terms = query.args[clause].expressions if query.args.get(clause) else []
    return [term.this if term.key == "ordered" else term for term in terms]


def is_aggregate(node: Any) -> bool:
    """Whether a node makes one value of the rows of a group; with OVER it gives each row one."""
    is_windowed = node.parent is not None and node.parent.key == WINDOW
    return node.key in AGGREGATES and not (is_windowed and node.arg_key == "this")


def nodes_without_subqueries(part: Any) -> Iterator[Any]:
    """The nodes of an expression, except inside its subqueries."""
    return iter(part.dfs(prune=lambda node: node.key in QUERIES))
