"""The SQL files: statements for both databases, each of them used and valid."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory.store
from memory import open_store
from memory.store.sqlite.connection import STATEMENTS as OF_SQLITE
from memory.store.sqlite.connection import connect
from memory.store.statement_file import (
    FACTS_NOW,
    for_owner,
    for_postgres,
    for_sqlite,
    read_statements,
)

FOLDER = Path(memory.store.__file__).parent
FACTS = FOLDER.parent / "facts"
SHARED = FOLDER / "statements.sql"
LEASES = FOLDER / "leases.sql"
OWN_WORDS = [FOLDER / "sqlite" / "sqlite.sql", FOLDER / "postgres" / "postgres.sql"]
OF_POSTGRES = read_statements(
    SHARED,
    LEASES,
    OWN_WORDS[1],
    FOLDER / "postgres" / "bookkeeping.sql",
    FACTS_NOW,
    render=for_postgres,
)
OF_ALL_MEMORIES = read_statements(
    FOLDER / "postgres" / "all_memories.sql", LEASES, render=for_owner
)
# Methods of a connection that take the name of a statement.
RUNNING = {"run", "run_many", "run_returning"}


def test_a_statement_takes_the_same_values_in_both_databases() -> None:
    assert len(OF_SQLITE) > 80
    for name, statement in OF_SQLITE.items():
        values = {*re.findall(r"(?<!:):(\w+)", statement)}
        assert {*re.findall(r"%\((\w+)\)s", OF_POSTGRES[name])} == values | {"namespace"}, name


def test_both_databases_have_their_words_for_the_same_names_and_each_is_used() -> None:
    of_sqlite, of_postgres = (
        re.findall(r"^-- (.*) --$", file.read_text("utf-8"), re.MULTILINE) for file in OWN_WORDS
    )
    assert of_sqlite == of_postgres
    shared = "".join(file.read_text("utf-8") for file in (SHARED, LEASES, FACTS_NOW))
    names = {*of_sqlite, *re.findall(r"^-- (\{.*\}) --$", shared, re.MULTILINE)}
    lines = [line for line in shared.splitlines() if not line.startswith("--")]
    used = re.findall(r"\{[a-z]\w*\}", "\n".join(lines))
    assert names == {*used}


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
    assert {*names_run(FOLDER), *names_run(FACTS)} == {*OF_POSTGRES}
    assert {*names_run(FOLDER / "postgres")} >= {*OF_POSTGRES} - {*OF_SQLITE}


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
        for statement in {**OF_POSTGRES, **OF_ALL_MEMORIES}.values():
            conn.execute(f"PREPARE tried AS {numbered(statement)}")  # type: ignore[arg-type]
            conn.execute("DEALLOCATE tried")


def test_every_table_that_a_statement_of_postgres_names_is_bound_to_the_namespace() -> None:
    from tests.memory.store.postgres.test_distribute import unbound_tables

    for name, statement in OF_POSTGRES.items():
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
    assert read_statements(file, render=for_owner) == {
        "first": "SELECT 1\n    + 1;",
        "second": "SELECT 2;",
    }


@pytest.mark.parametrize(
    ("statement", "of_sqlite", "of_postgres"),
    [
        (
            "SELECT 1 FROM memory.turns WHERE namespace = :namespace;",
            "SELECT 1 FROM turns;",
            "SELECT 1 FROM memory.turns WHERE namespace = %(namespace)s;",
        ),
        (
            "SELECT 1 FROM memory.turns WHERE namespace = :namespace AND id = :id;",
            "SELECT 1 FROM turns WHERE id = :id;",
            "SELECT 1 FROM memory.turns WHERE namespace = %(namespace)s AND id = %(id)s;",
        ),
        (
            "SELECT 1 FROM memory.facts JOIN memory.turns ON turns.id = turn_id"
            " WHERE facts.namespace = :namespace\n AND turns.namespace = :namespace;",
            "SELECT 1 FROM facts JOIN turns ON turns.id = turn_id;",
            "SELECT 1 FROM memory.facts JOIN memory.turns ON turns.id = turn_id"
            " WHERE facts.namespace = %(namespace)s\n AND turns.namespace = %(namespace)s;",
        ),
        (
            "DELETE FROM memory.shown WHERE namespace = :namespace AND id = ANY (:ids);",
            "DELETE FROM shown WHERE id IN (SELECT value FROM json_each(:ids));",
            "DELETE FROM memory.shown WHERE namespace = %(namespace)s AND id = ANY (%(ids)s);",
        ),
        (
            "DELETE FROM memory.shown WHERE namespace = :namespace AND id <> ALL (:ids);",
            "DELETE FROM shown WHERE id NOT IN (SELECT value FROM json_each(:ids));",
            "DELETE FROM memory.shown WHERE namespace = %(namespace)s AND id <> ALL (%(ids)s);",
        ),
        (
            "INSERT INTO memory.work (namespace, task) VALUES (:namespace, :task)"
            " ON CONFLICT (namespace, task) DO NOTHING;",
            "INSERT INTO work (task) VALUES (:task) ON CONFLICT (task) DO NOTHING;",
            "INSERT INTO memory.work (namespace, task) VALUES (%(namespace)s, %(task)s)"
            " ON CONFLICT (namespace, task) DO NOTHING;",
        ),
        (
            "SELECT memory.json_extract(:image, '$[6]') LIKE 'edit by %';",
            "SELECT json_extract(:image, '$[6]') LIKE 'edit by %';",
            "SELECT memory.json_extract(%(image)s, '$[6]') LIKE 'edit by %%';",
        ),
    ],
)
def test_a_statement_is_written_once_for_both_databases(
    statement: str, of_sqlite: str, of_postgres: str
) -> None:
    assert for_sqlite(statement) == of_sqlite
    assert for_postgres(statement) == of_postgres


def test_casts_keep_their_colons() -> None:
    assert for_owner("SELECT :at::bigint, '12:30';") == "SELECT %(at)s::bigint, '12:30';"


def test_a_name_in_braces_stands_for_a_text_of_any_of_the_files(tmp_path: Path) -> None:
    shared, own = tmp_path / "a.sql", tmp_path / "b.sql"
    shared.write_text("-- dated --\nSELECT {moment};\n-- {moment} --\n(SELECT {year})\n", "utf-8")
    own.write_text("-- {year} --\nsaid_at ~ '^[0-9]{3}'\n-- {unused} --\n", "utf-8")
    statements = read_statements(shared, own, render=for_owner)
    assert statements == {"dated": "SELECT (SELECT said_at ~ '^[0-9]{3}');"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("-- a --\nSELECT 1;\n-- a --\nSELECT 2;", r"a\.sql: the statement a occurs twice"),
        ("SELECT 1;", r"a\.sql: SQL above the first header: SELECT 1;"),
        ("-- a --\nSELECT {b};", r"a\.sql: the statement a names \{b\}, which has no text"),
        ("-- a --\nSELECT :ids::bigint[];", r"a\.sql: the statement a has '::'"),
        ("-- a --\nSELECT 1 WHERE 1 = ANY (SELECT 1);", r"a\.sql: the statement a has 'ANY \('"),
        ("-- a --\nSELECT 1 WHERE id = :id AND namespace = :namespace;", "has 'namespace'"),
    ],
)
def test_what_could_be_mistaken_is_refused_when_it_is_read(
    tmp_path: Path, text: str, fault: str
) -> None:
    file = tmp_path / "a.sql"
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=fault):
        read_statements(file, render=for_sqlite)


def test_a_name_is_of_one_file(tmp_path: Path) -> None:
    files = [tmp_path / "a.sql", tmp_path / "b.sql"]
    for file in files:
        file.write_text("-- a --\nSELECT 1;", "utf-8")
    with pytest.raises(ValueError, match=r"b\.sql: the statement a occurs twice"):
        read_statements(*files, render=for_sqlite)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM memory.turns;",
        "SELECT 1 FROM memory.facts JOIN memory.turns ON turns.id = turn_id"
        " WHERE facts.namespace = :namespace;",
        "INSERT INTO memory.work (task) VALUES (:task);",
        "UPDATE memory.work SET position = 1 WHERE task = :task;",
    ],
)
def test_a_table_of_postgres_without_its_namespace_is_refused_when_it_is_read(
    tmp_path: Path, statement: str
) -> None:
    file = tmp_path / "a.sql"
    file.write_text(f"-- a --\n{statement}", "utf-8")
    with pytest.raises(ValueError, match=r"a\.sql: the statement a does not bind each"):
        read_statements(file, render=for_postgres)
