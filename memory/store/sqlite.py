"""A namespace in one SQLite file."""

import logging
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from memory import search, sql
from memory.budget import first_lines
from memory.embed import PACKAGED, Embedder, Hosted, Local, Packaged, load_embedder
from memory.errors import InputError, Stop, StoreError
from memory.model import Change, Hit, Pending, Rows, Turn
from memory.store import journal, lookup, vectors, walls
from memory.store.intake import acceptable
from memory.store.migrations import connect, storage_errors

MAX_ROWS = 200
READ_SECONDS = 2.0
EMBEDDER_REST_S = 60.0
WRITE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SqliteStore:
    """The Store protocol over one file: WAL, one writer at a time, every commit on disk.

    Its connections: one of ours, and one that models read through (read-only, behind the walls
    of `walls`). Raises StoreError for whatever the file system or SQLite cannot do.
    """

    def __init__(self, path: Path, read_only: bool = False, embedder: str | None = None) -> None:
        self.path = path
        self._read_only = read_only
        self._retry_at = 0.0  # when `add` asks an embedder that failed again (monotonic seconds)
        self._wanted = embedder
        self._embedder: Embedder | None = load_embedder(embedder) if embedder else None
        self._me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._claimed: set[tuple[int, int] | None] = set()
        self._index = search.Index()
        self._indexed: vectors.Recorded | None = None  # whose vectors the index holds
        self._reader: sqlite3.Connection | None = None
        with storage_errors(path):
            self._conn = connect(path, read_only)
            try:
                if read_only:
                    vectors.refuse_older(self._conn, path)
                else:
                    vectors.describe_older(self._conn, self._transaction)
                vectors.refuse_other_name(vectors.recorded(self._conn), embedder, path)
            except BaseException:
                self._conn.close()
                raise

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
        ids: list[int] = []
        while clean and not ids:
            made = self._recorded()
            waits = isinstance(self._load(made), Hosted)
            rows = None if waits else self._embed([turn.text for turn in clean], made)
            with self._transaction() as conn:
                if vectors.recorded(conn) == made:  # else others were faster: once more
                    ids = self._put(conn, clean, rows, made)
        if time.monotonic() >= self._retry_at:  # a chat does not wait for each retry in an outage
            self._embed_waiting()
        return ids

    def _put(
        self,
        conn: sqlite3.Connection,
        clean: Sequence[Turn],
        rows: NDArray[np.float32] | None,
        made: vectors.Recorded | None,
    ) -> list[int]:
        if made is None:
            vectors.record(conn, self.embedder, 0 if rows is None else rows.shape[1])
        (last,) = conn.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'turns'"
        ).fetchone()
        numbered = [replace(turn, id=n) for n, turn in enumerate(clean, last + 1)]
        conn.executemany(
            "INSERT INTO turns (id, kind, session, speaker, text, said_at, source)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(t.id, t.kind, t.session, t.speaker, t.text, t.said_at, t.source) for t in numbered],
        )
        lookup.put_words(conn, numbered)
        if rows is not None:
            lookup.put_columns(conn, numbered, rows)
        return [turn.id for turn in numbered]

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""
        found = self.turns(turn_id, turn_id)
        if not found:
            raise InputError(f"there is no turn {turn_id} in {self.path.name}")
        return found[0]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """The turns with ids from first to last (inclusive; None: to the end), in order."""
        with storage_errors(self.path):
            return lookup.turns(self._conn, first, 2**62 if last is None else last)

    # ---------------------------------------------------------------- search

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first."""
        self._embed_waiting()
        with self._transaction("DEFERRED") as conn:  # all that is read is of one moment
            if (made := vectors.recorded(conn)) is None:
                return []
            if made != self._indexed:
                self._index, self._indexed = search.Index(), made
            lookup.extend(conn, self._index)
            if lookup.extend_waiting(conn, self._index, made.width or 1):
                self._indexed = None
            query = self._index.query(text)
            [vector] = self._embed([query.plain], made)
            if not made.width:  # no turn has a vector
                vector = np.zeros(1, np.float32)
            return self._index.rank(query, vector, lookup.held(conn, query), k)

    # ---------------------------------------------------------------- vectors

    @property
    def embedder(self) -> str:
        """The name of the embedder that makes this memory's vectors."""
        made = self._recorded()
        return made.name if made else self._wanted or PACKAGED

    def to_embed(self, embedder: str) -> tuple[int, int]:
        """How many turns `reembed` would embed, and the bytes of their text."""
        with storage_errors(self.path):
            return vectors.to_embed(self._conn, embedder)

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        """Make the vectors of all turns anew by another embedder."""
        loaded, tell = load_embedder(embedder), progress or (lambda turns: None)
        with storage_errors(self.path):
            vectors.reembed(self._conn, self._transaction, loaded, batch, tell)
        self._wanted = None

    def _recorded(self) -> vectors.Recorded | None:
        with storage_errors(self.path):
            return vectors.recorded(self._conn)

    def _embed_waiting(self) -> None:
        """Embed the turns that wait for it; what prevents it is logged, once until it works again.

        Nothing is raised: the turns are stored, whatever happens to their vectors.
        """
        if self._read_only or isinstance(self._embedder, (Packaged, Local)):
            return
        try:
            with storage_errors(self.path):
                vectors.embed_waiting(self._conn, self._transaction, self._embed)
            self._retry_at = 0.0
        except Stop as error:
            if not self._retry_at:
                last = lookup.last_with_columns(self._conn)
                [(count,)] = self._select("SELECT count(*) FROM turns WHERE id > ?", (last,))
                _log.warning("%s: %d turns wait for their vectors: %s", self.path, count, error)
            self._retry_at = time.monotonic() + EMBEDDER_REST_S

    def _load(self, made: vectors.Recorded | None) -> Embedder:
        """The recorded embedder, the one asked for when there is none yet."""
        vectors.refuse_other_name(made, self._wanted, self.path)
        name = made.name if made else self._wanted or PACKAGED
        if self._embedder is None or self._embedder.name != name:
            self._embedder = load_embedder(name)
        return self._embedder

    def _embed(self, texts: Sequence[str], made: vectors.Recorded | None) -> NDArray[np.float32]:
        rows = self._load(made)(texts)
        if made and not rows.shape[1]:  # nothing but blanks
            return np.zeros((len(texts), made.width), np.float32)
        if made:
            vectors.refuse_other_width(made, rows.shape[1], self.path)
        return rows

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
            change = journal.begin(conn, cause, ";\n".join(statements), window)
            for statement in statements:
                walls.change_facts(conn, statement, WRITE_SECONDS)
            journal.check(conn, change, window)
            if window:
                conn.execute("DELETE FROM pending WHERE first_turn = ? AND last_turn = ?", window)
            stored = journal.change(conn, change)
        self._claimed.discard(window)
        return stored

    def undo(self, change_id: int) -> Change:
        """Take a change back; the change that did so is returned and can be undone itself."""
        with self._transaction() as conn:
            return journal.change(conn, journal.undo(conn, change_id))

    def changes(self) -> list[Change]:
        """The journal, oldest first."""
        with storage_errors(self.path):
            return journal.changes(self._conn)

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
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing, whatever is raised inside."""
        with storage_errors(self.path):
            self._conn.execute(f"BEGIN {kind}")
            try:
                yield self._conn
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise


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
