"""The templates of attributes."""

from memory.store.postgres.migrations import run_script

revision = "0010"
down_revision = "0009"
is_additive = True


def upgrade() -> None:
    """Run 0010_templates.sql."""
    run_script("0010_templates.sql")
