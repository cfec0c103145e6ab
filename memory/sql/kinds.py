"""Whether an expression is text, an integer or a real number."""

from collections.abc import Iterable
from typing import Any

from memory.sql.nodes import QUERIES, WINDOW, is_whole_number, sql_of
from memory.sql.refusals import refuse
from memory.sql.tables import DAYS_BETWEEN, EXACT_SUM, NUMBER, TODAY

_COMPARISONS = frozenset(("eq", "neq", "gt", "gte", "lt", "lte", "in", "between"))
_OF_NUMBERS = frozenset(("neg", "add", "sub", "mul", "div", "abs", "round", "sum", "avg"))
_OF_TEXT = frozenset(("lower", "upper", "trim", "substring", "like", "replace", "strposition"))
_NUMBERS = frozenset(("integer", "real", "number"))
_KIND = {
    **dict.fromkeys(("count", "length", "strposition"), "integer"),
    **dict.fromkeys(("rownumber", "rank", "denserank"), "integer"),
    **dict.fromkeys(("avg", "round"), "real"),
    **dict.fromkeys(("dpipe", "lower", "upper", "trim", "substring", "replace"), "text"),
}
_KIND_OF_FUNCTION = {  # with the functions that rendering puts into a tree
    DAYS_BETWEEN: "integer",
    **dict.fromkeys((NUMBER, EXACT_SUM, "trunc"), "real"),
    **dict.fromkeys((TODAY, "substr", "joined", "replaced"), "text"),
}


def check_kinds(tree: Any) -> None:
    """Refuse text where a number must be, and the reverse.

    Postgres refuses it too; SQLite answers, but wrongly (`substr(said_at, 1, 4) = 2023` is never
    true). Call it after `check_query` or `check_names`, which note the kinds of columns.
    """
    for node in tree.dfs():
        operands = [node.args.get(side) for side in ("this", "expression", "low", "high")]
        operands += node.args.get("expressions") or []
        operands += [node.args.get("query")] if node.key == "in" else []
        if node.key == "in" and node.this.key == "tuple":
            _check_pairs(node)
        found = {kind_of(operand) for operand in operands if hasattr(operand, "key")}
        kinds = {"number" if kind in _NUMBERS else kind for kind in found} - {""}
        if node.key in _COMPARISONS and len(kinds) > 1:
            refuse(sql_of(node), "text against a number: quote it ('2023'), or write number(x)")
        if node.key in _OF_NUMBERS and "text" in kinds:
            refuse(sql_of(node), "this is text: write number(x)")
        if node.key in _OF_TEXT and "number" in kinds:
            refuse(sql_of(node), "this is a number: write CAST(x AS TEXT)")
        if is_function(node, DAYS_BETWEEN) and "number" in kinds:
            refuse(sql_of(node), "dates are text in quotes: '2023-05-07', '2023-05' or '2023'")
        if node.key in ("lag", "lead") and len({*map(_plain_kind, _values_of(node))} - {""}) > 1:
            refuse(sql_of(node), "a missing row's value is to be of the same kind as the others")


def _check_pairs(node: Any) -> None:
    """Refuse (a, b) IN (SELECT x, y ...) if a value and its column differ in kind."""
    query = node.args["query"].unnest()
    if query.key != "select":
        return
    for value, column in zip(node.this.expressions, query.expressions, strict=False):
        if len({_plain_kind(value), _plain_kind(column.unalias())} - {""}) > 1:
            refuse(sql_of(node), "text against a number: compare columns of one kind")


def is_function(node: Any, name: str) -> bool:
    """Whether a node calls one of our own functions."""
    return bool(node.key == "anonymous" and str(node.this).lower() == name)


def _values_of(node: Any) -> list[Any]:
    """What LAG or LEAD may give: the value of another row, or the default for a missing row."""
    values = [node.this, node.args.get("default")]
    return [value for value in values if value is not None and value.key != "null"]


def _plain_kind(node: Any) -> str:
    kind = kind_of(node)
    return "number" if kind in _NUMBERS else kind


def is_number(node: Any) -> bool:
    """Whether an expression is certainly a number."""
    return kind_of(node) in _NUMBERS


def kind_of(node: Any) -> str:
    """Whether an expression is "text", an "integer" or a "real".

    "number" if it may be either of the two, "" if nothing is known.
    """
    node = node.unnest()
    if node.key in QUERIES:  # in parentheses: its one column
        is_one = node.key == "select" and len(node.expressions) == 1
        return kind_of(node.expressions[0].unalias()) if is_one else ""
    if node.key == "literal":
        return "text" if node.is_string else "integer" if is_whole_number(node) else "real"
    if node.key == "cast":
        return {"TEXT": "text", "INTEGER": "integer"}.get(node.to.sql("sqlite"), "real")
    if node.key == "case":
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        return _common([*branches, *filter(None, [node.args.get("default")])])
    if node.key in ("coalesce", "nullif"):
        return _common([node.this, *filter(None, [node.expression]), *node.expressions])
    if node.key == "distinct":
        return kind_of(node.expressions[0])
    if node.key in ("min", "max", "firstvalue", WINDOW):
        return kind_of(node.this)
    if node.key in ("lag", "lead"):
        return _common(_values_of(node))
    if node.key == "anonymous":
        return _KIND_OF_FUNCTION.get(str(node.this).lower().removeprefix("memory."), "")
    if node.key in ("neg", "abs", "sum"):
        return kind_of(node.this) or "number"
    if node.key in ("add", "sub", "mul", "div"):
        kinds = {kind_of(node.this), kind_of(node.expression)}
        return "real" if "real" in kinds else "integer" if kinds == {"integer"} else "number"
    return str(node.meta.get("kind", "")) if node.key == "column" else _KIND.get(node.key, "")


def _common(nodes: Iterable[Any]) -> str:
    """The kind of a value that is one of several; NULL may have any kind."""
    return common_kind(kind_of(node) for node in nodes if node.key != "null")


def common_kind(kinds: Iterable[str]) -> str:
    """The kind of a value that has one of several."""
    distinct = [*dict.fromkeys(kinds)]
    known = [kind for kind in distinct if kind]
    if len(distinct) == 1 or not known:
        return "".join(known)
    return "number" if _NUMBERS.issuperset(known) else known[0]
