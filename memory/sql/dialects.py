"""Rewrites one database's dialect into the portable subset.

ILIKE is LIKE, iif() is CASE, FILTER is a CASE in the aggregate, a pair compared with pairs is AND
and OR, a bracketed part of a UNION is a subquery. Anything without a certain meaning in the subset
stays, and `grammar` refuses it. Everything here works on the tree, before it is checked.
"""

from collections.abc import Iterable
from typing import Any

from sqlglot import exp

from memory.sql import dates
from memory.sql.nodes import QUERIES, sql_of
from memory.sql.refusals import DATES_ADVICE, refuse

_MOST_COPIED = 2_000  # nodes: CASE repeats what it compares
_CONDITIONS = frozenset(
    (
        *("eq", "neq", "gt", "gte", "lt", "lte", "is", "like", "escape", "and", "or", "not"),
        *("between", "in", "exists", "boolean"),
    )
)
_COMPARED = ("eq", "neq", "like", "in", "gt", "gte", "lt", "lte")
_ORDERED = ("order", "limit", "offset", "with_")  # clauses of a part of a UNION


def in_subset(tree: Any) -> Any:
    """The tree of a statement, rewritten into the words of the subset.

    Raises SqlError if that would be too long, or for a date that cannot be computed.
    """
    return _Rewriting(tree).run()


