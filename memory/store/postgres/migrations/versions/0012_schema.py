"""The schema: tables of all namespaces, the journal, and the walls around a model's SQL."""

from memory.store.postgres.migrations import run_script

revision = "0012"
down_revision = None


def upgrade() -> None:
    """Run 0012_schema.sql."""
    run_script("0012_schema.sql")
