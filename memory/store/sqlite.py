"""A namespace in one SQLite file."""

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from memory import embed, search, sql
from memory.budget import first_lines
from memory.errors import InputError, SqlError, StoreError
from memory.model import Change, Hit, Pending, Rows, Turn
from memory.store import walls
from memory.store.intake import acceptable
from memory.store.migrations import connect, storage_errors

MAX_ROWS = 200
MAX_FACTS_CHANGED = 1000
READ_SECONDS = 2.0
WRITE_SECONDS = 5.0
_FULL_TEXT_HITS = 2000
_TURN = "id, kind, session, speaker, text, said_at, source"
_CHANGE = (
    "id, at, cause, statement, undone_at, first_turn, last_turn,"
    " (SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = changes.id)"
)
_FACT = "(id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at)"


class SqliteStore:
    """The Store protocol over one file: WAL, one writer at a time, every commit on disk.

    Its connections: one of ours, and one that models read through (read-only, behind the walls
    of `walls`). Raises StoreError for whatever the file system or SQLite cannot do.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._claimed: set[tuple[int, int] | None] = set()
        self._index = search.Index()
        self._reader: sqlite3.Connection | None = None
        with storage_errors(path):
            self._conn = connect(path, read_only)

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        for conn in (self._reader, self._conn):
            if conn is not None:
                conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---------------------------------------------------------------- turns

    def add(self, turns: Sequence[Turn]) -> list[int]:
        """Store turns in one transaction and return their ids; on disk on return."""
        clean = [acceptable(turn, number) for number, turn in enumerate(turns, 1)]
        vectors = embed.embed([turn.text for turn in clean])
        ids: list[int] = []
        with self._transaction() as conn:
            for turn, vector in zip(clean, vectors, strict=True):
                cursor = conn.execute(
                    "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (turn.kind, turn.session, turn.speaker, turn.text, turn.said_at, turn.source),
                )
                assert cursor.lastrowid is not None
                ids.append(cursor.lastrowid)
                conn.execute("INSERT INTO turn_vectors VALUES (?, ?)", (ids[-1], vector.tobytes()))
        return ids

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""
        found = self.turns(turn_id, turn_id)
        if not found:
            raise InputError(f"there is no turn {turn_id} in {self.path.name}")
        return found[0]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """The turns with ids from first to last (inclusive; None: to the end), in order."""
        end = 2**62 if last is None else last
        where = f"SELECT {_TURN} FROM turns WHERE id BETWEEN ? AND ? ORDER BY id"
        return [_turn(row) for row in self._select(where, (first, end))]

    # ---------------------------------------------------------------- search

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first."""
        self._extend_index()
        query = self._index.query(text)
        [vector] = embed.embed([query.plain])
        word_scores = [self._full_text(word) for word in query.words]
        return self._index.rank(query, vector, word_scores, k)

    def _extend_index(self) -> None:
        """Bring the turns that were added since the last search into the index."""
        added = self._select(
            f"SELECT {_TURN}, vector FROM turns JOIN turn_vectors ON turn_id = id"
            " WHERE id > ? ORDER BY id",
            (self._index.last_id,),
        )
        if added:
            vectors = np.frombuffer(b"".join(row[7] for row in added), dtype=np.float32)
            self._index.extend([_turn(row) for row in added], vectors.reshape(len(added), -1))

    def _full_text(self, word: str) -> dict[int, float]:
        """BM25 of the turns that hold a word, or that a fact with this word points at."""
        match = '"' + word.replace('"', '""') + '"'
        scores: dict[int, float] = {}
        for query in (
            "SELECT turn_id, -rank FROM facts_fts JOIN facts ON id = facts_fts.rowid"
            " WHERE facts_fts MATCH ? ORDER BY rank LIMIT ?",
            "SELECT rowid, -rank FROM turns_fts WHERE turns_fts MATCH ? ORDER BY rank LIMIT ?",
        ):
            for turn_id, score in self._select(query, (match, _FULL_TEXT_HITS)):
                scores[turn_id] = max(score, scores.get(turn_id, 0.0))
        return scores

    # ---------------------------------------------------------------- what a model may do

    def read(self, sql_text: str) -> Rows:
        """Run one SELECT that a model may write. Raises SqlError: refused, wrong or too slow."""
        statement = sql.read_statement(
            sql_text, lambda text, k: [(h.turn_id, h.score) for h in self.search(text, k)]
        )
        if self._reader is None:
            with storage_errors(self.path):
                self._reader = walls.open_reader(self.path)
        return walls.select(self._reader, statement, MAX_ROWS, READ_SECONDS)

    def write(self, sql_text: str, cause: str, window: tuple[int, int] | None = None) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change."""
        statements = sql.write_statements(sql_text)
        with self._transaction() as conn:
            self._refuse_lost_claim(conn, window)
            change = self._begin_change(conn, cause, ";\n".join(statements), window)
            for statement in statements:
                walls.change_facts(conn, statement, WRITE_SECONDS)
            _check_change(conn, change, window)
            if window:
                conn.execute("DELETE FROM pending WHERE first_turn = ? AND last_turn = ?", window)
            stored = self._change(change)
        self._claimed.discard(window)
        return stored

    def undo(self, change_id: int) -> Change:
        """Take a change back; the change that did so is returned and can be undone itself."""
        with self._transaction() as conn:
            target = self._change(change_id)
            if target.undone_at:
                raise InputError(f"change {change_id} was undone at {target.undone_at}")
            log = conn.execute(
                "SELECT fact_id, before, after FROM facts_log WHERE change_id = ? ORDER BY id DESC",
                (change_id,),
            ).fetchall()
            change = self._begin_change(conn, f"undo {change_id}", "", undoes=change_id)
            for fact_id, before, after in log:
                _refuse_if_changed_since(conn, change_id, fact_id, after)
                if after is not None:
                    conn.execute("DELETE FROM facts WHERE id = ?", (fact_id,))
                if before is not None:
                    conn.execute(
                        f"INSERT INTO facts {_FACT} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        json.loads(before),
                    )
            conn.execute("UPDATE changes SET undone_at = ? WHERE id = ?", (_now(), change_id))
            # Undoing an undo puts the first change back in force.
            conn.execute(
                "UPDATE changes SET undone_at = NULL"
                " WHERE id = (SELECT undoes FROM changes WHERE id = ?)",
                (change_id,),
            )
            return self._change(change)

    def changes(self) -> list[Change]:
        """The journal, oldest first."""
        return [
            _to_change(row) for row in self._select(f"SELECT {_CHANGE} FROM changes ORDER BY id")
        ]

    def _change(self, change_id: int) -> Change:
        rows = self._select(f"SELECT {_CHANGE} FROM changes WHERE id = ?", (change_id,))
        if not rows:
            raise InputError(f"there is no change {change_id} in {self.path.name}")
        return _to_change(rows[0])

    @staticmethod
    def _begin_change(
        conn: sqlite3.Connection,
        cause: str,
        statement: str,
        window: tuple[int, int] | None = None,
        undoes: int | None = None,
    ) -> int:
        first, last = window or (None, None)
        cursor = conn.execute(
            "INSERT INTO changes (at, cause, statement, undoes, first_turn, last_turn)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (_now(), cause, statement, undoes, first, last),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    # ---------------------------------------------------------------- windows

    def claim(self, size: int, lease_s: float = 600.0) -> tuple[int, int] | None:
        """The next undigested window of at most `size` turns, kept from others for `lease_s`."""
        with self._transaction() as conn:
            ids = conn.execute(
                "SELECT id FROM turns WHERE id > max("
                " (SELECT coalesce(max(last_turn), 0) FROM changes),"
                " (SELECT coalesce(max(last_turn), 0) FROM pending)) ORDER BY id LIMIT ?",
                (size,),
            ).fetchall()
            if not ids:
                return None
            window = (ids[0][0], ids[-1][0])
            conn.execute(
                "INSERT INTO pending VALUES (?, ?, '', 0, ?, ?)",
                (*window, self._me, time.time() + lease_s),
            )
        self._claimed.add(window)
        return window

    def reclaim(self, window: tuple[int, int], lease_s: float = 600.0) -> bool:
        """Take over a pending window; False when it is stored by now or somebody works on it."""
        with self._transaction() as conn:
            row = conn.execute(
                "SELECT claimed_by, claimed_until FROM pending"
                " WHERE first_turn = ? AND last_turn = ?",
                window,
            ).fetchone()
            if row is None or (row[1] > time.time() and _lives(row[0])):
                return False
            conn.execute(
                "UPDATE pending SET claimed_by = ?, claimed_until = ?"
                " WHERE first_turn = ? AND last_turn = ?",
                (self._me, time.time() + lease_s, *window),
            )
        self._claimed.add(window)
        return True

    def fail(self, window: tuple[int, int], error: str, attempted: bool = True) -> None:
        """Give a claimed window back to `pending` with the reason; it can be claimed again."""
        with self._transaction() as conn:
            conn.execute(
                "UPDATE pending SET error = ?, attempts = attempts + ?, claimed_until = 0"
                " WHERE first_turn = ? AND last_turn = ? AND claimed_by = ?",
                (error, attempted, *window, self._me),
            )
        self._claimed.discard(window)

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""
        rows = self._select(
            "SELECT first_turn, last_turn, error, attempts FROM pending ORDER BY first_turn"
        )
        return [Pending(*row) for row in rows]

    def _refuse_lost_claim(self, conn: sqlite3.Connection, window: tuple[int, int] | None) -> None:
        """A claimed window that another process took over must not be stored twice."""
        if window is None or window not in self._claimed:
            return
        row = conn.execute(
            "SELECT claimed_by FROM pending WHERE first_turn = ? AND last_turn = ?", window
        ).fetchone()
        if row is None or row[0] != self._me:
            raise StoreError(f"turns {window} took too long: another process stores them")

    # ---------------------------------------------------------------- catalog

    def catalog(self, tokens: int) -> str:
        """Speakers, dates and sessions, then subjects with their commonest attributes."""
        turns, sessions, first, last = self._select(
            "SELECT count(*), count(DISTINCT session), min(said_at) FILTER (WHERE dated),"
            " max(said_at) FILTER (WHERE dated)"
            " FROM (SELECT session, said_at, said_at GLOB '[12][0-9][0-9][0-9]*' AS dated"
            " FROM turns)"
        )[0]
        speakers = self._select(
            "SELECT speaker, count(*) FROM turns GROUP BY speaker ORDER BY 2 DESC, 1 LIMIT 20"
        )
        lines = [
            f"turns: {turns} in {sessions} sessions, {first or 'no date'} to {last or 'no date'}",
            "speakers: " + ", ".join(f"{name}({n})" for name, n in speakers),
        ]
        attributes: dict[str, list[str]] = {}
        for subject, attribute, n in self._select(
            "SELECT subject, attribute, count(*) FROM facts GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        ):
            attributes.setdefault(subject, []).append(f"{attribute}({n})")
        lines += [f"facts of {subject}: " + ", ".join(a) for subject, a in attributes.items()]
        return first_lines(lines, tokens)

    # ---------------------------------------------------------------- connection

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with storage_errors(self.path):
            return self._conn.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing, whatever is raised inside."""
        with storage_errors(self.path):
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                yield self._conn
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise


def _check_change(conn: sqlite3.Connection, change: int, window: tuple[int, int] | None) -> None:
    """A change is not huge, and its new facts lie in the window shown."""
    (facts,) = conn.execute(
        "SELECT count(DISTINCT fact_id) FROM facts_log WHERE change_id = ?", (change,)
    ).fetchone()
    if facts > MAX_FACTS_CHANGED:
        raise SqlError(f"this would change {facts} facts; narrow it with WHERE")
    named = conn.execute(
        "SELECT DISTINCT json_extract(after, '$[6]') FROM facts_log WHERE change_id = ?"
        " AND after IS NOT NULL"
        " AND json_extract(after, '$[6]') IS NOT json_extract(before, '$[6]')",
        (change,),
    ).fetchall()
    for (turn_id,) in named:
        if window and not window[0] <= turn_id <= window[1]:
            raise SqlError(
                f"turn_id {turn_id} is not one of the turns shown; use the number in brackets,"
                f" {window[0]} to {window[1]}"
            )


def _refuse_if_changed_since(
    conn: sqlite3.Connection, change_id: int, fact_id: int, after: str | None
) -> None:
    row = conn.execute(
        "SELECT json_array(id, subject, attribute, value, happened_on, ended_on, turn_id,"
        " recorded_at) FROM facts WHERE id = ?",
        (fact_id,),
    ).fetchone()
    if (row[0] if row else None) != after:
        later = conn.execute(
            "SELECT change_id FROM facts_log WHERE fact_id = ? ORDER BY id DESC", (fact_id,)
        ).fetchone()
        raise InputError(
            f"change {change_id} cannot be undone: change {later[0]} rests on its fact {fact_id};"
            f" undo {later[0]} first"
        )


def _turn(row: tuple[Any, ...]) -> Turn:
    turn_id, kind, session, speaker, text, said_at, source = row[:7]
    return Turn(speaker, text, session, said_at, source, kind, turn_id)


def _to_change(row: tuple[Any, ...]) -> Change:
    number, at, cause, statement, undone_at, first, last, facts = row
    window = None if first is None else (first, last)
    return Change(number, at, cause, statement, facts, undone_at, window)


def _lives(claimant: str) -> bool:
    """Whether the process behind a claim may still be at work (unknown on another machine)."""
    host, pid, _ = claimant.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
