"""The rows of INSERT statements as facts: what a model wants to store, before it is stored."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlglot
from sqlglot import exp

from memory.records import Fact
from memory.sql.policy import write_statements
from memory.sql.statements import quoted

_TEXT_COLUMNS = ("subject", "attribute", "value", "happened_on", "ended_on")


def revise_inserts(answer: str, revise: Callable[[Fact], Fact | None]) -> tuple[str, int]:
    """A model's statements with each fact they insert as `revise` returns it, equal ones once.

    Equal are facts of one turn and date that differ in capitals and punctuation alone.

    Arguments:
        answer: the INSERT, UPDATE and DELETE statements that a model wrote.
        revise: a fact -> how it is to be stored; None for not at all.

    Returns (statements, how many facts were not to be stored). Raises SqlError for what
    `write_statements` refuses.
    """
    statements = []
    inserted: set[Fact] = set()
    dropped = 0
    for statement in write_statements(answer):
        tree = sqlglot.parse_one(statement, read="sqlite")
        if not isinstance(tree, exp.Insert):
            statements.append(statement)
            continue
        rows = []
        for fact in _facts(tree):
            revised = revise(fact)
            if revised is None:
                dropped += 1
            elif (plain_fact := _plain(revised)) not in inserted:
                inserted.add(plain_fact)
                rows.append(_row(revised))
        if rows:
            columns = ", ".join([*_TEXT_COLUMNS, "turn_id"])
            statements.append(f"INSERT INTO facts ({columns}) VALUES {', '.join(rows)}")
    return ";\n".join(statements) or "-- none", dropped


def _facts(insert: Any) -> list[Fact]:
    """The rows of an INSERT that the policy allowed: constants, one for each column."""
    columns = [column.name.lower() for column in insert.this.expressions]
    facts = []
    for row in insert.expression.expressions:
        cells = dict(zip(columns, row.expressions, strict=True))
        # What is no literal is NULL, which an empty text says as well.
        texts = {
            name: cells[name].this
            for name in _TEXT_COLUMNS
            if isinstance(cells.get(name), exp.Literal)
        }
        facts.append(Fact(**texts, turn_id=int(cells["turn_id"].sql())))
    return facts


def _plain(fact: Fact) -> Fact:
    """A fact by its words alone, to compare it with others."""

    def plain(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.casefold())) or text

    return replace(
        fact,
        subject=plain(fact.subject),
        attribute=plain(fact.attribute),
        value=plain(fact.value),
    )


def _row(fact: Fact) -> str:
    texts = [quoted(getattr(fact, name)) for name in _TEXT_COLUMNS]
    return f"({', '.join(texts)}, {fact.turn_id})"
