"""Dates of facts are dates, and texts that a statement joins are bounded."""

from memory.store.postgres.migrations import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run 0005_bounds.sql."""
    run_script("0005_bounds.sql")
