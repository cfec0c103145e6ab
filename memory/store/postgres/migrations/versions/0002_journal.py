"""The journal and the numbers are made by our code: no trigger has to run on a table."""

from memory.store.postgres.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run 0002_journal.sql."""
    run_script("0002_journal.sql")
