"""What a write may do: INSERT, UPDATE and DELETE on facts, in plain forms."""

from typing import Any

from sqlglot import exp

from memory.records import Fact
from memory.sql.costs import check_weight
from memory.sql.grammar import RULES, check_arguments, check_grammar
from memory.sql.kinds import check_kinds, kind_of
from memory.sql.names import check_names, table_source
from memory.sql.nodes import is_whole_number, plain_name, sql_of
from memory.sql.refusals import WRITE_FORMS, refuse, short
from memory.sql.tables import DATES, FACTS_NOW, SEARCH_FUNCTION, TABLES, WRITABLE
from memory.sql.today import is_today
from memory.sql.windows import refuse_windows
from memory.text.dates import is_iso_date, is_iso_span

_REQUIRED = ("subject", "attribute", "value", "turn_id")
_DATES = {  # a column of dates -> its allowed values
    "happened_on": (
        "a date as exact as known, '2023-05-07', '2023-05' or '2023', a span of days,"
        " '2023-05-13/2023-05-14', or NULL when no time is known; count from the date in brackets"
        " before the turn"
    ),
    "ended_on": "a date as exact as known, '2023-05-07', '2023-05' or '2023', or NULL",
}


def check_insert(tree: Any) -> None:
    """Allow constants for columns that may be set; numbers become text where columns hold text."""
    check_arguments(tree, ["this", "expression"], WRITE_FORMS)
    if tree.this.key != "schema":
        refuse(sql_of(tree), f"name the columns; {WRITE_FORMS}")
    _target(tree.this.this)
    columns = [
        column.name.lower() if column.key == "identifier" else sql_of(column)
        for column in tree.this.expressions
    ]
    _writable(columns)
    if missing := [column for column in _REQUIRED if column not in columns]:
        refuse(sql_of(tree), f"a fact needs {', '.join(_REQUIRED)}; add {', '.join(missing)}")
    if not isinstance(tree.expression, exp.Values):
        refuse(sql_of(tree), f"INSERT takes values, not a SELECT: {WRITE_FORMS}")
    check_arguments(tree.expression, ["expressions"], "write VALUES (...), (...) and nothing after")
    for row in tree.expression.expressions:
        if len(row.expressions) != len(columns):
            refuse(
                sql_of(row),
                f"give {len(columns)} values, one for each of {', '.join(columns)}",
            )
        for column, value in zip(columns, row.expressions, strict=True):
            if not _constant(column, value):
                advice = f"write the date itself: {_DATES[column]}" if column in DATES else ""
                refuse(sql_of(value), advice or "write a plain value, text in single quotes")


def check_update(tree: Any) -> None:
    """Allow constants and expressions, for facts that a WHERE names."""
    check_arguments(
        tree, ["this", "expressions", "where"], "write UPDATE facts SET value = '...' WHERE id = 3"
    )
    _target(tree.this)
    if not tree.expressions:
        refuse(sql_of(tree), "write SET column = value, column = value")
    for pair in tree.expressions:
        if pair.key != "eq" or not plain_name(pair.this):
            refuse(sql_of(pair), "write SET column = value, column = value")
    _writable([pair.this.name.lower() for pair in tree.expressions])
    pairs = [(pair.this.name.lower(), pair.expression) for pair in tree.expressions]
    computed = [(column, value) for column, value in pairs if not _constant(column, value)]
    for column, value in computed:
        # substr(happened_on, 1, 7) is a date again; of others no one can tell here.
        read = {node.name.lower() for node in value.find_all(exp.Column)}
        has_text = any(node.is_string for node in value.find_all(exp.Literal))
        if column in DATES and (has_text or not read or read - {*DATES}):
            refuse(f"{column} = {sql_of(value)}", f"write the date itself: {_DATES[column]}")
    _condition(tree, [value for _, value in computed])
    for column, value in computed:
        if column == "turn_id" and kind_of(value) == "real":  # Postgres would round it
            refuse(f"turn_id = {sql_of(value)}", "the id of a turn is a whole number")


def check_delete(tree: Any) -> None:
    """Allow to delete facts that a WHERE names."""
    check_arguments(tree, ["this", "where"], "write DELETE FROM facts WHERE id = 3")
    _target(tree.this)
    _condition(tree, [])


def check_fact(fact: Fact) -> None:
    """Refuse a fact with an invalid date."""
    for column in DATES:
        _check_date(column, getattr(fact, column))


def _target(table: Any) -> None:
    if not table or table.key != "table" or not isinstance(table.this, exp.Identifier):
        refuse(sql_of(table) if table else "DELETE", f"only facts are written: {WRITE_FORMS}")
    check_arguments(table, RULES["table"], f"only facts are written: {WRITE_FORMS}")
    if table.name.lower() == "turns":
        refuse(table.name, "turns are what was said and never change; write to facts")
    if table.name.lower() in TABLES and table.name.lower() != "facts":
        refuse(table.name, "this table is the application's; write to facts")
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
    check_grammar(number, "literal")
    if column == "turn_id" and not is_whole_number(value):
        refuse(f"turn_id {sql_of(value)}", "the id of a turn is a whole number, without quotes")
    if column in DATES:
        _check_date(column, value.this if value.is_string else sql_of(value))
        if value.is_string and not value.this:  # models write '' for a date that is not there
            value.replace(exp.Null())
            return True
    if column != "turn_id" and not value.is_string:
        value.replace(exp.Literal.string(value.sql("sqlite")))
    return True


def _check_date(column: str, text: str) -> None:
    if text and not is_iso_date(text) and not (column == "happened_on" and is_iso_span(text)):
        refuse(f"{column} '{short(text)}'", f"write {_DATES[column]}")


def _condition(tree: Any, values: list[Any]) -> None:
    """Check the WHERE of a write, and the expressions it sets, as in a read."""
    if not tree.args.get("where"):
        refuse(sql_of(tree), "WHERE is missing: say which facts, as in WHERE id = 3")
    alias, columns = table_source(tree.this, {})
    for part, place in [(tree.args["where"], "where"), *((value, "value") for value in values)]:
        if any(n.key == "anonymous" and n.this == SEARCH_FUNCTION for n in part.dfs()):
            refuse("search()", "it is for SELECT; choose facts by their columns")
        if any(n.key == "table" and n.name.lower() == FACTS_NOW for n in part.dfs()):
            refuse(FACTS_NOW, "it is for SELECT; choose facts by their columns")
        if any(map(is_today, part.dfs())):
            refuse("today", f"write the date itself: {_DATES['ended_on']}")
        check_grammar(part, place)
        refuse_windows(part)
        check_names(part, ctes={}, scopes=({alias: columns},), aliases={})
        check_kinds(part)
    check_weight(tree.args["where"], *values)
