"""Statements that the policy allows, as values that a store renders or applies.

Only `policy` makes them, so code that has one need not check a model's text again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from memory.records import Fact
from memory.sql.names import SearchCall
from memory.sql.rendering import Dialect, Hits, changed_facts_text, select_text
from memory.sql.tokens import quoted

Value = str | int | None
_ID_COLUMNS = ("id", "turn_id")


@dataclass(frozen=True)
class CheckedSelect:
    """A SELECT over turns, facts and search().

    `text` is what the model wrote, `searches` are its calls of search().
    """

    text: str
    searches: tuple[SearchCall, ...]
    tree: Any = field(repr=False, compare=False)  # of sqlglot; no one may change it
    # Of statements without search(): rendering one takes longer than running it.
    _texts: dict[tuple[Dialect, int | None], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def ids(self) -> frozenset[int]:
        """The ids that it compares with: 3 and 4 of `id = 3 OR turn_id IN (4)`."""
        ids = set()
        for node in self.tree.walk():
            if node.key not in ("eq", "in") or getattr(node.this, "name", "") not in _ID_COLUMNS:
                continue
            values = node.expressions if node.key == "in" else [node.expression]
            ids |= {int(v.this) for v in values if v.key == "literal" and str(v.this).isdigit()}
        return frozenset(ids)

    def render(
        self, hits: Sequence[Hits], dialect: Dialect = "sqlite", namespace: int | None = None
    ) -> str:
        """The SELECT as a database runs it.

        Arguments:
            hits: for each of `searches` its (turn id, score), best first.
            dialect: which database.
            namespace: the number of a namespace in Postgres, written into each table reference.
        """
        if self.searches:
            return select_text(self.tree, hits, dialect, namespace)
        if (dialect, namespace) not in self._texts:
            self._texts[dialect, namespace] = select_text(self.tree, (), dialect, namespace)
        return self._texts[dialect, namespace]


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
    """An UPDATE or DELETE of facts; `columns` are the ones that an UPDATE sets."""

    command: Literal["update", "delete"]
    columns: tuple[str, ...]
    text: str  # for SQLite and the journal
    tree: Any = field(repr=False, compare=False)  # of sqlglot; no one may change it

    def facts_query(self, namespace: int) -> str:
        """The SELECT for Postgres that gives the facts to change, and changes nothing.

        It has a row for each fact: its id, and the new value of each of `columns`.
        """
        return changed_facts_text(self.tree, namespace)


@dataclass(frozen=True)
class CheckedEntities:
    """Entities to be described: (name, description) of each. The store applies it itself."""

    rows: tuple[tuple[str, str], ...]
    command: Literal["entities"] = "entities"

    @property
    def text(self) -> str:
        """The statement for the journal."""
        rows = ", ".join(f"({', '.join(map(_literal, row))})" for row in self.rows)
        return f"INSERT INTO entities (name, description) VALUES {rows}"


@dataclass(frozen=True)
class CheckedAliases:
    """Names that mean entities: (name, entity, id of the turn that says so) of each."""

    rows: tuple[tuple[str, str, int], ...]
    command: Literal["aliases"] = "aliases"

    @property
    def text(self) -> str:
        """The statement for the journal."""
        rows = ", ".join(
            f"({quoted(name)}, {quoted(entity)}, {turn_id})" for name, entity, turn_id in self.rows
        )
        return f"INSERT INTO aliases (name, entity, turn_id) VALUES {rows}"


@dataclass(frozen=True)
class CheckedAliasRemoval:
    """A name that no longer means an entity, whichever turn said that it does."""

    name: str
    entity: str
    command: Literal["unalias"] = "unalias"

    @property
    def text(self) -> str:
        """The statement for the journal."""
        name, entity = quoted(self.name), quoted(self.entity)
        return f"DELETE FROM aliases WHERE name = {name} AND entity = {entity}"


@dataclass(frozen=True)
class ContradictionRow:
    """Two facts that cannot both be true, the second by its turn and its attribute.

    The first is a fact by its id, or (0) one by `first_turn` and `first_attribute`.
    """

    turn_id: int
    attribute: str
    first_fact: int = 0
    first_turn: int = 0
    first_attribute: str = ""


@dataclass(frozen=True)
class CheckedContradictions:
    """Pairs of facts that contradict each other. The store applies it itself."""

    rows: tuple[ContradictionRow, ...]
    command: Literal["contradictions"] = "contradictions"

    @property
    def text(self) -> str:
        """The statement for the journal."""
        statements = []
        for row in self.rows:
            columns = [column for column, value in vars(row).items() if value]
            values = ", ".join(_literal(getattr(row, column)) for column in columns)
            statements.append(
                f"INSERT INTO contradictions ({', '.join(columns)}) VALUES ({values})"
            )
        return ";\n".join(statements)


@dataclass(frozen=True)
class CheckedSummaries:
    """What happened in runs of turns: (first turn, last turn, text) of each."""

    rows: tuple[tuple[int, int, str], ...]
    command: Literal["summaries"] = "summaries"

    @property
    def text(self) -> str:
        """The statement for the journal."""
        rows = ", ".join(f"({first}, {last}, {quoted(text)})" for first, last, text in self.rows)
        return f"INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES {rows}"


CheckedFacts = CheckedInsert | CheckedChange
CheckedNames = CheckedEntities | CheckedAliases | CheckedAliasRemoval
CheckedWrite = CheckedFacts | CheckedNames | CheckedContradictions | CheckedSummaries
CheckedWrites = tuple[CheckedWrite, ...]


@dataclass(frozen=True)
class Parts:
    """Statements by what they write: facts, entities and aliases, contradictions, summaries."""

    facts: tuple[CheckedFacts, ...]
    names: tuple[CheckedNames, ...]
    contradictions: tuple[CheckedContradictions, ...]
    summaries: tuple[CheckedSummaries, ...]


def parts_of(writes: CheckedWrites) -> Parts:
    """The statements of a model, by what they write."""
    return Parts(
        facts=tuple(write for write in writes if isinstance(write, CheckedFacts)),
        names=tuple(write for write in writes if isinstance(write, CheckedNames)),
        contradictions=tuple(write for write in writes if isinstance(write, CheckedContradictions)),
        summaries=tuple(write for write in writes if isinstance(write, CheckedSummaries)),
    )


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return quoted(value) if isinstance(value, str) else str(value)
