"""Which turns and facts were in the block of a reply."""

from memory.store.postgres.migrations import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run 0017_traces.sql."""
    run_script("0017_traces.sql")
