"""The SQL that a model may write: a text goes in once, and comes out as allowed statements.

Stores run the rendered statements, never the text. A statement is refused

- in `answers` and `tokens` for its characters and where it ends,
- in `word_advice` for words and functions that models often write,
- in `dialects` and `dates` for what the subset cannot express; the rest is rewritten,
- in `grammar` for its parts (another command, a function, RETURNING ...),
- in `names`, `groups` and `kinds` for another table or column, or text against a number,
- in `costs` for the work that it makes,
- in `writes` for what it would write, in `name_writes` for what it says of names and tells in
  summaries, and in `contradiction_writes` of facts that contradict each other.

The database stops what slips through: memory/store/sqlite/authorizer.py, and in Postgres
model_login.py.
Messages are written for the model, because they are its next prompt.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from memory.errors import SqlError
from memory.records import Fact
from memory.sql.answers import MAX_ANSWER, READ_COMMANDS, Statement, split_answer, statements_in
from memory.sql.checked import (
    CheckedChange,
    CheckedInsert,
    CheckedSelect,
    CheckedWrite,
    CheckedWrites,
    Value,
)
from memory.sql.contradiction_writes import CONTRADICTIONS, check_contradictions
from memory.sql.costs import check_weight
from memory.sql.dialects import in_subset
from memory.sql.grammar import check_grammar
from memory.sql.kinds import check_kinds
from memory.sql.name_writes import NAME_TABLES, check_name_write, written_table
from memory.sql.names import check_query, search_call
from memory.sql.nodes import QUERIES, sql_of
from memory.sql.parsing import check_depth, tree_of, whole_tree
from memory.sql.refusals import WRITE_FORMS, refuse, short
from memory.sql.rendering import change_text, search_tables
from memory.sql.tables import DATES, WRITABLE
from memory.sql.tokens import whole_rows
from memory.sql.writes import check_delete, check_fact, check_insert, check_update

MAX_SEARCHES = 5  # in one statement
_LONGEST_LITERAL = 2_000  # characters, of an answer that is too long


def split(answer: str) -> list[Statement]:
    """A model's answer as its statements, without comments, fences and semicolons.

    Accepts anything with one certain meaning: one Markdown fence with prose around it, a label
    before the first statement, a missing semicolon before a line that starts the next statement.
    `-- none`, an empty fence and comments alone give []. Raises SqlError for everything else.
    """
    return split_answer(answer, whole_tree)


def check_select(select: str | Statement) -> CheckedSelect:
    """Check one SELECT over turns, facts and search(): a model's answer, or a part of one.

    Raises SqlError when it is refused, with what to write instead.
    """
    if isinstance(select, str):
        statement = _only(split_answer(select, whole_tree, READ_COMMANDS))
    else:
        statement = select
    tree = in_subset(tree_of(statement))
    check_depth(tree, statement.text)
    if tree.key not in QUERIES:
        refuse(short(statement.text), READ_COMMANDS)
    check_grammar(tree, "query")
    check_query(tree, {}, ())
    check_kinds(tree)
    check_weight(tree)
    searches = tuple(search_call(table) for table in search_tables(tree))
    if len(searches) > MAX_SEARCHES:
        refuse(f"{len(searches)} calls of search()", f"write at most {MAX_SEARCHES}")
    return CheckedSelect(statement.text, searches, tree)


def check_writes(answer: str) -> CheckedWrites:
    """Check the INSERT, UPDATE and DELETE statements of a model's answer, on facts and names.

    Returns () when the model says that there is nothing to store. Raises SqlError when one
    statement is refused; then nothing may run.
    """
    return tuple(_checked_write(statement) for statement in split(answer))


_CUT_ANSWER = "the answer ends within this; write it again, with what was to follow"


def is_cut(reasons: Iterable[str]) -> bool:
    """Whether one of the reasons of `check_each` is that the answer ended too early."""
    return any(reason.endswith(_CUT_ANSWER) for reason in reasons)


# A text in quotation marks that no fact can hold.
_LONG_LITERAL = re.compile(rf"'(?:[^']|''){{{_LONGEST_LITERAL},}}+'")


def check_each(answer: str) -> tuple[CheckedWrites, tuple[str, ...]]:
    """The statements of a model's answer that may run, and why others, or rows of them, may not.

    The talk around them is left out. Raises SqlError if that leaves nothing but reasons.
    """
    reasons: list[str] = []
    if len(answer) > MAX_ANSWER:  # one value that is too long does not cost the other rows
        answer = _LONG_LITERAL.sub("''", answer)
    text = statements_in(answer) or answer
    if read_text := whole_rows(text):
        if read_text != text:
            reasons.append(f"{short(text[len(read_text) :])}: {_CUT_ANSWER}")
        text = read_text
    statements = split_answer(text, whole_tree, refused=reasons)
    writes: list[CheckedWrite] = []
    for statement in statements:
        try:
            writes.append(_checked_write(statement))
        except SqlError as error:
            rows = _rows_apart(statement)
            if not rows:
                reasons.append(str(error))
            for row in rows:
                try:
                    writes.append(_checked_write(row))
                except SqlError as of_row:
                    reasons.append(str(of_row))
    if reasons and not writes:
        raise SqlError("; ".join(reasons))
    return tuple(writes), tuple(reasons)


def _rows_apart(statement: Statement) -> list[Statement]:
    """A statement for each row of an INSERT of several; empty for another statement."""
    try:
        tree = tree_of(statement)
    except SqlError:
        return []
    rows = tree.expression.expressions if isinstance(tree.expression, exp.Values) else []
    if tree.key != "insert" or len(rows) < 2:
        return []
    parts = []
    for row in rows:
        part = tree.copy()
        part.expression.set("expressions", [row.copy()])
        parts.append(replace(statement, text=sql_of(part), tree=part))
    return parts


def check_facts(facts: Sequence[Fact], columns: Sequence[str] = WRITABLE) -> CheckedInsert:
    """Check facts to be inserted with these columns. Raises SqlError."""
    for fact in facts:
        check_fact(fact)
    rows = [tuple(_stored(fact, column) for column in columns) for fact in facts]
    return CheckedInsert(tuple(columns), tuple(rows))


def _stored(fact: Fact, column: str) -> Value:
    value: Value = getattr(fact, column)
    return None if column in DATES and value == "" else value


def _only(statements: Sequence[Statement]) -> Statement:
    if len(statements) != 1:
        refuse(f"{len(statements)} statements", "write exactly one SELECT")
    return statements[0]


def _checked_write(statement: Statement) -> CheckedWrite:
    tree = tree_of(statement)
    if tree.key in ("update", "delete"):
        tree = in_subset(tree)
        check_depth(tree, statement.text)
    if tree.key not in ("insert", "update", "delete"):
        refuse(short(statement.text), f"here only facts are written: {WRITE_FORMS}")
    if written_table(tree) in NAME_TABLES:
        return check_name_write(tree)
    if written_table(tree) == CONTRADICTIONS:
        return check_contradictions(tree)
    if tree.key == "insert":
        check_insert(tree)
        names = tuple(column.name.lower() for column in tree.this.expressions)
        rows = [tuple(map(_value, row.expressions)) for row in tree.expression.expressions]
        return CheckedInsert(names, tuple(rows))
    if tree.key == "update":
        check_update(tree)
        names = tuple(pair.this.name.lower() for pair in tree.expressions)
        return CheckedChange("update", names, change_text(tree), tree)
    check_delete(tree)
    return CheckedChange("delete", (), change_text(tree), tree)


def _value(constant: Any) -> Value:
    """A constant of a checked INSERT: text, NULL, or the number of a turn."""
    if constant.key == "null":
        return None
    return str(constant.this) if constant.is_string else int(constant.this)
