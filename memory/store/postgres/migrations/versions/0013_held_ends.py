"""What a window ends may be held while its other facts are stored."""

from memory.store.postgres.migrations import run_script

revision = "0013"
down_revision = "0012"
is_additive = True


def upgrade() -> None:
    """Run 0013_held_ends.sql."""
    run_script("0013_held_ends.sql")
