"""Statements that the policy allows, as values that a store renders for its database.

Only `policy` makes them: whoever has one need not look at a model's text again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from memory.records import Fact
from memory.sql.rendering import Dialect, Hits, changed_facts_text, select_text
from memory.sql.tokens import quoted

Value = str | int | None


@dataclass(frozen=True)
class CheckedSelect:
    """A SELECT over turns, facts and search().

    `text` is what the model wrote, `searches` are the (text, k) of its calls of search().
    """

    text: str
    searches: tuple[tuple[str, int], ...]
    tree: Any = field(repr=False, compare=False)  # of sqlglot; nobody may change it

    def render(
        self, hits: Sequence[Hits], dialect: Dialect = "sqlite", namespace: int | None = None
    ) -> str:
        """The SELECT as a database runs it.

        Arguments:
            hits: for each of `searches` its (turn id, score), best first.
            dialect: which database.
            namespace: the number of a namespace in Postgres, written into each table reference.
        """
        return select_text(self.tree, hits, dialect, namespace)


@dataclass(frozen=True)
class CheckedInsert:
    """Facts to be inserted: in each row a value for each of `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    command: Literal["insert"] = "insert"

    @property
    def text(self) -> str:
        """The INSERT for SQLite and the journal."""
        rows = ", ".join(f"({', '.join(map(_literal, row))})" for row in self.rows)
        return f"INSERT INTO facts ({', '.join(self.columns)}) VALUES {rows}"

    @property
    def facts(self) -> list[Fact]:
        """The rows as facts, with "" for NULL."""
        facts = []
        for row in self.rows:
            cells = dict(zip(self.columns, row, strict=True))
            turn_id = int(cells.pop("turn_id") or 0)
            texts: dict[str, Any] = {column: str(value or "") for column, value in cells.items()}
            facts.append(Fact(turn_id=turn_id, **texts))
        return facts


@dataclass(frozen=True)
class CheckedChange:
    """An UPDATE or DELETE of facts; `columns` are those that an UPDATE sets."""

    command: Literal["update", "delete"]
    columns: tuple[str, ...]
    text: str  # for SQLite and the journal
    tree: Any = field(repr=False, compare=False)  # of sqlglot; nobody may change it

    def facts_query(self, namespace: int) -> str:
        """The SELECT for Postgres that gives the facts to change, and changes nothing.

        It has a row for each fact: its id, and what is to stand in each of `columns`.
        """
        return changed_facts_text(self.tree, namespace)


CheckedWrites = tuple[CheckedInsert | CheckedChange, ...]


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return quoted(value) if isinstance(value, str) else str(value)
