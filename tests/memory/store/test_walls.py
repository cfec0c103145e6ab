"""The walls behind the parser: each is tried with the walls before it taken away."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import SqlError, Turn, open_store
from memory.store import walls
from memory.store.sqlite import SqliteStore
from tests.conftest import CAT, INSERT, MOVED


@pytest.fixture
def reader(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    conn = walls.open_reader(path)
    yield conn
    conn.close()


def select(conn: sqlite3.Connection, statement: str, seconds: float = 2.0) -> object:
    return walls.select(conn, statement, limit=200, seconds=seconds)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM changes",
        "SELECT * FROM pending",
        "SELECT * FROM settings",
        "SELECT * FROM speakers",
        "SELECT * FROM recent",
        "SELECT codes FROM blocks",
        "SELECT vectors FROM pieces",
        "SELECT * FROM sqlite_master",
        "SELECT rowid FROM turns_words WHERE turns_words MATCH 'oslo'",
        "SELECT rowid FROM facts_words WHERE facts_words MATCH 'oslo'",
        "SELECT * FROM turns_words_data",
        "SELECT * FROM facts_words_config",
        "SELECT id FROM turns WHERE id IN (SELECT turn_id FROM recent)",
        "WITH facts_inserted AS (SELECT * FROM recent) SELECT * FROM facts_inserted",
        "SELECT * FROM pragma_table_info('turns')",
        "SELECT sqlite_version()",
        "SELECT load_extension('x')",
        "SELECT hex(zeroblob(1000000000))",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT randomblob(100)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "DELETE FROM facts",
        "INSERT INTO turns (text) VALUES ('x')",
        "CREATE TEMP TABLE t (x)",
        "ATTACH ':memory:' AS other",
        "PRAGMA table_info(turns)",
        "PRAGMA query_only = OFF",
        "BEGIN",
        "SELECT 1; SELECT 2",
    ],
)
def test_the_reading_authorizer_denies_by_default(
    reader: sqlite3.Connection, statement: str
) -> None:
    with pytest.raises((SqlError, sqlite3.Warning, sqlite3.ProgrammingError)):
        select(reader, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM turns",
        "WITH s(turn_id, score) AS (VALUES (1, 0.5)) SELECT text FROM s JOIN turns ON id = turn_id",
        "SELECT speaker, count(DISTINCT session) FROM turns GROUP BY 1 HAVING count(*) > 1",
        "SELECT substr(said_at, 1, 7), lower(trim(text)) FROM turns WHERE text LIKE '%o%'",
        "SELECT subject FROM facts UNION SELECT speaker FROM turns ORDER BY 1",
        "SELECT coalesce(nullif(value, ''), 'x'), round(avg(turn_id)), sum(id) FROM facts",
    ],
)
def test_the_reading_authorizer_lets_the_subset_through(
    reader: sqlite3.Connection, statement: str
) -> None:
    select(reader, statement)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM facts", "CREATE TABLE t (x)", INSERT + "('a', 'b', 'c', '', 1)"]
)
def test_without_its_authorizer_the_reader_still_cannot_write(
    reader: sqlite3.Connection, statement: str
) -> None:
    reader.set_authorizer(None)
    reader.create_function("words", 1, str)  # of the triggers on facts
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        select(reader, statement)
    assert reader.execute("PRAGMA query_only").fetchone() == (1,)
    reader.execute("PRAGMA query_only = OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        select(reader, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM turns WHERE id = 1",
        "UPDATE turns SET text = 'x' WHERE id = 1",
        "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
        " VALUES ('message', '', 'Eve', 'x', '', '')",
        "DELETE FROM changes",
        "UPDATE changes SET undone_at = 'now'",
        "DELETE FROM facts_log",
        "INSERT INTO settings (name, value, set_at) VALUES ('a', 'b', 'c')",
        "UPDATE facts SET id = 7 WHERE id = 1",
        "UPDATE facts SET recorded_at = '' WHERE id = 1",
        "UPDATE facts SET value = (SELECT cause FROM changes) WHERE id = 1",
        "UPDATE facts SET value = hex(zeroblob(1000)) WHERE id = 1",
        "UPDATE facts SET value = words(value) WHERE id = 1",
        "INSERT INTO speakers (name) VALUES ('Eve')",
        "UPDATE speakers SET name = 'Eve' WHERE id = 1",
        "DELETE FROM recent",
        "INSERT INTO blocks VALUES (1, 1, '', '')",
        "UPDATE pieces SET vectors = ''",
        "INSERT INTO turns_words (rowid, words) VALUES (1, 'x')",
        "INSERT INTO facts_words (facts_words) VALUES ('delete-all')",
        "DELETE FROM turns_words_data",
        "UPDATE facts_words_config SET v = 5",
        "UPDATE facts SET value = (SELECT name FROM speakers) WHERE id = 1",
        "DELETE FROM facts WHERE id IN (SELECT turn_id FROM recent)",
        f"{INSERT[:-7]} SELECT 'a', 'b', name, '', 1 FROM speakers",
        f"{INSERT[:-7]} SELECT 'a', 'b', cause, '', 1 FROM (SELECT * FROM changes) facts_inserted",
        "DROP TRIGGER facts_inserted",
        "DROP TABLE facts",
        "CREATE TABLE t (x)",
        "ALTER TABLE facts ADD COLUMN x",
        "CREATE INDEX i ON facts (value)",
        "ATTACH ':memory:' AS other",
        "PRAGMA foreign_keys = OFF",
        "COMMIT",
    ],
)
def test_the_writing_authorizer_allows_changes_to_facts_only(
    store: SqliteStore, statement: str
) -> None:
    store.write(MOVED, cause="test")
    with pytest.raises(SqlError), store._transaction() as conn:
        walls.change_facts(conn, statement, seconds=2)
    assert len(store.turns()) == 5
    assert len(store.changes()) == 1


@pytest.mark.parametrize("trigger", ["facts_inserted", "facts_updated", "facts_deleted"])
def test_a_statement_cannot_pass_for_a_trigger(store: SqliteStore, trigger: str) -> None:
    """SQLite tells the authorizer the name of a WITH as if it were a trigger's."""
    store.write(MOVED, cause="test")
    statement = (
        f"WITH {trigger} AS (SELECT cause FROM changes)"
        f" {INSERT[:-7]} SELECT 'a', 'b', cause, '', 1 FROM {trigger}"
    )
    with pytest.raises(SqlError), store._transaction() as conn:
        walls.change_facts(conn, statement, seconds=2)


