"""Alembic's way in: the connection or the offline script, and the metadata to compare with."""

from typing import Any

from alembic import context

from memory.store.postgres.migrations import oldest_users
from memory.store.postgres.tables import metadata

options: dict[str, Any] = {
    "target_metadata": metadata,
    "version_table": "version",
    "version_table_schema": "memory",
    "include_schemas": True,
    "include_name": lambda name, kind, parents: kind != "schema" or name == "memory",
    "transaction_per_migration": False,
}

# Not ADD COLUMN IF NOT EXISTS: its lock would keep servers from reading the revision, even if the
# column exists, until a long migration is done.
_ADD_COLUMN = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute
        WHERE attrelid = 'memory.version'::regclass AND attname = 'usable_by')
    THEN
        ALTER TABLE memory.version ADD COLUMN usable_by text;
    END IF;
END $$
"""


def mark_who_may_use_it() -> None:
    """Write the oldest revision whose code may use this one, as "OLDEST..REVISION"."""
    marks = " ".join(
        f"WHEN '{revision}' THEN '{oldest}..{revision}'"
        for revision, oldest in oldest_users(context.script).items()
    )
    context.execute(_ADD_COLUMN)
    context.execute(f"UPDATE memory.version SET usable_by = CASE version_num {marks} END")


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
else:
    context.configure(connection=context.config.attributes["connection"], **options)
with context.begin_transaction():
    context.execute("CREATE SCHEMA IF NOT EXISTS memory")
    context.run_migrations()
    mark_who_may_use_it()
