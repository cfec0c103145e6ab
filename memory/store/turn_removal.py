"""What removing turns from a SQLite namespace takes with it: facts, journal, words, columns.

These functions run inside the caller's transaction, in the order they stand here.
"""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.embed import Hosted, load_embedder
from memory.model import Turn
from memory.search.turn_columns import TURN_DTYPE, describe_turns
from memory.search.words import words
from memory.store import search_tables, vectors
from memory.store.vectors import RecordedEmbedder

Embed = Callable[[Sequence[str], RecordedEmbedder], NDArray[np.float32]]

FORGOTTEN = "-- forgotten"
_ANYBODYS = frozenset(
    words(
        "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
        " UPDATE SET DELETE FROM SELECT WHERE NULL LIKE COALESCE search"
        " digest by, edit by, audit, tool note_fact"
    )
)
_AMONG = "IN (SELECT value FROM json_each(?))"
_NAMES_TURN = f"(json_extract({{}}, '$[6]') {_AMONG})"


@dataclass(frozen=True)
class Traces:
    """What rested on turns: ids of facts and changes, and what the facts said, as texts."""

    facts: tuple[int, ...]
    changes: frozenset[int]
    values: tuple[str, ...]
    names: tuple[str, ...]  # subjects and attributes


def take_facts(conn: sqlite3.Connection, gone: Sequence[int]) -> Traces:
    """Remove the facts that rest on turns, and what the journal says of them.

    A fact that rests on another turn by now stays, without the part of its past that rested on
    these. One that is no longer there goes with all of its past.
    """
    turns = json.dumps(gone)
    before, after = _NAMES_TURN.format("before"), _NAMES_TURN.format("after")
    facts = [
        fact_id
        for (fact_id,) in conn.execute(
            f"SELECT id FROM facts WHERE turn_id {_AMONG} UNION SELECT fact_id FROM facts_log"
            f" WHERE ({before} OR {after}) AND fact_id NOT IN (SELECT id FROM facts) ORDER BY 1",
            (turns, turns, turns),
        )
    ]
    ids = json.dumps(facts)
    log = conn.execute(
        "SELECT change_id, before, after FROM facts_log"
        f" WHERE fact_id {_AMONG} OR {before} OR {after}",
        (ids, turns, turns),
    ).fetchall()
    conn.execute(f"DELETE FROM facts WHERE id {_AMONG}", (ids,))
    conn.execute(f"DELETE FROM facts_log WHERE fact_id {_AMONG}", (ids,))
    conn.execute(f"UPDATE facts_log SET before = NULL WHERE {before}", (turns,))
    conn.execute(f"UPDATE facts_log SET after = NULL WHERE {after}", (turns,))
    conn.execute("DELETE FROM facts_log WHERE before IS NULL AND after IS NULL")
    images = [json.loads(image) for row in log for image in row[1:] if image]
    fallen, left = set(facts), set(gone)
    images = [image for image in images if image[0] in fallen or image[6] in left]
    return Traces(
        tuple(facts),
        frozenset(row[0] for row in log),
        tuple({image[3] for image in images}),
        tuple({name for image in images for name in image[1:3]}),
    )


def take_turns(conn: sqlite3.Connection, gone: Sequence[Turn]) -> None:
    """Remove turns, their words, and the names that only they had."""
    ids = json.dumps([turn.id for turn in gone])
    conn.executemany(
        "INSERT INTO turns_words (turns_words, rowid, words) VALUES ('delete', ?, ?)",
        [(turn.id, " ".join(words(turn.text))) for turn in gone],
    )
    for table in ("shown", "staged_vectors"):
        conn.execute(f"DELETE FROM {table} WHERE turn_id {_AMONG}", (ids,))
    conn.execute(f"DELETE FROM turns WHERE id {_AMONG}", (ids,))
    conn.executemany(
        "DELETE FROM speakers WHERE name = ?1"
        " AND NOT EXISTS (SELECT 1 FROM turns WHERE speaker = ?1)",
        [(name,) for name in {turn.speaker for turn in gone}],
    )


