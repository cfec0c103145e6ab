"""The tables as SQLAlchemy's metadata, for Alembic alone: it compares a database with them.

`alembic revision --autogenerate` writes what changed here into a migration; functions, policies and
grants it cannot see, so those are written there by hand.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Constraint,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

metadata = MetaData(schema="memory")


def _namespaced(name: str, key: str, *parts: Column[object] | Constraint | Index) -> None:
    """A table of all namespaces, whose key begins with the namespace."""
    Table(
        name,
        metadata,
        Column("namespace", BigInteger, nullable=False),
        *parts,
        PrimaryKeyConstraint("namespace", *key.split()),
    )


def _number(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, Text(collation="C"), nullable=nullable)


def _seconds(name: str) -> Column[object]:
    return Column(name, Float(53), nullable=False, server_default=text("0"))


def _bytes(name: str) -> Column[object]:
    return Column(name, LargeBinary, nullable=False)


def _names(column: str, table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["namespace", column],
        [f"memory.{table}.namespace", f"memory.{table}.id"],
        deferrable=True,
    )


Table(
    "namespaces",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", Text(collation="C"), nullable=False, unique=True),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
Table(
    "counters",
    metadata,
    Column("namespace", BigInteger, primary_key=True, autoincrement=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("turns", "facts", "changes", "facts_log", "settings", "rows_log")
    ),
)
_namespaced(
    "turns",
    "id",
    _number("id"),
    _text("kind"),
    _text("session"),
    _text("speaker"),
    _text("text"),
    _text("said_at"),
    _text("source"),
    Index("turns_by_session", "namespace", "session", "id"),
    Index("turns_by_source", "namespace", "source", postgresql_where=text("source <> ''")),
)
_namespaced(
    "changes",
    "id",
    _number("id"),
    _text("at"),
    _text("cause"),
    _text("statement"),
    _text("undone_at", nullable=True),
    _number("undoes", nullable=True),
    _number("first_turn", nullable=True),
    _number("last_turn", nullable=True),
    _names("undoes", "changes"),
    _names("first_turn", "turns"),
    _names("last_turn", "turns"),
    Index("changes_by_window", "namespace", "last_turn"),
    Index("changes_by_first_turn", "namespace", "first_turn"),
)
_namespaced(
    "facts",
    "id",
    _number("id"),
    _text("subject"),
    _text("attribute"),
    _text("value"),
    _text("happened_on", nullable=True),
    _text("ended_on", nullable=True),
    _number("turn_id"),
    _text("recorded_at"),
    _text("entity", nullable=True),
    _text("value_entity", nullable=True),
    _names("turn_id", "turns"),
    Index("facts_by_turn", "namespace", "turn_id"),
    Index("facts_newest_of_subject", "namespace", "subject", "id"),
    Index("facts_by_plain_subject", "namespace", text("lower(TRIM(BOTH FROM subject))")),
    Index("facts_by_plain_entity", "namespace", text("lower(entity)")),
    Index("facts_by_entity", "namespace", "entity", "attribute"),
    Index(
        "facts_by_value_entity",
        "namespace",
        "value_entity",
        postgresql_where=text("value_entity IS NOT NULL"),
    ),
)
_namespaced(
    "facts_log",
    "id",
    _number("id"),
    _number("change_id"),
    _number("fact_id"),
    _text("before", nullable=True),
    _text("after", nullable=True),
    _names("change_id", "changes"),
    Index("facts_log_by_change", "namespace", "change_id"),
    Index("facts_log_by_fact", "namespace", "fact_id"),
    Index("facts_log_by_turn", "namespace", text("memory.json_extract(after, '$[6]')")),
)
_namespaced(
    "pending",
    "first_turn last_turn",
    _number("first_turn"),
    _number("last_turn"),
    _text("error"),
    _number("attempts"),
    _text("claimed_by"),
    Column("claimed_until", Float(53), nullable=False),
    _text("statement"),
    _names("first_turn", "turns"),
    _names("last_turn", "turns"),
    Index("pending_by_last_turn", "namespace", "last_turn"),
)
_namespaced(
    "settings",
    "id",
    _number("id"),
    _text("name"),
    _text("value"),
    _text("set_at"),
)
_namespaced(
    "shown",
    "turn_id",
    _number("turn_id"),
    _number("times"),
)
_namespaced(
    "traces",
    "turn_id",
    _number("turn_id"),
    _text("shown_turns"),
    _text("shown_facts"),
    _number("left_out"),
    _names("turn_id", "turns"),
)
_namespaced(
    "newer_words",
    "older_turn fact_id newer_turn",
    _number("older_turn"),
    _number("fact_id"),
    _number("newer_turn"),
    _text("kind"),
    _number("chance"),
    _text("sentence"),
    _text("value"),
    _names("older_turn", "turns"),
    _names("newer_turn", "turns"),
    Index("newer_words_by_newer_turn", "namespace", "newer_turn"),
)
_namespaced(
    "speakers",
    "id",
    _number("id"),
    _text("name"),
    UniqueConstraint("namespace", "name"),
    Index("speakers_by_plain_name", "namespace", text("lower(TRIM(BOTH FROM name))")),
)
_namespaced(
    "recent",
    "turn_id",
    _number("turn_id"),
    _bytes("columns"),
    _bytes("vector"),
    _names("turn_id", "turns"),
)
_namespaced(
    "blocks",
    "first_turn",
    _number("first_turn"),
    _number("last_turn"),
    _bytes("columns"),
    _bytes("codes"),
    _names("first_turn", "turns"),
    _names("last_turn", "turns"),
    Index("blocks_by_last_turn", "namespace", "last_turn"),
)
_namespaced(
    "pieces",
    "first_turn",
    _number("first_turn"),
    _bytes("vectors"),
    _names("first_turn", "turns"),
)
_namespaced(
    "staged_vectors",
    "embedder turn_id",
    _text("embedder"),
    _number("turn_id"),
    _bytes("vector"),
    _names("turn_id", "turns"),
    Index("staged_vectors_by_turn", "namespace", "turn_id"),
)
_namespaced(
    "word_lists",
    "word of chunk",
    _text("word"),
    _text("of"),
    Column("chunk", Integer, nullable=False),
    _bytes("ids"),
)
_namespaced(
    "tags",
    "turn_id key value",
    _number("turn_id"),
    _text("key"),
    _text("value"),
    _names("turn_id", "turns"),
    Index("tags_by_value", "namespace", "key", "value", "turn_id"),
)
_namespaced(
    "attributes",
    "name",
    _text("name"),
    _text("other_names"),
    _text("kind"),
    _text("allowed_values"),
    _text("instruction"),
    Column("templates", Text(collation="C"), nullable=False, server_default=text("'{}'")),
)
_namespaced(
    "entities",
    "name",
    _text("name"),
    _text("description"),
    Index("entities_by_plain_name", "namespace", text("lower(name)")),
)
_namespaced(
    "aliases",
    "name entity turn_id",
    _text("name"),
    _text("entity"),
    _number("turn_id"),
    Index("aliases_by_entity", "namespace", "entity"),
    Index("aliases_by_plain_name", "namespace", text("lower(name)")),
    Index("aliases_by_plain_entity", "namespace", text("lower(entity)")),
    Index("aliases_by_turn", "namespace", "turn_id"),
)
_namespaced(
    "contradictions",
    "first_fact second_fact",
    _number("first_fact"),
    _number("second_fact"),
    _number("first_turn"),
    _number("turn_id"),
    _text("settled"),
    Index("contradictions_by_turn", "namespace", "turn_id"),
    Index("contradictions_by_first_turn", "namespace", "first_turn"),
    Index("contradictions_by_second_fact", "namespace", "second_fact"),
)
_namespaced(
    "summaries",
    "turn_id last_turn_id kind",
    _number("turn_id"),
    _number("last_turn_id"),
    _text("kind"),
    _text("summary"),
)
_namespaced(
    "rows_log",
    "id",
    _number("id"),
    _number("change_id"),
    _text("table_name"),
    _number("turn_id"),
    _text("before", nullable=True),
    _text("after", nullable=True),
    _names("change_id", "changes"),
    Index("rows_log_by_change", "namespace", "change_id"),
    Index("rows_log_by_turn", "namespace", "turn_id"),
)
_namespaced(
    "work",
    "task",
    _text("task"),
    _seconds("served_at"),
    _seconds("due_at"),
    Column("held_by", Text(collation="C"), nullable=False, server_default=text("''")),
    _seconds("held_until"),
    Column("failures", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text(collation="C"), nullable=False, server_default=text("''")),
    Column("position", BigInteger, nullable=False, server_default=text("0")),
    Column("day", Text(collation="C"), nullable=False, server_default=text("''")),
    Column("calls", BigInteger, nullable=False, server_default=text("0")),
    Column("tokens", BigInteger, nullable=False, server_default=text("0")),
)
