"""What SQL a model may write: refusals with advice, what is allowed and runs, and what it means."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.errors import SqlError
from memory.records import CurrencyRules, Fact
from memory.sql import (
    TABLES,
    WRITABLE,
    CheckedAliases,
    CheckedAliasRemoval,
    CheckedEntities,
    check_select,
    check_writes,
    split,
    statements_in,
)
from memory.sql.in_force import select_with_facts_now
from memory.sql.policy import check_facts
from memory.store.facts.rights import currency_values
from memory.store.sqlite.connection import add_functions_of_models
from memory.text.turn_filter import read_filter
from tests.memory.sql.refused import REFUSED_READS, REFUSED_WRITES
from tests.support.rendered import rendered

# The checks of a model's SQL are a wall: CI draws a hundred examples, twice as many as elsewhere.
many = settings(max_examples=30 if settings().max_examples == 30 else 100)
INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
FENCE = "```"
ALLOWED = (Path(__file__).parent / "allowed.sql").read_text("utf-8").splitlines()[1:]
READS = [line for line in ALLOWED if line.lower().startswith(("(", "select", "with"))]
WRITES = [line for line in ALLOWED if line not in READS]
TURNS = [
    ("Anna", "We went to the Beach", "2017-05-07"),
    ("Ben", "I work at 100% now", "2017-06-01"),
    ("Anna", "My dog Rex loves the beach", "2017-06-02"),
]


def search(text: str, k: int) -> Sequence[tuple[int, float]]:
    return [] if "nothing" in text else [(3, 0.83), (1, 1e-05), (2, -0.5)][:k]


def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    add_functions_of_models(db)
    for table, columns in TABLES.items():
        column_types = ", ".join(
            f"{c} {'INTEGER' if c == 'turn_id' else 'TEXT'}" for c in columns if c != "id"
        )
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column_types})")
    db.executemany("INSERT INTO turns (speaker, text, said_at) VALUES (?, ?, ?)", TURNS)
    fact = ("Anna", "pet", "Rex", "2017-06", 3)
    db.execute(f"INSERT INTO facts ({', '.join(WRITABLE)}) VALUES (?, ?, ?, ?, NULL, ?)", fact)
    return db


def rows(sql: str) -> list[tuple[object, ...]]:
    with closing(database()) as db:
        return db.execute(rendered(sql, search)).fetchall()


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(advice, statement) for advice, statements in table.items() for statement in statements]


def test_the_tables_of_attacks_are_large() -> None:
    assert len(pairs(REFUSED_READS)) + len(pairs(REFUSED_WRITES)) >= 300
    assert len(READS) + len(WRITES) >= 120


def advice_of(check: Callable[[str], object], statement: str) -> str:
    """The error of a statement that is refused, "" for one that is not."""
    try:
        check(statement)
    except SqlError as error:
        return str(error)
    return ""


def test_a_hostile_read_is_refused_with_advice() -> None:
    for advice, statement in pairs(REFUSED_READS):
        assert advice in advice_of(check_select, statement), statement


def test_a_hostile_write_is_refused_with_advice() -> None:
    for advice, statement in pairs(REFUSED_WRITES):
        assert advice in advice_of(check_writes, statement), statement


@contextmanager
def naming(statement: str) -> Iterator[None]:
    """What fails says of which statement."""
    try:
        yield
    except Exception as error:
        error.add_note(statement)
        raise


def test_a_read_runs_as_it_is_rendered() -> None:
    with closing(database()) as db:
        for statement in READS:
            with naming(statement):
                db.execute(rendered(statement, search))
                assert sqlglot.parse_one(rendered(statement, search, "postgres"), read="postgres")


@pytest.mark.parametrize("statement", WRITES)
def test_a_write_runs_as_it_is_rendered(statement: str) -> None:
    writes = check_writes(statement)
    with closing(database()) as db:
        for write in writes:
            db.execute(write.text)
    for write in writes:
        if write.command == "insert":
            continue
        query = sqlglot.parse_one(write.facts_query(42), read="postgres")
        assert query.key == "select"
        tables = query.find_all(sqlglot.exp.Table)
        assert all("namespace = 42" in table.parent.parent.sql() for table in tables)


def test_what_is_rendered_is_allowed_again_and_stays_the_same() -> None:
    for statement in READS:
        once = rendered(statement, search)
        if "search_1" in once or "facts_now" in once or "EXACT_SUM" in once:
            continue  # what these become is the policy's own
        with naming(statement):
            assert rendered(once, search) == once


def test_a_select_is_rendered_as_often_as_one_likes() -> None:
    for statement in READS:
        with naming(statement):
            select = check_select(statement)
            hits = [search(call.text, call.k) for call in select.searches]
            once = select.render(hits), select.render(hits, "postgres", 42)
            assert (select.render(hits), select.render(hits, "postgres", 42)) == once


@pytest.mark.parametrize("statement", WRITES)
def test_a_rendered_write_is_allowed_again_and_stays_the_same(statement: str) -> None:
    once = check_writes(statement)
    assert [write.text for write in check_writes(once[0].text)] == [write.text for write in once]


@pytest.mark.parametrize("date", ["''", "NULL"])
def test_a_date_that_is_not_there_is_written_as_null(date: str) -> None:
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    insert = f"INSERT INTO facts ({columns}) VALUES ('Anna', 'pet', 'Rex', {date}, {date}, 3)"
    update = f"UPDATE facts SET ended_on = {date}, value = '' || 'x' WHERE id = 1"
    inserted, updated = check_writes(f"{insert}; {update}")
    assert (
        inserted.text
        == f"INSERT INTO facts ({columns}) VALUES ('Anna', 'pet', 'Rex', NULL, NULL, 3)"
    )
    assert "ended_on = NULL" in updated.text
    assert check_facts([Fact("Anna", "pet", "Rex", 3)]).rows[0][3:5] == (None, None)


@pytest.mark.parametrize("condition", ["ended_on = ''", "'' = ended_on", "ended_on IS NULL"])
def test_both_spellings_of_no_end_find_what_has_not_ended(condition: str) -> None:
    assert rows(f"SELECT value FROM facts WHERE {condition}") == [("Rex",)]
    assert rows(f"SELECT value FROM facts WHERE NOT ({condition})") == []


def test_facts_now_reads_the_table_alone_of_one_namespace() -> None:
    text = "SELECT f.value FROM facts_now f, facts_now g WHERE EXISTS (SELECT 1 FROM facts_now)"
    values = {**currency_values(CurrencyRules(("lives_in",)), "2017-06-30", ()), "edited": [0]}
    select = select_with_facts_now(check_select(text), values)
    tree = sqlglot.parse_one(select.render([], "postgres", 42), read="postgres")
    tables = [table for table in tree.find_all(sqlglot.exp.Table) if table.name != "facts_now"]
    assert {table.sql() for table in tables} == {"memory.facts", "memory.turns", "memory.tags"}
    assert all("namespace = 42" in table.parent.parent.sql() for table in tables)


def test_search_becomes_a_table_that_both_databases_read() -> None:
    sql = "SELECT s.turn_id FROM search('beach', 2) s"
    expected = (
        "WITH search_1(turn_id, score) AS (VALUES (3, {0}), (1, {1})) "
        "SELECT s.turn_id FROM search_1 AS s"
    )
    assert rendered(sql, search) == expected.format("0.83", "1e-05")
    scores = [f"CAST({score} AS DOUBLE PRECISION)" for score in ("0.83", "1e-05")]
    assert rendered(sql, search, "postgres") == expected.format(*scores)


def test_search_finds_ten_turns_unless_told_otherwise() -> None:
    statement = "SELECT a.score FROM search('it''s', 7) a JOIN search('B') b ON a.score = b.score"
    assert check_select(statement).searches == (("it's", 7, None), ("B", 10, None))


def test_a_search_may_have_a_filter() -> None:
    statement = """SELECT turn_id FROM search('x', 7, '{"session": "O''Neil", "since": "2017"}')"""
    expected = read_filter({"session": "O'Neil", "since": "2017"})
    assert check_select(statement).searches == (("x", 7, expected),)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "SELECT t.id FROM turns t JOIN search('x') s ON t.id = s.turn_id ORDER BY score DESC",
            [(3,), (1,), (2,)],
        ),
        ("SELECT turn_id FROM search('nothing', 5)", []),
        ("SELECT id FROM turns WHERE id IN (SELECT turn_id FROM search('x', 1))", [(3,)]),
        ("SELECT id FROM turns WHERE text LIKE '%BEACH%' ORDER BY id", [(1,), (3,)]),
        ("SELECT id FROM turns WHERE text NOT LIKE '%beach%'", [(2,)]),
        (r"SELECT id FROM turns WHERE text LIKE '%100\%%' ESCAPE '\'", [(2,)]),
        ("SELECT 1 || (2 + 3)", [("15",)]),
        (
            "SELECT id FROM turns WHERE NOT id = 1 AND said_at >= '2017-06' ORDER BY id",
            [(2,), (3,)],
        ),
    ],
)
def test_a_read_means_what_it_says(statement: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(statement) == expected


def test_like_means_the_same_in_both_databases() -> None:
    sql = "SELECT text FROM turns WHERE text LIKE '%Beach%'"
    like = "SELECT text FROM turns WHERE LOWER(text) LIKE LOWER('%Beach%')"
    assert rendered(sql, search) == like
    assert rendered(sql, search, "postgres") == like + " ESCAPE ''"


def test_nulls_come_in_the_same_order_in_both_databases() -> None:
    sql = "SELECT value FROM facts ORDER BY ended_on, happened_on DESC"
    assert rendered(sql, search, "postgres").endswith(
        "ORDER BY ended_on NULLS FIRST, happened_on DESC NULLS LAST"
    )


def test_a_number_is_stored_as_text() -> None:
    (write,) = check_writes(INSERT + "('Anna', 'debt', -20.50, 1)")
    assert write.text == INSERT + "('Anna', 'debt', '-20.50', 1)"


ONE, TWO = INSERT + "('a; b', 'it''s', '-- c', 1)", "DELETE FROM facts WHERE id = 3"


@pytest.mark.parametrize(
    "answer",
    [
        f"{ONE};{TWO};",
        f"{ONE};\n\n{TWO}",
        f"{ONE}\n{TWO}",
        f"\ufeff{ONE};\r\n{TWO};\r\n",
        f"{FENCE}sql\n{ONE};\n{TWO};\n{FENCE}",
        f"Here's the SQL:\n{FENCE}\n{ONE};\n{TWO};\n{FENCE}\nThis stores Anna's fact.",
        f"{FENCE}sql\n{ONE};\n{FENCE}\n\n{FENCE}sql\n{TWO}\n{FENCE}",
        f"{FENCE}SQL {ONE}; {TWO}{FENCE}",
        f"{FENCE}sqlite\n{ONE};\n{TWO}",
        f"{ONE};\n{TWO};\n{FENCE}",
        f"SQL: {ONE};\n{TWO}",
        f"sql\n{ONE}\n{TWO}",
        f"**SQL:**\n{ONE};\n{TWO}",
        f"Here's what I'd store:\n\n{ONE};\n{TWO}",
        f"-- Anna's fact\n{ONE}; -- done\n/* and; 'then */ {TWO}; -- bye",
        f"{ONE};\xa0{TWO}\u200b",
        f";;{ONE};;\n;{TWO};;",
        ONE.replace(" VALUES", "\nVALUES") + "\n  " + TWO.replace(" WHERE", "\n  WHERE"),
    ],
)
def test_an_answer_is_split_where_its_meaning_is_certain(answer: str) -> None:
    assert [statement.text for statement in split(answer)] == [ONE, TWO]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id\nFROM turns\nUNION\nSELECT id FROM facts\nEXCEPT\nSELECT 1",
        "SELECT id FROM turns UNION ALL\nSELECT id FROM facts",
        "WITH a AS (\nSELECT 1 AS n\n)\nSELECT n FROM a",
        "SELECT id FROM turns WHERE id IN (\nSELECT turn_id FROM facts\n)",
        "INSERT INTO facts (subject)\nSELECT speaker FROM turns",
        "SELECT '\nDELETE FROM facts\n;```' FROM turns",
    ],
)
def test_a_statement_over_many_lines_stays_one(statement: str) -> None:
    assert len(split(statement)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *("-- none", "none", "NONE.", "-- None;", "-- nothing here is a fact", "/* no\nfacts */"),
        f"{FENCE}sql\n-- none\n{FENCE}",
        f"{FENCE}\n{FENCE}",
        f"Nothing to store.\n{FENCE}sql\n{FENCE}",
    ],
)
def test_a_model_can_say_that_there_is_nothing_to_store(answer: str) -> None:
    assert check_writes(answer) == ()


@pytest.mark.parametrize(
    "answer", [ONE + ";\nI hope this helps!", "Nothing to store.", "None of it"]
)
def test_prose_is_refused_where_it_could_be_meant(answer: str) -> None:
    with pytest.raises(SqlError, match="this is not SQL"):
        split(answer)


@pytest.mark.parametrize(
    "answer", ["{}", "{};", "SQL:\n{}", "```sql\n{}\n```", "Here it is:\n{}", "SELECT 1;\n{}"]
)
def test_a_statement_may_begin_with_a_parenthesis(answer: str) -> None:
    statement = "(SELECT id FROM turns LIMIT 3) UNION ALL (SELECT id FROM turns LIMIT 4)"
    assert split(answer.replace("{}", statement))[-1].text == statement
    assert statements_in(f"I look first.\n{statement}").endswith(statement)


def test_an_unclosed_quote_is_named() -> None:
    with pytest.raises(SqlError, match="'Rex, 1"):
        split(INSERT + "('Anna', 'pet', 'Rex, 1)")


statements = st.lists(
    # A semicolon must stand before a parenthesis.
    st.sampled_from([s for s in READS + WRITES if FENCE not in s and s[0] != "("]),
    min_size=1,
    max_size=6,
)
separators = st.sampled_from(
    [";", ";\n", "\n", ";\n\n", " ;\r\n", ";-- it's\n", "\n/* ; */\n", ";;"]
)
wrappers = st.sampled_from(
    [
        *("{}", "{};", "SQL:\n{}", "\ufeff{}\n", "-- first\n{} -- last"),
        FENCE + "sql\n{}\n" + FENCE,
        "Here is Anna's SQL.\n" + FENCE + "\n{};" + FENCE,
    ]
)


@many
@given(statements, st.data())
def test_joined_statements_are_split_again(parts: list[str], data: st.DataObject) -> None:
    answer = parts[0]
    for part in parts[1:]:
        answer += data.draw(separators) + part
    split_again = split(data.draw(wrappers).replace("{}", answer))
    assert [statement.text for statement in split_again] == parts


WORDS = r"""
SELECT INSERT INTO UPDATE DELETE FROM turns facts search ( ) , ; ' '' " . * = < - -- /* */ ` ```
text id 'a' 12 WITH AS x UNION WHERE IN LIKE ESCAPE CASE WHEN THEN END NULL NOT ORDER BY GROUP LIMIT
JOIN ON VALUES SET || / :: ? $1 [ ] { } \ : none COUNT(*) EXISTS BETWEEN AND subject attribute value
turn_id DISTINCT CAST OVER FILTER date( é 0x1 1e5 {{ FOR INTERVAL LATERAL UNNEST PIVOT ARRAY STRUCT
"""
pieces = st.sampled_from([*WORDS.split(), "\n", "\x00"])
soups = st.lists(pieces, max_size=30).map(" ".join)


def mutate(statement: str, cuts: tuple[int, int], piece: str) -> str:
    first, last = sorted(cut % (len(statement) + 1) for cut in cuts)
    return statement[:first] + piece + statement[last:]


mutants = st.builds(
    mutate,
    st.sampled_from(READS + WRITES),
    st.tuples(st.integers(0, 200), st.integers(0, 200)),
    st.one_of(pieces, st.text(max_size=3)),
)


@many
@given(st.one_of(st.text(), soups, mutants))
def test_nothing_but_a_sql_error_leaves(text: str) -> None:
    for check in (split, check_writes, lambda sql: rendered(sql, search)):
        with suppress(SqlError):
            check(text)


@many
@given(mutants)
def test_no_mutant_reads_another_table_or_writes(text: str) -> None:
    try:
        sql = rendered(text, search)
    except SqlError:
        return
    seen: list[tuple[int, str | None]] = []
    reading = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_READ)

    def authorize(action: int, table: str | None, *_: str | None) -> int:
        if action not in reading or (action == sqlite3.SQLITE_READ and table not in (*TABLES, "")):
            seen.append((action, table))
        return sqlite3.SQLITE_OK

    with closing(database()) as db:
        db.set_authorizer(authorize)
        try:
            db.execute(f"EXPLAIN {sql}")
        except sqlite3.OperationalError:
            return
    assert not [s for s in seen if not str(s[1]).startswith("search_")]


def test_names_are_read_as_values() -> None:
    writes = check_writes(
        "INSERT INTO entities (name, description) VALUES ('Ilse', 'Anna''s mother');\n"
        "INSERT INTO Aliases (turn_id, name, entity) VALUES (12, ' Mum ', 'Ilse'),"
        " (12, 'Oma', 'Ilse');\n"
        "DELETE FROM aliases WHERE entity = 'Ilse' AND name = 'Tom'"
    )
    assert writes == (
        CheckedEntities((("Ilse", "Anna's mother"),)),
        CheckedAliases((("Mum", "Ilse", 12), ("Oma", "Ilse", 12))),
        CheckedAliasRemoval("Tom", "Ilse"),
    )
    # What the journal keeps, and what waits for a person, is read again as the same.
    assert check_writes(";\n".join(write.text for write in writes)) == writes
