"""The facts that a model's answer inserts, revised before they are stored."""

import re
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from memory.records import Fact
from memory.sql.checked import CheckedChange, CheckedInsert, CheckedWrite, CheckedWrites
from memory.sql.policy import check_facts


def revise_inserts(
    writes: CheckedWrites, revise: Callable[[Fact], Fact | None]
) -> tuple[CheckedWrites, int]:
    """A model's statements with each fact they insert as `revise` returns it, equal ones once.

    Facts of one turn and date are equal if they differ only in capitals and punctuation.

    Arguments:
        writes: the INSERT, UPDATE and DELETE statements that a model wrote.
        revise: a fact -> how to store it; None to leave it out.

    Returns (statements, how many facts were left out). Raises SqlError for a revised fact that
    cannot be stored.
    """
    statements: list[CheckedWrite] = []
    inserted: set[Fact] = set()
    dropped = 0
    for write in writes:
        if write.command != "insert":
            statements.append(write)
            continue
        facts = []
        for fact in write.facts:
            revised = revise(fact)
            if revised is None:
                dropped += 1
            elif (plain_fact := _plain(revised)) not in inserted:
                inserted.add(plain_fact)
                facts.append(revised)
        if facts:
            statements.append(check_facts(facts))
    return tuple(statements), dropped


def with_ends(writes: CheckedWrites) -> CheckedWrites:
    """A model's statements with the ends that an UPDATE gives to rows that were inserted before it.

    Stored facts are changed before rows are inserted, so such an UPDATE would be lost. It is meant
    for a row only if it names the row's value or turn: without them it means what was stored.
    """
    inserted: list[CheckedWrite] = []
    for write in writes:
        if isinstance(write, CheckedChange) and write.columns == ("ended_on",):
            inserted = [_ended(before, write) for before in inserted]
        else:
            inserted.append(write)
    ends = [w for w in writes if isinstance(w, CheckedChange) and w.columns == ("ended_on",)]
    return (*inserted, *ends)


def _ended(write: CheckedWrite, update: CheckedChange) -> CheckedWrite:
    if not isinstance(write, CheckedInsert):
        return write
    end = next((part.expression for part in update.tree.expressions), None)
    where = update.tree.args.get("where")
    if not isinstance(end, exp.Literal) or where is None:
        return write
    facts = [
        replace(fact, ended_on=end.this)
        if not fact.ended_on and _names_row(where.this, fact)
        else fact
        for fact in write.facts
    ]
    return write if facts == [*write.facts] else check_facts(facts)


def _names_row(condition: exp.Expression, fact: Fact) -> bool:
    """Whether a condition of `column = literal` parts is true of a row and names it."""
    named = set[str]()
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        if isinstance(part, exp.Is):
            continue  # ended_on IS NULL
        if not isinstance(part, exp.EQ) or not isinstance(part.expression, exp.Literal):
            return False
        column = next((column.name for column in part.find_all(exp.Column)), "")
        stored = str(getattr(fact, column, ""))
        if column == "id" or stored.casefold() != str(part.expression.this).casefold():
            return False
        named.add(column)
    return not named.isdisjoint({"value", "turn_id"})


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
