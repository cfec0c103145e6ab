"""The walls behind the parser: each is tried with the walls before it taken away."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from memory import SqlError, Turn, open_store
from memory.errors import StoreError
from memory.store import migrations, model_limits
from memory.store.changes.history import edits_of
from memory.store.sqlite import authorizer, connection
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, INSERT, MOVED
from tests.support.rows import connection_of


@pytest.fixture
def reader(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    conn = authorizer.open_reader(path)
    yield conn
    conn.close()


def select(conn: sqlite3.Connection, statement: str, seconds: float = 2.0) -> object:
    return authorizer.select(conn, statement, limit=200, seconds=seconds)


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
    for function in ("words", "is_date", "is_span"):  # of the triggers on facts
        reader.create_function(function, 1, str)
    reader.create_collation(migrations.COLLATION + "facts", lambda one, other: 0)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute(statement)
    assert reader.execute("PRAGMA query_only").fetchone() == (1,)
    reader.execute("PRAGMA query_only = OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute(statement)


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
        "INSERT INTO turns_words (rowid, text) VALUES (1, 'x')",
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
    with pytest.raises(SqlError), store.transaction() as conn:
        authorizer.change_facts(conn, [statement], seconds=2)
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
    with pytest.raises(SqlError), store.transaction() as conn:
        authorizer.change_facts(conn, [statement], seconds=2)


def test_the_writing_authorizer_is_gone_when_the_statement_is_done(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    with pytest.raises(SqlError):
        store.write("DELETE FROM facts WHERE nonsense = 1", cause="test")
    store.add([Turn("Anna", "Turns can still be added.")])


def test_the_change_that_was_judged_is_the_one_that_runs(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite compiles it once: it asks about each of its steps a single time."""
    store.write(MOVED, cause="test")
    set_authorizer = sqlite3.Connection.set_authorizer
    steps = []

    def recording(conn: sqlite3.Connection, authorizer: Any) -> None:
        def recorded(*step: Any) -> int:
            steps.append(step[:3])
            return int(authorizer(*step))

        set_authorizer(conn, recorded if authorizer else None)

    monkeypatch.setattr(connection.SqliteConnection, "set_authorizer", recording, raising=False)
    with store.transaction() as conn:
        authorizer.change_facts(conn, ["UPDATE facts SET value = 'x' WHERE id = 1"], seconds=2)
    assert steps.count((sqlite3.SQLITE_UPDATE, "facts", "value")) == 1
    assert store.facts()[0].value == "x"


def test_a_change_is_judged_also_where_its_text_ran_before(store: SqliteStore) -> None:
    statement = "DELETE FROM changes WHERE id < 0"
    connection_of(store).execute(statement).close()
    with pytest.raises(SqlError, match="not allowed"), store.transaction() as conn:
        authorizer.change_facts(conn, [statement], seconds=2)
    store.write(MOVED, cause="test")
    for _ in range(2):
        assert store.write("UPDATE facts SET value = 'x' WHERE id = 1", cause="test").facts == 1


