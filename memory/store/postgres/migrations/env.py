"""Alembic's way in: the connection or the offline script, and the metadata to compare with."""

from typing import Any

from alembic import context

from memory.store.postgres.tables import metadata

options: dict[str, Any] = {
    "target_metadata": metadata,
    "version_table": "version",
    "version_table_schema": "memory",
    "include_schemas": True,
    "include_name": lambda name, kind, parents: kind != "schema" or name == "memory",
    "transaction_per_migration": False,
}
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.execute("CREATE SCHEMA IF NOT EXISTS memory")
        context.run_migrations()
else:
    context.configure(connection=context.config.attributes["connection"], **options)
    with context.begin_transaction():
        context.execute("CREATE SCHEMA IF NOT EXISTS memory")
        context.run_migrations()
