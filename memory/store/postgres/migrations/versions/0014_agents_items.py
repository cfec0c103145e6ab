"""The items of sessions of the OpenAI Agents SDK, by a tag that only the framework gives."""

from memory.store.postgres.migrations import run_script

revision = "0014"
down_revision = "0013"
is_additive = True


def upgrade() -> None:
    """Run 0014_agents_items.sql."""
    run_script("0014_agents_items.sql")
