"""The index of facts by their values goes: it was of all namespaces together."""

from memory.store.postgres.migrations import run_script

revision = "0016"
down_revision = "0015"
is_additive = True


def upgrade() -> None:
    """Run 0016_no_index_of_values.sql."""
    run_script("0016_no_index_of_values.sql")
