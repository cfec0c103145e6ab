"""Whether an expression is text or a number."""

from typing import Any

from memory.sql.nodes import sql_of
from memory.sql.refusals import refuse

_COMPARISONS = frozenset(("eq", "neq", "gt", "gte", "lt", "lte", "in", "between"))
_OF_NUMBERS = frozenset(("neg", "add", "sub", "mul", "div", "abs", "round", "sum", "avg"))
_OF_TEXT = frozenset(("lower", "upper", "trim", "substring", "like"))
_KIND = {
    **dict.fromkeys(_OF_NUMBERS | {"count", "length"}, "number"),
    **dict.fromkeys(("dpipe", "lower", "upper", "trim", "substring"), "text"),
}


def check_kinds(tree: Any) -> None:
    """Refuse text where a number must be, and the reverse.

    Postgres refuses it too; SQLite answers, but wrongly (`substr(said_at, 1, 4) = 2023` is never
    true). Call it after `check_query` or `check_names`, which note the kinds of columns.
    """
    for node in tree.dfs():
        operands = [node.args.get(side) for side in ("this", "expression", "low", "high")]
        operands += node.args.get("expressions") or []
        kinds = {kind_of(operand) for operand in operands if hasattr(operand, "key")} - {""}
        if node.key in _COMPARISONS and len(kinds) > 1:
            refuse(sql_of(node), "text against a number: quote it ('2023'), or CAST(x AS INTEGER)")
        if node.key in _OF_NUMBERS and "text" in kinds:
            refuse(sql_of(node), "this is text: write CAST(x AS INTEGER)")
        if node.key in _OF_TEXT and "number" in kinds:
            refuse(sql_of(node), "this is a number: write CAST(x AS TEXT)")


def kind_of(node: Any) -> str:
    """Whether an expression is "text" or a "number"; "" when that is not known."""
    node = node.unnest()
    if node.key == "literal":
        return "text" if node.is_string else "number"
    if node.key == "cast":
        return "text" if node.to.sql("sqlite") == "TEXT" else "number"
    if node.key in ("min", "max", "coalesce", "nullif"):
        return kind_of(node.this)
    return str(node.meta.get("kind", "")) if node.key == "column" else _KIND.get(node.key, "")
