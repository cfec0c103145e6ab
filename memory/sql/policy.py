"""What SQL a model may write: parse, check, rewrite search(), render for a database.

What runs is the rendered tree that was checked, never the text. A statement is refused

- in `statements` for its characters and words,
- in `grammar.check_grammar` for what it is made of (another command, a function, RETURNING ...),
- in `names` for another table or column,
- in `costs` for the work that it makes,
- here for what it writes (`_insert`, `_update`, `_delete`) and for its size.

What slips through is stopped by the database (memory/store/walls.py). Messages are written for the
model, because they are its next prompt.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Postgres, SQLite
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from memory.dates import is_iso_date, is_iso_span
from memory.sql import names
from memory.sql.costs import check_weight
from memory.sql.grammar import RULES, check_arguments, check_grammar
from memory.sql.names import TABLES, WRITABLE
from memory.sql.statements import WRITE_FORMS, check_words, join, refuse, scan, short, split_answer

Dialect = Literal["sqlite", "postgres"]
Search = Callable[[str, int], Sequence[tuple[int, float]]]

_REQUIRED = ("subject", "attribute", "value", "turn_id")
_DATES = {  # a column of dates -> what may stand in it
    "happened_on": (
        "a date as exact as known, '2023-05-07', '2023-05' or '2023', a span of days,"
        " '2023-05-13/2023-05-14', or '' when no time is known; count from the date in brackets"
        " before the turn"
    ),
    "ended_on": "a date as exact as known, '2023-05-07', '2023-05' or '2023', or ''",
}

MAX_SEARCHES = 5  # in one statement
_MAX_DEPTH = 80  # levels of the tree: rendering recurses

_ARITHMETIC = ("add", "sub", "mul", "div")
# Some keywords are two words ("GROUP BY"): each of them needs quotes where it is a name.
_KEYWORDS = set(" ".join([*SQLite.Tokenizer.KEYWORDS, *Postgres.Tokenizer.KEYWORDS]).split())
_RESERVED = re.compile(  # by Postgres, and unknown to the parser
    r"analyse|asymmetric|authorization|both|cast|check|collation|concurrently|current_role"
    r"|deferrable|freeze|initially|leading|placing|symmetric|system_user|trailing|user|verbose"
)
_KNOWN = {
    *TABLES,
    *names.SEARCH_COLUMNS,
    *(column for columns in TABLES.values() for column in columns),
}
# What the parser was seen to raise on text that is not SQL: it has no single error of its own.
PARSER_FAULTS = (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, LookupError)


def split(answer: str) -> list[str]:
    """A model's answer as its statements, without comments, fences and semicolons.

    Accepts what has one certain meaning: one Markdown fence with prose around it, a label before
    the first statement, a missing semicolon before a line that starts the next statement.
    `-- none`, an empty fence and comments alone give []. Raises SqlError for everything else.
    """
    return split_answer(answer, _is_whole)


def read_statement(
    sql: str, search: Search, dialect: Dialect = "sqlite", namespace: int | None = None
) -> str:
    """Check one SELECT over `TABLES` and search(), and render it for a database.

    Args:
        sql: the model's answer.
        search: runs one search('text', k) and returns (turn id, score), best first; it is
            called only when the whole statement is allowed.
        dialect: the database the result is for.
        namespace: the number of a namespace in Postgres, written into each table reference.

    Returns: the rendered statement, in which each search() is a common table expression.

    Raises SqlError when the statement is refused, with what to write instead.
    """
    answer_statements = split(sql)
    if len(answer_statements) != 1:
        refuse(f"{len(answer_statements)} statements", "write exactly one SELECT")
    [statement] = answer_statements
    tree = _parse(statement)
    if tree.key not in names.QUERIES:
        refuse(short(statement), "here only a SELECT is allowed")
    check_grammar(tree, "query")
    names.check_query(tree, {}, ())
    names.check_kinds(tree)
    check_weight(tree)
    _run_searches(tree, search)
    return _render(_of_namespace(_portable(tree, dialect), namespace), dialect)


def write_statements(answer: str) -> list[str]:
    """Check the INSERT, UPDATE and DELETE statements of an answer, and render them for SQLite.

    Returns [] when the model says that there is nothing to store. Raises SqlError when one
    statement is refused; then none of them may run.
    """
    return [_render(_portable(tree, "sqlite")) for tree in _checked_writes(answer)]


@dataclass(frozen=True)
class FactWrite:
    """A checked INSERT, UPDATE or DELETE for Postgres: a query, which writes nothing itself.

    `query` gives a row for each fact: its id, which a new one has not, and what is to stand in each
    of `columns`.
    """

    command: Literal["insert", "update", "delete"]
    columns: tuple[str, ...]
    query: str


def fact_writes(answer: str, namespace: int) -> list[FactWrite]:
    """Check an answer as `write_statements` does, and make a query of each of its statements."""
    writes = []
    for checked in _checked_writes(answer):
        tree = _portable(checked, "postgres")
        if tree.key == "insert":
            columns = tuple(column.name for column in tree.this.expressions)
            query = tree.expression
        else:
            pairs = tree.expressions if tree.key == "update" else []
            columns = tuple(pair.this.name for pair in pairs)
            values = [_as_stored(pair.this.name, pair.expression) for pair in pairs]
            table = tree.this
            query = exp.Select(
                expressions=[exp.column("id", table=table.alias_or_name), *values],
                from_=exp.From(this=table),
                where=tree.args["where"],
            )
        rendered = _render(_of_namespace(query, namespace), "postgres")
        writes.append(FactWrite(tree.key, columns, rendered))
    return writes


def _as_stored(column: str, value: Any) -> Any:
    """A value in the type that its column has in Postgres."""
    return exp.cast(value, "bigint" if column == "turn_id" else "text")


def _checked_writes(answer: str) -> Iterator[Any]:
    """The trees of the statements of an answer, each checked."""
    checks = {"insert": _insert, "update": _update, "delete": _delete}
    for statement in split(answer):
        tree = _parse(statement)
        if tree.key not in checks:
            refuse(short(statement), f"here only facts are written: {WRITE_FORMS}")
        checks[tree.key](tree)
        yield tree


def _is_whole(text: str) -> bool:
    try:
        tree = _trees(text)[0]
    except PARSER_FAULTS:
        return False
    return tree is not None and (tree.key != "insert" or bool(tree.expression))


def _trees(text: str) -> list[Any]:
    """The trees of a text, in which search() has a name that no dialect gives a meaning."""
    tokens = scan(text)[0]
    for i, token in enumerate(tokens[:-1]):
        if token.text.lower() == "search" and tokens[i + 1].text == "(":
            tokens[i] = token._replace(text=names.SEARCH_FUNCTION)
    return list(sqlglot.parse(join(tokens), read="sqlite"))


def _parse(statement: str) -> Any:
    check_words(scan(statement)[0])
    try:
        trees = _trees(statement)
    except ParseError as error:
        near = str((error.errors or [{}])[0].get("highlight") or statement[-30:])
        refuse(f"syntax error near {short(near)}", "write one whole statement of plain SQL")
    except PARSER_FAULTS:
        refuse(short(statement), "this cannot be read; write a simpler statement")
    if len(trees) != 1 or trees[0] is None:
        refuse(short(statement), "write one whole statement of plain SQL")
    # Level by level, without recursion, which a deep tree would exhaust.
    level: list[Any] = trees
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in node.iter_expressions()]
    if level:
        refuse(short(statement), "too deep; write a simpler statement, or IN (...) for many values")
    return trees[0]


def _render(tree: Any, dialect: str = "sqlite") -> str:
    try:
        level = ErrorLevel.RAISE
        # Nobody reads the tree again, so it is not copied.
        text = tree.sql(dialect=dialect, unsupported_level=level, comments=False, copy=False)
        return str(text)
    except PARSER_FAULTS:
        refuse("this statement", f"it cannot be written for {dialect}; write a simpler one")


def _run_searches(tree: Any, search: Search) -> None:
    """Put the result of each search() before the statement, as a common table expression."""
    calls = [t for t in tree.dfs() if t.key == "table" and t.this.key == "anonymous"]
    if len(calls) > MAX_SEARCHES:
        refuse(f"{len(calls)} calls of search()", f"write at most {MAX_SEARCHES}")
    ctes = []
    for i, table in enumerate(calls, start=1):
        # An empty VALUES is no SQL: without hits the expression selects no row instead.
        rows = [
            exp.Tuple(expressions=[exp.Literal.number(n), exp.Literal.number(repr(float(score)))])
            for n, score in search(*names.search_arguments(table))
        ]
        nothing = exp.select("CAST(NULL AS INTEGER)", "CAST(NULL AS REAL)").where("1 = 0")
        columns = [exp.to_identifier(column) for column in names.SEARCH_COLUMNS]
        alias = exp.TableAlias(this=exp.to_identifier(f"search_{i}"), columns=columns)
        ctes.append(exp.CTE(this=exp.Values(expressions=rows) if rows else nothing, alias=alias))
        name = exp.to_identifier(table.alias or "search")
        table.replace(
            exp.Table(this=exp.to_identifier(f"search_{i}"), alias=exp.TableAlias(this=name))
        )
    if ctes:
        own_ctes = tree.args["with_"].expressions if tree.args.get("with_") else []
        tree.set("with_", exp.With(expressions=[*ctes, *own_ctes]))


def _portable(tree: Any, dialect: Dialect) -> Any:
    """The tree with what the two databases understand differently made the same."""
    for node in reversed(list(tree.dfs())):  # what is inside first: some nodes are replaced
        sides = [side for side in ("this", "expression") if node.args.get(side)]
        if node.key == "identifier":
            # Unquoted names are lower case in Postgres; quoted ones are taken as they stand.
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
                arguments[1:] = [exp.cast(_whole(number), "int") for number in arguments[1:]]
            node.replace(exp.Anonymous(this="SUBSTR", expressions=arguments))
        elif node.key == "cast" and dialect == "postgres" and node.to.sql("sqlite") == "INTEGER":
            if names.kind_of(node.this) == "number":
                node.set("this", _whole(node.this))
        elif node.key == "datatype" and dialect == "postgres" and node.sql("sqlite") == "INTEGER":
            node.replace(exp.DataType.build("bigint"))  # SQLite's have 64 bits
        elif node.key == "round" and node.args.get("decimals") and dialect == "postgres":
            node.set("this", exp.cast(node.this, "decimal"))  # it rounds no other kind
        elif node.key == "dpipe" or node.key in _ARITHMETIC:
            # || binds tighter than arithmetic in SQLite and looser in Postgres, so parentheses say
            # which of the two goes first.
            ambiguous = ("dpipe",) if node.key in _ARITHMETIC else _ARITHMETIC
            for side in sides:
                if node.args[side].key in ambiguous:
                    node.set(side, exp.Paren(this=node.args[side]))
    return tree


def _whole(number: Any) -> Any:
    """A number without its fraction: SQLite cuts it off where Postgres would round."""
    if names.is_whole_number(number):
        return number
    return exp.Anonymous(this="TRUNC", expressions=[number])


def _of_namespace(tree: Any, namespace: int | None) -> Any:
    """The tree with each table as the rows of one namespace in the shared tables of Postgres.

    A WITH cannot have the name of a table (`names.check_query`), so a table is known by its name.
    """
    if namespace is None:
        return tree
    _order_by_id(tree)
    for table in [node for node in tree.dfs() if node.key == "table" and node.name in TABLES]:
        shared = exp.table_(table.name, db="memory")
        is_this = exp.EQ(
            this=exp.column("namespace"), expression=exp.Literal.number(str(namespace))
        )
        # Nodes, not the builders of sqlglot: these parse each name, and copy the whole again.
        rows = exp.Select(
            expressions=[exp.column(column) for column in TABLES[table.name]],
            from_=exp.From(this=shared),
            where=exp.Where(this=is_this),
        )
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name))
        table.replace(exp.Subquery(this=rows, alias=alias))
    return tree


def _order_by_id(tree: Any) -> None:
    """Let the rows of a plain SELECT over one table come in the order that SQLite gives them in.

    Postgres moves a row to the end of its table when it is changed.
    """
    clauses = ("order", "group", "distinct", "joins", "having")
    if tree.key != "select" or any(tree.args.get(clause) for clause in clauses):
        return
    table = tree.args["from_"].this if tree.args.get("from_") else None
    has_aggregate = any(part.find(exp.AggFunc) for part in tree.expressions)
    if table is not None and table.key == "table" and table.name in TABLES and not has_aggregate:
        tree.set("order", exp.Order(expressions=[exp.column("id", table=table.alias_or_name)]))


def _insert(tree: Any) -> None:
    check_arguments(tree, ["this", "expression"], WRITE_FORMS)
    if tree.this.key != "schema":
        refuse(names.sql_of(tree), f"name the columns; {WRITE_FORMS}")
    _target(tree.this.this)
    columns = [
        column.name.lower() if column.key == "identifier" else names.sql_of(column)
        for column in tree.this.expressions
    ]
    _writable(columns)
    if missing := [column for column in _REQUIRED if column not in columns]:
        refuse(names.sql_of(tree), f"a fact needs {', '.join(_REQUIRED)}; add {', '.join(missing)}")
    if not isinstance(tree.expression, exp.Values):
        refuse(names.sql_of(tree), f"INSERT takes values, not a SELECT: {WRITE_FORMS}")
    check_arguments(tree.expression, ["expressions"], "write VALUES (...), (...) and nothing after")
    for row in tree.expression.expressions:
        if len(row.expressions) != len(columns):
            refuse(
                names.sql_of(row),
                f"give {len(columns)} values, one for each of {', '.join(columns)}",
            )
        for column, value in zip(columns, row.expressions, strict=True):
            if not _constant(column, value):
                refuse(names.sql_of(value), "write a plain value, text in single quotes")


def _update(tree: Any) -> None:
    check_arguments(
        tree, ["this", "expressions", "where"], "write UPDATE facts SET value = '...' WHERE id = 3"
    )
    _target(tree.this)
    if not tree.expressions:
        refuse(names.sql_of(tree), "write SET column = value, column = value")
    for pair in tree.expressions:
        if pair.key != "eq" or not names.plain_name(pair.this):
            refuse(names.sql_of(pair), "write SET column = value, column = value")
    _writable([pair.this.name.lower() for pair in tree.expressions])
    pairs = [(pair.this.name.lower(), pair.expression) for pair in tree.expressions]
    computed = [(column, value) for column, value in pairs if not _constant(column, value)]
    for column, value in computed:
        # substr(happened_on, 1, 7) is a date again; of others nobody can tell here.
        read = {node.name.lower() for node in value.find_all(exp.Column)}
        has_text = any(node.is_string for node in value.find_all(exp.Literal))
        if column in _DATES and (has_text or not read or read - {*_DATES}):
            refuse(f"{column} = {names.sql_of(value)}", f"write the date itself: {_DATES[column]}")
    _condition(tree, [value for _, value in computed])


def _delete(tree: Any) -> None:
    check_arguments(tree, ["this", "where"], "write DELETE FROM facts WHERE id = 3")
    _target(tree.this)
    _condition(tree, [])


def _target(table: Any) -> None:
    if not table or table.key != "table" or not isinstance(table.this, exp.Identifier):
        refuse(names.sql_of(table) if table else "DELETE", f"only facts are written: {WRITE_FORMS}")
    check_arguments(table, RULES["table"], f"only facts are written: {WRITE_FORMS}")
    if table.name.lower() in TABLES and table.name.lower() != "facts":
        refuse(table.name, "turns are what was said and never change; write to facts")
    if table.name.lower() != "facts":
        refuse(f"no table {table.name}", f"only facts are written: {WRITE_FORMS}")


def _writable(columns: list[str]) -> None:
    for column in columns:
        if column not in WRITABLE:
            refuse(column, f"not a column that you set; there are {', '.join(WRITABLE)}")
        if columns.count(column) > 1:
            refuse(column, "it is set twice; leave one out")


def _constant(column: str, value: Any) -> bool:
    """Check a literal for a column; numbers become text where the column holds text."""
    number = value.this if value.key == "neg" else value
    if value.key == "null":
        if column in _REQUIRED:
            refuse(f"{column} NULL", "a fact needs it; leave the fact out when it is unknown")
        return True
    if not isinstance(number, exp.Literal):
        return False
    if column == "turn_id" and not names.is_whole_number(value):
        refuse(
            f"turn_id {names.sql_of(value)}", "the id of a turn is a whole number, without quotes"
        )
    if column in _DATES:
        _check_date(column, value.this if value.is_string else names.sql_of(value))
    if column != "turn_id" and not value.is_string:
        value.replace(exp.Literal.string(_render(value)))
    return True


def _check_date(column: str, text: str) -> None:
    if text and not is_iso_date(text) and not (column == "happened_on" and is_iso_span(text)):
        refuse(f"{column} '{short(text)}'", f"write {_DATES[column]}")


def _condition(tree: Any, values: list[Any]) -> None:
    """Check the WHERE of a write, and the expressions it sets, like those of a read."""
    if not tree.args.get("where"):
        refuse(names.sql_of(tree), "WHERE is missing: say which facts, as in WHERE id = 3")
    alias, columns = names.table_source(tree.this, {})
    for part, place in [(tree.args["where"], "where"), *((value, "value") for value in values)]:
        if any(n.key == "anonymous" and n.this == names.SEARCH_FUNCTION for n in part.dfs()):
            refuse("search()", "it is for SELECT; choose facts by their columns")
        check_grammar(part, place)
        names.check_names(part, ctes={}, scopes=({alias: columns},), aliases={})
        names.check_kinds(part)
    check_weight(tree.args["where"], *values)
