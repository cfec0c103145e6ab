"""Questions are no longer kept with their answers."""

from memory.store.postgres.migrations import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run 0011_without_answers.sql."""
    run_script("0011_without_answers.sql")
