"""The facts that a model's answer inserts, revised before they are stored."""

import re
from collections.abc import Callable
from dataclasses import replace

from memory.records import Fact
from memory.sql.checked import CheckedWrite, CheckedWrites
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
