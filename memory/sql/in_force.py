"""`facts_now`: the facts in force on a day, which a SELECT may read like a table.

It is no view of the database but a common table expression that is put before the query, so that
one text serves both databases, each `facts` in it is rendered with its namespace like any other,
and the memory's own vocabulary says which attributes have one value (docs/decisions.md, 152).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

from memory.sql.checked import CheckedSelect
from memory.sql.tables import FACTS_NOW, TABLES
from memory.sql.tokens import quoted

_COLUMNS = ", ".join(TABLES["facts"])
# Begun, and not ended: as `memory.facts.is_current`. Of a span, its first day or month counts.
_IN_FORCE = (
    "(f.ended_on IS NULL OR f.ended_on > {day}) AND (f.happened_on IS NULL"
    " OR substr(f.happened_on, 1, 10) <= {day} OR substr(f.happened_on, 1, 8) = {month_of_span})"
)
# A fact without a date counts from the day that its turn was said on.
_SELECT = (
    f"SELECT {_COLUMNS} FROM (SELECT f.*, ROW_NUMBER() OVER ("
    "PARTITION BY COALESCE(f.entity, f.subject), f.attribute"
    " ORDER BY COALESCE(f.happened_on, substr(t.said_at, 1, 10)) DESC, f.turn_id DESC, f.id DESC"
    ") AS place FROM facts AS f JOIN turns AS t ON t.id = f.turn_id"
    f" WHERE {_IN_FORCE}) AS placed"
)


def reads_facts_now(select: CheckedSelect) -> bool:
    """Whether a SELECT names `facts_now`."""
    return any(node.key == "table" and node.name.lower() == FACTS_NOW for node in select.tree.dfs())


def select_with_facts_now(
    select: CheckedSelect, day: str, one_valued: Sequence[str]
) -> CheckedSelect:
    """The SELECT with `facts_now` put before it.

    Arguments:
        select: one that `reads_facts_now`.
        day: the day (ISO) on which its facts are in force.
        one_valued: the names of the attributes that have one value at a time: of these, only the
            newest fact of a subject.
    """
    tree = select.tree.copy()
    alias = exp.TableAlias(this=exp.to_identifier(FACTS_NOW))
    facts_now = exp.CTE(this=_facts_of(day, tuple(one_valued)).copy(), alias=alias)
    own_ctes = tree.args["with_"].expressions if tree.args.get("with_") else []
    tree.set("with_", exp.With(expressions=[facts_now, *own_ctes]))
    return replace(select, tree=tree)


@lru_cache(maxsize=16)
def _facts_of(day: str, one_valued: tuple[str, ...]) -> Any:
    """The tree of `facts_now`; nobody may change it."""
    text = _SELECT.format(day=quoted(day), month_of_span=quoted(f"{day[:7]}/"))
    if one_valued:
        names = ", ".join(map(quoted, one_valued))
        text += f" WHERE place = 1 OR attribute NOT IN ({names})"
    return sqlglot.parse_one(text, read="sqlite")
