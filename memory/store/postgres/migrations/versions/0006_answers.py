"""Questions kept with their answers."""

from memory.store.postgres.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run 0006_answers.sql."""
    run_script("0006_answers.sql")
