"""Whether a SQLite namespace is whole: its pages, its journal, and the tables of search."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.search.turn_columns import TURN_DTYPE
from memory.store import journal, search_tables

_MOST_NAMED = 10  # rows of one fault


_MOST_READ = 300  # rows of an index, and words of one


_TURNS_WORDS = ("turns_words", "turn", "SELECT id, text FROM turns")


_FACTS_WORDS = (
    "facts_words",
    "fact",
    "SELECT id, subject || ' ' || attribute || ' ' || value AS text FROM facts",
)


def check(conn: sqlite3.Connection) -> list[str]:
    """What is wrong with the file and its indexes, one line each."""
    conn.execute("BEGIN")  # all that is read is of one moment
    try:
        found = [f"the file is damaged: {line}" for line in _damage(conn)]
        found += [] if found else [*_columns(conn), *_journal(conn)]
        found += [] if found else [*_words(conn, *_TURNS_WORDS), *_words(conn, *_FACTS_WORDS)]
    except (sqlite3.DatabaseError, ValueError) as error:
        found = [f"the file is damaged: {error}"]
    finally:
        conn.execute("ROLLBACK")
    return found


def _damage(conn: sqlite3.Connection) -> Iterator[str]:
    """Pages and rows that contradict each other, and rows that name others which are not there."""
    yield from (line for (line,) in conn.execute("PRAGMA integrity_check(20)") if line != "ok")
    for table, row, parent, _ in conn.execute("PRAGMA foreign_key_check").fetchmany(20):
        yield f"row {row} of {table} names a row of {parent} that is not there"
    for table in ("changes", "pending"):
        for first, last in conn.execute(
            f"SELECT first_turn, last_turn FROM {table} WHERE first_turn > last_turn"
        ):
            yield f"{table} has a window from turn {first} to {last}"


def _columns(conn: sqlite3.Connection) -> Iterator[str]:
    """What search keeps of turns: each once, up to those that wait for their vectors."""
    blocks = conn.execute("SELECT columns, codes FROM blocks ORDER BY first_turn").fetchall()
    recent = conn.execute("SELECT columns FROM recent ORDER BY turn_id").fetchall()
    kept = np.frombuffer(b"".join(row[0] for row in [*blocks, *recent]), TURN_DTYPE)["id"]
    last = int(kept[-1]) if len(kept) else 0
    ids = _ids(conn, "SELECT id FROM turns WHERE id <= ? ORDER BY id", (last,))
    yield from _differing(ids, kept, "turn", "the columns that search reads")
    if np.any(np.diff(kept) <= 0):
        yield "the columns that search reads are not in the order of the turns"
    pieces = dict(conn.execute("SELECT first_turn, length(vectors) FROM pieces"))
    for columns, codes in blocks:
        starts = np.frombuffer(columns, TURN_DTYPE)["id"][:: search_tables.PIECE].tolist()
        sizes = {pieces.pop(start, 0) for start in starts}
        if len(sizes) > 1 or 0 in sizes or len(codes) % len(np.frombuffer(columns, TURN_DTYPE)):
            yield f"vectors of the turns from {starts[0]} on are missing"
    if pieces:
        yield f"vectors of turns from {min(pieces)} on belong to nothing"


def _journal(conn: sqlite3.Connection) -> Iterator[str]:
    """Each fact is as the last entry of the journal left it."""
    for (fact_id,) in conn.execute(
        f"SELECT id FROM facts WHERE {journal.IMAGE} IS NOT (SELECT after FROM facts_log"
        " WHERE fact_id = facts.id ORDER BY facts_log.id DESC LIMIT 1) LIMIT ?",
        (_MOST_NAMED,),
    ):
        yield f"fact {fact_id} is not as the journal says"
    for (fact_id,) in conn.execute(
        "SELECT fact_id FROM facts_log WHERE id IN (SELECT max(id) FROM facts_log GROUP BY fact_id)"
        " AND after IS NOT NULL AND fact_id NOT IN (SELECT id FROM facts) LIMIT ?",
        (_MOST_NAMED,),
    ):
        yield f"fact {fact_id} is gone, which the journal does not say"


def _words(conn: sqlite3.Connection, index: str, noun: str, texts: str) -> Iterator[str]:
    """A full-text index has all rows that hold words and no others; some are read word by word.

    It keeps neither its texts nor their sizes, so what it holds is read from its lists.
    """
    conn.execute(f"CREATE VIRTUAL TABLE temp.held USING fts5vocab(main, {index}, instance)")
    held = _ids(conn, "SELECT DISTINCT doc FROM temp.held ORDER BY doc")
    conn.execute("DROP TABLE temp.held")
    wordy = _ids(conn, f"SELECT id FROM ({texts}) WHERE words(text) <> '' ORDER BY id")
    yield from _differing(wordy, held, noun, "the full-text index")
    some = wordy[:: max(len(wordy) // _MOST_READ, 1)].tolist()
    for row_id, text in conn.execute(
        f"SELECT id, words(text) FROM ({texts}) WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(some),),
    ):
        match = " AND ".join(f'"{word}"' for word in dict.fromkeys(text.split()[:_MOST_READ]))
        if not conn.execute(
            f"SELECT 1 FROM {index} WHERE {index} MATCH ? AND rowid = ?", (match, row_id)
        ).fetchone():
            yield f"the full-text index lacks words of {noun} {row_id}"


def _ids(conn: sqlite3.Connection, select: str, values: Sequence[Any] = ()) -> NDArray[np.int64]:
    return np.fromiter((row[0] for row in conn.execute(select, values)), np.int64)


def _differing(
    there: NDArray[np.int64], kept: NDArray[Any], noun: str, place: str
) -> Iterator[str]:
    for ids, what in (
        (np.setdiff1d(there, kept), "is not in"),
        (np.setdiff1d(kept, there), "is not there any more, but in"),
    ):
        named = ", ".join(map(str, ids[:_MOST_NAMED].tolist()))
        more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
        if len(ids):
            yield f"{noun} {named}{more} {what} {place}"