class _Rewriting:
    """One tree, rewritten from its leaves."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._copied = 0
        self._names = {node.this.lower() for node in tree.find_all(exp.Identifier)}

    def run(self) -> Any:
        for node in reversed(list(self._tree.dfs())):
            if node.parent is None and node is not self._tree:
                continue  # it was in a removed part
            new = self._rewritten(node)
            if new is node:
                continue
            if node is self._tree:
                self._tree = new
            else:
                node.replace(new)
        for node in self._tree.find_all(exp.Anonymous):
            if str(node.this).lower() in dates.UNKNOWN:
                refuse(sql_of(node), DATES_ADVICE)
        return self._tree

    def _rewritten(self, node: Any) -> Any:
        rewrite = _REWRITES.get(node.key)
        new = rewrite(self, node) if rewrite else node
        if new is not node:
            return new
        if node.key in _COMPARED:
            self._compare_without_case(node)
        if node.key in ("select", "alias", "ordered", "sum", "avg", "min", "max"):
            self._let_conditions_be_values(node)
        return dates.rewritten(node)

    def _copy(self, node: Any) -> Any:
        self._copied += sum(1 for _ in node.dfs())
        if self._copied > _MOST_COPIED:
            refuse(sql_of(node), "too much work; write shorter expressions")
        return node.copy()

    def _new_name(self) -> str:
        number = 1
        while f"unnamed_{number}" in self._names:
            number += 1
        self._names.add(f"unnamed_{number}")
        return f"unnamed_{number}"

    # ---------------------------------------------------------------- conditions

    def _ilike(self, node: Any) -> Any:
        arguments = {name: value for name, value in node.args.items() if value is not None}
        return exp.Like(**arguments)

    def _if(self, node: Any) -> Any:
        if node.parent is not None and node.parent.key == "case":
            return node
        return _case([(node.this, node.args.get("true"))], node.args.get("false"))

    def _filter(self, node: Any) -> Any:
        """SUM(x) FILTER (WHERE ...) as SUM(CASE WHEN ... THEN x END)."""
        aggregate, condition = node.this, node.expression.this
        if aggregate.key not in ("count", "sum", "avg", "min", "max"):
            return node
        value = aggregate.this
        if value.key == "star":
            aggregate.set("this", _case([(condition, exp.Literal.number(1))]))
        elif value.key == "distinct" and len(value.expressions) == 1:
            value.set("expressions", [_case([(condition, value.expressions[0])])])
        else:
            aggregate.set("this", _case([(condition, value)]))
        return aggregate

    def _in(self, node: Any) -> Any:
        """(a, b) IN ((1, 2), (3, 4)) as comparisons; a query after IN may have several columns."""
        rows = node.expressions
        if node.this.key != "tuple" or not rows or any(row.key != "tuple" for row in rows):
            return node
        alternatives = [self._pairs_equal(node.this, row) for row in rows]
        return exp.Paren(this=_joined(exp.Or, alternatives))

    def _eq(self, node: Any) -> Any:
        if node.this.key == "tuple" and node.expression.key == "tuple":
            return exp.Paren(this=self._pairs_equal(node.this, node.expression))
        return node

    def _neq(self, node: Any) -> Any:
        equal = self._eq(node)
        return node if equal is node else exp.Not(this=equal)

    def _pairs_equal(self, pair: Any, row: Any) -> Any:
        if len(pair.expressions) != len(row.expressions):
            refuse(sql_of(row), f"compare {sql_of(pair)} with as many values")
        pairs = zip(pair.expressions, row.expressions, strict=True)
        return _joined(exp.And, [exp.EQ(this=self._copy(a), expression=b) for a, b in pairs])

    def _compare_without_case(self, node: Any) -> None:
        """COLLATE NOCASE on one side: both are lowered."""
        sides = [node.this, *filter(None, [node.args.get("expression")]), *node.expressions]
        if not any(_ignores_case(side) for side in sides):
            return
        for side in sides:
            side.replace(exp.Lower(this=side.this.copy() if _ignores_case(side) else side.copy()))

    def _ordered(self, node: Any) -> Any:
        if _ignores_case(node.this):
            node.set("this", exp.Lower(this=node.this.this))
        return node

    def _let_conditions_be_values(self, node: Any) -> None:
        """A condition in the place of a value is 1, 0, or NULL if it is neither."""
        places = node.expressions if node.key == "select" else [node.this]
        for value in places:
            inner = value.unnest() if value is not None else None
            if inner is None or inner.key not in _CONDITIONS:
                continue
            true, false = exp.Literal.number(1), exp.Literal.number(0)
            if inner.key == "boolean":
                value.replace(true if inner.this else false)
            elif "exists" in (inner.key, inner.this.key):  # neither is ever NULL
                value.replace(_case([(inner.copy(), true)], false))
            else:
                negation = exp.Not(this=exp.Paren(this=self._copy(inner)))
                value.replace(_case([(inner.copy(), true), (negation, false)]))

    # ---------------------------------------------------------------- values

    def _greatest(self, node: Any) -> Any:
        return self._chosen(node, exp.GTE, exp.LT)

    def _least(self, node: Any) -> Any:
        return self._chosen(node, exp.LTE, exp.GT)

    def _chosen(self, node: Any, wins: Any, loses: Any) -> Any:
        """max(a, b) of SQLite, NULL if one of them is; Postgres's GREATEST ignores NULL."""
        chosen = node.this
        for rival in node.expressions:
            first = wins(this=self._copy(chosen), expression=self._copy(rival))
            second = loses(this=self._copy(chosen), expression=self._copy(rival))
            case = _case([(first, self._copy(chosen)), (second, self._copy(rival))])
            if node.args.get("ignore_nulls"):
                operands = [self._copy(chosen), self._copy(rival)]
                chosen = exp.Coalesce(this=case, expressions=operands)
            else:
                chosen = case
        return chosen

    def _concat(self, node: Any) -> Any:
        """CONCAT(a, b) as a || b, with '' for NULL."""
        parts = [part if part.is_string else _text(part) for part in node.expressions]
        joined = parts[0]
        for part in parts[1:]:
            joined = exp.DPipe(this=joined, expression=part, safe=True)
        return exp.Paren(this=joined) if len(parts) > 1 else joined

    def _left(self, node: Any) -> Any:
        one = exp.Literal.number(1)
        return exp.Substring(this=node.this, start=one, length=node.expression)

    def _right(self, node: Any) -> Any:
        """RIGHT(x, 3) as the substring of x from the third character from the end."""
        count, length = node.expression, exp.Length(this=self._copy(node.this))
        behind = exp.Add(
            this=exp.Sub(this=length.copy(), expression=self._copy(count)),
            expression=exp.Literal.number(1),
        )
        is_longer = exp.GT(this=length, expression=self._copy(count))
        end = exp.Substring(this=self._copy(node.this), start=behind)
        return _case([(is_longer, end)], node.this)

    def _cast(self, node: Any) -> Any:
        """CAST(x AS VARCHAR(10)), AS BIGINT, AS NUMERIC: as TEXT, INTEGER, REAL."""
        kind = node.to.this
        if kind in exp.DataType.TEXT_TYPES:
            node.set("to", exp.DataType(this=exp.DType.TEXT))
        elif kind in exp.DataType.INTEGER_TYPES:
            node.set("to", exp.DataType(this=exp.DType.INT))
        elif kind in exp.DataType.REAL_TYPES:
            node.set("to", exp.DataType(this=exp.DType.DOUBLE))
        return node

    def _anonymous(self, node: Any) -> Any:
        if node.this.lower() == "total" and len(node.expressions) == 1:
            total = exp.Sum(this=node.expressions[0])
            return exp.Coalesce(this=total, expressions=[exp.Literal.number("0.0")])
        return node

    # ---------------------------------------------------------------- queries

    def _with_a_name(self, node: Any) -> Any:
        if node.this.key == "subquery" and not node.this.alias:
            node.this.set("alias", exp.TableAlias(this=exp.to_identifier(self._new_name())))
        return node

    def _fetch(self, node: Any) -> Any:
        """FETCH FIRST 5 ROWS ONLY as LIMIT 5."""
        options = node.args.get("limit_options")
        is_plain = not options or not (options.args.get("percent") or options.args.get("with_ties"))
        count = node.args.get("count")
        return exp.Limit(expression=count) if is_plain and count is not None else node

    def _subquery(self, node: Any) -> Any:
        """The whole statement in parentheses."""
        return node.this if node is self._tree and _is_bare(node) else node

    def _union(self, node: Any) -> Any:
        for side in ("this", "expression"):
            part = node.args[side]
            if part.key == "subquery" and _is_bare(part) and part.this.key in QUERIES:
                node.set(side, self._part_of_union(node, side, part.this))
        return node

    def _part_of_union(self, union: Any, side: str, part: Any) -> Any:
        if union.key == "intersect" and part.key in ("union", "except"):
            return union.args[side]  # the databases put a different one first: it is refused
        is_plain = not any(part.args.get(clause) for clause in _ORDERED)
        if is_plain and (part.key == "select" or (side == "this" and part.key == union.key)):
            return part
        alias = exp.TableAlias(this=exp.to_identifier(self._new_name()))
        return exp.Select(
            expressions=[exp.Star()],
            from_=exp.From(this=exp.Subquery(this=part, alias=alias)),
        )


