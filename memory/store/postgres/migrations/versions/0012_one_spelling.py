"""One spelling of a date that is not there, and the days between two dates."""

from memory.store.postgres.migrations import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run 0012_one_spelling.sql."""
    run_script("0012_one_spelling.sql")
