"""Which embedder made the vectors of a SQLite namespace, and how another makes them all anew.

The newest row 'embedder' of `settings` names it; a row with another id stands for other vectors,
so whoever read some before must begin afresh. New vectors gather in `staged_vectors`, where an
interrupted work finds them again, until one transaction puts them in the old ones' place.

Turns whose embedder is asked over the network are stored first and wait for their vectors.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.embed import DIM, PACKAGED, REQUEST_TEXTS, Embedder, embed
from memory.errors import InputError, ModelError, StoreError
from memory.model import Turn
from memory.store import journal, search_tables, turns_table

Embed = Callable[[Sequence[str], "RecordedEmbedder"], NDArray[np.float32]]
Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]


@dataclass(frozen=True)
class RecordedEmbedder:
    """The embedder of all vectors of a namespace: `id` of its settings row, name, width.

    The width is 0 until its first vectors have come.
    """

    id: int
    name: str
    width: int


def recorded_embedder(conn: sqlite3.Connection) -> RecordedEmbedder | None:
    """The embedder of this namespace; None when it holds no turns yet."""
    row = conn.execute(
        "SELECT id, value FROM settings WHERE name = 'embedder' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return RecordedEmbedder(row[0], **json.loads(row[1])) if row else None


def record_embedder(conn: sqlite3.Connection, name: str, width: int) -> None:
    """Say which embedder made the vectors that this transaction writes."""
    conn.execute(
        "INSERT INTO settings (name, value, set_at) VALUES ('embedder', ?, ?)",
        (json.dumps({"name": name, "width": width}), journal.now()),
    )


def refuse_other_name(made: RecordedEmbedder | None, wanted: str | None, file: Path) -> None:
    """Raises InputError when another embedder is wanted than the recorded one."""
    if made and wanted and wanted != made.name:
        raise InputError(
            f"the vectors of {file} are by {made.name}, not by {wanted}; open it without naming"
            f" an embedder, or make them anew: python -m memory embed {file} --embedder {wanted}"
        )


def refuse_other_width(made: RecordedEmbedder, width: int, file: Path) -> None:
    """Raises ModelError when the recorded embedder makes vectors of another width by now."""
    if made.width and width != made.width:
        raise ModelError(
            f"{made.name} now makes vectors of {width} numbers, those of {file} have {made.width};"
            f" make them anew: python -m memory embed {file} --embedder {made.name}"
        )


def describe_older(conn: sqlite3.Connection, transaction: Transaction) -> None:
    """Make the lookup of the turns of schema 1, whose embedder was the packaged one."""
    if _lacking(conn):
        with transaction():
            if _lacking(conn):  # else another process was faster
                search_tables.remake(
                    conn, lambda turns: embed([turn.text for turn in turns]), search_tables.put
                )
                record_embedder(conn, PACKAGED, DIM)


def refuse_older(conn: sqlite3.Connection, file: Path) -> None:
    """Raises StoreError for turns of schema 1 that `describe_older` has yet to see."""
    if _lacking(conn):
        raise StoreError(f"{file}: made by an older version; open it once for writing")


def _lacking(conn: sqlite3.Connection) -> bool:
    return recorded_embedder(conn) is None and bool(
        conn.execute("SELECT 1 FROM turns LIMIT 1").fetchall()
    )


def embed_waiting(conn: sqlite3.Connection, transaction: Transaction, embed: Embed) -> None:
    """Make the vectors of the turns that wait for them, a request's worth at a time.

    Two processes at it may both ask for the same vectors; they are kept once.
    """
    while waiting := turns_table.read_turns(
        conn, search_tables.last_with_columns(conn) + 1, limit=REQUEST_TEXTS
    ):
        made = recorded_embedder(conn)
        assert made is not None
        rows = embed([turn.text for turn in waiting], made)
        with transaction():
            now, last = recorded_embedder(conn), search_tables.last_with_columns(conn)
            assert now is not None
            # Another process may have been faster with some; with all, if it made vectors anew.
            late = [n for n, turn in enumerate(waiting) if turn.id > last]
            # And another may have forgotten some: then those after them are asked for again.
            there = turns_table.read_turns(conn, last + 1, waiting[-1].id)
            if late and there == waiting[late[0] :] and now.width in (0, rows.shape[1]):
                if not now.width:
                    record_embedder(conn, now.name, rows.shape[1])
                search_tables.put_columns(conn, waiting[late[0] :], rows[late[0] :])


def to_embed(conn: sqlite3.Connection, name: str) -> tuple[int, int]:
    """How many turns an embedder has no vectors of yet, and the bytes of their text."""
    turns, size = conn.execute(
        "SELECT count(*), coalesce(sum(length(CAST(text AS BLOB))), 0) FROM turns WHERE id > ?",
        (_last_staged(conn, name),),
    ).fetchone()
    return turns, size


def reembed(
    conn: sqlite3.Connection,
    transaction: Transaction,
    embedder: Embedder,
    batch: int,
    progress: Callable[[int], None],
) -> None:
    """Make the vectors of all turns anew; see `Store.reembed`."""
    with transaction():
        before = recorded_embedder(conn)
        if before is None:
            raise InputError("there are no turns yet; open this memory with the embedder instead")
    while waiting := _unstaged(conn, embedder.name, batch):
        made = embedder([text for _, text in waiting])
        with transaction():
            stale = _stage(conn, embedder.name, waiting, made)
        if stale:
            raise ModelError(
                f"{embedder.name} made vectors of {stale} numbers before and of {made.shape[1]}"
                " now; those from before are dropped, start again"
            )
        progress(len(waiting))
    with transaction():
        if recorded_embedder(conn) != before:
            raise StoreError("another process made all vectors anew in the meantime")
        # Turns said since the last look, embedded while others wait: a lively chat would be
        # ahead for ever.
        while waiting := _unstaged(conn, embedder.name, batch):
            made = embedder([text for _, text in waiting])
            if _stage(conn, embedder.name, waiting, made):
                raise ModelError(f"{embedder.name} changed the width of its vectors; start again")
            progress(len(waiting))
        _swap(conn, embedder)


def _last_staged(conn: sqlite3.Connection, name: str) -> int:
    """The newest turn with a new vector: all before it have one, as both come in order."""
    (last,) = conn.execute(
        "SELECT coalesce(max(turn_id), 0) FROM staged_vectors WHERE embedder = ?", (name,)
    ).fetchone()
    return int(last)


def _unstaged(conn: sqlite3.Connection, name: str, most: int) -> list[tuple[int, str]]:
    return conn.execute(
        "SELECT id, text FROM turns WHERE id > ? ORDER BY id LIMIT ?",
        (_last_staged(conn, name), most),
    ).fetchall()


def _stage(
    conn: sqlite3.Connection,
    name: str,
    turns: Sequence[tuple[int, str]],
    made: NDArray[np.float32],
) -> int:
    """Keep new vectors; 0, or the width of those before when it is another, which are dropped."""
    row = conn.execute(
        "SELECT length(vector) / 4 FROM staged_vectors WHERE embedder = ? LIMIT 1", (name,)
    ).fetchone()
    if row and row[0] != made.shape[1]:
        conn.execute("DELETE FROM staged_vectors WHERE embedder = ?", (name,))
        return int(row[0])
    conn.executemany(
        "INSERT OR REPLACE INTO staged_vectors VALUES (?, ?, ?)",
        [(name, turn[0], vector.tobytes()) for turn, vector in zip(turns, made, strict=True)],
    )
    return 0


def _swap(conn: sqlite3.Connection, embedder: Embedder) -> None:
    name = embedder.name

    def staged(turns: Sequence[Turn]) -> NDArray[np.float32]:
        rows = conn.execute(
            "SELECT vector FROM staged_vectors WHERE embedder = ? AND turn_id BETWEEN ? AND ?"
            " ORDER BY turn_id",
            (name, turns[0].id, turns[-1].id),
        ).fetchall()
        return np.frombuffer(b"".join(row[0] for row in rows), np.float32).reshape(len(turns), -1)

    row = conn.execute(
        "SELECT length(vector) / 4 FROM staged_vectors WHERE embedder = ? LIMIT 1", (name,)
    ).fetchone()
    search_tables.remake(conn, staged, search_tables.put_columns)
    record_embedder(
        conn, name, row[0] if row else embedder(["a"]).shape[1]
    )  # all turns may be forgotten
    conn.execute("DELETE FROM staged_vectors WHERE embedder = ?", (name,))