_REWRITES = {
    "ilike": _Rewriting._ilike,
    "if": _Rewriting._if,
    "filter": _Rewriting._filter,
    "in": _Rewriting._in,
    "eq": _Rewriting._eq,
    "neq": _Rewriting._neq,
    "ordered": _Rewriting._ordered,
    "greatest": _Rewriting._greatest,
    "least": _Rewriting._least,
    "concat": _Rewriting._concat,
    "left": _Rewriting._left,
    "right": _Rewriting._right,
    "cast": _Rewriting._cast,
    "anonymous": _Rewriting._anonymous,
    **dict.fromkeys(("from", "join"), _Rewriting._with_a_name),
    "fetch": _Rewriting._fetch,
    "subquery": _Rewriting._subquery,
    **dict.fromkeys(("union", "intersect", "except"), _Rewriting._union),
}


def _case(branches: Iterable[tuple[Any, Any]], default: Any = None) -> Any:
    ifs = [exp.If(this=condition, true=value) for condition, value in branches]
    return exp.Case(ifs=ifs, default=default)


def _joined(operator: Any, conditions: list[Any]) -> Any:
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = operator(this=joined, expression=condition)
    return joined


def _text(part: Any) -> Any:
    return exp.Coalesce(this=exp.cast(part, exp.DType.TEXT), expressions=[exp.Literal.string("")])


def _ignores_case(node: Any) -> bool:
    return bool(node.key == "collate" and str(node.expression.name).lower() == "nocase")


def _is_bare(subquery: Any) -> bool:
    """Whether a query in parentheses has nothing else: no name, no LIMIT after them."""
    return not any(value for name, value in subquery.args.items() if name != "this")
