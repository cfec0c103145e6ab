"""Writes of names and summaries: INSERTs, and DELETE FROM aliases.

No database runs these statements. They are read as values, which the store applies
(memory/store/facts/entity_edits.py), so they may contain only constants.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from memory.sql.checked import (
    CheckedAliases,
    CheckedAliasRemoval,
    CheckedEntities,
    CheckedNames,
    CheckedSummaries,
)
from memory.sql.grammar import RULES, check_arguments
from memory.sql.nodes import is_whole_number, plain_name, sql_of
from memory.sql.refusals import refuse, short
from memory.sql.tables import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_SUMMARY

NAME_TABLES = ("entities", "aliases", "summaries")
_COLUMNS = {  # of a table: the columns that an INSERT may name, the required ones first
    "entities": (("name",), ("description",)),
    "aliases": (("name", "entity", "turn_id"), ()),
    "summaries": (("turn_id", "last_turn_id", "summary"), ()),
}
_FORMS = {
    "entities": (
        "write INSERT INTO entities (name, description) VALUES ('Ilse', 'Anna''s mother')"
    ),
    "aliases": (
        "write INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', 12), or"
        " DELETE FROM aliases WHERE name = 'Mum' AND entity = 'Ilse'"
    ),
    "summaries": (
        "write INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES (12, 15, 'Anna asked')"
    ),
}


_LONGEST = {"description": LONGEST_DESCRIPTION, "summary": LONGEST_SUMMARY}


def written_table(tree: Any) -> str:
    """The table that an INSERT, UPDATE or DELETE names, in lower case; "" if there is none."""
    target = tree.this
    table = target.this if isinstance(target, exp.Schema) else target
    is_plain = isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier)
    return str(table.name).lower() if is_plain else ""


def check_name_write(tree: Any) -> CheckedNames | CheckedSummaries:
    """A statement on entities, aliases or summaries, as values; SqlError for any other form."""
    table = written_table(tree)
    if table == "summaries" and tree.key != "insert":
        refuse(sql_of(tree), f"a digest of its turns writes a summary anew: {_FORMS[table]}")
    if tree.key == "update":
        refuse(sql_of(tree), f"names are inserted and deleted, not updated: {_FORMS[table]}")
    if tree.key == "insert":
        return _checked_insert(tree, table)
    if table == "entities":
        refuse(sql_of(tree), "an entity goes with its last name; delete its aliases")
    return _checked_delete(tree)


def columns_of_insert(tree: Any, form: str) -> list[str]:
    """The columns that an INSERT names, in lower case; `form` is the advice in a refusal."""
    check_arguments(tree, ["this", "expression"], form)
    if tree.this.key != "schema":
        refuse(sql_of(tree), f"name the columns; {form}")
    check_arguments(tree.this.this, RULES["table"], form)
    return [
        column.name.lower() if column.key == "identifier" else sql_of(column)
        for column in tree.this.expressions
    ]


def rows_of_insert(
    tree: Any, columns: Sequence[str], constant: Callable[[str, Any], str | int], form: str
) -> list[dict[str, Any]]:
    """The rows that an INSERT gives as VALUES, by column; `constant` reads a cell."""
    if not isinstance(tree.expression, exp.Values):
        refuse(sql_of(tree), f"INSERT takes values, not a SELECT: {form}")
    check_arguments(tree.expression, ["expressions"], "write VALUES (...), (...) and nothing after")
    rows = []
    for row in tree.expression.expressions:
        if len(row.expressions) != len(columns):
            refuse(sql_of(row), f"give {len(columns)} values, for {', '.join(columns)}")
        values = zip(columns, row.expressions, strict=True)
        rows.append({column: constant(column, value) for column, value in values})
    return rows


def _checked_insert(tree: Any, table: str) -> CheckedEntities | CheckedAliases | CheckedSummaries:
    form = _FORMS[table]
    columns = columns_of_insert(tree, form)
    required, optional = _COLUMNS[table]
    for column in columns:
        if column not in (*required, *optional):
            refuse(column, f"{table} has the columns {', '.join((*required, *optional))}")
        if columns.count(column) > 1:
            refuse(column, "it is set twice; leave one out")
    if missing := [column for column in required if column not in columns]:
        refuse(sql_of(tree), f"{table} needs {', '.join(required)}; add {', '.join(missing)}")
    rows = rows_of_insert(tree, columns, _constant, form)
    if table == "entities":
        return CheckedEntities(
            tuple((str(row["name"]), str(row.get("description") or "")) for row in rows)
        )
    if table == "summaries":
        return CheckedSummaries(
            tuple(
                (int(row["turn_id"]), int(row["last_turn_id"]), str(row["summary"])) for row in rows
            )
        )
    return CheckedAliases(
        tuple((str(row["name"]), str(row["entity"]), int(row["turn_id"])) for row in rows)
    )


def _checked_delete(tree: Any) -> CheckedAliasRemoval:
    form = _FORMS["aliases"]
    check_arguments(tree, ["this", "where"], form)
    check_arguments(tree.this, RULES["table"], form)
    if tree.this.alias or not tree.args.get("where"):
        refuse(sql_of(tree), f"say which alias: {form}")
    condition = tree.args["where"].this
    values: dict[str, str | int] = {}
    pairs = [condition.this, condition.expression] if condition.key == "and" else [condition]
    for pair in pairs:
        column = plain_name(pair.this) if pair.key == "eq" else ""
        if column not in ("name", "entity") or column in values:
            refuse(sql_of(pair), f"an alias is named by both its columns: {form}")
        values[column] = _constant(column, pair.expression)
    if len(values) < 2:
        refuse(sql_of(tree), f"an alias is named by both its columns: {form}")
    return CheckedAliasRemoval(str(values["name"]), str(values["entity"]))


def _constant(column: str, value: Any) -> str | int:
    """The literal for a column of entities, aliases or summaries."""
    if column in ("turn_id", "last_turn_id"):
        if not is_whole_number(value) or not int(value.this):
            refuse(
                f"{column} {sql_of(value)}", "the id of a turn is a whole number, without quotes"
            )
        return int(value.this)
    if value.key == "null" and column == "description":
        return ""
    if value.key != "literal" or not value.is_string:
        refuse(sql_of(value), "write a plain name, text in single quotes")
    text = " ".join(str(value.this).split())
    if not text and column != "description":
        noun = "summary" if column == "summary" else "name"
        refuse(f"{column} ''", f"a {noun} is not empty; leave the row out")
    longest = _LONGEST.get(column, LONGEST_NAME)
    if len(text) > longest:
        refuse(f"{column} '{short(text)}'", f"write at most {longest} characters")
    return text
