"""Rewrites gold SELECTs as a student writes them: in one form, without names it cannot know."""

import re

from memory import SqlError, Store
from memory.sql import clauses_of, conjuncts, split

# What the SELECTs of examples begin with: the same for every question.
ROWS_SELECT = "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts WHERE"
# Words that begin alike count as one: a cheap stem, for questions and rows of any wording.
# The number of letters is a choice.
STEM_LETTERS = 6
# Nearly all gold SELECTs of data/train end like this, so it carries nothing that could be learnt.
LIMIT = " LIMIT 30;"
# Choices that keep what a small model has to write short.
_MAX_ROW_SELECTS, _MAX_COUNT_SELECTS, _MAX_WORDS = 2, 1, 2


def canonical_selects(gold_sql: str) -> list[str]:
    """Gold SELECTs of facts, rewritten to return whole rows; then at most one count, unchanged.

    A count alone would bring no turn to cite, so its rows are selected as well. Returns [] when the
    SQL asks something else than facts, or cannot be read (`python -m locomo.dataset check` names
    such gold).
    """
    try:
        statements = split(gold_sql)
    except SqlError:
        return []
    row_selects: list[str] = []
    count_selects: list[str] = []
    for statement in statements:
        select = clauses_of(statement.text)
        if select is None or select.table != "facts" or not select.where:
            continue
        order = "" if select.aggregates else _order(select.order_by, select.descending)
        row_selects.append(f"{ROWS_SELECT} {select.where}{order}{LIMIT}")
        if select.aggregates:
            count_selects.append(f"{statement.text};")
    return [
        *list(dict.fromkeys(row_selects))[:_MAX_ROW_SELECTS],
        *list(dict.fromkeys(count_selects))[:_MAX_COUNT_SELECTS],
    ]


def widened(select: str, question: str, store: Store) -> str:
    """A SELECT by attribute, which also finds words of the question that its rows have.

    The student does not see which attributes this memory uses, but sees the question. Other SELECTs
    come back unchanged. Raises SqlError when the database refuses the SELECT.
    """
    parsed = clauses_of(select)
    where_conjuncts = conjuncts(parsed.where) if parsed else []
    columns = [conjunct.column for conjunct in where_conjuncts]
    if parsed is None or columns not in (["attribute"], ["subject", "attribute"]):
        return select
    if len(where_conjuncts) == 2 and where_conjuncts[0].operator != "=":
        return select

    rows = store.read(select)
    values = " ".join(str(row[rows.columns.index("value")]).lower() for row in rows.rows)
    question_words = re.findall(r"\w{4,}", question.lower())
    stems = dict.fromkeys(word[:STEM_LETTERS] for word in question_words)
    stems_in_rows = [stem for stem in stems if f" {stem}" in f" {values}"][:_MAX_WORDS]
    if not stems_in_rows:
        return select

    *subject, attribute = [conjunct.text for conjunct in where_conjuncts]
    alternatives = " OR ".join([attribute, *map(value_has, stems_in_rows)])
    where = " AND ".join([*subject, f"({alternatives})"])
    return f"{ROWS_SELECT} {where}{_order(parsed.order_by, parsed.descending)}{LIMIT}"


def value_has(stem: str) -> str:
    """The condition that a fact's value has these letters."""
    return f"lower(value) LIKE '%{stem}%'"


def _order(column: str, descending: bool) -> str:
    """Facts are sorted by their date or not at all."""
    if column != "happened_on":
        return ""
    return " ORDER BY happened_on DESC" if descending else " ORDER BY happened_on"
