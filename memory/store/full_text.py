"""The words of turns and facts in SQLite: full-text tables (FTS5), which take off English endings.

The triggers on `facts` keep the words of facts (migrations/0002_lookup.sql).
"""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.embed import related
from memory.records import Turn
from memory.search.kind_examples import examples_of_kind
from memory.search.question import Query
from memory.search.ranking import MAX_EXACT, MAX_RELATED, WordMatches
from memory.search.words import words

# One group_concat instead of a row for each turn: 90 ns a turn (docs/decisions.md, 13).
_TURNS_HOLDING = (
    "SELECT group_concat(rowid, ' ') FROM (SELECT rowid FROM turns_words"
    " WHERE turns_words MATCH ?{within} ORDER BY rowid DESC LIMIT ?)"
)
_TURNS_WITHIN = " AND rowid BETWEEN ? AND ?"
_FACTS_HOLDING = (
    "SELECT group_concat(turn_id, ' ') FROM (SELECT turn_id FROM facts_words"
    " JOIN facts ON id = facts_words.rowid WHERE facts_words MATCH ?{within}"
    " ORDER BY facts_words.rowid DESC LIMIT ?)"
)
_FACTS_WITHIN = " AND +turn_id BETWEEN ? AND ?"  # +: by the words, not by the index of turn_id


class FullText:
    """The words of turns and facts in full-text tables; see `WordIndex`."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def put_turns(self, turns: Sequence[Turn]) -> None:
        self._conn.executemany(
            "INSERT INTO turns_words (rowid, words) VALUES (?, ?)",
            [(turn.id, " ".join(words(turn.text))) for turn in turns],
        )

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        # The index is contentless: it cannot know which words a row had, so it is given them again.
        self._conn.executemany(
            "INSERT INTO turns_words (turns_words, rowid, words) VALUES ('delete', ?, ?)",
            [(turn.id, " ".join(words(turn.text))) for turn in turns],
        )

    def matches(self, query: Query, turn_ids: tuple[int, int] | None = None) -> list[WordMatches]:
        """Each word is asked for by itself, as the ranking lets each saturate by itself."""
        (has_facts,) = self._conn.execute("SELECT EXISTS (SELECT 1 FROM facts)").fetchone()
        statements = [_TURNS_HOLDING.format(within=_TURNS_WITHIN if turn_ids else "")]
        if has_facts:
            statements.append(_FACTS_HOLDING.format(within=_FACTS_WITHIN if turn_ids else ""))
        bounds = turn_ids or ()

        def turns_holding(any_of: Sequence[str], limit: int) -> NDArray[np.int64]:
            if not any_of:
                return np.zeros(0, np.int64)
            match = " OR ".join(f'"{word}"' for word in any_of)
            lists = [
                self._conn.execute(select, (match, *bounds, limit)).fetchone()[0]
                for select in statements
            ]
            ids = np.fromstring(" ".join(filter(None, lists)), np.int64, sep=" ")
            return np.unique(ids) if has_facts else ids  # turns that facts name, too

        return [
            WordMatches(
                exact=turns_holding([word], MAX_EXACT),
                related=turns_holding(related(word), MAX_RELATED),
                examples=turns_holding(examples_of_kind(word), MAX_RELATED),
            )
            for word in query.words
        ]

    def holds(self, word: str) -> bool:
        return any(
            self._conn.execute(
                f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT 1", (f'"{word}"',)
            ).fetchone()
            for table in ("turns_words", "facts_words")
        )
