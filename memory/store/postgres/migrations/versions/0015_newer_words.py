"""Which later turns change what earlier ones say, found when they are added."""

from memory.store.postgres.migrations import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run 0015_newer_words.sql."""
    run_script("0015_newer_words.sql")