def take_from_windows(conn: sqlite3.Connection, gone: Sequence[int]) -> set[int]:
    """Let windows begin and end at turns that are left; returns the changes whose windows held any.

    A pending window that held some is given back: whoever works on it has seen what is gone, and
    may not store it. One that is empty now is done.
    """
    touched = set()
    windows = conn.execute(
        "SELECT id, first_turn, last_turn FROM changes WHERE first_turn IS NOT NULL"
    ).fetchall()
    for change_id, *window in _holding(windows, gone):
        touched.add(change_id)
        conn.execute(
            "UPDATE changes SET first_turn = ?, last_turn = ? WHERE id = ?",
            (*_left(conn, window), change_id),
        )
    waiting = conn.execute("SELECT rowid, first_turn, last_turn FROM pending").fetchall()
    for row, *window in _holding(waiting, gone):
        first, last = _left(conn, window)
        if first is None:
            conn.execute("DELETE FROM pending WHERE rowid = ?", (row,))
        else:
            conn.execute(
                "UPDATE pending SET first_turn = ?, last_turn = ?, error = '', claimed_by = '',"
                " claimed_until = 0 WHERE rowid = ?",
                (first, last, row),
            )
    return touched


def _holding(windows: Iterable[Sequence[int]], gone: Sequence[int]) -> list[Sequence[int]]:
    """The (number, first, last) that hold one of the turns, which are in order."""
    holding = []
    for window in windows:
        place = bisect_left(gone, window[1])
        if place < len(gone) and gone[place] <= window[2]:
            holding.append(window)
    return holding


def _left(conn: sqlite3.Connection, window: Sequence[int]) -> tuple[int | None, int | None]:
    left: tuple[int | None, int | None] = conn.execute(
        "SELECT min(id), max(id) FROM turns WHERE id BETWEEN ? AND ?", window
    ).fetchone()
    return left


def take_sayings(
    conn: sqlite3.Connection, gone: Sequence[Turn], traces: Traces, touched: Iterable[int]
) -> tuple[int, ...]:
    """Blank the statements of changes, and whatever else says what turns and facts said.

    That is: a word that nothing left holds, or a run of words that was a turn's or a fact's.
    Returns the changes whose text is gone.
    """
    tells = _teller(conn, gone, traces)
    blank = set(touched)
    for change_id, cause, statement in conn.execute(
        "SELECT id, cause, statement FROM changes"
    ).fetchall():
        if statement and tells(cause):  # an undo and a revert say only what they are
            blank.add(change_id)
            conn.execute("UPDATE changes SET cause = 'forgotten' WHERE id = ?", (change_id,))
        if change_id in blank or tells(statement):
            blank.add(change_id)
            if statement:
                values = (FORGOTTEN, change_id)
                conn.execute("UPDATE changes SET statement = ? WHERE id = ?", values)
    for row, error in conn.execute("SELECT rowid, error FROM pending WHERE error <> ''").fetchall():
        if tells(error):
            conn.execute("UPDATE pending SET error = '' WHERE rowid = ?", (row,))
    return tuple(sorted(blank))


def _teller(
    conn: sqlite3.Connection, gone: Sequence[Turn], traces: Traces
) -> Callable[[str], bool]:
    """Whether a text tells what was said in turns and facts that are no longer there.

    The words of SQL, and those that every cause holds, do not.
    """
    said = [turn.text for turn in gone] + list(traces.values)
    named = {turn.speaker for turn in gone}
    every = {word for text in [*said, *named, *traces.names] for word in words(text)}
    unique = {word for word in every - _ANYBODYS if not _is_held(conn, word)}
    for (name,) in conn.execute("SELECT name FROM speakers"):
        unique.difference_update(words(name))
    runs: dict[str, list[list[str]]] = {}
    for run in map(words, said):
        if len(run) > 1:
            runs.setdefault(run[0], []).append(run)
    marks = [text for text in said if not words(text)]

    def tells(text: str) -> bool:
        found = words(text)
        return (
            not unique.isdisjoint(found)
            or any(
                found[n : n + len(run)] == run
                for n, word in enumerate(found)
                for run in runs.get(word, ())
            )
            or any(mark in text for mark in marks)
        )

    return tells


def _is_held(conn: sqlite3.Connection, word: str) -> bool:
    return any(
        conn.execute(
            f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT 1", (f'"{word}"',)
        ).fetchone()
        for table in ("turns_words", "facts_words")
    )


