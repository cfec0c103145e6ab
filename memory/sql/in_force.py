"""`facts_now`: the facts that are current on a day, which a SELECT may read like a table.

It is not a view of the database but a common table expression put before the query, so that one
text serves both databases, each `facts` in it is rendered with its namespace like any other, and
the memory's own vocabulary says which attributes have one value (decisions 152 and 178).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from memory.sql.checked import CheckedSelect
from memory.sql.named_sql import Value, named_texts, whole_text, with_values
from memory.sql.tables import FACTS_NOW, TABLES

_COLUMNS = ", ".join(TABLES["facts"])
_TEXTS = {
    **dict(named_texts(Path(__file__).with_name("facts_now.sql"))),
    # A model does not see the journal.
    "{is_edited}": "f.id = ANY (:edited)",
    "{is_disguised}": (
        "EXISTS (SELECT 1 FROM tags WHERE tags.turn_id = t.id AND {is_tag_of_another})"
    ),
}
_SELECT = whole_text(
    f"SELECT {_COLUMNS} FROM ({{placed}} FROM facts AS f JOIN turns AS t ON t.id = f.turn_id"
    " WHERE {is_current} {end_of_placed}) AS f WHERE {is_newest}",
    _TEXTS,
)


def reads_facts_now(select: CheckedSelect) -> bool:
    """Whether a SELECT names `facts_now`."""
    return any(node.key == "table" and node.name.lower() == FACTS_NOW for node in select.tree.dfs())


def select_with_facts_now(select: CheckedSelect, values: Mapping[str, Value]) -> CheckedSelect:
    """The SELECT with `facts_now` put before it.

    Arguments:
        select: it `reads_facts_now`.
        values: the values of facts_now.sql (`memory.store.facts.rights`).
    """
    tree = select.tree.copy()
    alias = exp.TableAlias(this=exp.to_identifier(FACTS_NOW))
    facts_now = exp.CTE(this=_facts_of(with_values(_SELECT, values)).copy(), alias=alias)
    own_ctes = tree.args["with_"].expressions if tree.args.get("with_") else []
    tree.set("with_", exp.With(expressions=[facts_now, *own_ctes]))
    return replace(select, tree=tree)


@lru_cache(maxsize=16)
def _facts_of(text: str) -> Any:
    """The tree of `facts_now`; no one may change it."""
    return sqlglot.parse_one(text, read="sqlite")
