"""Connections to one file for threads that read at the same time."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from memory.store.fair_lock import Places

MOST = 16  # in use at a time; each has three open files
MOST_SPARE = 4  # kept open for the next

_Connection = TypeVar("_Connection", bound=sqlite3.Connection)


class SpareConnections(Generic[_Connection]):
    """Makes a connection for each block that needs one, and keeps some for later blocks."""

    def __init__(self, connect: Callable[[], _Connection]) -> None:
        self._connect = connect
        self._places = Places(MOST)
        self._lock = Lock()
        self._spare: list[_Connection] = []
        self._is_closed = False

    @contextmanager
    def one(self) -> Iterator[_Connection]:
        """A connection for this block alone. Raises SQLite's error if it cannot be made."""
        with self._places.one():
            with self._lock:
                conn = self._spare.pop() if self._spare else None
            conn = conn or self._connect()
            try:
                yield conn
            finally:
                self._keep(conn)

    def _keep(self, conn: _Connection) -> None:
        with self._lock:
            if not (self._is_closed or conn.in_transaction) and len(self._spare) < MOST_SPARE:
                self._spare.append(conn)
                return
        conn.close()

    def close(self) -> None:
        """Close the unused connections; the others are closed when they come back."""
        with self._lock:
            self._is_closed = True
            spare, self._spare = self._spare, []
        for conn in spare:
            conn.close()
