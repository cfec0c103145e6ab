"""A checked tree as the text that a database runs.

The two databases read parts of the subset differently. The rendered text is unambiguous.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from sqlglot import exp
from sqlglot.dialects import Postgres, SQLite
from sqlglot.errors import ErrorLevel

from memory.sql.kinds import is_function, is_number, kind_of
from memory.sql.nodes import WINDOW, is_aggregate, is_whole_number
from memory.sql.parsing import PARSER_FAULTS
from memory.sql.refusals import refuse
from memory.sql.tables import (
    DATES,
    DAYS_BETWEEN,
    EXACT_SUM,
    FACTS_NOW,
    NUMBER,
    READABLE,
    ROW_ORDER,
    SEARCH_COLUMNS,
    TABLES,
)

Dialect = Literal["sqlite", "postgres"]
Hits = Sequence[tuple[int, float]]  # (turn id, score) of one search(), best first

_MAX_DECIMALS = 30  # SQLite rounds to these
_ARITHMETIC = ("add", "sub", "mul", "div")
# Joins two texts, or raises an error if the result is too long (0012_schema.sql).
_JOINED = "memory.joined"
_OWN_FUNCTIONS = (DAYS_BETWEEN, NUMBER)  # in Postgres of the schema memory
_REPLACED = "memory.replaced"  # likewise: replace() with the same limit (0013_amounts.sql)
# Some keywords are two words ("GROUP BY"): each of them needs quotes if it is a name.
_KEYWORDS = set(" ".join([*SQLite.Tokenizer.KEYWORDS, *Postgres.Tokenizer.KEYWORDS]).split())
_RESERVED = re.compile(  # by Postgres, and unknown to the parser
    r"analyse|asymmetric|authorization|both|cast|check|collation|concurrently|current_role"
    r"|deferrable|freeze|initially|leading|placing|symmetric|system_user|trailing|user|verbose"
)
_KNOWN = {
    *READABLE,
    *SEARCH_COLUMNS,
    *(column for columns in TABLES.values() for column in columns),
}


def search_tables(tree: Any) -> list[Any]:
    """The tables of a query that are calls of search(), in the order of the tree."""
    return [node for node in tree.dfs() if node.key == "table" and node.this.key == "anonymous"]


def select_text(tree: Any, hits: Sequence[Hits], dialect: Dialect, namespace: int | None) -> str:
    """A SELECT for a database, each search() being a common table expression of its hits.

    With a namespace, each table is its rows of the shared tables. Raises SqlError.
    """
    query = tree.copy()
    # Before a namespace is: with one, each table is a subquery.
    _order_by_id(query, namespace)
    _put_hits(query, hits)
    return _text(_of_namespace(_portable(query, dialect), namespace), dialect)


def change_text(tree: Any) -> str:
    """An UPDATE or DELETE for SQLite. Raises SqlError."""
    return _text(_portable(tree.copy(), "sqlite"), "sqlite")


def changed_facts_text(tree: Any, namespace: int) -> str:
    """The SELECT for Postgres that shows what an UPDATE or DELETE would do, without doing it.

    It has a row for each fact: its id, and what an UPDATE sets, in the order of its columns.
    Raises SqlError.
    """
    change = _portable(tree.copy(), "postgres")
    values = [_as_stored(pair.this.name, pair.expression) for pair in change.expressions]
    table = change.this
    query = exp.Select(
        expressions=[exp.column("id", table=table.alias_or_name), *values],
        from_=exp.From(this=table),
        where=change.args["where"],
    )
    _order_by_id(query, namespace)
    return _text(_of_namespace(query, namespace), "postgres")


def _as_stored(column: str, value: Any) -> Any:
    """A value in the type that its column has in Postgres."""
    return exp.cast(value, exp.DType.BIGINT if column == "turn_id" else exp.DType.TEXT)


def _text(tree: Any, dialect: Dialect) -> str:
    try:
        level = ErrorLevel.RAISE
        # The tree is a copy already, which no one reads again.
        text = tree.sql(dialect=dialect, unsupported_level=level, comments=False, copy=False)
        return str(text)
    except PARSER_FAULTS:
        refuse("this statement", f"it cannot be written for {dialect}; write a simpler one")


def _put_hits(query: Any, hits: Sequence[Hits]) -> None:
    """Put the hits of each search() before a query, as a common table expression."""
    ctes = []
    for i, (table, table_hits) in enumerate(zip(search_tables(query), hits, strict=True), start=1):
        columns = [exp.to_identifier(column) for column in SEARCH_COLUMNS]
        alias = exp.TableAlias(this=exp.to_identifier(f"search_{i}"), columns=columns)
        ctes.append(exp.CTE(this=_hits_table(table_hits), alias=alias))
        name = exp.to_identifier(table.alias or "search")
        table.replace(
            exp.Table(this=exp.to_identifier(f"search_{i}"), alias=exp.TableAlias(this=name))
        )
    if ctes:
        own_ctes = query.args["with_"].expressions if query.args.get("with_") else []
        query.set("with_", exp.With(expressions=[*ctes, *own_ctes]))


def _hits_table(hits: Hits) -> Any:
    if not hits:  # an empty VALUES is not valid SQL
        never = exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(0))
        nulls = [exp.cast(exp.null(), kind) for kind in (exp.DType.INT, exp.DType.FLOAT)]
        return exp.Select(expressions=nulls, where=exp.Where(this=never))
    rows = [(exp.Literal.number(n), exp.Literal.number(repr(float(score)))) for n, score in hits]
    return exp.Values(expressions=[exp.Tuple(expressions=[*row]) for row in rows])


def _portable(tree: Any, dialect: Dialect) -> Any:
    """The tree with everything that the two databases read differently made the same."""
    for node in reversed(list(tree.dfs())):  # inner nodes first: some are replaced
        sides = [side for side in ("this", "expression") if node.args.get(side)]
        if node.key == "identifier":
            # Unquoted names are lower case in Postgres; quoted ones keep their case.
            name = node.this.lower()
            is_keyword = name.upper() in _KEYWORDS or _RESERVED.fullmatch(name)
            is_word = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
            node.set("this", name)
            node.set("quoted", not (name in _KNOWN or (is_word and not is_keyword)))
        elif node.key == "like":
            # LIKE ignores case in SQLite and not in Postgres: both sides are lowered.
            for side in sides:
                value = node.args[side]
                if value.key != "lower" and not (
                    value.is_string and value.this == value.this.lower()
                ):
                    node.set(side, exp.Lower(this=value))
            if dialect == "postgres" and node.parent.key != "escape":  # its default is a backslash
                node.replace(exp.Escape(this=node.copy(), expression=exp.Literal.string("")))
        elif node.key == "substring":
            operands = [node.args.get(argument) for argument in ("this", "start", "length")]
            arguments = [operand for operand in operands if operand]
            if dialect == "postgres":  # its substr takes no number of 64 bits
                arguments[1:] = [
                    exp.cast(_whole(number), exp.DType.INT) for number in arguments[1:]
                ]
            node.replace(exp.Anonymous(this="SUBSTR", expressions=arguments))
        elif node.key == "cast":
            to = node.to.sql("sqlite")
            if to != "TEXT" and kind_of(node.this) == "text":
                number = exp.Anonymous(this=_named(NUMBER, dialect), expressions=[node.this])
                node.set("this", number)
            if to == "INTEGER" and dialect == "postgres" and is_number(node.this):
                node.set("this", _whole(node.this))
        elif node.key in ("coalesce", "case") and dialect == "sqlite":
            _make_branches_real(node)
        elif node.key == "datatype" and dialect == "postgres" and node.sql("sqlite") == "INTEGER":
            node.replace(exp.DataType(this=exp.DType.BIGINT))  # SQLite's have 64 bits
        elif node.key == "round" and dialect == "postgres":
            # Postgres rounds its other types half to even, and not to a number of digits.
            node.set("this", exp.cast(node.this, exp.DType.DECIMAL))
            digits = int(node.args["decimals"].this) if node.args.get("decimals") else 0
            node.set("decimals", exp.Literal.number(min(digits, _MAX_DECIMALS)))
            node.replace(exp.cast(node.copy(), exp.DType.DOUBLE))
        elif node.key in ("eq", "neq"):
            _let_null_be_empty(node)
        elif is_function(node, NUMBER) and is_number(node.expressions[0]):
            node.replace(exp.cast(node.expressions[0], exp.DType.DOUBLE))
        elif node.key == "anonymous" and dialect == "postgres":
            if node.this.lower() in _OWN_FUNCTIONS:
                node.set("this", _named(node.this.lower(), dialect))
        elif node.key == "replace" and dialect == "postgres":
            arguments = [node.this, node.expression, node.args["replacement"]]
            node.replace(exp.Anonymous(this=_REPLACED, expressions=arguments))
        elif node.key in ("avg", "sum"):
            _make_sum_exact(node, dialect)
        elif node.key == "literal" and dialect == "postgres":
            if not (node.is_string or is_whole_number(node)):
                node.set("this", repr(float(node.this)))
                node.replace(exp.cast(node.copy(), exp.DType.DOUBLE))
        elif node.key == "dpipe" and dialect == "postgres":
            texts = [
                side if kind_of(side) == "text" else exp.cast(side, exp.DType.TEXT)
                for side in (node.this, node.expression)
            ]
            node.replace(exp.Anonymous(this=_JOINED, expressions=texts))
        elif node.key == "dpipe" or node.key in _ARITHMETIC:
            # || binds tighter than arithmetic in SQLite and looser in Postgres, so parentheses say
            # which of the two goes first.
            ambiguous = ("dpipe",) if node.key in _ARITHMETIC else _ARITHMETIC
            for side in sides:
                if node.args[side].key in ambiguous:
                    node.set(side, exp.Paren(this=node.args[side]))
            if dialect == "postgres" and node.key != "div" and kind_of(node) == "integer":
                # SQLite's integers have 64 bits, and there 2,000,000,000 has 32.
                node.set("this", exp.cast(node.this, exp.DType.BIGINT))
    return tree


def _let_null_be_empty(comparison: Any) -> None:
    """Let `ended_on = ''` mean a missing date, which is NULL: models write both."""
    for side, other in (("this", "expression"), ("expression", "this")):
        column, text = comparison.args[side], comparison.args[other]
        is_date = column.key == "column" and column.name.lower() in DATES
        if is_date and text.key == "literal" and text.is_string and not text.this:
            coalesced = exp.Coalesce(this=column, expressions=[exp.Literal.string("")])
            comparison.set(side, coalesced)


def _make_branches_real(node: Any) -> None:
    """Let all values of a COALESCE or CASE be real if one is, as in Postgres."""
    if node.key == "case":
        values = [branch.args["true"] for branch in node.args["ifs"]]
        values += filter(None, [node.args.get("default")])
    else:
        values = [node.this, *node.expressions]
    kinds = [kind_of(value) for value in values]
    if "integer" in kinds and {"real", "number"} & {*kinds}:
        for value, kind in zip(values, kinds, strict=True):
            if kind == "integer":
                value.replace(exp.cast(value.copy(), exp.DType.DOUBLE))


def _named(function: str, dialect: Dialect) -> str:
    """One of our own functions, as a database calls it."""
    return f"memory.{function}" if dialect == "postgres" else function.upper()


def _make_sum_exact(node: Any, dialect: Dialect) -> None:
    """Let a sum or mean be the same in both databases, to the last digit and in any order of rows.

    Real numbers are added as decimal ones of fifteen digits: 0.1 and 0.2 are 0.3. A mean is a sum
    over a count. Results have 64 bits, as in SQLite: a number of Postgres may have 131,000 digits.
    """
    is_windowed = node.parent is not None and node.parent.key == WINDOW
    whole = node.parent if is_windowed and node.arg_key == "this" else node
    is_whole = kind_of(node.this) == "integer"
    if dialect == "sqlite" and is_whole:
        return

    def computed(function: Any) -> Any:
        """A function in the place of the node, in its window."""
        if whole is node:
            return function
        window = whole.copy()
        window.set("this", function)
        return window

    summed = _exact_sum(node.this.copy(), is_whole, dialect)
    is_mean = node.key == "avg"
    sums = computed(summed)
    if dialect == "postgres":
        kind = exp.DType.BIGINT if is_whole and not is_mean else exp.DType.DOUBLE
        sums = exp.cast(sums, kind)
    if is_mean:
        count = computed(exp.Count(this=node.this.copy(), big_int=True))
        sums = exp.Paren(this=exp.Div(this=sums, expression=count, typed=True, safe=True))
    whole.replace(sums)


def _exact_sum(summed: Any, is_whole: bool, dialect: Dialect) -> Any:
    if dialect == "sqlite":
        return exp.Anonymous(this=EXACT_SUM.upper(), expressions=[summed])
    if not is_whole:
        distinct = summed.key == "distinct"
        value = summed.expressions[0] if distinct else summed
        decimal = exp.cast(value.copy(), exp.DType.DECIMAL)
        summed = exp.Distinct(expressions=[decimal]) if distinct else decimal
    return exp.Sum(this=summed)


def _whole(number: Any) -> Any:
    """A number without its fraction: SQLite cuts it off where Postgres would round."""
    if is_whole_number(number):
        return number
    return exp.Anonymous(this="TRUNC", expressions=[number])


def _of_namespace(tree: Any, namespace: int | None) -> Any:
    """The tree with each table as the rows of one namespace in the shared tables of Postgres.

    A WITH cannot have the name of a table (`names.check_query`), so a table is known by its name.
    """
    if namespace is None:
        return tree
    for table in [node for node in tree.dfs() if node.key == "table" and node.name in TABLES]:
        shared = exp.table_(table.name, db="memory")
        is_this = exp.EQ(
            this=exp.column("namespace"), expression=exp.Literal.number(str(namespace))
        )
        # Nodes, not the builders of sqlglot, which parse each name and copy the whole again.
        rows = exp.Select(
            expressions=[exp.column(column) for column in TABLES[table.name]],
            from_=exp.From(this=shared),
            where=exp.Where(this=is_this),
        )
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name))
        table.replace(exp.Subquery(this=rows, alias=alias))
    return tree


def _order_by_id(tree: Any, namespace: int | None) -> None:
    """Give the rows of a plain SELECT over one table in SQLite's order.

    Postgres moves a row to the end of its table when it is changed. Rows that a window has sorted
    come in its order, or in another one, in both databases.
    """
    clauses = ("order", "group", "distinct", "joins", "having")
    if tree.key != "select" or any(tree.args.get(clause) for clause in clauses):
        return
    table: Any = tree.args["from_"].this if tree.args.get("from_") else None
    name = table.name.lower() if table and table.key == "table" else ""
    if name not in READABLE:
        return
    nodes = [node for part in tree.expressions for node in part.dfs()]
    is_sorted = name == FACTS_NOW or any(node.key == WINDOW for node in nodes)
    if not any(map(is_aggregate, nodes)) and (namespace is not None or is_sorted):
        alias = table.alias_or_name
        columns = [exp.column(column, table=alias) for column in ROW_ORDER[name]]
        tree.set("order", exp.Order(expressions=columns))
