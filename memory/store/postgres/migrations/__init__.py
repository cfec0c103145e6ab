"""The schema of namespaces in Postgres: Alembic's migrations, in versions/, and what they share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def statements(text: str) -> Iterator[str]:
    """The statements of a script, each ending with ; at the end of a line outside of $$ quotes."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("--") and not lines:
            continue
        lines.append(line)
        statement = "".join(lines)
        if line.rstrip().endswith(";") and statement.count("$$") % 2 == 0:
            yield statement.strip().removesuffix(";")
            lines = []


def oldest_users(script: Any) -> dict[str, str]:
    """For each revision of Alembic's script directory the oldest one whose code may use it.

    That is another one where `is_additive` is set in its module: see docs/scaling.md, "Upgrades
    without a pause".
    """
    revisions = [*script.walk_revisions()]  # newest first
    oldest: dict[str, str] = {}
    for each in reversed(revisions):
        adds = getattr(each.module, "is_additive", False)
        oldest[each.revision] = oldest[each.down_revision] if adds else each.revision
    return oldest


def run_script(name: str) -> None:
    """Run the script of a migration, in the same folder, for the login that models get."""
    # Not at the top: Alembic is only installed where databases are migrated.
    from alembic import context, op

    text = (Path(__file__).with_name("versions") / name).read_text("utf-8")
    for statement in statements(text.replace("MODEL_ROLE", context.config.attributes["role"])):
        if context.is_offline_mode():
            context.get_context().impl.static_output(f"{statement};\n")
        else:
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
