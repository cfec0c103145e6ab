"""Compares the contents of the full-text indexes with the expected contents."""

import sqlite3

from memory import Store
from memory.store.sqlite.store import SqliteStore
from memory.text.words import words
from tests.support.rows import connection_of, rows_of

TEXTS = {
    "turns_words": "SELECT id, text FROM turns",
    "facts_words": "SELECT id, subject || ' ' || attribute || ' ' || value FROM facts",
}


def assert_sound(store: Store) -> None:
    """Both indexes are whole, and hold the words of all turns and facts and no others.

    The indexes keep no text, so SQLite's own check cannot compare them with the tables.
    """
    if not isinstance(store, SqliteStore):
        _assert_sound_lists(store)
        return
    for table, texts in TEXTS.items():
        with store.transaction() as conn:
            conn.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
            conn.execute(
                f"CREATE VIRTUAL TABLE temp.entries USING fts5vocab('main', '{table}', 'instance')"
            )
        entries = set(rows_of(store, "SELECT term, doc FROM temp.entries"))
        connection_of(store).execute("DROP TABLE temp.entries")
        assert entries == _expected(rows_of(store, texts))


def _expected(texts: list[tuple[int, str]]) -> set[tuple[str, int]]:
    fresh = sqlite3.connect(":memory:")
    fresh.execute("CREATE VIRTUAL TABLE t USING fts5 (words, tokenize = 'porter ascii')")
    rows = [(number, " ".join(words(text))) for number, text in texts]
    fresh.executemany("INSERT INTO t (rowid, words) VALUES (?, ?)", rows)
    fresh.execute("CREATE VIRTUAL TABLE entries USING fts5vocab('t', 'instance')")
    entries = set(fresh.execute("SELECT term, doc FROM entries"))
    fresh.close()
    return entries


def _assert_sound_lists(store: Store) -> None:
    from memory.store.postgres.store import PostgresStore

    assert isinstance(store, PostgresStore)
    for of, texts in zip("tf", TEXTS.values(), strict=True):
        entries = {
            (word, (chunk << 12) + int.from_bytes(ids[n : n + 2], "little"))
            for word, chunk, ids in rows_of(
                store, "SELECT word, chunk, ids FROM word_lists WHERE of = ?", (of,)
            )
            for n in range(0, len(ids), 2)
        }
        assert entries == _expected(rows_of(store, texts))
