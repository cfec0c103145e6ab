"""The story of a memory, a line for each run of turns."""

from memory.store.postgres.migrations import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run 0008_summaries.sql."""
    run_script("0008_summaries.sql")