def take_columns(conn: sqlite3.Connection, gone: Sequence[Turn], embed: Embed) -> None:
    """Remove the columns of turns that are gone, and make those of their successors anew.

    A vector holds some of its predecessor's in the session, and so of all before it. An embedder
    asked over the network is not asked here: all turns from the first successor on wait for it.
    """
    made = vectors.recorded_embedder(conn)
    if made is None:
        return
    vectors.record_embedder(
        conn, made.name, made.width
    )  # who holds an index in memory reads it again
    ended = search_tables.last_with_columns(conn)
    firsts: dict[str, int] = {}
    for turn in gone:
        if turn.id <= ended:
            firsts.setdefault(turn.session, turn.id)
    if not firsts:
        return
    before = {name: _next(conn, name, first, "max", "<") for name, first in firsts.items()}
    start = min(before[name] or first for name, first in firsts.items())
    rows, eight_bit = _taken_out(conn, start)
    keep = ~np.isin(rows["id"], [turn.id for turn in gone])
    if isinstance(load_embedder(made.name), Hosted):
        after = [_next(conn, name, first, "min", ">") for name, first in firsts.items()]
        keep &= rows["id"] < min((turn_id for turn_id in after if turn_id), default=ended + 1)
    else:
        tails = {}
        for name, turn_id in before.items():
            if turn_id:
                place = int(np.searchsorted(rows["id"], turn_id))
                tails[name] = (int(rows["session"][place]), turn_id, eight_bit[place].copy())
        speakers = dict(conn.execute("SELECT name, id FROM speakers"))
        for some in _successors(conn, firsts, ended):
            places = np.searchsorted(rows["id"], [turn.id for turn in some])
            made_anew = embed([turn.text for turn in some], made)
            rows[places], eight_bit[places] = describe_turns(some, made_anew, tails, speakers)
    _put_back(conn, rows[keep], eight_bit[keep])


def _next(
    conn: sqlite3.Connection, session: str, turn_id: int, which: str, beyond: str
) -> int | None:
    """The nearest turn of a session that is left before or after one."""
    (found,) = conn.execute(
        f"SELECT {which}(id) FROM turns WHERE session = ? AND id {beyond} ?", (session, turn_id)
    ).fetchone()
    return None if found is None else int(found)


def _successors(
    conn: sqlite3.Connection, firsts: dict[str, int], ended: int
) -> Iterable[list[Turn]]:
    """The turns with columns after the first that is gone in each session, a block at a time."""
    for session, first in firsts.items():
        found = conn.execute(
            "SELECT speaker, text, session, said_at, source, kind, id FROM turns"
            " WHERE session = ? AND id BETWEEN ? AND ? ORDER BY id",
            (session, first, ended),
        )
        while some := found.fetchmany(search_tables.BLOCK):
            yield [Turn(*row) for row in some]


def _taken_out(conn: sqlite3.Connection, start: int) -> tuple[NDArray[np.void], NDArray[np.int8]]:
    """Columns and vectors of the block that holds a turn, and of all after it; they go."""
    blocks = conn.execute(
        "SELECT first_turn, columns FROM blocks WHERE last_turn >= ? ORDER BY first_turn", (start,)
    ).fetchall()
    recent = conn.execute("SELECT columns, vector FROM recent ORDER BY turn_id").fetchall()
    first = blocks[0][0] if blocks else 2**62
    pieces = conn.execute(
        "SELECT vectors FROM pieces WHERE first_turn >= ? ORDER BY first_turn", (first,)
    ).fetchall()
    columns = b"".join([block[1] for block in blocks] + [row[0] for row in recent])
    eight_bit = b"".join([piece[0] for piece in pieces] + [row[1] for row in recent])
    rows = np.frombuffer(bytearray(columns), TURN_DTYPE)
    for table in ("blocks", "pieces"):
        conn.execute(f"DELETE FROM {table} WHERE first_turn >= ?", (first,))
    conn.execute("DELETE FROM recent")
    return rows, np.frombuffer(bytearray(eight_bit), np.int8).reshape(len(rows), -1)


def _put_back(
    conn: sqlite3.Connection, rows: NDArray[np.void], eight_bit: NDArray[np.int8]
) -> None:
    conn.executemany(
        "INSERT INTO recent VALUES (?, ?, ?)",
        [
            (turn_id, row.tobytes(), vector.tobytes())
            for turn_id, row, vector in zip(rows["id"].tolist(), rows, eight_bit, strict=True)
        ],
    )
    search_tables.put_columns(
        conn, [], np.zeros((0, eight_bit.shape[1]), np.float32)
    )  # blocks of them
