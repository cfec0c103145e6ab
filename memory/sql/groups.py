"""What a SELECT may give and sort by if it has groups, aggregates or DISTINCT."""

from collections.abc import Mapping
from typing import Any

from memory.sql.nodes import (
    QUERIES,
    is_aggregate,
    is_whole_number,
    nodes_without_subqueries,
    plain_name,
    present,
    sql_of,
    terms_of,
)
from memory.sql.refusals import refuse


def check_groups(select: Any, aliases: Mapping[str, Any]) -> None:
    """A group gives only its keys and aggregates, and DISTINCT is ordered by its own columns.

    Postgres refuses the rest too. SQLite would answer with the value of any row of the group.
    """
    outputs = [_without_tables(item.unalias()) for item in select.expressions]
    order = [term for term in terms_of(select, "order") if plain_name(term) not in aliases]
    order = [term for term in order if not is_whole_number(term)]
    if select.args.get("distinct") and "*" not in outputs:
        for term in order:
            if _without_tables(term) not in outputs:
                refuse(f"ORDER BY {sql_of(term)}", "with DISTINCT, order by selected columns only")
    keys = set()
    for term in terms_of(select, "group"):
        if is_whole_number(term) and 0 < int(term.this) <= len(outputs):
            keys.add(outputs[int(term.this) - 1])
        keys |= {_without_tables(term), _without_tables(aliases.get(plain_name(term), term))}
    parts = [*select.expressions, *order, *present(select.args.get("having"))]
    aggregated = any(
        is_aggregate(node) for part in parts for node in nodes_without_subqueries(part)
    )
    if "id" in keys or not (keys or aggregated):
        return  # the id of a row decides all its columns
    while parts:
        node = parts.pop()
        if is_aggregate(node) or node.key in QUERIES or _without_tables(node) in keys:
            continue
        if node.key in ("column", "star"):
            refuse(
                f"{sql_of(node)} next to an aggregate",
                "add it to GROUP BY; for the newest row write ORDER BY ... DESC LIMIT 1, for the"
                " newest of each group ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ... DESC) AS"
                " place in a WITH, and WHERE place = 1 on that",
            )
        parts.extend(node.iter_expressions())


def _without_tables(node: Any) -> str:
    """The expression without table names, to compare two of them."""
    copy = node.copy()
    for part in copy.dfs():
        if part.key == "column":
            part.set("table", None)
    return str(copy.sql("sqlite")).lower()