def test_what_sqlite_did_not_compile_under_the_authorizer_does_not_run(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(MOVED, cause="test")
    not_compiled = connection_of(store).cursor()
    monkeypatch.setattr(
        connection.SqliteConnection, "executemany", lambda *_: not_compiled, raising=False
    )
    with pytest.raises(SqlError, match="not allowed"), store.transaction() as conn:
        authorizer.change_facts(conn, ["DELETE FROM facts WHERE id = 1"], seconds=2)
    assert len(store.facts()) == 1


SLOW = "SELECT count(*) FROM turns a, turns b, turns c, turns d, turns e, turns f, turns g"


def work(seconds: float) -> None:
    """Keep the processor busy for so many seconds of this thread's own."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_busy_machine_does_not_make_a_statement_too_slow(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load 14 plain SELECTs over 200 turns were refused, as the clock on the wall went on."""
    conn = authorizer.open_reader(path)
    assert select(conn, "SELECT id FROM turns")  # SQLite reads the schema
    moments = count()
    # At each look at the clock another process has had the processor for a second.
    clock = SimpleNamespace(thread_time=time.thread_time, monotonic=lambda: float(next(moments)))
    monkeypatch.setattr(model_limits, "time", clock)
    statement = "SELECT id FROM turns WHERE id > 0 ORDER BY text"
    monkeypatch.setattr(authorizer, "_STEPS", 10)
    assert len(select(conn, statement, seconds=2.0).rows) == 5
    assert next(moments) > 3
    monkeypatch.setattr(authorizer, "_STEPS", 1)
    with pytest.raises(SqlError, match="too slow"):  # there is an end to patience
        select(conn, statement, seconds=2.0)
    conn.close()


def test_a_deadline_stops_what_runs_too_long(store: SqliteStore, path: Path) -> None:
    store.add([Turn("Anna", "word", session="s") for _ in range(100)])
    store.write(MOVED, cause="test")
    conn = authorizer.open_reader(path)
    with pytest.raises(SqlError, match="too slow"):
        select(conn, SLOW, seconds=0.2)
    assert select(conn, "SELECT count(*) FROM turns", seconds=0.2)
    conn.close()
    with pytest.raises(SqlError, match="too slow"), store.transaction() as writing:
        authorizer.change_facts(writing, [f"DELETE FROM facts WHERE 0 = ({SLOW})"], seconds=0.2)


# Not by `add`: the words and the vector of so long a text take a while.
LONG_TURN = (
    "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
    " VALUES ('message', '', 'Anna', ?, '', '')"
)
BEYOND_LIMITS = {
    "too much text": "SELECT " + ", ".join(["text"] * 20) + " FROM turns WHERE id = 6",
    "at most 36 columns": "SELECT " + ", ".join(["text"] * 37) + " FROM turns",
    "a value is too long": "SELECT text || text || text FROM turns",
    "at most 200 bytes": "SELECT id FROM turns WHERE text LIKE lower('%" + "a" * 200 + "')",
    "too much work": "SELECT id FROM turns WHERE id IN (" + ",".join("1" * 400_000) + ")",
    "surrogates not allowed": "SELECT '\ud800'",
    "query string is too large": "SELECT '" + "x" * authorizer.LONGEST_STATEMENT + "'",
}


@pytest.mark.few(2)
@pytest.mark.parametrize(("advice", "statement"), BEYOND_LIMITS.items(), ids=BEYOND_LIMITS)
def test_limits_stop_what_the_deadline_cannot(
    store: SqliteStore, reader: sqlite3.Connection, advice: str, statement: str
) -> None:
    connection_of(store).execute(LONG_TURN, ("a" * 1_000_000,))
    with pytest.raises(SqlError, match=advice):
        select(reader, statement)


def test_the_longest_turn_can_be_read(store: SqliteStore) -> None:
    text = "\N{DOG FACE}" * 4_000_000
    connection_of(store).execute(LONG_TURN, (text,))
    assert store.read("SELECT text FROM turns WHERE id = 6").rows == ((text,),)


@pytest.mark.slow
def test_the_deadline_is_looked_at_every_few_rows_where_patterns_are(
    store: SqliteStore, path: Path
) -> None:
    """A pattern is compared in one step, here of a twentieth of a second."""
    store.add([Turn("Anna", "word") for _ in range(60)])
    conn = authorizer.open_reader(path)
    rows = []
    conn.create_function("like", 2, lambda pattern, text: rows.append(text) or work(0.05))
    with pytest.raises(SqlError, match="too slow"):
        select(conn, "SELECT id FROM turns WHERE text LIKE '%b%'", seconds=0.05)
    assert len(rows) < 20
    conn.close()


def test_a_whole_change_has_one_deadline(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    statements = ["DELETE FROM facts WHERE turn_id = (SELECT max(abs(id)) FROM turns)"] * 20
    runs = []
    connection_of(store).create_function("abs", 1, lambda n: runs.append(n) or work(0.01))
    with pytest.raises(SqlError, match="too slow"), store.transaction() as conn:
        authorizer.change_facts(conn, statements, seconds=0.2)
    assert len(runs) < 60


SLOW_DIGEST = """
import sys
from memory import SqlError, open_store
from memory.store.sqlite import store as sqlite

sqlite.WRITE_SECONDS = 0.5
statement = (
    "UPDATE facts SET value = 'x' WHERE id = 1 AND 0 < ("
    "SELECT COUNT(a.id) FROM turns a CROSS JOIN turns b CROSS JOIN turns c WHERE a.id < b.id)"
)
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    try:
        store.write(";".join([statement] * 50), cause="test")
    except SqlError as error:
        print(error)
"""


@pytest.mark.slow
def test_adding_outlives_what_a_model_writes(store: SqliteStore, path: Path) -> None:
    """The fifty statements together take ten times as long as `add` has patience here."""
    store.add([Turn("Anna", "word") for _ in range(160)])
    store.write(MOVED, cause="test")
    connection_of(store).execute("PRAGMA busy_timeout = 4000")
    command = [sys.executable, "-c", SLOW_DIGEST, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as digest:
        assert digest.stdout is not None
        assert digest.stdout.readline() == "ready\n"
        while digest.poll() is None:
            store.add([Turn("Anna", "still here")])
        assert "too slow" in digest.stdout.read()
    assert store.read("SELECT value FROM facts").rows == (("Oslo",),)


LONGEST = 20_000  # characters of a column of a fact


@pytest.mark.parametrize(
    "assignment",
    [
        "value = " + " || ".join(["value"] * 8),
        "subject = (SELECT text FROM turns WHERE id = 6)",
        "happened_on = (SELECT text FROM turns WHERE id = 6)",
        "ended_on = '2017' || (SELECT text FROM turns WHERE id = 6)",
    ],
)
def test_no_change_makes_a_fact_that_is_longer_than_facts_are(
    store: SqliteStore, assignment: str
) -> None:
    store.add([Turn("Anna", "word " * 5000)])
    store.write(INSERT + f"('a', 'b', '{'word ' * 1000}', NULL, 1)", cause="test")
    with pytest.raises(SqlError, match=r"at most 20000 characters|write the date itself"):
        store.write(f"UPDATE facts SET {assignment} WHERE id = 1", cause="test")
    refusal = "at most 20000 characters|a date of a fact is no date"
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        connection_of(store).execute(f"UPDATE facts SET {assignment} WHERE id = 1")
    assert store.check() == []


def test_a_fact_of_the_longest_kind_is_stored_found_and_taken_back(store: SqliteStore) -> None:
    store.write(INSERT + "('a', 'b', 'zebra', NULL, 1)", cause="test")
    padded = "value || ' ' || substr((SELECT text FROM turns WHERE id = 6), 1, 19994)"
    store.add([Turn("Anna", "word " * 5000)])
    change = store.write(f"UPDATE facts SET value = {padded} WHERE id = 1", cause="test")
    assert [len(fact.value) for fact in store.facts()] == [LONGEST]
    assert store.search("zebra", 1)[0].turn_id == 1
    store.undo(change.id)
    assert store.facts()[0].value == "zebra"
    assert store.check() == []


def test_the_words_of_a_fact_are_bounded_by_what_a_fact_can_hold(store: SqliteStore) -> None:
    [(words,)] = connection_of(store).execute("SELECT words(?)", ("a " * 1_000_000,))
    assert len(words.split()) == connection.LONGEST_FACT // 2


def test_a_longer_fact_in_an_older_journal_is_read_and_not_restored(store: SqliteStore) -> None:
    store.write(INSERT + "('a', 'b', 'zebra', NULL, 1)", cause="old")
    change = store.write("UPDATE facts SET value = 'cat' WHERE id = 1", cause="upgrade")
    longer = "word " * 10_000 + "end"
    connection_of(store).execute(
        "UPDATE facts_log SET before = replace(before, 'zebra', :longer),"
        " after = replace(after, 'zebra', :longer)",
        {"longer": longer},
    )
    assert edits_of(store)[-1].before.value.endswith("end")
    with store.as_of("2024") as then:
        assert then.check() == []
    with pytest.raises(StoreError, match="at most 20000 characters"):
        store.undo(change.id)
    assert store.check() == []


HONEST_COUNTS = [
    "WITH p AS (SELECT DISTINCT speaker FROM turns) SELECT COUNT(*) AS n FROM p",
    "WITH changes AS (SELECT speaker FROM turns LIMIT 2) SELECT COUNT(*) AS n FROM changes",
    "WITH a(x, y) AS (SELECT id, text FROM turns), b AS (SELECT x FROM a LIMIT 2)"
    " SELECT COUNT(*) AS n FROM b",
    'WITH "group" AS (SELECT DISTINCT speaker FROM turns) SELECT COUNT(*) AS n FROM "group"',
    "SELECT COUNT(*) AS n FROM search('cat', 2) s",
    "SELECT COUNT(*) AS n FROM turns WHERE id IN"
    " (WITH p AS (SELECT id FROM turns LIMIT 2) SELECT MAX(id) + p - p FROM (SELECT COUNT(*) AS p"
    " FROM p) q JOIN turns t ON t.id < 3 GROUP BY p) OR id = 1",
]


@pytest.mark.parametrize("statement", HONEST_COUNTS)
def test_rows_of_a_with_and_of_a_search_can_be_counted(store: SqliteStore, statement: str) -> None:
    assert store.read(statement).rows == ((2,),)


def test_rows_of_a_with_can_be_counted_in_a_write(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    counted = "(WITH p AS (SELECT DISTINCT speaker FROM turns) SELECT COUNT(*) FROM p)"
    store.write(f"UPDATE facts SET value = CAST({counted} AS TEXT) WHERE id = 1", cause="test")
    assert store.facts()[0].value == "2"


@pytest.mark.parametrize(
    "statement",
    [
        "WITH p AS (SELECT 1) SELECT count(*) FROM changes",
        "WITH changes AS (SELECT 1) SELECT (SELECT count(*) FROM main.changes) FROM changes",
        "WITH p AS (SELECT 1) SELECT count(*) FROM pragma_table_list",
        "SELECT 'changes AS (' FROM changes",
    ],
)
def test_rows_of_other_tables_are_not_counted(reader: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(SqlError, match="not allowed"):
        select(reader, statement)


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
        ("SELECT strftime('%W', 'now')", "ISO"),
    ],
)
def test_what_is_wrong_is_told_to_the_model(store: SqliteStore, wrong: str, advice: str) -> None:
    with pytest.raises(SqlError, match=advice):
        store.read(wrong)


@pytest.mark.slow
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
