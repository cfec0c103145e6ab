"""The SQL files of the two databases: the same statements, each of them used and valid."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory.store
from memory import open_store
from memory.store.connection import STATEMENTS as OF_SQLITE
from memory.store.connection import connect
from memory.store.statement_file import read_statements

FOLDER = Path(memory.store.__file__).parent
OF_POSTGRES = read_statements(FOLDER / "postgres" / "postgres.sql")
OF_POSTGRES_ALONE = read_statements(FOLDER / "postgres" / "bookkeeping.sql")
OF_ALL_MEMORIES = read_statements(FOLDER / "postgres" / "all_memories.sql")
# Methods of a connection that take the name of a statement.
RUNNING = {"run", "run_many", "run_returning"}


def test_both_databases_have_the_same_statements_in_the_same_order() -> None:
    assert len(OF_SQLITE) > 80
    assert [*OF_SQLITE] == [*OF_POSTGRES]


def test_a_statement_takes_the_same_values_in_both_databases() -> None:
    for name, statement in OF_SQLITE.items():
        values = {*re.findall(r"(?<!:):(\w+)", statement)}
        assert {*re.findall(r"%\((\w+)\)s", OF_POSTGRES[name])} == values | {"namespace"}, name


def names_run(folder: Path) -> Iterator[str]:
    """The names of statements that the code in a folder runs, written out where they are run."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in RUNNING
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value)


def test_every_statement_is_used_and_every_one_that_is_used_is_there() -> None:
    assert not {*OF_SQLITE} & {*OF_POSTGRES_ALONE}
    assert {*names_run(FOLDER)} == {*OF_SQLITE, *OF_POSTGRES_ALONE}
    assert {*names_run(FOLDER / "postgres")} >= {*OF_POSTGRES_ALONE}


def test_every_statement_compiles_in_sqlite(tmp_path: Path) -> None:
    open_store(tmp_path / "anna.db").close()
    conn = connect(tmp_path / "anna.db", read_only=False)
    for statement in OF_SQLITE.values():
        conn.execute(f"EXPLAIN {statement}", defaultdict(lambda: None)).close()
    conn.close()


def test_every_statement_compiles_in_postgres() -> None:
    from tests.support.postgres_server import logged_in, new_namespace, shared_database

    open_store(new_namespace()).close()
    with logged_in(shared_database()) as conn:
        for statement in {**OF_POSTGRES, **OF_POSTGRES_ALONE, **OF_ALL_MEMORIES}.values():
            conn.execute(f"PREPARE tried AS {numbered(statement)}")  # type: ignore[arg-type]
            conn.execute("DEALLOCATE tried")


def test_every_table_that_a_statement_of_postgres_names_is_bound_to_the_namespace() -> None:
    from tests.memory.store.postgres.test_distribute import unbound_tables

    for name, statement in {**OF_POSTGRES, **OF_POSTGRES_ALONE}.items():
        assert unbound_tables(numbered(statement)) == [], name


def numbered(statement: str) -> str:
    """A statement with its parameters as the server reads them."""
    numbers: dict[str, int] = {}
    return re.sub(
        r"%\((\w+)\)s",
        lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}",
        statement,
    )


# --- the files ----------------------------------------------------------------------------------


def test_a_statement_is_read_without_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text(
        "-- About the file.\n\n-- ======== turns ========\n\n"
        "-- first --\n-- Why.\nSELECT 1\n    -- Why not 2.\n    + 1;\n\n-- second --\nSELECT 2;\n",
        "utf-8",
    )
    assert read_statements(file) == {"first": "SELECT 1\n    + 1;", "second": "SELECT 2;"}


@pytest.mark.parametrize("text", ["-- a --\nSELECT 1;\n-- a --\nSELECT 2;", "SELECT 1;"])
def test_a_file_is_refused_whose_statements_could_be_mistaken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.sql"
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"a\.sql"):
        read_statements(file)
