"""A memory's file in other programs: read with names and dates in words, searched, not written."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from memory import Memory, Turn
from memory.errors import StoreError
from memory.store.sqlite.connection import storage_errors


@pytest.fixture
def used(path: Path) -> Path:
    with Memory(path) as memory:
        memory.add(Turn("Anna", "I live in Oslo.", said_at="2026-03-05T10:00:00"))
        memory.add(Turn("Ben", "We went to the fjord.", said_at="2026-04"))
        memory.add(Turn("Anna", "I moved to Rome yesterday.", said_at="2026-05-09T10:00:00"))
    return path


def test_turns_and_facts_are_read_with_names_and_dates_in_words(used: Path) -> None:
    with closing(sqlite3.connect(used)) as conn:
        turns = conn.execute("SELECT day, speaker, text FROM readable_turns").fetchall()
        facts = conn.execute(
            "SELECT subject, attribute, value, since, until, said_on, said_by FROM readable_facts"
        ).fetchall()
    assert turns == [
        ("5 Mar 2026", "Anna", "I live in Oslo."),
        ("Apr 2026", "Ben", "We went to the fjord."),
        ("9 May 2026", "Anna", "I moved to Rome yesterday."),
    ]
    assert facts == [
        ("Anna", "lives in", "Oslo", "", "8 May 2026", "5 Mar 2026", "Anna"),
        ("Anna", "lives in", "Rome", "8 May 2026", "", "9 May 2026", "Anna"),
    ]


def test_each_table_is_counted_and_turns_and_facts_are_searched_by_words(used: Path) -> None:
    """As `sqlite-utils tables --counts` and the search box of Datasette do."""
    database = Database(used)
    counts = {table.name: table.count for table in database.tables}
    assert (counts["turns"], counts["turns_words"], counts["facts_words"]) == (3, 3, 2)
    assert {name: database[name].detect_fts() for name in ("turns", "facts")} == {
        "turns": "turns_words",
        "facts": "facts_words",
    }
    matching = "SELECT id FROM {0} WHERE rowid IN (SELECT rowid FROM {0}_words WHERE {0}_words"
    for table, ids in (("turns", [1]), ("facts", [1])):
        query = f"{matching.format(table)} MATCH 'oslo')"
        assert [row_id for (row_id,) in database.execute(query)] == ids
    assert [*database["turns_words"].rows_where("turns_words MATCH 'fjord'")] == [
        {"text": "We went to the fjord."}
    ]
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'likes', 'tea', 1)",
        "UPDATE facts SET value = 'Lima'",
        "DELETE FROM facts",
        "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
        " VALUES ('message', '', 'Anna', 'Hi', '', '')",
        "DELETE FROM turns",
    ],
)
def test_a_write_from_outside_is_told_who_writes(used: Path, statement: str) -> None:
    says = "only_the_command_memory_and_its_api_write_(facts|turns)"
    with closing(sqlite3.connect(used)) as conn, pytest.raises(sqlite3.Error, match=says):
        conn.execute(statement)
    with Memory(used) as memory:
        assert memory.store.check() == []
        assert [fact.value for fact in memory.facts()] == ["Rome"]


def test_a_disk_without_locks_is_told_what_to_do(path: Path) -> None:
    with pytest.raises(StoreError, match="keep it on a local one"), storage_errors(path):
        raise sqlite3.OperationalError("locking protocol")
