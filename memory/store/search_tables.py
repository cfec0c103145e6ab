"""What search keeps beside the turns of a namespace: columns and vectors (words: `WordIndex`).

Written in the transaction of the turns themselves, so that no index can disagree with what was
said. Where an embedder must first be asked over the network, columns and vectors come later. They
always come in the order of the turns, as each rests on those before it in its session.

The newest turns have a row each in `recent`. Every BLOCK of them become one row of `blocks`, so
that a million turns load at once; their vectors become `pieces`, which a search reads as it needs
them (docs/decisions.md, 13).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from memory.records import Turn
from memory.search.ranking import Index, Piece, UnreadVectors
from memory.search.turn_columns import TURN_DTYPE, SessionEnd, describe_turns, sign_codes
from memory.store.database import NUMBERS, Connection
from memory.store.turns_table import read_turns

BLOCK = 1024  # turns
PIECE = 64  # turns

PutTurns = Callable[[Connection, Sequence[Turn], NDArray[np.float32]], None]


# --- writing ----------------------------------------------------------------------------------


def put_words_and_columns(
    conn: Connection, turns: Sequence[Turn], vectors: NDArray[np.float32]
) -> None:
    """Store what search needs of turns that were just added; vectors are (len(turns), width)."""
    put_columns(conn, turns, vectors)
    conn.words.put_turns(turns)


def put_columns(conn: Connection, turns: Sequence[Turn], vectors: NDArray[np.float32]) -> None:
    """Store columns and vectors of turns. Words are apart: they do not depend on the embedder."""
    names = dict.fromkeys(turn.speaker for turn in turns)  # numbered in the order they come in
    speakers = _numbered_speakers(conn, names)
    ends = _session_ends(conn, turns, vectors.shape[1])
    rows, eight_bit = describe_turns(turns, vectors, session_ends=ends, speakers=speakers)
    conn.executemany(
        "INSERT INTO recent (turn_id, columns, vector) VALUES (?, ?, ?)",
        zip(
            [turn.id for turn in turns],
            [row.tobytes() for row in rows],
            [vector.tobytes() for vector in eight_bit],
            strict=True,
        ),
    )
    make_blocks(conn)


def _numbered_speakers(conn: Connection, names: Iterable[str]) -> dict[str, int]:
    """The numbers of all speakers; a new one among these names gets the next."""
    speakers = dict(conn.execute("SELECT name, id FROM speakers"))
    for name in names:
        if name not in speakers:
            speakers[name] = max(speakers.values(), default=0) + 1
            conn.execute("INSERT INTO speakers (id, name) VALUES (?, ?)", (speakers[name], name))
    return speakers


def remake(
    conn: Connection,
    vectors_of: Callable[[Sequence[Turn]], NDArray[np.float32]],
    put_turns: PutTurns,
) -> None:
    """Store everything anew, inside the caller's transaction.

    `put_turns` is `put_columns`, or `put_words_and_columns` where no words are there yet.
    """
    for table in ("recent", "blocks", "pieces"):
        conn.execute(f"DELETE FROM {table}")
    last = 0
    while turns := read_turns(conn, last + 1, limit=BLOCK):
        put_turns(conn, turns, vectors_of(turns))
        last = turns[-1].id


def make_blocks(conn: Connection) -> None:
    """Make blocks of the oldest rows of `recent`, as long as there is a BLOCK of them."""
    (count,) = conn.execute("SELECT count(*) FROM recent").fetchone()
    for _ in range(count // BLOCK):
        _make_block(conn)


def _make_block(conn: Connection) -> None:
    oldest = conn.execute(
        "SELECT turn_id, columns, vector FROM recent ORDER BY turn_id LIMIT ?", (BLOCK,)
    ).fetchall()
    ids, columns, vectors = zip(*oldest, strict=True)
    eight_bit = np.frombuffer(b"".join(vectors), np.int8).reshape(BLOCK, -1)
    conn.execute(
        "INSERT INTO blocks (first_turn, last_turn, columns, codes) VALUES (?, ?, ?, ?)",
        (ids[0], ids[-1], b"".join(columns), sign_codes(eight_bit).tobytes()),
    )
    conn.executemany(
        "INSERT INTO pieces (first_turn, vectors) VALUES (?, ?)",
        [(ids[n], b"".join(vectors[n : n + PIECE])) for n in range(0, BLOCK, PIECE)],
    )
    conn.execute("DELETE FROM recent WHERE turn_id <= ?", (ids[-1],))


def last_with_columns(conn: Connection) -> int:
    """The last turn that has columns, 0 for none: those after it wait for their vectors."""
    (last,) = conn.execute(
        "SELECT coalesce((SELECT max(turn_id) FROM recent),"
        " (SELECT last_turn FROM blocks ORDER BY first_turn DESC LIMIT 1), 0)"
    ).fetchone()
    return int(last)


def _session_ends(conn: Connection, turns: Sequence[Turn], width: int) -> dict[str, SessionEnd]:
    """How far the sessions of turns have come before the first of them."""
    ends = {}
    for session in {turn.session for turn in turns}:
        if end := _session_end(conn, session, before=turns[0].id, width=width):
            ends[session] = end
    return ends


def _session_end(conn: Connection, session: str, before: int, width: int) -> SessionEnd | None:
    """The last turn of a session before a turn, read from `recent` or from its block."""
    (last,) = conn.execute(
        "SELECT max(id) FROM turns WHERE session = ? AND id < ?", (session, before)
    ).fetchone()
    if last is None:
        return None
    stored = conn.execute(
        "SELECT columns, vector FROM recent WHERE turn_id = ?", (last,)
    ).fetchone()
    if stored is None:
        _, columns = _row_of_turn(conn, "columns FROM blocks", last)
        rows = np.frombuffer(columns, TURN_DTYPE)
        first, vectors = _row_of_turn(conn, "vectors FROM pieces", last)
        # Ids may have gaps, so positions in the block are found by id and not counted.
        position, first_position = np.searchsorted(rows["id"], (last, first))
        start = (position - first_position) * width
        stored = (rows[position].tobytes(), vectors[start : start + width])
    row = np.frombuffer(stored[0], TURN_DTYPE)[0]
    vector = np.frombuffer(stored[1], np.int8)
    return SessionEnd(first=int(row["session"]), last=last, vector=vector)


def _row_of_turn(conn: Connection, column_and_table: str, turn_id: int) -> tuple[int, bytes]:
    """The row of `blocks` or `pieces` that a turn is in, with the id of its first turn."""
    row: tuple[int, bytes] = conn.execute(
        f"SELECT first_turn, {column_and_table} WHERE first_turn <= ?"
        " ORDER BY first_turn DESC LIMIT 1",
        (turn_id,),
    ).fetchone()
    return row


# --- reading into an index --------------------------------------------------------------------


def extend_index(conn: Connection, index: Index) -> None:
    """Bring the turns that were added since into an index."""
    new_speakers = conn.execute(
        "SELECT id, name FROM speakers WHERE id > ?", (index.names.last,)
    ).fetchall()
    characters = _characters(conn) if new_speakers else set()
    for number, name in new_speakers:
        index.names.add(name, number, is_character=name in characters)
    _extend_by_blocks(conn, index)
    recent = conn.execute(
        "SELECT columns, vector FROM recent WHERE turn_id > ? ORDER BY turn_id", (index.last_id,)
    ).fetchall()
    if recent:
        rows = np.frombuffer(b"".join(row[0] for row in recent), TURN_DTYPE)
        vectors = b"".join(row[1] for row in recent)
        eight_bit = np.frombuffer(vectors, np.int8).reshape(len(rows), -1)
        index.extend(rows, sign_codes(eight_bit), eight_bit)


def _characters(conn: Connection) -> set[str]:
    """The names that the character of this memory's chats has or had."""
    names: set[str] = set()
    for (text,) in conn.execute("SELECT value FROM settings WHERE name = 'character'"):
        with suppress(ValueError):  # a file may hold any text there (`integrity` tells of it)
            value = json.loads(text)
            if isinstance(value, str):
                names.add(value)
    return names