def test_the_writing_authorizer_is_gone_when_the_statement_is_done(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    with pytest.raises(SqlError):
        store.write("DELETE FROM facts WHERE nonsense = 1", cause="test")
    store.add([Turn("Anna", "Turns can still be added.")])


SLOW = "SELECT count(*) FROM turns a, turns b, turns c, turns d, turns e, turns f, turns g"


def test_a_deadline_stops_what_runs_too_long(store: SqliteStore, path: Path) -> None:
    store.add([Turn("Anna", "word", session="s") for _ in range(100)])
    store.write(MOVED, cause="test")
    conn = walls.open_reader(path)
    with pytest.raises(SqlError, match="too slow"):
        select(conn, SLOW, seconds=0.2)
    assert select(conn, "SELECT count(*) FROM turns", seconds=0.2)
    conn.close()
    with pytest.raises(SqlError, match="too slow"), store._transaction() as writing:
        walls.change_facts(writing, f"DELETE FROM facts WHERE 0 = ({SLOW})", seconds=0.2)


def test_a_length_limit_stops_what_the_deadline_cannot(reader: sqlite3.Connection) -> None:
    reader.set_authorizer(None)
    with pytest.raises(SqlError, match="too long a value"):
        select(reader, "SELECT zeroblob(900000000)")
    with pytest.raises((SqlError, sqlite3.DataError)):
        select(reader, "SELECT '" + "x" * walls.LONGEST_STATEMENT + "'")


def test_rows_beyond_the_limit_are_cut_and_said_to_be(store: SqliteStore) -> None:
    store.add([Turn("Anna", f"line {n}") for n in range(300)])
    rows = store.read("SELECT id FROM turns")
    assert (len(rows.rows), rows.truncated) == (200, True)
    assert not store.read("SELECT id FROM turns LIMIT 200").truncated


def test_a_change_to_too_many_facts_is_refused(store: SqliteStore) -> None:
    for _ in range(21):
        store.write(INSERT + ", ".join(["('a', 'b', 'c', NULL, 1)"] * 50), cause="test")
    with pytest.raises(SqlError, match=r"1050 facts.* narrow"):
        store.write("DELETE FROM facts WHERE id > 0", cause="test")
    assert store.read("SELECT count(*) AS n FROM facts").rows == ((1050,),)


def test_the_parser_stands_before_the_other_walls(store: SqliteStore, tmp_path: Path) -> None:
    stolen = tmp_path / "stolen.db"
    for attempt in (store.read, lambda text: store.write(text, cause="test")):
        with pytest.raises(SqlError):
            attempt(f"VACUUM INTO '{stolen}'")
    assert not stolen.exists()


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("SELECT txt FROM turns", "txt"),
        ("SELECT text FROM turn", "turn"),
        ("SELECT text FROM turns WHERE", "WHERE|incomplete"),
        ("SELECT date('now')", "ISO"),
    ],
)
def test_what_is_wrong_is_told_to_the_model(store: SqliteStore, wrong: str, advice: str) -> None:
    with pytest.raises(SqlError, match=advice):
        store.read(wrong)


def test_a_store_belongs_to_one_thread_and_a_namespace_to_many(path: Path) -> None:
    import threading

    def add(name: str) -> None:
        with open_store(path) as second:
            for n in range(20):
                second.add([Turn(name, f"{name} says {n}")])
                second.write(f"{INSERT}('{name}', 'said', '{n}', NULL, 1)", cause="test")

    threads = [threading.Thread(target=add, args=(f"T{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_store(path) as store:
        assert len(store.turns()) == 80
        assert store.read("SELECT count(*) AS n FROM facts").rows == ((80,),)
        with pytest.raises(SqlError):
            store.write(CAT.replace(" 3)", " 999)"), cause="test")
