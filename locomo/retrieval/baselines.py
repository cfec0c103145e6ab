"""Two textbook rankings to compare others with: SQLite's FTS5, and a cosine."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory import Turn


def said(turn: Turn) -> str:
    """What a turn is to a system that stores texts."""
    return f"{turn.speaker}: {turn.text}"


class FullText:
    """SQLite's FTS5: stemmed words joined by OR, by bm25. Turns are named by their place."""

    def __init__(self, file: str = ":memory:") -> None:
        self._db = sqlite3.connect(file)
        self._db.execute("CREATE VIRTUAL TABLE turns USING fts5(text, tokenize='porter unicode61')")
        self._count = 0

    def add(self, turns: Sequence[Turn]) -> list[str]:
        with self._db:
            rows = [(n, said(turn)) for n, turn in enumerate(turns, self._count)]
            self._db.executemany("INSERT INTO turns (rowid, text) VALUES (?, ?)", rows)
        self._count += len(rows)
        return [str(n) for n, _ in rows]

    def search(self, text: str, k: int) -> list[str]:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        sql = "SELECT rowid FROM turns WHERE turns MATCH ? ORDER BY bm25(turns) LIMIT ?"
        return [str(n) for (n,) in self._db.execute(sql, (words, k))] if words else []

    def close(self) -> None:
        self._db.close()


class Cosine:
    """An embedder's vectors, which have length 1, by their cosine: what a vector database does."""

    def __init__(self, embed: Callable[[Sequence[str]], NDArray[Any]]) -> None:
        self._embed = embed
        self._vectors: NDArray[Any] = np.empty((0, 0))

    def add(self, turns: Sequence[Turn]) -> list[str]:
        first, vectors = len(self._vectors), self._embed([said(turn) for turn in turns])
        self._vectors = np.vstack([self._vectors, vectors]) if first else vectors
        return [str(n) for n in range(first, len(self._vectors))]

    def search(self, text: str, k: int) -> list[str]:
        similarity = self._vectors @ self._embed([text])[0]
        return [str(n) for n in np.argsort(-similarity, kind="stable")[:k]]

    def close(self) -> None:
        """Nothing to release."""
