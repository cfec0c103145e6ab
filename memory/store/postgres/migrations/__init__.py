"""The schema of namespaces in Postgres: Alembic's migrations, in versions/, and what they share."""

from collections.abc import Iterator
from pathlib import Path


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


def run_script(name: str) -> None:
    """Run the script of a migration, which lies beside it, for the login that models get."""
    # Not at the top: Alembic is there only where a database is migrated.
    from alembic import context, op

    text = (Path(__file__).with_name("versions") / name).read_text("utf-8")
    for statement in statements(text.replace("MODEL_ROLE", context.config.attributes["role"])):
        if context.is_offline_mode():
            context.get_context().impl.static_output(f"{statement};\n")
        else:
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
