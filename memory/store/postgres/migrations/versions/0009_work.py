"""What `memory worker` does for each memory."""

from memory.store.postgres.migrations import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run 0009_work.sql."""
    run_script("0009_work.sql")
