"""What a model's number(), replace() and sums run as."""

from memory.store.postgres.migrations import run_script

revision = "0013"
down_revision = "0012"
is_additive = True


def upgrade() -> None:
    """Run 0013_amounts.sql."""
    run_script("0013_amounts.sql")
