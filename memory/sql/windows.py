"""Where a SELECT may have a window (a function with OVER).

A window is computed after WHERE, GROUP BY and HAVING: databases refuse it there, with messages that
do not help a model.
"""

from typing import Any

from memory.sql.nodes import AGGREGATES, WINDOW, nodes_without_subqueries, present, sql_of
from memory.sql.refusals import refuse

_FILTER_ADVICE = (
    "select it with a name in a WITH, and filter there: WITH ranked AS (SELECT ..., ROW_NUMBER()"
    " OVER (...) AS place FROM facts) SELECT ... FROM ranked WHERE place = 1"
)


def check_windows(select: Any) -> None:
    """Refuse windows outside a SELECT's columns and ORDER BY, and nested windows."""
    clauses = [select.args.get(clause) for clause in ("where", "group", "having")]
    conditions = [join.args.get("on") for join in select.args.get("joins") or []]
    for part in present(*clauses, *conditions):
        refuse_windows(part)
    for part in present(*select.expressions, select.args.get("order")):
        for node in nodes_without_subqueries(part):
            if node.key != WINDOW and node.key not in AGGREGATES:
                continue
            for inner in node.iter_expressions():
                refuse_windows(inner)


def refuse_windows(part: Any) -> None:
    """Refuse a clause or expression with its own window; one in a subquery passes."""
    for node in nodes_without_subqueries(part):
        if node.key == WINDOW:
            refuse(sql_of(node), _FILTER_ADVICE)
