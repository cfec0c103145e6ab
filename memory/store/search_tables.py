"""What search keeps beside the turns of a SQLite namespace: words, columns, vectors.

Written with the turns, in their transaction; columns and vectors later where an embedder must be
asked for them first, and always in the order of the turns, as each rests on those before it. The
newest turns have a row each in `recent`; every BLOCK of them become one row of `blocks`, so that a
million turns load at once.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from memory.embed import related
from memory.model import Turn
from memory.search.kind_examples import examples_of_kind
from memory.search.question import Query
from memory.search.ranking import Index, WordMatches
from memory.search.turn_columns import TURN_DTYPE, SessionEnd, describe_turns, sign_codes
from memory.search.words import words
from memory.store.turns_table import read_turns

BLOCK = 1024
PIECE = 64
# Turns looked at for a word, the newest: one that holds more of a memory tells little.
MOST_EXACT = 50_000
MOST_RELATED = 10_000
Put = Callable[[sqlite3.Connection, Sequence[Turn], NDArray[np.float32]], None]


def put(conn: sqlite3.Connection, turns: Sequence[Turn], vectors: NDArray[np.float32]) -> None:
    """Keep what search needs of turns that were just added; vectors are (len(turns), width)."""
    put_columns(conn, turns, vectors)
    put_words(conn, turns)


def put_words(conn: sqlite3.Connection, turns: Sequence[Turn]) -> None:
    """Keep the words of turns, which need no embedder."""
    conn.executemany(
        "INSERT INTO turns_words (rowid, words) VALUES (?, ?)",
        [(turn.id, " ".join(words(turn.text))) for turn in turns],
    )


def remake(
    conn: sqlite3.Connection,
    vectors_of: Callable[[Sequence[Turn]], NDArray[np.float32]],
    put_again: Put,
) -> None:
    """Keep all of it anew, inside the caller's transaction: `put_again` is put or put_columns."""
    for table in ("recent", "blocks", "pieces"):
        conn.execute(f"DELETE FROM {table}")
    last = 0
    while some := read_turns(conn, last + 1, limit=BLOCK):
        put_again(conn, some, vectors_of(some))
        last = some[-1].id


def put_columns(
    conn: sqlite3.Connection, turns: Sequence[Turn], vectors: NDArray[np.float32]
) -> None:
    """All but the words, which do not depend on the embedder."""
    names = dict.fromkeys(turn.speaker for turn in turns)  # numbered as they come
    conn.executemany("INSERT OR IGNORE INTO speakers (name) VALUES (?)", [(n,) for n in names])
    find = "SELECT id FROM speakers WHERE name = ?"
    speakers = {name: conn.execute(find, (name,)).fetchone()[0] for name in names}
    rows, eight_bit = describe_turns(
        turns, vectors, _tails(conn, turns, vectors.shape[1]), speakers
    )
    conn.executemany(
        "INSERT INTO recent VALUES (?, ?, ?)",
        zip(
            [turn.id for turn in turns],
            [row.tobytes() for row in rows],
            [vector.tobytes() for vector in eight_bit],
            strict=True,
        ),
    )
    (count,) = conn.execute("SELECT count(*) FROM recent").fetchone()
    for _ in range(count // BLOCK):
        _make_block(conn)


def last_with_columns(conn: sqlite3.Connection) -> int:
    """The last turn that search keeps columns of: those after it wait for their vectors."""
    (last,) = conn.execute(
        "SELECT coalesce((SELECT max(turn_id) FROM recent),"
        " (SELECT last_turn FROM blocks ORDER BY first_turn DESC LIMIT 1), 0)"
    ).fetchone()
    return int(last)


def _tails(conn: sqlite3.Connection, turns: Sequence[Turn], width: int) -> dict[str, SessionEnd]:
    """Where the sessions of turns stand before the first of them."""
    found = {one: _tail(conn, one, turns[0].id, width) for one in {turn.session for turn in turns}}
    return {session: tail for session, tail in found.items() if tail}


def _tail(conn: sqlite3.Connection, session: str, before: int, width: int) -> SessionEnd | None:
    """Where a session stands before a turn."""
    (last,) = conn.execute(
        "SELECT max(id) FROM turns WHERE session = ? AND id < ?", (session, before)
    ).fetchone()
    if last is None:
        return None
    kept = conn.execute("SELECT columns, vector FROM recent WHERE turn_id = ?", (last,)).fetchone()
    if kept is None:
        rows = np.frombuffer(_at(conn, "columns FROM blocks", last)[1], TURN_DTYPE)
        first, vectors = _at(conn, "vectors FROM pieces", last)
        place, begin = np.searchsorted(rows["id"], (last, first))
        kept = (rows[place].tobytes(), vectors[(place - begin) * width :][:width])
    row = np.frombuffer(kept[0], TURN_DTYPE)[0]
    return int(row["session"]), last, np.frombuffer(kept[1], np.int8)


def _at(conn: sqlite3.Connection, what: str, turn_id: int) -> tuple[int, bytes]:
    """The row of blocks or pieces that a turn is in, with the id of its first turn."""
    row: tuple[int, bytes] = conn.execute(
        f"SELECT first_turn, {what} WHERE first_turn <= ? ORDER BY first_turn DESC LIMIT 1",
        (turn_id,),
    ).fetchone()
    return row


def _make_block(conn: sqlite3.Connection) -> None:
    oldest = conn.execute(
        "SELECT turn_id, columns, vector FROM recent ORDER BY turn_id LIMIT ?", (BLOCK,)
    ).fetchall()
    ids, columns, vectors = zip(*oldest, strict=True)
    eight_bit = np.frombuffer(b"".join(vectors), np.int8).reshape(BLOCK, -1)
    conn.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?)",
        (ids[0], ids[-1], b"".join(columns), sign_codes(eight_bit).tobytes()),
    )
    conn.executemany(
        "INSERT INTO pieces VALUES (?, ?)",
        [(ids[n], b"".join(vectors[n : n + PIECE])) for n in range(0, BLOCK, PIECE)],
    )
    conn.execute("DELETE FROM recent WHERE turn_id <= ?", (ids[-1],))


