"""What tables need that are spread over several servers (memory/store/postgres/distribute.py)."""

from memory.store.postgres.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run 0003_servers.sql."""
    run_script("0003_servers.sql")
