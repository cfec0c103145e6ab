"""Writes about facts that contradict each other: INSERT INTO contradictions.

No database runs the statement. It is read as values, which the store applies
(memory/store/facts/contradictions.py), so it may contain only constants.
"""

from typing import Any

from memory.sql.checked import CheckedContradictions, ContradictionRow
from memory.sql.name_writes import columns_of_insert, rows_of_insert
from memory.sql.nodes import is_whole_number, sql_of
from memory.sql.refusals import refuse, short
from memory.sql.tables import LONGEST_NAME

CONTRADICTIONS = "contradictions"
_FORM = (
    "write INSERT INTO contradictions (first_fact, turn_id, attribute) VALUES (31, 12, 'owns'): the"
    " known fact 31, and what turn 12 says, as you store it under that attribute; of two turns of"
    " the window (first_turn, first_attribute, turn_id, attribute) VALUES (9, 'never', 12, 'owns')"
)
_NUMBERS = ("first_fact", "first_turn", "turn_id")
_SECOND = {"turn_id", "attribute"}
_SHAPES = ({"first_fact", *_SECOND}, {"first_turn", "first_attribute", *_SECOND})


def check_contradictions(tree: Any) -> CheckedContradictions:
    """An INSERT of pairs, as values. Raises SqlError for any other statement on the table."""
    if tree.key != "insert":
        refuse(sql_of(tree), "a person settles contradictions; only INSERT them")
    columns = columns_of_insert(tree, _FORM)
    if len(columns) != len({*columns}) or {*columns} not in _SHAPES:
        refuse(", ".join(columns), _FORM)
    rows = rows_of_insert(tree, columns, _constant, _FORM)
    return CheckedContradictions(tuple(ContradictionRow(**row) for row in rows))


def _constant(column: str, value: Any) -> str | int:
    if column in _NUMBERS:
        if not is_whole_number(value) or not int(value.this):
            refuse(f"{column} {sql_of(value)}", "an id is a whole number, without quotes")
        return int(value.this)
    if value.key != "literal" or not value.is_string or not str(value.this).strip():
        refuse(f"{column} {sql_of(value)}", "write the attribute of the fact, in single quotes")
    if len(str(value.this)) > LONGEST_NAME:
        refuse(f"{column} '{short(str(value.this))}'", f"write at most {LONGEST_NAME} characters")
    return str(value.this).strip()
