"""A receipt of `forget` is verified in a namespace of Postgres: no row holds what it names."""

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from memory import Turn, open_store
from memory.store.forgetting.receipt_check import read_receipt
from memory.store.postgres.receipt_check import check_namespace
from tests.conftest import CAT, INSERT, SAID
from tests.support.commands import run
from tests.support.postgres_server import new_database

SECRET = "My xylophones are hidden in Wrzeszcz\xf3w!"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with the namespace "anna", of which turn 6 is the secret, and a backup of it."""
    monkeypatch.chdir(tmp_path)
    database = new_database()
    monkeypatch.setenv("MEMORY_HOME", database)
    with open_store(f"{database}&namespace=anna") as store:
        store.add([*SAID, Turn("Zyl", SECRET)])
        store.write(CAT, cause="test")
        store.write(INSERT + "('Zyl', 'hides', 'xylophones', NULL, 6)", cause="test")
        store.backup(tmp_path / "backup.sqlite")
    shutil.copy("backup.sqlite", "backup.before")
    run("forget", "--turn", "6", "--yes", "--receipt", "r.json", "-n", "anna")
    return database


def verified(*arguments: object, finds: str = "") -> str:
    return run("forget", "verify", "r.json", "-n", "anna", *arguments, finds=finds)


@pytest.mark.slow
def test_what_is_gone_is_said_to_be_and_what_cannot_be_seen(home: str, tmp_path: Path) -> None:
    printed = verified()
    assert f"gone: 1 turn and 1 fact, checked in {home}&namespace=anna, {tmp_path}" in printed
    assert "not checked: words, which a receipt does not hold" in printed
    assert "not checked: dead rows until the server vacuums them, its write-ahead log" in printed
    assert "not checked: words" not in verified("--matching", "xylophones are hidden")
    check = json.loads(verified("--json", "--matching", SECRET))
    assert check["remains"] == []
    assert len(check["files"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "remains"),
    [
        ("INSERT INTO memory.turns SELECT namespace, 6, kind, session, speaker, text, said_at,"
         " source FROM memory.turns WHERE id = 1", "1 rows of the table turns"),
        ("INSERT INTO memory.shown SELECT namespace, 6, 1 FROM memory.counters",
         "1 rows of the table shown"),
        ("INSERT INTO memory.facts_log SELECT namespace, 90, 1, 2, 'x' FROM memory.counters",
         "1 rows of the table facts_log"),
        ("UPDATE memory.changes SET statement = 'xylophones' WHERE id = 2",
         "statements of 1 changes"),
        ("INSERT INTO memory.word_lists SELECT namespace, 'xylophon', 't', 0, '\\x0600' FROM"
         " memory.counters", "the lists of words"),
    ],
)  # fmt: skip
def test_a_row_that_is_still_there_is_found(home: str, statement: str, remains: str) -> None:
    with psycopg.connect(home) as conn:
        conn.execute(statement)  # type: ignore[arg-type]
    verified(finds=f"namespace=anna: .*{remains}")


JSON = '["My xylophone.", "", "", "", "", "", 99]'  # of which the journal has an index
FILLERS = {"text": f"'{JSON}'", "bytea": "'x'"}


@pytest.mark.slow
def test_a_text_is_found_in_every_column_of_every_table(home: str) -> None:
    with psycopg.connect(home) as conn:
        columns = conn.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'memory' AND table_name IN (SELECT table_name FROM"
            " information_schema.columns WHERE column_name = 'namespace')"
        ).fetchall()
        conn.execute("SET LOCAL session_replication_role = replica")  # no trigger and no key
        texts = [(table, column, type_) for table, column, type_ in columns if type_ in FILLERS]
        # What a turn or fact says itself is no residue, and a CHECK holds the kind.
        own = {("turns", "text"), ("turns", "kind"), ("facts", "value"), ("attributes", "kind")}
        own |= {("facts", "happened_on"), ("facts", "ended_on")}  # a CHECK holds dates
        own |= {("contradictions", "settled"), ("summaries", "kind")}  # and these, too
        own |= {("newer_words", "kind")}
        texts = [place for place in texts if place[:2] not in own]
        for table in {table for table, *_ in texts}:
            rows = conn.execute(f"SELECT count(*) FROM memory.{table}").fetchone()  # type: ignore
            if table == "settings" or rows == (0,):
                names = [(column, type_) for name, column, type_ in columns if name == table]
                kind = {"summaries": "'session'", "newer_words": "'again'"}.get(table, "'event'")
                own_values = {"namespace": "1", "kind": kind, "settled": "''"}
                values = [
                    own_values.get(column) or FILLERS.get(type_, "99") for column, type_ in names
                ]
                insert = ", ".join(name for name, _ in names)
                conn.execute(
                    f"INSERT INTO memory.{table} ({insert}) VALUES"  # type: ignore[arg-type]
                    f" ({', '.join(values)})"
                )
        for table, column, _ in texts:
            conn.execute(
                f"UPDATE memory.{table} SET {column} = '{JSON}' WHERE ctid ="  # type: ignore
                f" (SELECT max(ctid) FROM memory.{table})"
            )
    remains = check_namespace(
        f"{home}&namespace=anna", read_receipt(Path("r.json")), "xylophone"
    ).remains
    for table, column, _ in texts:
        line = f"rows of the table {table} hold 'xylophone' in the column {column}"
        assert any(line in remaining for remaining in remains), (table, column)
    assert len(texts) > 25


@pytest.mark.slow
def test_a_backup_that_came_back_is_found(home: str) -> None:
    shutil.copy("backup.before", "backup.sqlite")
    verified(finds="backup.sqlite: turns 6, all of the receipt")


@pytest.mark.slow
def test_a_turn_that_says_it_again_is_named(home: str) -> None:
    run("add", "I have xylophones.", "--speaker", "Zyl", "-n", "anna")
    verified("--matching", "XYLOPHONES", finds="turn 7 holds words of 'XYLOPHONES'")


@pytest.mark.slow
def test_a_receipt_of_another_namespace_is_refused(home: str) -> None:
    run("add", "Hello.", "--speaker", "Ben", "-n", "ben")
    run("forget", "verify", "r.json", "-n", "ben", says="no receipt .*another memory's")
    run("forget", "verify", "r.json", "-n", "carl", says="there is no namespace 'carl'")


def statistics_with(database: str, text: str) -> list[tuple[str, str]]:
    """The columns of whose statistics a superuser sees a text."""
    with psycopg.connect(database) as conn:
        select = "SELECT tablename, attname FROM pg_stats WHERE (pg_stats.*)::text ILIKE %s"
        return conn.execute(select, (f"%{text}%",)).fetchall()


@pytest.mark.few(1)
@pytest.mark.parametrize("forgotten", [[2], [1, 2, 3, 4]], ids=["some", "all"])
def test_the_statistics_of_the_server_do_not_hold_what_is_forgotten(forgotten: list[int]) -> None:
    database = new_database()
    with open_store(f"{database}&namespace=anna") as store:
        for _ in range(2):  # a value that is there twice is kept as a common one
            store.add([Turn("Anna", "Hi."), Turn("Zyl", SECRET)])
        store.write(INSERT + "('Zyl', 'hides', 'xylophones', NULL, 2)", cause="test")
        with psycopg.connect(database, autocommit=True) as conn:
            conn.execute("ANALYZE")  # as the server does by itself
            version = conn.info.server_version
        assert ("turns", "text") in statistics_with(database, "xylophones")
        store.forget(sorted({*forgotten, 4}))
        if len(forgotten) == 4 and version < 180000:
            pytest.skip("no statement of an older server drops the statistics of an empty table")
        assert statistics_with(database, "xylophones") == []


@pytest.mark.slow
def test_verify_finds_what_the_statistics_of_the_server_hold(home: str) -> None:
    with psycopg.connect(home, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # turns are never changed
        conn.execute("UPDATE memory.turns SET text = 'say \"Xylophone\" \\ now' WHERE id = 1")
        conn.execute("ANALYZE memory.turns")
        conn.execute("UPDATE memory.turns SET text = 'Hi.' WHERE id = 1")
    said = r"the server's statistics hold .* of turns\.text"
    verified("--matching", "xylophone", finds=said)
    verified("--matching", 'say "Xylophone" \\ now', finds=said)
