"""Whether a SQLite namespace is whole: its pages, its journal, and the tables of search."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError
from memory.search.turn_columns import TURN_DTYPE
from memory.store.database import Connection
from memory.store.search import search_tables, vectors
from memory.store.sqlite.connection import SqliteConnection
from memory.store.turns.turns_table import BEYOND_ALL_IDS

_MAX_NAMED = 10  # rows that one line names
_TURNS_OF_CHECKSUM = 256  # as migrations/0016_schema.sql has it
_MAX_CHECKED = 300  # rows of an index that are looked up word by word, and words of each
# An index of words, what its rows are, and a SELECT of their ids and texts.
_TURNS_INDEX = ("turns_words", "turn", "SELECT id, text FROM turns")
_FACTS_INDEX = (
    "facts_words",
    "fact",
    "SELECT id, subject || ' ' || attribute || ' ' || value AS text FROM facts",
)

# Versions that mend it: https://sqlite.org/wal.html, "the WAL-reset bug".
_WAL_RESET, _WAL_RESET_MENDED = (3, 7, 0), (3, 51, 3)
_WAL_RESET_MENDED_TOO = (3, 44, 6), (3, 50, 7)


def version_fault(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str:
    """What is known to be wrong with a version of SQLite for files as memories are; "" for nothing.

    Where two connections move the log into the file while a third writes, pages may be lost.
    """
    is_mended_too = any(mended <= version < (*mended[:2], 1000) for mended in _WAL_RESET_MENDED_TOO)
    if not _WAL_RESET <= version < _WAL_RESET_MENDED or is_mended_too:
        return ""
    return (
        f"SQLite {'.'.join(map(str, version))} can, seldom, lose what was stored where several"
        " processes write one file (the WAL-reset bug); 3.44.6, 3.50.7 and 3.51.3 mend it"
    )


def find_faults(conn: SqliteConnection) -> list[str]:
    """What is wrong with the file and its indexes, one line each; see `Store.check`."""
    is_inside = conn.in_transaction
    if not is_inside:
        conn.execute("BEGIN")  # all that is read is of one moment
    # A later check reads what an earlier one vouches for, so it runs only where that found nothing.
    try:
        faults = [f"the file is damaged: {line}" for line in _damage(conn)]
        if not faults:
            faults += [*turn_faults(conn), *setting_faults(conn)]
            faults += [*column_faults(conn), *journal_faults(conn)]
        if not faults:
            for index, noun, texts in (_TURNS_INDEX, _FACTS_INDEX):
                faults += _word_faults(conn, index, noun=noun, texts=texts)
    except (sqlite3.DatabaseError, ValueError) as error:
        faults = [f"the file is damaged: {error}"]
    finally:
        if not is_inside:
            conn.execute("ROLLBACK")
    return faults


def _damage(conn: SqliteConnection) -> Iterator[str]:
    """Pages and rows that contradict each other, and rows that name others which are not there."""
    yield from (line for (line,) in conn.execute("PRAGMA integrity_check(20)") if line != "ok")
    for table, row, parent, _ in conn.execute("PRAGMA foreign_key_check").fetchmany(20):
        yield f"row {row} of {table} names a row of {parent} that is not there"
    for table in ("changes", "pending"):
        for first, last in conn.execute(
            f"SELECT first_turn, last_turn FROM {table} WHERE first_turn > last_turn"
        ):
            yield f"{table} has a window from turn {first} to {last}"


def turn_faults(conn: SqliteConnection) -> Iterator[str]:
    """Blocks whose turns differ from when they were stored: one was changed, added or removed.

    The triggers on turns keep the checksums (migrations/0016_schema.sql).
    """
    stored = set(conn.execute("SELECT block, turns, total FROM checksums"))
    present = set(
        conn.execute(
            "SELECT id / 256, count(*),"
            " sum(turn_checksum(id, kind, session, speaker, text, said_at, source))"
            " FROM turns GROUP BY 1"
        )
    )
    for block in sorted({block for block, *_ in stored ^ present})[:_MAX_NAMED]:
        first, last = max(block * _TURNS_OF_CHECKSUM, 1), (block + 1) * _TURNS_OF_CHECKSUM - 1
        yield f"a turn from {first} to {last} differs from what was stored"


def setting_faults(conn: Connection) -> Iterator[str]:
    """Values of the setting 'embedder' that name none, and values that are damaged.

    If a setting 'embedder' names no embedder, the setting before it counts.
    """
    for _, _, text, _ in conn.run("settings_of_name", name="embedder").fetchall():
        try:
            vectors.embedder_setting(text)
        except InputError as error:
            yield str(error)
    for row_id, name, value, _ in conn.run("settings"):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            yield f"the value of setting {name} (row {row_id}) is damaged"


def column_faults(conn: Connection) -> Iterator[str]:
    """Turns whose columns or vectors are missing, doubled or out of order.

    The turns after the last one with columns wait for their vectors, which is no fault.
    """
    blocks = [block[1:] for block in conn.run("blocks_after", after=0)]
    recent = conn.run("recent_after", after=0).fetchall()
    columns = b"".join(row[0] for row in [*blocks, *recent])
    indexed = np.frombuffer(columns, TURN_DTYPE)["id"]
    last = int(indexed[-1]) if len(indexed) else 0
    stored = _ids(conn.run("turn_ids_between", first=1, last=last, most=BEYOND_ALL_IDS))
    yield from differences(stored, indexed, noun="turn", index_name="the columns that search reads")
    if np.any(np.diff(indexed) <= 0):
        yield "the columns that search reads are not in the order of the turns"
    recorded = vectors.recorded_embedder(conn)
    if recorded and {len(vector) for _, vector in recent} - {recorded.width}:
        yield "a turn's vector is not as wide as its embedder's"

    piece_sizes = dict(conn.run("piece_sizes").fetchall())
    for block_columns, codes in blocks:
        turn_ids = np.frombuffer(block_columns, TURN_DTYPE)["id"]
        starts = turn_ids[:: search_tables.PIECE].tolist()
        sizes = [piece_sizes.pop(start, 0) for start in starts]
        width = sum(sizes) // len(turn_ids)
        counts = np.diff([*range(0, len(turn_ids), search_tables.PIECE), len(turn_ids)])
        if 0 in sizes or sizes != (counts * width).tolist() or len(codes) % len(turn_ids):
            yield f"vectors of the turns from {starts[0]} on are missing"
    if piece_sizes:
        yield f"vectors of turns from {min(piece_sizes)} on belong to nothing"


def journal_faults(conn: Connection) -> Iterator[str]:
    """Facts with two spellings of no date, or not as the journal's last entry left them."""
    for (fact_id,) in conn.run("facts_with_empty_dates", most=_MAX_NAMED):
        yield f"fact {fact_id} has an empty text for a date that is not there, which is NULL"
    for (fact_id,) in conn.run("facts_unlike_journal", most=_MAX_NAMED):
        yield f"fact {fact_id} is not as the journal says"
    for (fact_id,) in conn.run("facts_only_in_journal", most=_MAX_NAMED):
        yield f"fact {fact_id} is gone, which the journal does not say"
    for entry_id, fact_id in conn.run("entries_that_do_not_follow", most=_MAX_NAMED):
        yield f"entry {entry_id} of the journal does not follow the one before it of fact {fact_id}"


