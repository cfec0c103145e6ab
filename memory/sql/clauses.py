"""The clauses of a SELECT over one table, as the statement writes them."""

from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.tokens import TokenType

from memory.sql.parsing import PARSER_FAULTS

_AFTER_WHERE = {TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY, TokenType.LIMIT}


@dataclass(frozen=True)
class Clauses:
    """What a SELECT asks for.

    `table` is the only one it reads and `where` the text of its condition. `order_by` names the
    column that it sorts by first; it is "" without ORDER BY, or if that is not a plain column.
    `aggregates` says that its first column is a COUNT, SUM, MIN, MAX or AVG.
    """

    table: str
    where: str = ""
    order_by: str = ""
    descending: bool = False
    aggregates: bool = False


@dataclass(frozen=True)
class Conjunct:
    """One part of a condition: the `column` and `operator` ("=" or "IN"), and all its text.

    Column and operator are "" for a part of any other form.
    """

    column: str
    operator: str
    text: str


def clauses_of(statement: str) -> Clauses | None:
    """The clauses of one SELECT over one table by its plain name; None for any other statement."""
    tree = _parsed(statement)
    if not isinstance(tree, exp.Select) or tree.args.get("joins"):
        return None
    source = tree.args.get("from_")
    table = source.this if source else None
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return None

    order = tree.args.get("order")
    sort_key = order.expressions[0] if order else exp.Ordered()
    by_column = isinstance(sort_key.this, exp.Column)
    return Clauses(
        table=table.name,
        where=_where(statement),
        order_by=sort_key.this.name if by_column else "",
        descending=by_column and bool(sort_key.args.get("desc")),
        aggregates=isinstance(tree.expressions[0].unalias(), exp.AggFunc),
    )


def conjuncts(condition: str) -> list[Conjunct]:
    """The parts of a condition that AND joins, in their order; [] when it cannot be read."""
    tree = _parsed(f"SELECT 1 WHERE {condition}")
    if tree is None:
        return []
    root = tree.args["where"].this
    parts = root.flatten(unnest=False) if isinstance(root, exp.And) else [root]
    return [_conjunct(part) for part in parts]


def _conjunct(node: Any) -> Conjunct:
    operators = {exp.EQ: "=", exp.In: "IN"}
    text = node.sql(dialect="sqlite")
    if type(node) not in operators or not isinstance(node.this, exp.Column):
        return Conjunct("", "", text)
    return Conjunct(node.this.name, operators[type(node)], text)


def _parsed(statement: str) -> Any:  # an Expression, whose arguments have no types
    try:
        return sqlglot.parse_one(statement, read="sqlite")
    except PARSER_FAULTS:
        return None


def _where(statement: str) -> str:
    """The text between WHERE and the next clause, "" without WHERE.

    It is cut from the statement, because rendering the tree would write functions in capitals.
    """
    start = None
    depth = 0
    for token in sqlglot.tokenize(statement, read="sqlite"):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth:  # a subquery's clauses are not the statement's
            continue
        if token.token_type == TokenType.WHERE:
            start = token.end + 1
        elif start is not None and token.token_type in _AFTER_WHERE:
            return statement[start : token.start].strip()
    return statement[start:].strip() if start is not None else ""
