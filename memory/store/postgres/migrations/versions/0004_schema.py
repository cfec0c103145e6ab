"""What an application brings: tags, attributes, entities, aliases, and the log of their rows."""

from memory.store.postgres.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run 0004_schema.sql."""
    run_script("0004_schema.sql")