def _word_faults(conn: SqliteConnection, index: str, noun: str, texts: str) -> Iterator[str]:
    """Rows that a full-text index lacks or has too much, and a sample's rows that lack words."""
    # The index keeps neither its texts nor their sizes, and the table that it names has them
    # unsplit. So its own lists are read, through a table that shows them as rows.
    conn.execute(f"CREATE VIRTUAL TABLE temp.held USING fts5vocab(main, {index}, instance)")
    indexed = _ids(conn.execute("SELECT DISTINCT doc FROM temp.held ORDER BY doc"))
    conn.execute("DROP TABLE temp.held")
    wordy = _ids(conn.execute(f"SELECT id FROM ({texts}) WHERE words(text) <> '' ORDER BY id"))
    yield from differences(wordy, indexed, noun=noun, index_name="the full-text index")

    sample = wordy[:: max(len(wordy) // _MAX_CHECKED, 1)].tolist()
    for row_id, text in conn.execute(
        f"SELECT id, words(text) FROM ({texts}) WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sample),),
    ):
        distinct_words = dict.fromkeys(text.split()[:_MAX_CHECKED])
        match = " AND ".join(f'"{word}"' for word in distinct_words)
        if not conn.execute(
            f"SELECT 1 FROM {index} WHERE {index} MATCH ? AND rowid = ?", (match, row_id)
        ).fetchone():
            yield f"the full-text index lacks words of {noun} {row_id}"


def _ids(rows: Iterable[tuple[int]]) -> NDArray[np.int64]:
    return np.fromiter((row_id for (row_id,) in rows), np.int64)


def differences(
    stored: NDArray[np.int64], indexed: NDArray[Any], noun: str, index_name: str
) -> Iterator[str]:
    """A line for rows that an index lacks, and one for rows that it has too much."""
    for ids, verdict in (
        (np.setdiff1d(stored, indexed), "is not in"),
        (np.setdiff1d(indexed, stored), "is not there any more, but in"),
    ):
        if len(ids):
            named = ", ".join(map(str, ids[:_MAX_NAMED].tolist()))
            more = f" and {len(ids) - _MAX_NAMED:,} more" if len(ids) > _MAX_NAMED else ""
            yield f"{noun} {named}{more} {verdict} {index_name}"