def extend(conn: sqlite3.Connection, index: Index) -> None:
    """Bring the turns that were added since into an index."""
    known = index.names.last
    for number, name in conn.execute("SELECT id, name FROM speakers WHERE id > ?", (known,)):
        index.names.add(name, number)
    blocks = conn.execute(
        "SELECT first_turn, columns, codes FROM blocks WHERE last_turn > ? ORDER BY first_turn",
        (index.last_id,),
    ).fetchall()
    if blocks:
        columns = [np.frombuffer(block[1], TURN_DTYPE) for block in blocks]
        rows = np.concatenate(columns)
        codes = np.frombuffer(b"".join(block[2] for block in blocks), "<u8")
        known = int(np.searchsorted(rows["id"], index.last_id, side="right"))
        pieces, place = {}, 0
        for block in columns:
            ids = block["id"].tolist()
            for begin in range(0, len(ids), PIECE):
                piece = ids[begin : begin + PIECE]
                skip = max(known - place, 0)
                if skip < len(piece):
                    pieces[piece[skip]] = partial(_piece, conn, piece[0], len(piece), skip)
                place += len(piece)
        index.extend(rows[known:], codes.reshape(len(rows), -1)[known:], pieces)
    recent = conn.execute(
        "SELECT columns, vector FROM recent WHERE turn_id > ? ORDER BY turn_id", (index.last_id,)
    ).fetchall()
    if recent:
        rows = np.frombuffer(b"".join(row[0] for row in recent), TURN_DTYPE)
        vectors = b"".join(row[1] for row in recent)
        eight_bit = np.frombuffer(vectors, np.int8).reshape(len(rows), -1)
        index.extend(rows, sign_codes(eight_bit), eight_bit)


def extend_waiting(conn: sqlite3.Connection, index: Index, width: int) -> bool:
    """Bring the turns that wait for their vectors into an index, with zeros in the vectors' place.

    Whether there are any: such an index is good for one search, as they get other columns later.
    """
    if not (waiting := read_turns(conn, index.last_id + 1)):
        return False
    speakers = dict(conn.execute("SELECT name, id FROM speakers"))
    for name in {turn.speaker for turn in waiting} - speakers.keys():
        speakers[name] = index.names.last + 1
        index.names.add(name, speakers[name])
    rows, eight_bit = describe_turns(
        waiting, np.zeros((len(waiting), width), np.float32), _tails(conn, waiting, width), speakers
    )
    index.extend(rows, sign_codes(eight_bit), eight_bit)
    return True


def _piece(conn: sqlite3.Connection, begin: int, count: int, skip: int) -> NDArray[np.int8]:
    """The vectors of a piece of `count` turns without the first `skip`."""
    vectors = np.frombuffer(_at(conn, "vectors FROM pieces", begin)[1], np.int8)
    return vectors.reshape(count, -1)[skip:]


_TURNS_HOLDING = (
    "SELECT group_concat(rowid, ' ') FROM (SELECT rowid FROM turns_words"
    " WHERE turns_words MATCH ? ORDER BY rowid DESC LIMIT ?)"
)
_FACTS_HOLDING = (
    "SELECT group_concat(turn_id, ' ') FROM (SELECT turn_id FROM facts_words"
    " JOIN facts ON id = facts_words.rowid WHERE facts_words MATCH ?"
    " ORDER BY facts_words.rowid DESC LIMIT ?)"
)


def held(conn: sqlite3.Connection, query: Query) -> list[WordMatches]:
    """For each word of a question the turns that hold it, or that a fact with it points at."""
    (facts,) = conn.execute("SELECT EXISTS (SELECT 1 FROM facts)").fetchone()
    statements = (_TURNS_HOLDING, _FACTS_HOLDING) if facts else (_TURNS_HOLDING,)

    def holding(any_of: Sequence[str], most: int) -> NDArray[np.int64]:
        if not any_of:
            return np.zeros(0, np.int64)
        match = " OR ".join(f'"{word}"' for word in any_of)
        found = [conn.execute(one, (match, most)).fetchone()[0] for one in statements]
        ids = np.fromstring(" ".join(filter(None, found)), np.int64, sep=" ")
        return np.unique(ids) if facts else ids

    return [
        WordMatches(
            holding([word], MOST_EXACT),
            holding(related(word), MOST_RELATED),
            holding(examples_of_kind(word), MOST_RELATED),
        )
        for word in query.words
    ]
