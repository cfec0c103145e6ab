"""`facts_now`: the facts in force on a day, which a SELECT may read like a table.

It is no view of the database but a common table expression that is put before the query, so that
one text serves both databases, each `facts` in it is rendered with its namespace like any other,
and the memory's own vocabulary says which attributes have one value (docs/decisions.md, 152).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from memory.sql.checked import CheckedSelect
from memory.sql.named_sql import day_values, named_texts, with_values
from memory.sql.tables import FACTS_NOW, TABLES

_COLUMNS = ", ".join(TABLES["facts"])
_TEXTS = dict(named_texts(Path(__file__).with_name("facts_now.sql")))
_SELECT = (
    f"SELECT {_COLUMNS} FROM (SELECT f.*, {_TEXTS['{place}']}"
    " FROM facts AS f JOIN turns AS t ON t.id = f.turn_id"
    f" WHERE {_TEXTS['{is_current}']}) AS placed WHERE {_TEXTS['{is_newest}']}"
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
    text = with_values(_SELECT, {**day_values(day), "one_valued": one_valued})
    return sqlglot.parse_one(text, read="sqlite")