def _extend_by_blocks(conn: Connection, index: Index) -> None:
    blocks = conn.execute(
        "SELECT first_turn, columns, codes FROM blocks WHERE last_turn > ? ORDER BY first_turn",
        (index.last_id,),
    ).fetchall()
    if not blocks:
        return
    block_rows = [np.frombuffer(columns, TURN_DTYPE) for _, columns, _ in blocks]
    rows = np.concatenate(block_rows)
    codes = np.frombuffer(b"".join(block_codes for _, _, block_codes in blocks), "<u8")
    # The index may hold the first turns of the first block, from when they were in `recent`.
    known = int(np.searchsorted(rows["id"], index.last_id, side="right"))
    pieces: dict[int, Piece] = {}
    position = 0
    for block in block_rows:
        ids = block["id"].tolist()
        for start in range(0, len(ids), PIECE):
            piece = ids[start : start + PIECE]
            skip = max(known - position, 0)
            if skip < len(piece):
                pieces[piece[skip]] = (piece[0], len(piece), skip)
            position += len(piece)
    unread = UnreadVectors(pieces, partial(_read_pieces, conn))
    index.extend(rows[known:], codes.reshape(len(rows), -1)[known:], unread)


def _read_pieces(conn: Connection, pieces: Sequence[Piece]) -> list[NDArray[np.int8]]:
    """The vectors of pieces, each known by its first turn, its turns, and how many to skip."""
    # In one statement: a search reads hundreds in a large memory, and a server may be far away.
    vectors = dict(
        conn.execute(
            f"SELECT first_turn, vectors FROM pieces WHERE first_turn IN {NUMBERS}",
            (json.dumps([first_turn for first_turn, _, _ in pieces]),),
        ).fetchall()
    )
    return [
        np.frombuffer(vectors[first_turn], np.int8).reshape(count, -1)[skip:]
        for first_turn, count, skip in pieces
    ]


def extend_index_by_waiting(conn: Connection, index: Index, width: int) -> bool:
    """Bring the turns that wait for their vectors into an index, with zeros for the vectors.

    Returns whether there are any: such an index is good for one search, as they get other columns
    later.
    """
    waiting = read_turns(conn, index.last_id + 1)
    if not waiting:
        return False
    speakers = dict(conn.execute("SELECT name, id FROM speakers"))
    characters = _characters(conn)
    for name in {turn.speaker for turn in waiting} - speakers.keys():
        speakers[name] = index.names.last + 1
        index.names.add(name, speakers[name], is_character=name in characters)
    zeros = np.zeros((len(waiting), width), np.float32)
    ends = _session_ends(conn, waiting, width)
    rows, eight_bit = describe_turns(waiting, zeros, session_ends=ends, speakers=speakers)
    index.extend(rows, sign_codes(eight_bit), eight_bit)
    return True
