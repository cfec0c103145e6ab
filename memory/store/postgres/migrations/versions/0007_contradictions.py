"""Pairs of facts that cannot both be true."""

from memory.store.postgres.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run 0007_contradictions.sql."""
    run_script("0007_contradictions.sql")
