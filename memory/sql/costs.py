"""How much work a statement makes, judged before it is compiled.

SQLite writes each WITH and subquery into the query that reads it, once for each read, and its
columns into every expression that names them. So a few hundred characters can become millions of
operations. Nothing can interrupt it while it compiles, or during one call of a function on a long
text: this bounds the size of a compilation and the cost of a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from memory.sql.nodes import QUERIES, WINDOW, present, sql_of
from memory.sql.refusals import refuse
from memory.sql.tables import FACTS_NOW, MAX_PATTERN, MAX_WINDOWS, READABLE, SEARCH_COLUMNS

MAX_WEIGHT = 10_000  # a thousand nodes; the heaviest of 1,500 SELECTs for training has 45
_NODE_WEIGHT = 10  # also of a pattern's character: one more look at the whole text
_FACTS_NOW_WEIGHT = 1_000  # a SELECT that sorts the facts, with a list of attributes (in_force.py)
_LITERAL_WEIGHT = 1  # compiled once, free for each row: IN (...) may list many


@dataclass(frozen=True)
class Size:
    """A query's size when everything that it reads is written into it.

    `selects` counts the simple SELECTs in it, `columns` are (name, weight) of what it gives.
    """

    weight: int
    selects: int
    columns: list[tuple[str, int]]


Sizes = Mapping[str, Size]  # by the name of a table or WITH, or by the alias of a source
_STORED = {  # search() has no name in the tree
    name: Size(
        weight=_FACTS_NOW_WEIGHT if name == FACTS_NOW else 0,
        selects=1,
        columns=[(column, _NODE_WEIGHT) for column in columns],
    )
    for name, columns in {**READABLE, "": SEARCH_COLUMNS}.items()
}


def check_weight(*parts: Any) -> None:
    """Refuse a query, or the parts of a write, that make too much work.

    Call it after the names were checked. Raises SqlError with advice.
    """
    windows = sum(node.key == WINDOW for part in parts for node in part.dfs())
    if windows > MAX_WINDOWS:
        refuse(f"{windows} windows (OVER)", f"write at most {MAX_WINDOWS}")
    if sum(_weight(part, _STORED, ()) for part in parts) > MAX_WEIGHT:
        refuse(
            sql_of(parts[0]),
            "too much work; write fewer or shorter expressions, LIKE patterns and subqueries",
        )


def _weight(part: Any, ctes: Sizes, scopes: tuple[Sizes, ...]) -> int:
    """The weight of an expression or clause, including its columns' expressions and subqueries."""
    weight = 0
    stack = [part]
    while stack:
        node = stack.pop()
        if node.key in QUERIES:
            weight += _query_size(node, ctes, scopes).weight
            continue
        if node.key == "column":
            weight += _column_weight(node, scopes)
            continue
        if node.key != "identifier":
            weight += _LITERAL_WEIGHT if node.key == "literal" else _NODE_WEIGHT
        if node.key in ("like", "trim", "replace", "strposition"):
            pattern = node.args.get("substr") or node.expression
            weight += _NODE_WEIGHT * _pattern_bytes(pattern) if pattern else 0
        stack.extend(node.iter_expressions())
    return weight


def _pattern_bytes(pattern: Any) -> int:
    """The length of a pattern; the longest possible if it is not a literal."""
    while pattern.key in ("lower", "upper", "paren"):
        pattern = pattern.this
    return len(pattern.this.encode()) if pattern.is_string else MAX_PATTERN


def _query_size(query: Any, outer_ctes: Sizes, outer: tuple[Sizes, ...]) -> Size:
    ctes = dict(outer_ctes)
    for cte in query.args["with_"].expressions if query.args.get("with_") else ():
        size = _query_size(cte.this, ctes, outer)
        names = [column.name.lower() for column in cte.args["alias"].columns]
        if names:
            weights = [weight for _, weight in size.columns]
            size = Size(size.weight, size.selects, list(zip(names, weights, strict=True)))
        ctes[cte.alias.lower()] = size
    if query.key == "select":
        return _select_size(query, ctes, outer)
    left, right = (_query_size(side, ctes, outer) for side in (query.this, query.expression))
    columns = [
        (name, max(weight, other_weight))
        for (name, weight), (_, other_weight) in zip(left.columns, right.columns, strict=True)
    ]
    return Size(left.weight + right.weight, left.selects + right.selects, columns)


def _select_size(select: Any, ctes: Sizes, outer: tuple[Sizes, ...]) -> Size:
    sources: dict[str, Size] = {}
    joins = select.args.get("joins") or []
    for item in present(select.args.get("from_"), *joins):
        if item.this.key == "subquery":
            sources[item.this.alias.lower()] = _query_size(item.this.this, ctes, outer)
        else:
            alias = item.this.alias_or_name.lower() or "search"
            sources[alias] = ctes[item.this.name.lower()]
    scopes = (sources, *outer)

    columns: list[tuple[str, int]] = []
    for item in select.expressions:
        if item.is_star:
            table = item.table.lower() if item.key == "column" else ""  # t.*, or *
            for alias, source in sources.items():
                if table in ("", alias):
                    columns += source.columns
        else:
            columns.append((item.alias_or_name.lower(), _weight(item, ctes, scopes)))

    weight = _NODE_WEIGHT + sum(column_weight for _, column_weight in columns)
    conditions = [join.args.get("on") for join in joins]
    for part in present(select.args.get("where"), select.args.get("having"), *conditions):
        weight += _weight(part, ctes, scopes)
    # GROUP BY and ORDER BY also know what the SELECT gives.
    outputs = {"": Size(0, 1, columns)}
    for part in present(select.args.get("group"), select.args.get("order")):
        weight += _weight(part, ctes, (outputs, *scopes))

    # A source of several SELECTs can be written into copies of this one.
    selects = prod(source.selects for source in sources.values())
    weight = weight * selects + sum(source.weight for source in sources.values())
    return Size(weight, selects, columns)


def _column_weight(column: Any, scopes: tuple[Sizes, ...]) -> int:
    """The weight of the expression behind a source's column."""
    table = column.table.lower()
    for sources in scopes:
        for alias, source in sources.items():
            for name, weight in source.columns:
                if table in ("", alias) and column.name.lower() == name:
                    return weight
    return _NODE_WEIGHT  # COUNT(*), or the facts that a write changes
